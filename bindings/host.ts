// Everything that differs between hosts (Node, Bun, Deno, pages, workers).
//
// Host functions are taken once, at load: a test that installs fake timers, or a page that
// replaces setTimeout, does not change the loop under a runtime that already lives.

import { FanOut } from "./fan-out.ts";

interface ProcessLike {
  versions?: Record<string, string>;
  release?: { name?: string };
  execArgv?: string[];
  env?: Record<string, string | undefined>;
  binding?: (name: string) => unknown;
  getBuiltinModule?: (name: string) => unknown;
  hrtime?: () => [seconds: number, nanos: number];
  on(event: string, listener: (...args: never[]) => void): void;
  off(event: string, listener: (...args: never[]) => void): void;
}
interface TimerHandle {
  ref?(): void;
  unref?(): void;
}
/** The part of AsyncLocalStorage that is used here. */
export interface AsyncContext<S> {
  run<R>(store: S | undefined, fn: () => R): R;
  enterWith(store: S | undefined): void;
  getStore(): S | undefined;
}
interface HostGlobals {
  process?: ProcessLike;
  setImmediate?: (fn: () => void) => TimerHandle;
  scheduler?: { yield?: () => Promise<void>; postTask?: (fn: () => void, options: { priority: string }) => Promise<unknown> };
  document?: unknown;
  WorkerGlobalScope?: unknown;
  ServiceWorkerGlobalScope?: unknown;
  requestAnimationFrame?: (fn: () => void) => number;
  console?: { error(text: string): void };
  reportError?: (error: unknown) => void;
  navigator?: { hardwareConcurrency?: number };
}

const globals = globalThis as unknown as HostGlobals;
const nodeProcess: ProcessLike | undefined =
  globals.process?.versions?.node !== undefined ? globals.process : undefined;

/** A built-in module of Node, Bun or Deno; undefined in pages and their workers. */
export function builtinModule<M>(name: string): M | undefined {
  return nodeProcess?.getBuiltinModule?.(name) as M | undefined;
}

/** The major version of Node itself; 0 elsewhere, also in hosts that imitate it. */
export const nodeMajor: number =
  nodeProcess?.release?.name === "node" && nodeProcess.versions?.bun === undefined && nodeProcess.versions?.deno === undefined
    ? Number.parseInt(nodeProcess.versions?.node ?? "0", 10)
    : 0;

/**
 * A part of Node's own inside, for `nodeMajor` releases that are known to have it. Undefined under Node's permission
 * model, and where looking would print a deprecation.
 */
export function internalBinding<B>(name: string): B | undefined {
  const { execArgv = [], env = {} } = nodeProcess ?? {};
  const asksForWarnings = "--pending-deprecation";
  if (env.NODE_PENDING_DEPRECATION === "1" || execArgv.includes(asksForWarnings) || env.NODE_OPTIONS?.includes(asksForWarnings)) return undefined;
  try {
    return nodeProcess?.binding?.(name) as B | undefined;
  } catch {
    return undefined;
  }
}

/** Whether compiled Wasm modules can be posted to workers, as far as has been tried. */
export const mayPostModules: boolean = nodeMajor > 0;

/** True in a page's own thread, which draws frames and must not be held for long. */
export const isPage: boolean = globals.document !== undefined && nodeProcess === undefined;

const isServiceWorker: boolean = globals.ServiceWorkerGlobalScope !== undefined && nodeProcess === undefined;

/** Whether this thread may wait for a time: a server's threads and a page's workers may, a page and a service worker may not. */
export const mayPark: boolean = !isPage && !isServiceWorker;

/** Whether it may wait for other threads, too: that takes memory that can be posted to them. */
export const mayBlock: boolean = mayPark && typeof SharedArrayBuffer === "function";

/** Milliseconds since the process (or page) started; monotonic, with fractions. */
export function monotonicNow(): number {
  const now = readClock() + clockShift;
  if (now >= lastNow) return (lastNow = now);
  clockShift += lastNow - now;                             // it jumped back: time goes on from where it was
  return lastNow;
}

const readClock: () => number = chooseClock();
let lastNow = 0;
let clockShift = 0;

/**
 * In Node not `performance.now()`, whose first use loads five modules, 0.7 ms in every thread, and which is no quicker; but from the same
 * start, which an event's time stamp tells.
 */
function chooseClock(): () => number {
  const hrtime = nodeMajor > 0 ? nodeProcess?.hrtime : undefined;
  if (hrtime === undefined) return performance.now.bind(performance);
  const before = new Event("").timeStamp;
  const [seconds, nanos] = hrtime();
  return () => {
    const now = hrtime();
    return (now[0] - seconds) * 1000 + (now[1] - nanos) / 1e6 + before;
  };
}

const setTimer = globalThis.setTimeout;
const clearTimer = globalThis.clearTimeout;
/** Longest delay a host timer takes (2^31 - 1 ms); longer ones would fire at once. */
const MAX_HOST_DELAY = 0x7fffffff;

export type HostTimer = ReturnType<typeof setTimeout>;

export function startTimer(fn: () => void, delayMs: number): HostTimer {
  return setTimer(fn, delayMs > MAX_HOST_DELAY ? MAX_HOST_DELAY : delayMs);
}

export function stopTimer(timer: HostTimer): void {
  clearTimer(timer);
}

const resolved: Promise<void> = Promise.resolve();

/** Runs `fn` after the current job. `then` of a settled promise: half the cost of queueMicrotask in Node. */
export function microtask(fn: () => void): void {
  void resolved.then(fn);
}

/** Runs `fn` in a later turn of the host's event loop, after its I/O had a chance. */
export const macrotask: (fn: () => void) => void = chooseMacrotask();

function chooseMacrotask(): (fn: () => void) => void {
  const immediate = globals.setImmediate;
  if (immediate !== undefined) return (fn) => void immediate(fn);
  // Not scheduler.yield() or postTask("user-blocking"): slices of 4 ms on end let Chromium 10 frames a second, no
  // timer and no message through. With messages it is 60 frames and every timer; "user-visible" comes close.
  const channel = new MessageChannel();                    // private: nothing else can post to it
  const queue: (() => void)[] = [];
  channel.port1.onmessage = () => queue.shift()?.();
  return (fn) => {
    queue.push(fn);
    channel.port2.postMessage(0);
  };
}

/** The events of Node's ports, which are no events of the DOM. */
interface NodePort {
  on?: (name: string, listener: (value: never) => void) => void;
}

/**
 * Takes the messages of a port, which is started by this. Not by `onmessage` in Node: that makes an event of each, and loads
 * all of fetch() before the first (20 to 40 ms in every thread).
 */
export function receive<M>(port: MessagePort, take: (message: M) => void, onUnreadable?: () => void): void {
  const { on } = port as NodePort;
  if (on !== undefined) {
    on.call(port, "message", take);
    if (onUnreadable !== undefined) on.call(port, "messageerror", onUnreadable);
    return;
  }
  port.onmessage = (event: MessageEvent<M>) => take(event.data);
  if (onUnreadable !== undefined) port.onmessageerror = onUnreadable;
}

/** Takes a message without a turn of the event loop, where the host can. */
export const receiveNow: ((port: MessagePort) => { message: unknown } | undefined) | undefined =
  builtinModule<{ receiveMessageOnPort(port: MessagePort): { message: unknown } | undefined }>("node:worker_threads")?.receiveMessageOnPort;

/** Whether that takes the oldest one. In Deno 2.9 it overtakes a message that the event loop has taken and not handed over yet. */
export const receivesInOrder: boolean = !("Deno" in globalThis);

/** As receive(), for what is there, without a turn of the event loop. Nothing where the host cannot. */
export function receiveAll<M>(port: MessagePort, take: (message: M) => void, onUnreadable?: () => never): void {
  if (receiveNow === undefined) return;
  for (;;) {
    let got: { message: unknown } | undefined;
    try {
      got = receiveNow(port);
    } catch (error) {
      if (onUnreadable === undefined) throw error;
      onUnreadable();
    }
    if (got === undefined) return;
    take(got.message as M);
  }
}

/** Whether a macrotask runs as soon as the callbacks of one poll of sockets are through (Node, Bun, Deno). */
export const followsPoll: boolean = globals.setImmediate !== undefined;

/** Runs `fn` when this turn of the event loop is over, without keeping the process alive. */
export function atTurnEnd(fn: () => void): void {
  const immediate = globals.setImmediate;
  if (immediate === undefined) macrotask(fn);
  else immediate(fn).unref?.();
}

/** Runs `fn` before the next frame; where there are no frames, in the next turn. */
export function nextFrame(fn: () => void): void {
  const request = globals.requestAnimationFrame;
  if (request === undefined) macrotask(fn);
  else request(fn);
}

/** Calls `fn` when the event loop has run dry, and nothing holds it. Returns how to stop listening. Never called in pages. */
export function onLoopDry(fn: () => void): () => void {
  return nodeProcess === undefined ? () => {} : dryLoops.add("beforeExit", () => {
    if (!isHeld()) fn();
  });
}

/**
 * Asks `holds` each time the event loop has run dry. While it says yes nobody else is told, and it has something under way
 * that keeps the loop alive. There is one at most.
 */
export function holdDryLoop(holds: () => boolean): () => void {
  isHeld = holds;
  const stop = onLoopDry(() => {});
  return () => {
    isHeld = () => false;
    stop();
  };
}

let isHeld = (): boolean => false;

const dryLoops = /* @__PURE__ */ new FanOut<"beforeExit">((name, fire) => nodeProcess!.on(name, fire), (name, fire) => nodeProcess!.off(name, fire));

/** Reports an error nobody asked about, as the host reports an unhandled rejection. */
export function reportUnhandled(error: unknown): void {
  void Promise.reject(error);
}

/** Says on stderr, or the console, that a worker died. */
export function reportDeath(text: string): void {
  try {
    globals.console?.error(text);
  } catch {
    // Tests replace it by what throws. Whoever reports has more to do.
  }
}

/** Lets the process end although this timer is pending. */
export function unrefTimer(timer: HostTimer): void {
  (timer as unknown as TimerHandle).unref?.();
}

/** Keeps the process alive until the returned function is called. Nothing to do in pages. */
export function keepAlive(): () => void {
  if (nodeProcess === undefined) return () => {};
  const timer = setTimer(() => {}, MAX_HOST_DELAY);
  return () => clearTimer(timer);
}

interface WordWaiter {
  waitAsync?(words: Int32Array, index: number, value: number, ms: number): { async: boolean; value: Promise<string> | string };
}

/** Whether a word of shared memory can be waited for without blocking. */
export const canBeNotified: boolean = (Atomics as WordWaiter).waitAsync !== undefined;

/**
 * Calls `fn`, never on the caller's stack, when a word of shared memory is notified, has another value already, or `ms` have passed.
 * False, and nothing more, where the host cannot wait so: the caller looks now and then.
 */
export function whenNotified(words: Int32Array, index: number, value: number, fn: () => void, ms = Infinity): boolean {
  const result = (Atomics as WordWaiter).waitAsync?.(words, index, value, ms);
  if (result === undefined) return false;
  if (result.async) void (result.value as Promise<string>).then(fn);
  else microtask(fn);
  return true;
}

/** Number of processors the host reports, at least 1. */
export function processors(): number {
  const os = builtinModule<{ availableParallelism?: () => number }>("node:os");
  return os?.availableParallelism?.() ?? globals.navigator?.hardwareConcurrency ?? 1;
}

/** Whether `asyncContext()` will find something; false in pages. */
export const hasAsyncContext: boolean = builtinModule("node:async_hooks") !== undefined;

/** A new async context (AsyncLocalStorage), or undefined where the host has none. */
export function asyncContext<S>(): AsyncContext<S> | undefined {
  const hooks = builtinModule<{ AsyncLocalStorage: new () => AsyncContext<S> }>("node:async_hooks");
  return hooks === undefined ? undefined : new hooks.AsyncLocalStorage();
}

interface AsyncResource {
  emitDestroy(): unknown;
  runInAsyncScope(fn: () => void): void;
}

/**
 * Wraps `fn` so that it always runs in the async context of this moment: work that a
 * request wakes must not run in that request's context. To async hooks it is over at once: tools that look
 * for open handles (Jest's) would report it, and it holds nothing.
 */
export function bindContext(fn: () => void): () => void {
  const hooks = builtinModule<{ AsyncResource: new (type: string, options: { requireManualDestroy: boolean }) => AsyncResource }>("node:async_hooks");
  if (hooks === undefined) return fn;
  const resource = new hooks.AsyncResource("tokiwa", { requireManualDestroy: true });
  resource.emitDestroy();
  return () => resource.runInAsyncScope(fn);
}

/**
 * A microtask that is asked for again and again, never twice at once: returns how to ask. `fn` runs in the async context
 * of this moment, like a bound function, for half its price: a reaction that waits already has a context of its own.
 */
export function recurringMicrotask(fn: () => void): () => void {
  if (!hasAsyncContext) return () => microtask(fn);
  let ask!: () => void;
  const capture = (resolve: () => void): void => {
    ask = resolve;
  };
  const run = (): void => {
    wait();
    fn();
  };
  const wait = (): void => void new Promise<void>(capture).then(run);
  wait();
  return () => ask();
}
