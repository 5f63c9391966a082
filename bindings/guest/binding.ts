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
} from "../../assembly/layout.ts";
import { compileCore } from "../core.ts";
import { ContextError, DeadlockError, JoinError, OptionError, TokiwaError } from "../errors.ts";
import { Operation, PENDING, type Waker } from "../future.ts";
import { GUEST_INTERFACE } from "../generated/guest-interface.ts";
import { onLoopDry, reportUnhandled } from "../host.ts";
import { show } from "../options.ts";
import type { Runtime } from "../runtime.ts";
import type { CurrentThread } from "../scheduler/current-thread.ts";
import { type GuestHost, type Guests, guestsOf } from "../scheduler/guests.ts";
import type { JoinHandle } from "../task/task.ts";
import { accessOfEmscripten, type EmscriptenAccess, type EmscriptenThreads, type GuestAccess } from "./access.ts";
import type { Asyncify, AsyncifyCalls, AsyncifySupport } from "./asyncify.ts";
import { BLOCKING_CALLS, type BlockingCall, SHARED_TASK, TK_ECANCELED, TK_ECLOSED, TK_EINVAL, TK_ELIMIT, TK_ENOMEM, TK_ENOSYS, TK_ESTALE, TK_ETRAP, TK_PENDING, TK_READY } from "./codes.ts";
import type { GuestIo, GuestStream, IoTable } from "./io.ts";
import type { Loops, LoopsAccess } from "./loops.ts";
import { PromiseTable } from "./promises.ts";
import { type GuestThreads, installedGuestThreads, THREAD_CALLS, type ThreadHost, type ThreadSetup } from "./seam.ts";
import { HOP, Hops, STACK_BYTES, StackBody, type StackHost, StackPool, STACKS_MAX } from "./stacks.ts";
import type { GuestWaker } from "./waker.ts";
import { fillRange, giveRange, type TableRange, takeRange } from "./table.ts";

/** The exports of guest-interface.ts that JavaScript calls. */
interface Interface extends AsyncifyCalls {
  bind(arena: number, suspends: number): void;
  setTable(first: number, count: number): void;
  setStackAccess(get: number, set: number): void;
  close(): void;
  setValue(value: number): void;
  stackPointer(): number;
  restoreStack(pointer: number): void;
  reset(): void;
  isStackless(): number;
  abortFromHost(task: number): number;
  watchFromHost(task: number): number;
  enter(task: number, fn: number, count: number, first: number, second: number, top: number): number;
  start(fn: number, arg: number, flags: number): number;
  tk_wake(task: number): number;
  tk_detach(task: number): void;
  tk_join_start(task: number, waiter: number): number;
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

interface StackJoin {
  readonly task: JoinHandle<number>;
  result: number | undefined;
  readonly waiters: number[];
}

interface SuspendingWasm {
  Suspending: new (fn: (...args: number[]) => unknown) => WebAssembly.ImportValue;
  promising: (fn: unknown) => (...args: number[]) => Promise<number>;
}

const wasm = WebAssembly as unknown as Partial<SuspendingWasm>;
/** Whether Wasm can suspend here: Node 26, Chromium 137, Firefox 153. */
export const hasJspi: boolean = typeof wasm.Suspending === "function" && typeof wasm.promising === "function";

const suspending = (fn: (task: number) => unknown): WebAssembly.ImportValue => (wasm.Suspending === undefined ? () => TK_ENOSYS : new wasm.Suspending(fn));

const WATCHED_FLAG = 32;
/** Calls of tokiwa.h that go to the table of connections as they are. */
const IO_CALLS = [
  "tk_io_fetch", "tk_io_websocket", "tk_io_tcp", "tk_io_unix", "tk_io_read", "tk_io_left", "tk_io_write", "tk_io_write_text",
  "tk_io_shutdown", "tk_io_status", "tk_io_header", "tk_io_error", "tk_io_close",
] as const;
let module: WebAssembly.Module | undefined;

export const bindings = new WeakMap<object, Binding>();

export class Binding implements GuestHost, StackHost, ThreadHost {
  readonly runtime: Runtime;
  readonly imports: GuestImports;
  readonly #calls: Interface;
  readonly #scheduler: CurrentThread;
  readonly #guests: Guests;
  readonly #promises: PromiseTable;
  readonly #joins = new Map<number, StackJoin>();
  /** By the index of their task. */
  readonly #bodies: (StackBody | undefined)[] = [];
  readonly #tasks = new Map<StackBody, JoinHandle<number>>();
  readonly #traps = new Map<number, TokiwaError>();
  readonly #hops = new Hops();
  readonly #enter: (...args: number[]) => Promise<number>;
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
  #pool: StackPool | undefined;
  #stackPointer = 0;
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
    this.#enter = wasm.promising === undefined ? () => Promise.reject(new Error("no JSPI")) : wasm.promising(calls.enter);
    if (asyncify !== undefined) this.#asyncify = this.#openAsyncify(asyncify, instance.exports);
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
    const suspend = (task: number): number | Promise<number> => {
      const body = this.#bodies[task & INDEX_MASK];
      return body?.handle === task ? body.suspend() : TK_ECANCELED;
    };
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
        const join = this.#joins.get(task);
        join?.task.abort();
        return join === undefined ? TK_ESTALE : 1;
      },
      detachStack: (task: number) => {
        if (task & SHARED_TASK) this.#loops?.detach(task);
        else this.#joins.delete(task);
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
      spawnStack: (fn: number, arg: number) => this.#spawnStack(fn >>> 0, arg),
      suspend: suspending(suspend),
      hop: suspending((task) => {
        if (this.#hops.mayHop()) return HOP;
        this.#calls.tk_wake(task);
        return suspend(task);
      }),
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
    this.#pool = new StackPool(access, this.stackBytes, this.maxStacks, this.#calls.isStackless() === 1);
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

  get canBlock(): boolean {
    return this.#canSuspend && this.#pool?.refusal === undefined;
  }

  get #canSuspend(): boolean {
    return hasJspi || this.#asyncify !== undefined;
  }

  /** Whether stackful tasks are entered by JavaScript: then they may be any function, and need no place in the table. */
  get entersByCall(): boolean {
    return this.#asyncify !== undefined;
  }

  #openAsyncify(support: AsyncifySupport, exports: WebAssembly.Exports): Asyncify {
    return support.open({
      calls: this.#calls,
      access: () => this.access,
      stackBytes: () => this.stackBytes,
      bodyOf: (task) => this.#bodies[task & INDEX_MASK],
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
    const task = this.#calls.start(fn, arg, WATCHED_FLAG);
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
    const task = this.#calls.start(fn, arg, WATCHED_FLAG);
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
      throw this.#trapError("a job", cause);
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
    const join = this.#joins.get(task);
    if (join !== undefined) return join.task;
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

  #wakeAtEnd(task: number, waiter: number): void {
    if (this.#calls.watchFromHost(task) === 1) this.atEnd(task, () => this.#calls.tk_wake(waiter));
  }

  abort(task: number): void {
    if (!this.#isClosed && this.#calls.abortFromHost(task) === 1) this.#scheduler.schedule();
  }

  /** Before a drive. */
  enter(): void {
    this.#stackPointer = this.#calls.stackPointer();
  }

  trapped(task: number, fn: number, cause: unknown): boolean {
    if (!this.#owns(fn)) return false;
    this.#calls.restoreStack(this.#stackPointer);
    this.#calls.reset();
    const error = this.#trapError(`task ${task}`, cause);
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

  #trapError(what: string, cause: unknown): TokiwaError {
    if (cause instanceof TokiwaError) return cause;
    return new TokiwaError("TOKIWA_GUEST_TRAP", `${what} of ${this.label} trapped: ${cause instanceof Error ? `${cause.name}: ${cause.message}` : show(cause)}. It has ended; the guest's other tasks go on.`, { cause });
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

  // ---- stackful tasks

  get pool(): StackPool {
    return this.#pool as StackPool;
  }

  /** @throws when blocking code cannot be started now */
  checkBlocking(): void {
    if (!this.#canSuspend) {
      throw new ContextError("TOKIWA_NO_JSPI", "blocking code needs WebAssembly.promising and Suspending (JSPI), which this host has not: use Node 24.21 or later, a current browser, a module built for Asyncify (attach() with { asyncify }), or poll tasks (tk_spawn), which run everywhere.");
    }
    const { pool } = this;
    if (pool.refusal !== undefined) throw new OptionError(`${this.label} cannot run blocking code: ${pool.refusal}`);
    if (pool.used >= pool.limit) throw tooManyStacks(this.label, pool.limit);
    if (this.#isClosed) throw closedError(this.label);
  }

  /** Runs a function of the guest as a stackful task; after checkBlocking(). */
  run(fn: StackBody["fn"], args: readonly number[], name: string | undefined): JoinHandle<number> {
    return this.#startStack(fn, args, name).task;
  }

  #spawnStack(fn: number, arg: number): number {
    const pool = this.#pool;
    if (pool === undefined) return TK_ENOSYS;
    if (pool.refusal !== undefined) return TK_ENOSYS;
    if (pool.used >= pool.limit) return TK_ELIMIT;
    const { task, body } = this.#startStack(fn, [arg], undefined);
    const { handle } = body;
    if (handle < 0) return TK_ECLOSED;
    const join: StackJoin = { task, result: undefined, waiters: [] };
    this.#joins.set(handle, join);
    const finish = (result: number): void => {
      join.result = result;
      for (const waiter of join.waiters.splice(0)) this.#calls.tk_wake(waiter);
    };
    body.onEnd = finish;
    return handle;
  }

  #startStack(fn: StackBody["fn"], args: readonly number[], name: string | undefined): { task: JoinHandle<number>; body: StackBody } {
    const body = new StackBody(this, fn, args);
    const task = this.runtime.engine.spawnTask(body, [], name, undefined) as JoinHandle<number> & { handle: number };
    body.handle = task.handle;
    if (task.handle >= 0) {
      this.#bodies[task.handle & INDEX_MASK] = body;
      this.#tasks.set(body, task);
    }
    return { task, body };
  }

  enterStack(body: StackBody): Promise<number> {
    const calls = this.#calls;
    const before = calls.stackPointer();
    const [first = 0, second = 0] = body.args;
    const promise = this.#asyncify?.run(body) ?? this.#enter(body.handle, body.fn as number, body.args.length, first, second, body.top);
    calls.restoreStack(before);                            // it is on its way: suspended, or ended by a trap
    calls.reset();
    return promise.catch((cause: unknown) => {
      calls.restoreStack(this.#stackPointer);
      calls.reset();
      throw this.#trapError(`blocking task ${body.handle}`, cause);
    });
  }

  left(body: StackBody): void {
    this.pool.used--;
    this.#tasks.delete(body);
    const index = body.handle & INDEX_MASK;
    if (this.#bodies[index] === body) this.#bodies[index] = undefined;
  }

  #joinStack(task: number, waiter: number): number {
    if (task & SHARED_TASK) {
      const state = this.#loops?.join(task, waiter) ?? TK_ESTALE;
      if (state === TK_READY) this.#calls.setValue(this.#loops?.result as number);
      return state;
    }
    const join = this.#joins.get(task);
    if (join === undefined) return TK_ESTALE;
    if (join.result === undefined) {
      if (!join.waiters.includes(waiter)) join.waiters.push(waiter);
      return TK_PENDING;
    }
    this.#joins.delete(task);
    this.#calls.setValue(join.result);
    return TK_READY;
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
    for (const task of this.#tasks.values()) task.abort();
    this.#joins.clear();
    this.#promises.clear();
    this.#io?.closeAll();
    this.#guests.hosts.delete(this);
    if (this.#range !== undefined) for (const range of [this.#range, ...this.#oldRanges]) giveRange(core, range);
    // The places of the stack pointer's functions stay while a suspended stack may still need them.
    if (this.#stackRange !== undefined && this.#pool?.used === 0) giveRange(core, this.#stackRange);
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

/** The end of a poll task, as the body of a task of JavaScript; dropping it aborts the guest's. */
class GuestJoin extends Operation<number> {
  readonly #binding: Binding;
  readonly #task: number;
  /** Negative results are results too. */
  readonly #isRaw: boolean;
  #result: number | undefined;
  #error: unknown;
  #waker: Waker | undefined;

  constructor(binding: Binding, task: number, isRaw = false) {
    super();
    this.#binding = binding;
    this.#task = task;
    this.#isRaw = isRaw;
  }

  end(result: number, error: TokiwaError | undefined): void {
    this.#result = result;
    if (error !== undefined) this.#error = error;
    else if (result === TK_ECANCELED) this.#error = new JoinError("TOKIWA_CANCELLED", `task ${this.#task} of ${this.#binding.label} was cancelled`);
    else if (result < 0 && !this.#isRaw) this.#error = new TokiwaError("TOKIWA_GUEST_ERROR", `task ${this.#task} of ${this.#binding.label} ended with the error ${result}`);
    this.#waker?.wake();
  }

  poll(waker: Waker): number | typeof PENDING {
    this.#waker = waker;
    if (this.#result === undefined) return PENDING;
    if (this.#error !== undefined) throw this.#error;
    return this.#result;
  }

  override [Symbol.dispose](): void {
    this.#waker = undefined;
    if (this.#result === undefined) this.#binding.abort(this.#task);
  }

  override describe(): string {
    return `task ${this.#task} of ${this.#binding.label}`;
  }
}

function closedError(label: string): ContextError {
  return new ContextError("TOKIWA_DETACHED", `${label} was detached: attach it again to run it`);
}

function tooManyStacks(label: string, limit: number): TokiwaError {
  return new TokiwaError("TOKIWA_TOO_MANY_STACKS", `${label} has ${limit} stacks in use, which is the limit (maxStacks): join some tasks first, or use poll tasks (tk_spawn), which need none.`);
}

function startError(label: string, fn: number, code: number): Error {
  if (code === TK_ECLOSED) return closedError(label);
  if (code === TK_ENOMEM) return new TokiwaError("TOKIWA_OUT_OF_MEMORY", `the core's memory cannot grow to hold another task of ${label}`);
  return new OptionError(`fn must be a function pointer of ${label} (a place in its table, not 0), got ${show(fn)}`);
}
