// What stands between one guest and its runtime: the instance of guest-interface.ts that the guest imports,
// and the JavaScript behind it.
//
// It exists before the guest (the guest imports it) and is linked to it afterwards, when the table and the
// stack pointer are known. Calls of a guest that is not linked find an empty table, and fail.

import {
  ARENA_ARGS,
  ARENA_CURRENT,
  ARENA_FRESH,
  ARENA_STATES,
  COMPLETE,
  FN_MAX,
  FN_SHIFT,
  GENERATION_SHIFT,
  GUEST,
  INDEX_BITS,
  INDEX_MASK,
  WATCHED,
} from "../../assembly/layout.ts";
import { compileCore } from "../core.ts";
import { ContextError, DeadlockError, OptionError, TokiwaError } from "../errors.ts";
import type { Operation } from "../future.ts";
import { GUEST_INTERFACE } from "../generated/guest-interface.ts";
import { onLoopDry, reportUnhandled } from "../host.ts";
import { show } from "../options.ts";
import type { Runtime } from "../runtime.ts";
import type { CurrentThread } from "../scheduler/current-thread.ts";
import { type GuestHost, type Guests, guestsOf } from "../scheduler/guests.ts";
import type { JoinHandle } from "../task/task.ts";
import { accessOfEmscripten, type EmscriptenAccess, type EmscriptenThreads, type GuestAccess } from "./access.ts";
import type { Asyncify, AsyncifyCalls, AsyncifySupport } from "./asyncify.ts";
import { BLOCKING_CALLS, type BlockingCall, SHARED_TASK, TK_ECANCELED, TK_ECLOSED, TK_EINVAL, TK_ENOSYS, TK_ESTALE, TK_ETRAP, TK_PENDING, TK_READY } from "./codes.ts";
import { startError, trapError } from "./failures.ts";
import type { GuestIo, GuestStream, IoTable } from "./io.ts";
import { GuestJoin } from "./join.ts";
import type { Loops, LoopsAccess } from "./loops.ts";
import { PromiseTable } from "./promises.ts";
import { type GuestThreads, installedGuestThreads, THREAD_CALLS, type ThreadHost, type ThreadSetup } from "./seam.ts";
import { hasJspi, type StackCalls, type StackOwner, StackTasks, suspending } from "./stack-tasks.ts";
import { STACK_BYTES, StackPool, STACKS_MAX } from "./stacks.ts";
import type { GuestWaker } from "./waker.ts";
import { fillRange, giveRange, type TableRange, takeRange } from "./table.ts";

/** The exports of guest-interface.ts that JavaScript calls. */
interface Interface extends AsyncifyCalls, StackCalls {
  bind(arena: number, suspends: number): void;
  setTable(first: number, count: number): void;
  setStackAccess(get: number, set: number): void;
  close(): void;
  isStackless(): number;
  abortFromHost(task: number): number;
  watchFromHost(task: number): number;
  start(fn: number, arg: number, flags: number): number;
  tk_detach(task: number): void;
  tk_result(): number;
}

/** What a module built for tokiwa imports: the functions of `tokiwa.h` as Wasm functions. */
export interface GuestImports {
  readonly [name: `tk_${string}`]: WebAssembly.ImportValue;
  /** Names a promise, so that the guest can wait for it with `tk_await_poll()`. */
  readonly expose: (promise: PromiseLike<unknown>) => number;
  /** The value of a promise that has settled. */
  readonly value: (promise: number) => unknown;
  /** The promise of a number, for example of one that `tk_promise_from_task()` gave. */
  readonly promise: (promise: number) => PromiseLike<unknown>;
  /** Names a stream, so that the guest can read and write it with `tk_io_*`. */
  readonly stream: (stream: GuestStream) => number;
  /** Called by `tokiwa-lib.js`. */
  readonly link: (access: EmscriptenAccess) => void;
  /** Called by `tokiwa-threads-lib.js`. */
  readonly linkThreads: (threads: EmscriptenThreads) => void;
  /** Called by `tokiwa-pthread-lib.js`. */
  readonly linkLoops: (loops: LoopsAccess) => void;
}

/** Calls of tokiwa.h that go to the table of connections as they are. */
const IO_CALLS = [
  "tk_io_fetch", "tk_io_websocket", "tk_io_tcp", "tk_io_unix", "tk_io_read", "tk_io_left", "tk_io_write", "tk_io_write_text",
  "tk_io_shutdown", "tk_io_status", "tk_io_header", "tk_io_error", "tk_io_close",
] as const;
let module: WebAssembly.Module | undefined;

export const bindings = new WeakMap<object, Binding>();

export class Binding implements GuestHost, StackOwner, ThreadHost {
  readonly runtime: Runtime;
  readonly imports: GuestImports;
  readonly #calls: Interface;
  readonly #scheduler: CurrentThread;
  readonly #guests: Guests;
  readonly #promises: PromiseTable;
  /** Its stackful tasks. */
  readonly stacks: StackTasks = new StackTasks(this);
  readonly #traps = new Map<number, TokiwaError>();
  name = "guest";
  stackBytes = STACK_BYTES;
  maxStacks = STACKS_MAX;
  failOnDrain = false;
  emscripten: EmscriptenAccess | undefined;
  #io: IoTable | undefined;
  readonly #asyncify: Asyncify | undefined;
  emscriptenThreads: EmscriptenThreads | undefined;
  /** What threads of this guest start from; set when it has been attached. */
  threadSetup: ThreadSetup | undefined;
  #threads: GuestThreads | undefined;
  #loops: Loops | undefined;
  #access: GuestAccess | undefined;
  #range: TableRange | undefined;
  #stackRange: TableRange | undefined;
  /** The guest's stack pointer when the present drive began. */
  stackPointer = 0;
  #isClosed = false;
  #stopListening: (() => void) | undefined;

  /** @param asyncify the guest's blocking code is suspended by Asyncify */
  constructor(runtime: Runtime, asyncify?: AsyncifySupport) {
    this.runtime = runtime;
    const { scheduler } = runtime;
    this.#scheduler = scheduler;
    this.#guests = guestsOf(scheduler);
    const { core } = scheduler;
    module ??= compileCore(GUEST_INTERFACE);
    const instance = new WebAssembly.Instance(module, {
      env: { memory: core.memory, table: core.exports.table },
      host: this.#host(),
    });
    const calls = instance.exports as unknown as Interface;
    this.#calls = calls;
    calls.bind(scheduler.arena, hasJspi || asyncify !== undefined ? 1 : 0);
    this.#promises = new PromiseTable(scheduler, (task) => calls.tk_wake(task));
    if (asyncify !== undefined) this.#asyncify = this.#openAsyncify(asyncify, instance.exports);
    this.stacks.open(calls, this.#asyncify);
    const names = Object.entries(instance.exports).filter(([name]) => name.startsWith("tk_"));
    this.imports = Object.freeze({
      ...Object.fromEntries(names),
      ...this.#asyncify?.imports,
      ...Object.fromEntries(IO_CALLS.map((name) => [name, this.#ioCall(name)])),
      ...Object.fromEntries(THREAD_CALLS.map((name) => [name, (...args: number[]) => this.#callThreads(name, args)])),
      expose: (promise: PromiseLike<unknown>) => this.expose(promise),
      value: (id: number) => this.#promises.get(id).value,
      promise: (id: number) => this.#promises.get(id).promise,
      stream: (stream: GuestStream) => this.stream(stream),
      link: (access: EmscriptenAccess) => void (this.emscripten = access),
      linkThreads: (threads: EmscriptenThreads) => void (this.emscriptenThreads = threads),
      linkLoops: (loops: LoopsAccess) => void (this.#loops = this.#openLoops(loops)),
    }) as GuestImports;
    bindings.set(this.imports, this);
  }

  #openLoops(loops: LoopsAccess): Loops {
    const provider = installedGuestThreads();
    if (provider === undefined) throw new ContextError("TOKIWA_NO_GUEST_THREADS", `${this.label} was built with -pthread: call provideGuestThreads() of tokiwa/guest first, as programs made by a bundler do`);
    return provider.loops(loops, this);
  }

  #callThreads(name: (typeof THREAD_CALLS)[number], args: number[]): number {
    if (this.#isClosed) return TK_ECLOSED;
    this.#threads ??= installedGuestThreads()?.open(this);
    return this.#threads === undefined ? TK_ENOSYS : this.#threads[name](...args);
  }

  /** What guest-interface.ts calls. */
  #host(): WebAssembly.ModuleImports {
    const scheduler = this.#scheduler;
    const { core, arena } = scheduler;
    return {
      schedule: () => scheduler.schedule(),
      timerStarted: (tick: number) => scheduler.timerStarted(tick),
      grew: () => core.refresh(),
      growUnits: () => {
        const grown = core.exports.unitsGrow(arena);
        core.refresh();
        return grown;
      },
      growTimers: () => {
        const grown = core.exports.timersGrow(arena);
        core.refresh();
        return grown;
      },
      growTable: (fn: number) => this.#growTable(fn >>> 0),
      now: () => scheduler.clock.now(),
      watch: (task: number, waiter: number) => this.#wakeAtEnd(task, waiter),
      drive: (polls: number, ms: number) => {
        scheduler.drive(polls, ms);
        return !scheduler.isClosed && scheduler.isReady ? 1 : 0;
      },
      next: () => scheduler.state().nextTimeout ?? -1,
      alive: () => scheduler.alive,
      joinStack: (task: number, waiter: number) => this.#joinStack(task, waiter),
      wakeElsewhere: (task: number) => this.#loops?.wake(task) ?? 0,
      isLiveElsewhere: (task: number) => this.#loops?.isLive(task) ?? 0,
      abortStack: (task: number) => {
        if (task & SHARED_TASK) return this.#loops?.abort(task) ?? TK_ESTALE;
        return this.stacks.abort(task);
      },
      detachStack: (task: number) => {
        if (task & SHARED_TASK) this.#loops?.detach(task);
        else this.stacks.detach(task);
      },
      awaitPromise: (id: number, waiter: number) => {
        const state = this.#promises.look(id, waiter);
        if (state !== TK_PENDING && state !== TK_ESTALE) this.#calls.setValue(this.#promises.number(id));
        return state;
      },
      dropPromise: (id: number) => this.#promises.drop(id),
      promiseOfTask: (task: number) => {
        const handle = this.#find(task);
        return handle === undefined ? TK_ESTALE : this.expose(handle);
      },
      pollIo: (io: number, interest: number, waiter: number) => this.#io?.tk_io_poll(io, interest, waiter) ?? TK_ENOSYS,
      spawnStack: (fn: number, arg: number) => this.stacks.spawn(fn >>> 0, arg),
      suspend: suspending((task) => this.stacks.suspend(task)),
      hop: suspending((task) => this.stacks.hop(task)),
    };
  }

  get label(): string {
    return `guest ${JSON.stringify(this.name)}`;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isLinked(): boolean {
    return this.#access !== undefined;
  }

  get access(): GuestAccess {
    if (this.#access === undefined) throw new ContextError("TOKIWA_NOT_ATTACHED", `${this.label} is not attached: call attach() with it first`);
    return this.#access;
  }

  /** Makes the guest's functions known to the core. */
  link(access: GuestAccess): void {
    const { core } = this.#scheduler;
    const range = takeRange(core, access.table.length);
    fillRange(core, range, access.table);
    this.#range = range;
    this.#access = access;
    this.#calls.setTable(range.first, range.count);
    if (access.stack !== undefined) {
      const places = takeRange(core, 2);
      this.#stackRange = places;
      core.exports.table.set(places.first, access.stack.get);
      core.exports.table.set(places.first + 1, access.stack.set);
      this.#calls.setStackAccess(places.first, places.first + 1);
    }
    this.#asyncify?.check(this.label);
    this.stacks.link(new StackPool(access, this.stackBytes, this.maxStacks, this.#calls.isStackless() === 1));
    this.#guests.hosts.add(this);
    this.#loops?.listen();
    if (this.failOnDrain) this.#stopListening = onLoopDry(() => this.#drained());
  }

  #drained(): void {
    const { alive } = this.#scheduler;
    if (alive === 0 || this.#isClosed) return;
    const tasks = [...this.#scheduler.describeTasks(), `${this.#units().length} poll tasks of ${this.label}`];
    reportUnhandled(new DeadlockError(`${this.label} has ${alive} tasks that nothing can wake any more: the program would end without them.\n  ${tasks.join("\n  ")}`, tasks));
    this.close();
  }

  /** The guest's table has grown since it was attached (dynamic linking, addFunction). */
  #growTable(fn: number): number {
    // Emscripten runs main() before the factory's promise resolves.
    if (this.#access === undefined && this.emscripten !== undefined) {
      this.link(accessOfEmscripten(this.emscripten, this.emscriptenThreads));
      if (fn < (this.#range as unknown as TableRange).count) return 1;
    }
    const access = this.#access;
    const range = this.#range;
    const { core } = this.#scheduler;
    if (access === undefined || range === undefined || fn >= access.table.length) return 0;
    let larger: TableRange;
    try {
      larger = takeRange(core, access.table.length);
    } catch {
      return 0;
    }
    fillRange(core, larger, access.table);
    this.#range = larger;                                  // the old places stay: tasks that live are bound to them
    this.#calls.setTable(larger.first, larger.count);
    this.#oldRanges.push(range);
    return 1;
  }

  readonly #oldRanges: TableRange[] = [];

  /** attach.ts has put a function into the guest's table. */
  tableGrew(fn: number): void {
    if (this.#growTable(fn) === 0) throw new TokiwaError("TOKIWA_TABLE_FULL", `the core's table has no place for another function of ${this.label}`);
  }

  #openAsyncify(support: AsyncifySupport, exports: WebAssembly.Exports): Asyncify {
    return support.open({
      calls: this.#calls,
      access: () => this.access,
      stackBytes: () => this.stackBytes,
      bodyOf: (task) => this.stacks.bodyOf(task),
      plain: Object.fromEntries(BLOCKING_CALLS.map((name) => [name, exports[name]])) as Record<BlockingCall, (...args: number[]) => number>,
    });
  }

  #owns(fn: number): boolean {
    const inRange = (range: TableRange | undefined): boolean => range !== undefined && fn >= range.first && fn < range.first + range.count;
    return inRange(this.#range) || this.#oldRanges.some(inRange);
  }

  // ---- poll tasks

  /** Starts a poll task that JavaScript watches. */
  spawn(fn: number, arg: number, name: string | undefined): JoinHandle<number> {
    const task = this.#calls.start(fn, arg, WATCHED);
    if (task < 0) throw startError(this.label, fn, task);
    return this.#mirror(task, name);
  }

  /** @throws {TokiwaError} `TOKIWA_NO_SHARED_MEMORY` */
  waker(task: number): GuestWaker {
    if (this.#loops === undefined) {
      throw new TokiwaError("TOKIWA_NO_SHARED_MEMORY", `tasks of ${this.label} can be woken on this thread only: it was not built with -pthread and tokiwa-loops.h. Send a message, or await the other thread's job.`);
    }
    return this.#loops.waker(task);
  }

  /** Wakes every task of the guest, for those that may have missed theirs. */
  wakeAll(): void {
    for (const task of this.#units()) this.wake(task);
  }

  /** A poll task as a future of whatever it returned, also negative numbers. Dropping it aborts the task. `onEnd` is called in any case. */
  pollTask(fn: number, arg: number, onEnd: () => void): Operation<number> {
    const task = this.#calls.start(fn, arg, WATCHED);
    if (task < 0) throw startError(this.label, fn, task);
    const future = new GuestJoin(this, task, true);
    this.atEnd(task, (result) => {
      future.end(result, this.#traps.get(task));
      onEnd();
    });
    return future;
  }

  /** Calls a function of the guest now. @throws {TokiwaError} `TOKIWA_GUEST_TRAP`, with the guest's stack as it was before */
  callGuest(fn: number, arg: number): number {
    const { table } = this.access;
    const call = fn < table.length ? (table.get(fn) as ((arg: number) => number) | null) : null;
    if (call === null) throw startError(this.label, fn, TK_EINVAL);
    const pointer = this.#calls.stackPointer();
    try {
      return call(arg) | 0;
    } catch (cause) {
      this.#calls.restoreStack(pointer);
      this.#calls.reset();
      throw trapError(this.label, "a job", cause);
    }
  }

  wake(task: number): boolean {
    return this.#calls.tk_wake(task) === 1;
  }

  /** The handle of a task that the guest started. */
  find(task: number): JoinHandle<number> {
    const handle = this.#find(task);
    if (handle === undefined) throw new OptionError(`task must be one of ${this.label} that has not ended, got ${show(task)}`);
    return handle;
  }

  #find(task: number): JoinHandle<number> | undefined {
    const stackful = this.stacks.find(task);
    if (stackful !== undefined) return stackful;
    if (task & SHARED_TASK) return this.#loops === undefined ? undefined : (this.runtime.engine.spawnTask(this.#loops.taskOf(task), [], undefined, undefined) as JoinHandle<number>);
    return this.#calls.watchFromHost(task) === 1 ? this.#mirror(task, undefined) : undefined;
  }

  #mirror(task: number, name: string | undefined): JoinHandle<number> {
    const future = new GuestJoin(this, task);
    this.#guests.mirrors++;
    this.atEnd(task, (result) => {
      this.#guests.mirrors--;
      future.end(result, this.#traps.get(task));
      this.#traps.delete(task);
    });
    return this.runtime.engine.spawnTask(future, [], name, undefined) as JoinHandle<number>;
  }

  /** Calls `fn` with the result of a watched task when it has ended. */
  atEnd(task: number, fn: (result: number) => void): void {
    const { watchers } = this.#guests;
    const index = task & INDEX_MASK;
    const earlier = watchers.get(index);
    watchers.set(index, earlier === undefined ? fn : (result) => {
      earlier(result);
      fn(result);
    });
  }

  /** A stackful task, or one of a loop. */
  #joinStack(task: number, waiter: number): number {
    if (!(task & SHARED_TASK)) return this.stacks.join(task, waiter);
    const state = this.#loops?.join(task, waiter) ?? TK_ESTALE;
    if (state === TK_READY) this.#calls.setValue(this.#loops?.result as number);
    return state;
  }

  #wakeAtEnd(task: number, waiter: number): void {
    if (this.#calls.watchFromHost(task) === 1) this.atEnd(task, () => this.#calls.tk_wake(waiter));
  }

  abort(task: number): void {
    if (!this.#isClosed && this.#calls.abortFromHost(task) === 1) this.#scheduler.schedule();
  }

  /** Before a drive. */
  enter(): void {
    this.stackPointer = this.#calls.stackPointer();
  }

  trapped(task: number, fn: number, cause: unknown): boolean {
    if (!this.#owns(fn)) return false;
    this.#calls.restoreStack(this.stackPointer);
    this.#calls.reset();
    const error = trapError(this.label, `task ${task}`, cause);
    const { watchers } = this.#guests;
    const { unhandledFailure } = this.#scheduler;
    const watcher = watchers.get(task & INDEX_MASK);
    watchers.delete(task & INDEX_MASK);
    if (watcher !== undefined) {
      this.#traps.set(task, error);
      watcher(TK_ETRAP);
      this.#traps.delete(task);
    } else if (unhandledFailure === "report") reportUnhandled(error);
    else if (unhandledFailure === "shutdown") this.#scheduler.failed(error);
    return true;
  }

  // ---- promises

  expose(promise: PromiseLike<unknown>): number {
    if (typeof (promise as PromiseLike<unknown> | null)?.then !== "function") throw new OptionError(`promise must be a promise or a future, got ${show(promise)}`);
    return this.#isClosed ? TK_ECLOSED : this.#promises.add(promise);
  }

  // ---- input and output

  /** Lets the guest open connections. */
  set io(io: GuestIo) {
    this.#io = io.open({
      memory: () => this.#access?.memory ?? this.emscripten?.memory(),
      wake: (task) => void this.#calls.tk_wake(task),
      pending: (change) => void (this.#scheduler.hostPending += change),
    });
  }

  #ioCall(name: (typeof IO_CALLS)[number]): (...args: number[]) => number {
    return (first = 0, second = 0, third = 0, fourth = 0) => {
      if (this.#isClosed) return TK_ECLOSED;
      return this.#io?.[name](first, second, third, fourth) ?? TK_ENOSYS;
    };
  }

  stream(stream: GuestStream): number {
    if (this.#io === undefined) throw new OptionError(`io must be given to attach() before ${this.label} can read streams: attach(runtime, guest, { io: guestIo() })`);
    return this.#isClosed ? TK_ECLOSED : this.#io.stream(stream);
  }

  // ---- the end

  /** Handles of this guest's poll tasks that live. */
  #units(): number[] {
    const { core, arena } = this.#scheduler;
    const { i32 } = core;
    const fresh = i32[(arena + ARENA_FRESH) >> 2] as number;
    const states = (i32[(arena + ARENA_STATES) >> 2] as number) >>> 2;
    const handles: number[] = [];
    for (let index = 0; index < fresh; index++) {
      const state = i32[states + index] as number;
      if ((state & (GUEST | COMPLETE)) === GUEST && this.#owns((state >> FN_SHIFT) & FN_MAX)) {
        handles.push(((state >>> GENERATION_SHIFT) << INDEX_BITS) | index);
      }
    }
    return handles;
  }

  /** Gives every task its last poll, here and now, and takes the guest off the runtime. */
  close(): void {
    if (this.#isClosed) return;
    const scheduler = this.#scheduler;
    const { core, arena } = scheduler;
    this.#stopListening?.();
    if (!scheduler.isClosed && this.#access !== undefined) {
      const current = core.i32[(arena + ARENA_CURRENT) >> 2] as number;
      const seen = new Set<number>();
      for (let pass = 0; pass < 2; pass++) {               // cleanup may start tasks; what they start is ended unpolled
        for (const task of this.#units()) if (!seen.has(task)) this.#finish(task, task !== current && pass === 0, seen);
      }
    }
    this.#isClosed = true;
    this.#threads?.close();
    this.#loops?.close();
    this.#calls.close();
    this.stacks.close();
    this.#promises.clear();
    this.#io?.closeAll();
    this.#guests.hosts.delete(this);
    if (this.#range !== undefined) for (const range of [this.#range, ...this.#oldRanges]) giveRange(core, range);
    // The places of the stack pointer's functions stay while a suspended stack may still need them.
    if (this.#stackRange !== undefined && !this.stacks.areInUse) giveRange(core, this.#stackRange);
  }

  #finish(task: number, isPolled: boolean, seen: Set<number>): void {
    seen.add(task);
    const { core, arena } = this.#scheduler;
    const { watchers } = this.#guests;
    const index = task & INDEX_MASK;
    const state = core.i32[((core.i32[(arena + ARENA_STATES) >> 2] as number) >>> 2) + index] as number;
    const arg = core.i32[((core.i32[(arena + ARENA_ARGS) >> 2] as number) >>> 2) + index] as number;
    const poll = core.exports.table.get((state >> FN_SHIFT) & FN_MAX) as ((arg: number, self: number) => number) | null;
    const pointer = this.#calls.stackPointer();
    try {
      if (isPolled) poll?.(arg, ~task);
    } catch {
      this.#calls.restoreStack(pointer);                   // it ends here in any case
      this.#calls.reset();
    }
    this.#calls.tk_detach(task);
    core.exports.unitFree(arena, task);
    const watcher = watchers.get(index);
    watchers.delete(index);
    watcher?.(TK_ECANCELED);
  }
}
