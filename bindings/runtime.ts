// Runtime: the public face of a scheduler, and which runtime is current.
//
// Current is, in this order: the one whose drive is on the stack (or whose `enter()` is), the
// one an async function belongs to (where the host has async context), the one that drove last on
// this thread (where it has not), the default one. The default is made at the first use.

import { ContextError, DeadlockError, JoinError, OptionError, WouldBlockError } from "./errors.ts";
import { context, describeFuture, type Future, isFuture, isThenable, type TaskFn } from "./future.ts";
import { hasAsyncContext, isPage, mayBlock, monotonicNow, onLoopDry, startTimer, stopTimer } from "./host.ts";
import { checkDuration, checkFunction, checkInteger, checkOneOf, checkOptions, show } from "./options.ts";
import { shared } from "./registry.ts";
import { Parker } from "./park.ts";
import { CurrentThread, type DriveState, driven, type Lane, type RuntimeMetrics } from "./scheduler/current-thread.ts";
import { Root } from "./scheduler/root.ts";
import { installBlocking } from "./sync/blocking.ts";
import { installDefaultReactor, Lazy } from "./task/lazy.ts";
import { fromPromise } from "./task/promise.ts";
import { currentScope } from "./task/scope.ts";
import { callOf, type CurrentTask, isTask, type JoinHandle, Task, type TaskMeta } from "./task/task.ts";
import { installedThreads, requireThreads, type RuntimeThreads, type ThreadOptions, type WorkerMetrics } from "./workers/seam.ts";
import type { Sendable } from "./workers/sendable.ts";
import type { ResourceLimits } from "./workers/start.ts";

export type Flavor = "current-thread" | "multi-thread";

export interface RuntimeOptions {
  /** Default `"current-thread"`. */
  flavor?: Flavor;
  /** Workers of a multi-thread runtime, 1 to 1024; started on demand. Default: the cores of the host. */
  workerThreads?: number;
  /** Threads for `spawnBlocking()`, 1 to 1024; started on demand. Default: the cores, at least 4. */
  maxBlockingThreads?: number;
  /** Milliseconds an idle blocking thread lives; default 10 000. */
  threadKeepAlive?: number;
  /** What threads are called: a prefix, or a function of the index. */
  threadName?: string | ((index: number) => string);
  /** Starts a worker whose entry calls `expose()`: for bundlers. */
  worker?: () => Worker;
  /** Of each worker; Node, Bun and Deno. */
  resourceLimits?: ResourceLimits;
  /** How threads talk. Default `"auto"`: shared memory where it can be posted, else messages. */
  transport?: "auto" | "shared" | "messages";
  /** Polls between looks at timers and I/O, 1 to 1 000 000; default 61, as in Tokio. */
  eventInterval?: number;
  /** Milliseconds one drive may take before the host gets a turn; default 8, on a page's main thread 4. */
  timeSlice?: number;
  /** Where follow-up drives are scheduled; default `"auto"`: a microtask, leftovers a macrotask. */
  lane?: Lane;
  /** Tasks there is room for at the start, 1 to 1 048 576; grows. Default 64. */
  capacity?: number;
  /** What happens when a task fails whose handle nobody awaits; default `"report"`. */
  unhandledFailure?: "report" | "ignore" | "shutdown";
  /** Makes every scheduling choice repeatable: an integer. */
  seed?: number;
  /** Starts with the clock paused, see `tokiwa/testing`. Default false. */
  startPaused?: boolean;
  onTaskSpawn?: (meta: TaskMeta) => void;
  onTaskTerminate?: (meta: TaskMeta) => void;
  onBeforePoll?: (meta: TaskMeta) => void;
  onAfterPoll?: (meta: TaskMeta) => void;
}

const HOOKS = ["onTaskSpawn", "onTaskTerminate", "onBeforePoll", "onAfterPoll"] as const;
const THREAD_OPTIONS = ["workerThreads", "maxBlockingThreads", "threadKeepAlive", "threadName", "worker", "resourceLimits", "transport"] as const;
/** Longest slice that may be asked for, in ms; more would hold the host for minutes. */
const MAX_SLICE = 60_000;
const DEFAULT_SHUTDOWN_TIMEOUT = 5000;

interface Registry {
  /** undefined: not made yet; null: turned off. */
  default: Runtime | null | undefined;
}

const registry: Registry = /* @__PURE__ */ shared("runtime", (): Registry => ({ default: undefined }));

function noRuntime(): ContextError {
  return new ContextError(
    "TOKIWA_NO_RUNTIME",
    "there is no reactor running, must be called from the context of a tokiwa runtime: the default runtime is turned off. Use run(), runtime.enter(), or a method of a Runtime.",
  );
}

/** The runtime that is current here, if there is one without making one. */
function lookUp(): Runtime | undefined {
  const reactor = context.reactor ?? currentScope()?.scheduler;
  const owner = (reactor as CurrentThread | undefined)?.owner as Runtime | undefined;
  if (owner !== undefined) return owner;
  if (!hasAsyncContext && driven.last?.isClosed === false) return driven.last.owner as Runtime;
  return registry.default ?? undefined;
}

/** The scheduler that is current here; makes the default runtime if need be. */
export function currentScheduler(): CurrentThread {
  const { reactor } = context;
  if (reactor !== null && !(reactor as CurrentThread).isClosed) return reactor as CurrentThread;
  return currentRuntime().scheduler;
}

/** The clock that is current here, without making a runtime. */
export function currentNow(): number {
  const scheduler = (context.reactor ?? lookUp()?.scheduler) as CurrentThread | undefined;
  return scheduler === undefined ? monotonicNow() : scheduler.clock.now();
}

function currentRuntime(): Runtime {
  const found = lookUp();
  if (found !== undefined) {
    if (found.scheduler.isClosed) throw shutDownContext();   // while it shuts down, cleanups still run inside
    return found;
  }
  if (registry.default === null) throw noRuntime();
  registry.default = new Runtime();
  return registry.default;
}

function shutDownContext(): ContextError {
  return new ContextError("TOKIWA_NO_RUNTIME", "there is no reactor running, must be called from the context of a tokiwa runtime: the current one has shut down");
}

function shutDownError(): JoinError {
  return new JoinError("TOKIWA_SHUT_DOWN", "the task was not started: its runtime has shut down");
}

/**
 * Sets what the free functions use outside of any runtime; `null` turns that off, and then they
 * throw `ContextError` `TOKIWA_NO_RUNTIME`.
 */
export function setDefaultRuntime(runtime: Runtime | null): void {
  if (runtime !== null && !(runtime instanceof Runtime)) throw new OptionError(`runtime must be a Runtime or null, got ${show(runtime)}`);
  registry.default = runtime;
}

/** Options of a task, for `taskBuilder()`. */
export interface TaskOptions {
  /** Aborts the task when it is aborted, with its reason. */
  signal?: AbortSignal;
  /** Shown in messages, hooks and metrics. */
  name?: string;
}

/** Spawns tasks that have a name or a signal. */
export interface TaskBuilder {
  spawn<A extends unknown[], T>(fn: TaskFn<A, T> | Sendable<A, T>, ...args: A): JoinHandle<T>;
  spawn<T>(future: Future<T> | PromiseLike<T>): JoinHandle<T>;
}

/**
 * Runs tasks on the host's event loop, without ever taking the thread from it.
 *
 * @example
 * const runtime = new Runtime({ timeSlice: 4 });
 * console.log(await runtime.spawn(async () => 21 * 2));
 * await runtime.shutdown();
 */
export class Runtime implements Disposable, AsyncDisposable {
  /** @internal */
  readonly scheduler: CurrentThread;
  /** @internal `shutdown()` was called. */
  isShuttingDown = false;
  #shutdown: Promise<void> | undefined;
  readonly #options: RuntimeOptions;
  readonly #isMulti: boolean;
  #threads: RuntimeThreads | undefined;
  #failure: { error: unknown } | undefined;

  /** @throws {OptionError} naming the option, what it may be and what it was */
  constructor(options?: RuntimeOptions) {
    const given = checkOptions<RuntimeOptions>("options", options);
    this.#isMulti = checkOneOf("flavor", orDefault(given.flavor, "current-thread"), ["current-thread", "multi-thread"]) === "multi-thread";
    if (this.#isMulti) requireThreads("a multi-thread runtime");
    if (given.workerThreads !== undefined && !this.#isMulti) throw new OptionError(`workerThreads is for the flavor "multi-thread" only, got ${show(given.workerThreads)} with "current-thread"`);
    if (THREAD_OPTIONS.some((name) => given[name] !== undefined)) requireThreads("options of threads").check(given as ThreadOptions);
    const startPaused = orDefault(given.startPaused, false);
    if (typeof startPaused !== "boolean") throw new OptionError(`startPaused must be true or false, got ${show(startPaused)}`);
    for (const hook of HOOKS) if (given[hook] !== undefined) checkFunction(hook, given[hook]);
    this.#options = given as RuntimeOptions;
    this.scheduler = new CurrentThread({
      eventInterval: checkInteger("eventInterval", orDefault(given.eventInterval, 61), 1, 1_000_000),
      timeSlice: checkSlice(orDefault(given.timeSlice, isPage ? 4 : 8)),
      lane: checkOneOf("lane", orDefault(given.lane, "auto"), ["auto", "microtask", "macrotask", "frame", "manual"]),
      capacity: checkInteger("capacity", orDefault(given.capacity, 64), 1, 1 << 20),
      seed: given.seed === undefined ? undefined : checkInteger("seed", given.seed, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
      startPaused,
      unhandledFailure: checkOneOf("unhandledFailure", orDefault(given.unhandledFailure, "report"), ["report", "ignore", "shutdown"]),
      hooks: HOOKS.some((hook) => given[hook] !== undefined) ? this.#options : null,
    });
    this.scheduler.owner = this;
    this.scheduler.onFailed = (error) => this.#failed(error);
  }

  /**
   * The runtime that is current here. Outside of one: the default runtime, made if need be.
   *
   * @throws {ContextError} `TOKIWA_NO_RUNTIME` when the default is turned off, or the current one has shut down
   */
  static get current(): Runtime {
    return currentRuntime();
  }

  /** Starts a task on this runtime, see `spawn()`. After `shutdown()` the handle is already cancelled. */
  spawn<A extends unknown[], T>(fn: TaskFn<A, T> | Sendable<A, T>, ...args: A): JoinHandle<T>;
  spawn<T>(future: Future<T> | PromiseLike<T>): JoinHandle<T>;
  spawn(body: unknown, ...args: unknown[]): JoinHandle<unknown> {
    return this.spawnTask(body, args, undefined, undefined);
  }

  /** @internal */
  spawnTask(body: unknown, args: unknown[], name: string | undefined, signal: AbortSignal | undefined): JoinHandle<unknown> {
    const { scheduler } = this;
    let task: Task<unknown>;
    if (typeof body === "function") task = new Task(scheduler, callOf(body, args));
    else if (isFuture(body)) task = new Task(scheduler, taken(body)).ofFuture();
    else if (isThenable(body)) {
      if (body instanceof Promise) body.catch(() => {});   // from here on a rejection is the task's, also before its first poll
      task = new Task(scheduler, fromPromise(body)).ofFuture();
    } else if (installedThreads()?.isSendable(body) === true) return this.#spawnSendable(body, args, name, signal);
    else throw new OptionError(`spawn() takes a function, a future or a promise, got ${show(body)}`);
    if (name !== undefined || signal !== undefined) task.prepare(name, signal);
    if (this.isShuttingDown || scheduler.isClosed) return task.refuse(shutDownError());
    scheduler.spawn(task);
    return task;
  }

  #spawnSendable(sendable: unknown, args: unknown[], name: string | undefined, signal: AbortSignal | undefined): JoinHandle<unknown> {
    const task = new Task<unknown>(this.scheduler, null);
    if (name !== undefined || signal !== undefined) task.prepare(name, signal);
    if (this.isShuttingDown || this.scheduler.isClosed) return task.refuse(shutDownError());
    this.#getThreads().spawn(task, sendable, args);
    if (signal?.aborted === true) task.abort(signal.reason);
    return task;
  }

  #getThreads(): RuntimeThreads {
    this.#threads ??= requireThreads("this call").open(this.scheduler, this.#isMulti, this.#options);
    return this.#threads;
  }

  /** @internal In a worker: what its parent shares with it. */
  useThreads(threads: RuntimeThreads): void {
    this.#threads = threads;
  }

  /** Runs a blocking function on a thread of its own, see `spawnBlocking()`. */
  spawnBlocking<A extends unknown[], T>(fn: TaskFn<A, T> | Sendable<A, T>, ...args: A): JoinHandle<T> {
    if (typeof fn !== "function" && installedThreads()?.isSendable(fn) !== true) throw new OptionError(`fn must be a function or what send() returns, got ${show(fn)}`);
    const task = new Task<T>(this.scheduler, null);
    if (this.isShuttingDown || this.scheduler.isClosed) return task.refuse(shutDownError());
    this.#getThreads().spawnBlocking(task as Task<unknown>, fn, args);
    return task;
  }

  /** Runs a blocking function here, see `blockInPlace()`. */
  blockInPlace<T>(fn: () => T): T {
    checkFunction("fn", fn);
    return this.#getThreads().blockInPlace(fn);
  }

  /**
   * Runs `main` on this thread until it is done, and returns its value. Parks between timers where the thread may block.
   *
   * @throws {WouldBlockError} `TOKIWA_WOULD_BLOCK` when only the host's own event loop could bring `main` on
   * @throws {DeadlockError} `TOKIWA_DEADLOCK` when nothing could
   * @throws {ContextError} `TOKIWA_NESTED_RUNTIME` inside a task
   */
  blockOn<T>(main: TaskFn<[], T> | Future<T>): T {
    const { scheduler } = this;
    refuseNesting("blockOn()");
    if (scheduler.isDriving) throw nested("blockOn()");
    this.#checkOpen();
    const body = isFuture(main) ? taken(main) : new Lazy(checkFunction("main", main), [], true);
    const root = new Root(scheduler, body);
    scheduler.addRoot(root);
    while (!root.isDone) {
      scheduler.drive(Infinity, Infinity, root);
      if (root.isDone || scheduler.isReady) continue;
      if (!(body instanceof Lazy && body.isAsync) && (this.#waitForThreads() || this.#waitForTimer())) continue;
      root.fail(this.#stuck(body));
    }
    if (!scheduler.isClosed) scheduler.drive(0, 0);        // leaves timers of what still runs armed, and no others
    if (root.isFailed) throw root.outcome;
    return root.outcome as T;
  }

  /** Waits for an answer of a thread, at most until the next timer. False when nothing is out there, or this thread may not block. */
  #waitForThreads(): boolean {
    const { scheduler } = this;
    const provider = installedThreads();
    if (scheduler.busyElsewhere === 0 || provider === undefined || !mayBlock || !provider.pump()) return false;
    if (scheduler.isReady || scheduler.busyElsewhere === 0) return true;
    provider.park(scheduler.clock.isPaused ? Infinity : Math.max(0, scheduler.nextTick - scheduler.clock.now()));
    return true;
  }

  /** Waits for the next timer. False when there is none, or this thread may not block. */
  #waitForTimer(): boolean {
    const { scheduler } = this;
    if (scheduler.clock.isPaused) return scheduler.jump();
    const next = scheduler.nextTick;
    if (next === Infinity || !mayBlock) return false;
    parker ??= new Parker();
    const ms = next - scheduler.clock.now();
    if (ms > 0) parker.park(ms);
    return true;
  }

  #stuck(main: Future<unknown>): Error {
    const { scheduler } = this;
    const isWaitingForHost = scheduler.hostPending > 0 || scheduler.busyElsewhere > 0;
    if (isWaitingForHost) {
      return new WouldBlockError(
        "blockOn() cannot wait here: what is left to do needs the host's event loop (a promise, a socket, an async function, a thread without shared memory), which cannot run while this thread waits. Use run() and await it; a Wasm guest can wait with JSPI.",
      );
    }
    if (scheduler.nextTick !== Infinity) {
      return new WouldBlockError(
        "blockOn() cannot wait here: a timer is pending and this thread may not block (a page, or a service worker). Use run() and await it, call runtime.drive() from your own loop, or use JSPI in a Wasm guest.",
      );
    }
    return deadlock("blockOn()", main, scheduler);
  }

  /** Runs `main` to its end; the asynchronous counterpart of `blockOn()`. Tasks it leaves go on. */
  run<T>(main: TaskFn<[], T> | Future<T>): Promise<T> {
    const { scheduler } = this;
    let body: Future<T>;
    try {
      body = isFuture(main) ? taken(main) : new Lazy(checkFunction("main", main), [], true);
      this.#checkOpen();
    } catch (error) {
      return Promise.reject(error);
    }
    const root = new Root(scheduler, body);
    return new Promise<T>((resolve, reject) => {
      const stopListening = onLoopDry(() => root.fail(deadlock("run()", body, scheduler)));
      root.onDone = () => {
        stopListening();
        if (this.#failure !== undefined) reject(this.#failure.error);
        else if (root.isFailed) reject(root.outcome);
        else resolve(root.outcome as T);
      };
      scheduler.addRoot(root);
    });
  }

  /** Makes this the current runtime while `fn` runs, synchronously. */
  enter<T>(fn: () => T): T {
    checkFunction("fn", fn);
    const { reactor } = context;
    context.reactor = this.scheduler;
    try {
      return fn();
    } finally {
      context.reactor = reactor;
    }
  }

  /**
   * Polls what is ready, for one slice at most; for a main loop of one's own (`lane: "manual"`), harmless elsewhere.
   *
   * @param budget at most so many `polls` and `ms`; default: no limit of polls, the time slice
   */
  drive(budget?: { polls?: number; ms?: number }): DriveState {
    const { polls = Infinity, ms } = checkOptions<{ polls?: number; ms?: number }>("budget", budget);
    if (polls !== Infinity) checkInteger("budget.polls", polls, 0, Number.MAX_SAFE_INTEGER);
    const slice = ms === undefined ? checkSlice(this.#options.timeSlice ?? (isPage ? 4 : 8)) : checkDuration("budget.ms", ms);
    const { scheduler } = this;
    scheduler.drive(polls, slice);
    if (!scheduler.isDriving && this.#options.lane === "manual" && scheduler.clock.isPaused && !scheduler.isClosed && !scheduler.isReady) scheduler.jump();
    return scheduler.state();
  }

  metrics(): RuntimeMetrics & { readonly workers: WorkerMetrics[]; readonly blocking: WorkerMetrics[] } {
    return { ...this.scheduler.metrics(), ...(this.#threads?.metrics() ?? { workers: [], blocking: [] }) };
  }

  /**
   * Cancels every task, runs their cleanup and closes the runtime. What is still suspended after `timeout` settles as cancelled.
   *
   * @param options.timeout milliseconds to wait for cleanup; default 5000
   */
  shutdown(options?: { timeout?: number }): Promise<void> {
    let timeout: number;
    try {
      timeout = checkDuration("timeout", orDefault(checkOptions<{ timeout?: number }>("options", options).timeout, DEFAULT_SHUTDOWN_TIMEOUT));
    } catch (error) {
      return Promise.reject(error);
    }
    this.#shutdown ??= this.#shutDown(timeout);
    return this.#shutdown;
  }

  #shutDown(timeout: number): Promise<void> {
    const { scheduler } = this;
    this.isShuttingDown = true;
    this.#cancelAll();
    scheduler.letRun();
    return new Promise((resolve) => {
      const finish = (): void => {
        stopTimer(timer);
        scheduler.whenIdle(undefined);
        scheduler.close();
        if (registry.default === this) registry.default = undefined;
        resolve(this.#threads?.close());
      };
      const timer = startTimer(finish, timeout);
      scheduler.whenIdle(() => queueMicrotask(finish));    // not on the stack of the drive that ended the last task
    });
  }

  #cancelAll(): void {
    const reason = shutDownReason();
    for (const guest of [...this.scheduler.guests]) guest.close();
    for (const root of [...this.scheduler.roots]) root.fail(reason);
    for (const task of [...this.scheduler.tasks()]) task.abort(reason);
  }

  #failed(error: unknown): void {
    this.#failure ??= { error };
    if (!this.isShuttingDown) void this.shutdown();
  }

  /** Cancels every task and closes at once, without waiting for async cleanup. */
  [Symbol.dispose](): void {
    if (this.isShuttingDown) return;
    this.isShuttingDown = true;
    this.#cancelAll();
    if (!this.scheduler.isDriving) this.scheduler.drive(Infinity, DEFAULT_SHUTDOWN_TIMEOUT);
    this.scheduler.close();
    if (registry.default === this) registry.default = undefined;
    this.#shutdown = this.#threads?.close() ?? Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  #checkOpen(): void {
    if (this.isShuttingDown || this.scheduler.isClosed) throw shutDownContext();
  }
}

let parker: Parker | undefined;

function shutDownReason(): JoinError {
  return new JoinError("TOKIWA_SHUT_DOWN", "the runtime is shutting down");
}

/** What a task or a main takes over: the future itself, of a join handle only a wait. */
function taken<T>(body: Future<T>): Future<T> {
  return isTask(body) ? (body.borrowed as Future<T>) : body;
}

/** Only undefined means the default: null is a mistake, and told. */
function orDefault<T>(value: T | undefined, otherwise: T): T {
  return value === undefined ? otherwise : value;
}

function checkSlice(value: unknown): number {
  if (typeof value !== "number" || !(value > 0 && value <= MAX_SLICE)) {
    throw new OptionError(`timeSlice must be a number of milliseconds above 0 and at most ${MAX_SLICE}, got ${show(value)}`);
  }
  return value;
}

function refuseNesting(what: string): void {
  if (context.unit !== null || currentScope() !== null) throw nested(what);
}

function nested(what: string): ContextError {
  return new ContextError(
    "TOKIWA_NESTED_RUNTIME",
    `cannot start a runtime from within a runtime: ${what} was called inside a task, and would hold the thread that drives it. Await the future, or use spawnBlocking().`,
  );
}

installDefaultReactor(() => (registry.default === null ? null : currentRuntime().scheduler));

installBlocking((what, future) => {
  refuseNesting(what);
  return currentRuntime().blockOn(future);
});

function deadlock(what: string, main: Future<unknown>, scheduler: CurrentThread): DeadlockError {
  const tasks = [`main waits for ${describeMain(main)}`, ...scheduler.describeTasks()];
  return new DeadlockError(`${what} can never finish: nothing is left that could wake the program.\n  ${tasks.join("\n  ")}`, tasks);
}

function describeMain(main: Future<unknown>): string {
  if (main instanceof Lazy) {
    const waits = main.waitsFor();
    return waits.length === 0 ? "a wake" : waits.join(", ");
  }
  return describeFuture(main);
}

/**
 * Builds a runtime, runs `main` on it and shuts it down: what `#[tokio::main]` does.
 *
 * @example
 * await run(async () => {
 *   const answers = await Promise.all([1, 2, 3].map((n) => spawn(work, n)));
 *   console.log(answers);
 * });
 */
export async function run<T>(main: TaskFn<[], T>, options?: RuntimeOptions): Promise<T> {
  checkFunction("main", main);
  const runtime = new Runtime(options);
  try {
    return await runtime.run(main);
  } finally {
    await runtime.shutdown();
  }
}

/**
 * Starts a task: it runs beside the caller, and its handle gives its result.
 *
 * Only queues: nothing of it runs before the caller's own turn is over. `fn` may be an async function,
 * a generator function (5-10 times cheaper per step, cancellable at every `yield*`) or a plain
 * function. Arguments are passed on, so that hot code needs no closure for each task.
 *
 * @throws {ContextError} `TOKIWA_NO_RUNTIME` when there is no runtime and the default one is turned off
 * @example const handle = spawn(async (n) => n * 2, 21); console.log(await handle); // 42
 */
export function spawn<A extends unknown[], T>(fn: TaskFn<A, T> | Sendable<A, T>, ...args: A): JoinHandle<T>;
export function spawn<T>(future: Future<T> | PromiseLike<T>): JoinHandle<T>;
export function spawn(body: unknown, ...args: unknown[]): JoinHandle<unknown> {
  return currentRuntime().spawnTask(body, args, undefined, undefined);
}

/** Spawns with a name or an `AbortSignal`: `taskBuilder({ name: "feed", signal }).spawn(fn, ...args)`. */
export function taskBuilder(options: TaskOptions): TaskBuilder {
  const { name, signal } = checkOptions<TaskOptions>("options", options);
  if (name !== undefined && typeof name !== "string") throw new OptionError(`name must be a string, got ${show(name)}`);
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw new OptionError(`signal must be an AbortSignal, got ${show(signal)}`);
  return {
    spawn: (body: unknown, ...args: unknown[]) => currentRuntime().spawnTask(body, args, name, signal) as JoinHandle<never>,
  };
}

/**
 * The task whose code runs now.
 *
 * @throws {ContextError} `TOKIWA_NO_TASK` outside of a task, and in the main of `run()` and `blockOn()`
 */
export function currentTask(): CurrentTask {
  const task = (context.task ?? currentScope()?.task ?? null) as Task<unknown> | null;
  if (task === null) throw new ContextError("TOKIWA_NO_TASK", "currentTask() was called outside of a task");
  return task.view;
}
