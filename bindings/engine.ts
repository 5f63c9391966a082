// The inside of a runtime: a scheduler with its options, its threads and its end, and which one is current.
//
// Current is, in this order: the one whose drive is on the stack (or whose `enter()` is), the
// one an async function belongs to (where the host has async context), the one that drove last on
// this thread (where it has not), the default one. The default is made at the first use.
//
// `run()`, `spawn()` and `sleep()` need no more than this. `Runtime` is the face of an engine (runtime.ts), made when somebody
// asks for it: so what it can do besides is in no bundle that does not name it.

import { ContextError, DeadlockError, JoinError, OptionError } from "./errors.ts";
import { context, describeFuture, type Future, isFuture, isThenable, type TaskFn } from "./future.ts";
import { hasAsyncContext, isPage, macrotask, monotonicNow, onLoopDry, startTimer, stopTimer } from "./host.ts";
import { checkDuration, checkFunction, checkInteger, checkOneOf, checkOptions, show } from "./options.ts";
import { shared } from "./registry.ts";
import type { Lane } from "./scheduler/contract.ts";
import { CurrentThread, driven } from "./scheduler/current-thread.ts";
import { Root } from "./scheduler/root.ts";
import { installDefaultReactor, Lazy } from "./task/lazy.ts";
import { fromPromise } from "./task/promise.ts";
import { currentScope } from "./task/scope.ts";
import { callOf, isTask, type JoinHandle, Task, type TaskMeta } from "./task/task.ts";
import { installedThreads, requireThreads, type RuntimeThreads, type ThreadOptions } from "./workers/seam.ts";

const ignore = (): void => {};

export type Flavor = "current-thread" | "multi-thread";

export interface RuntimeOptions extends ThreadOptions {
  /** Default `"current-thread"`. */
  flavor?: Flavor;
  /** Polls between looks at timers and I/O, 1 to 1 000 000; default 61, as in Tokio. */
  eventInterval?: number;
  /** Milliseconds one drive may take before the host gets a turn; default 8, on a page's main thread 4. */
  timeSlice?: number;
  /** Where follow-up drives are scheduled; default `"auto"`: a microtask, leftovers a macrotask. */
  lane?: Lane;
  /** Tasks there is room for at the start, 1 to 1 048 576; grows. Default 64. */
  capacity?: number;
  /** What happens when a task, of this thread or in a worker, fails whose handle nobody awaits; default `"report"`. */
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
/** Milliseconds that a shutdown waits for cleanup. */
const SHUTDOWN_TIMEOUT = 5000;

interface Registry {
  /** undefined: not made yet; null: turned off. */
  default: Engine | null | undefined;
}

const registry: Registry = /* @__PURE__ */ shared("runtime", (): Registry => ({ default: undefined }));

export class Engine {
  readonly scheduler: CurrentThread;
  readonly options: RuntimeOptions;
  readonly isMulti: boolean;
  /** The `Runtime` that shows this, once somebody has asked for it. */
  face: unknown = undefined;
  /** `shutdown()` was called. */
  isShuttingDown = false;
  threads: RuntimeThreads | undefined;
  #shutdown: Promise<void> | undefined;
  #failure: { error: unknown } | undefined;

  /** @throws {OptionError} naming the option, what it may be and what it was */
  constructor(options?: RuntimeOptions) {
    const given = checkOptions<RuntimeOptions>("options", options);
    this.isMulti = checkOneOf("flavor", orDefault(given.flavor, "current-thread"), ["current-thread", "multi-thread"]) === "multi-thread";
    if (this.isMulti) requireThreads("a multi-thread runtime");
    if (given.workerThreads !== undefined && !this.isMulti) throw new OptionError(`workerThreads is for the flavor "multi-thread" only, got ${show(given.workerThreads)} with "current-thread"`);
    if (THREAD_OPTIONS.some((name) => given[name] !== undefined)) requireThreads("options of threads").check(given);
    const startPaused = orDefault(given.startPaused, false);
    if (typeof startPaused !== "boolean") throw new OptionError(`startPaused must be true or false, got ${show(startPaused)}`);
    for (const hook of HOOKS) if (given[hook] !== undefined) checkFunction(hook, given[hook]);
    this.options = given;
    this.scheduler = new CurrentThread({
      eventInterval: checkInteger("eventInterval", orDefault(given.eventInterval, 61), 1, 1_000_000),
      timeSlice: checkSlice(orDefault(given.timeSlice, isPage ? 4 : 8)),
      lane: checkOneOf("lane", orDefault(given.lane, "auto"), ["auto", "microtask", "macrotask", "frame", "manual"]),
      capacity: checkInteger("capacity", orDefault(given.capacity, 64), 1, 1 << 20),
      seed: given.seed === undefined ? undefined : checkInteger("seed", given.seed, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
      startPaused,
      unhandledFailure: checkOneOf("unhandledFailure", orDefault(given.unhandledFailure, "report"), ["report", "ignore", "shutdown"]),
      hooks: HOOKS.some((hook) => given[hook] !== undefined) ? this.options : null,
    });
    this.scheduler.owner = this;
    this.scheduler.onFailed = (error) => this.#failed(error);
  }

  /** Starts what `spawn()` was given, with a name and a signal if it has some. */
  spawnTask(body: unknown, args: unknown[], name: string | undefined, signal: AbortSignal | undefined): JoinHandle<unknown> {
    const { scheduler } = this;
    let task: Task<unknown>;
    if (typeof body === "function") task = new Task(scheduler, callOf(body, args));
    else if (installedThreads()?.isSendable(body) === true) return this.#spawnSendable(body, args, name, signal);
    else if (isFuture(body)) task = new Task(scheduler, taken(body)).ofFuture();
    else if (isThenable(body)) {
      if ((body as Partial<Promise<unknown>>)[Symbol.toStringTag] === "Promise") Promise.resolve(body).catch(ignore);   // from here on a rejection is the task's, also before its first poll
      task = new Task(scheduler, fromPromise(body)).ofFuture();
    } else throw new OptionError(`spawn() takes a function, a future or a promise, got ${show(body)}`);
    if (name !== undefined || signal !== undefined) task.prepare(name, signal);
    return this.#start(task);
  }

  /** Starts what `callOf()` has made of a function and its arguments; the short way for the usual spawn. */
  spawnCall(call: unknown): JoinHandle<unknown> {
    return this.#start(new Task(this.scheduler, call));
  }

  #start(task: Task<unknown>): JoinHandle<unknown> {
    if (this.isShuttingDown || this.scheduler.isClosed) return task.refuse(shutDownError());
    this.scheduler.spawn(task);
    return task;
  }

  #spawnSendable(sendable: unknown, args: unknown[], name: string | undefined, signal: AbortSignal | undefined): JoinHandle<unknown> {
    if (signal?.aborted === true) return this.#start(new Task<unknown>(this.scheduler, ignore).prepare(name, signal));        // here, where it does not run
    const task = new Task<unknown>(this.scheduler, null);
    if (name !== undefined || signal !== undefined) task.prepare(name, signal);
    if (this.isShuttingDown || this.scheduler.isClosed) return task.refuse(shutDownError());
    this.openThreads().spawn(task, sendable, args);
    return task;
  }

  /** Its threads, opened at the first use. */
  openThreads(): RuntimeThreads {
    this.threads ??= requireThreads("this call").open(this.scheduler, this.isMulti, this.options);
    return this.threads;
  }

  /** Runs `main` to its end; the asynchronous counterpart of `blockOn()`. Tasks it leaves go on. */
  run<T>(main: TaskFn<[], T> | Future<T>): Promise<T> {
    const { scheduler } = this;
    let body: Future<T>;
    try {
      body = isFuture(main) ? taken(main) : new Lazy(checkFunction("main", main), [], true);
      this.checkOpen();
    } catch (error) {
      return Promise.reject(error);
    }
    const root = new Root(scheduler, body);
    return new Promise<T>((resolve, reject) => {
      const stopListening = onLoopDry(() => {
        macrotask(ignore);                                 // the loop runs dry once more: whoever catches this may be stuck again
        root.fail(deadlock("run()", body, scheduler));
      });
      root.onDone = () => {
        stopListening();
        if (this.#failure !== undefined) reject(this.#failure.error);
        else if (root.isFailed) reject(root.outcome);
        else resolve(root.outcome as T);
      };
      scheduler.addRoot(root);
    });
  }

  /**
   * Cancels every task, runs their cleanup and closes the runtime. What is still suspended after `timeout` settles as cancelled.
   *
   * @param options.timeout milliseconds to wait for cleanup, and for what workers have printed; default 5000
   */
  shutdown(options?: { timeout?: number }): Promise<void> {
    let timeout: number;
    try {
      timeout = checkDuration("timeout", orDefault(checkOptions<{ timeout?: number }>("options", options).timeout, SHUTDOWN_TIMEOUT));
    } catch (error) {
      return Promise.reject(error);
    }
    this.#shutdown ??= this.#shutDown(timeout);
    return this.#shutdown;
  }

  #shutDown(timeout: number): Promise<void> {
    const { scheduler } = this;
    const due = monotonicNow() + timeout;
    this.isShuttingDown = true;
    this.#cancelAll();
    scheduler.letRun();
    return new Promise((resolve) => {
      const finish = (): void => {
        stopTimer(timer);
        scheduler.whenIdle(undefined);
        scheduler.close();
        if (registry.default === this) registry.default = undefined;
        resolve(this.threads?.close(due));
      };
      const timer = startTimer(finish, timeout);
      scheduler.whenIdle(() => queueMicrotask(finish));    // not on the stack of the drive that ended the last task
    });
  }

  #cancelAll(): void {
    const reason = shutDownReason();
    this.scheduler.guests?.close();
    for (const root of [...this.scheduler.roots]) root.fail(reason);
    for (const task of [...this.scheduler.tasks()]) task.abort(reason);
  }

  #failed(error: unknown): void {
    this.#failure ??= { error };
    if (!this.isShuttingDown) void this.shutdown();
  }

  /** Cancels every task and closes at once, without waiting for async cleanup. */
  closeNow(): void {
    if (this.isShuttingDown) return;
    this.isShuttingDown = true;
    this.#cancelAll();
    if (!this.scheduler.isDriving) this.scheduler.drive(Infinity, SHUTDOWN_TIMEOUT);
    this.scheduler.close();
    if (registry.default === this) registry.default = undefined;
    this.#shutdown = this.threads?.close() ?? Promise.resolve();
  }

  checkOpen(): void {
    if (this.isShuttingDown || this.scheduler.isClosed) throw shutDownContext();
  }
}

function noRuntime(): ContextError {
  return new ContextError(
    "TOKIWA_NO_RUNTIME",
    "there is no reactor running, must be called from the context of a tokiwa runtime: the default runtime is turned off. Use run(), runtime.enter(), or a method of a Runtime.",
  );
}

/** The engine that is current here, if there is one without making one. */
function lookUp(): Engine | undefined {
  const reactor = context.reactor ?? currentScope()?.scheduler;
  const owner = (reactor as CurrentThread | undefined)?.owner as Engine | undefined;
  if (owner !== undefined) return owner;
  if (!hasAsyncContext && driven.last?.isClosed === false) return driven.last.owner as Engine;
  return registry.default ?? undefined;
}

/** The scheduler that is current here; makes the default runtime if need be. */
export function currentScheduler(): CurrentThread {
  const { reactor } = context;
  if (reactor !== null && !(reactor as CurrentThread).isClosed) return reactor as CurrentThread;
  return currentEngine().scheduler;
}

/** The clock that is current here, without making a runtime. */
export function currentNow(): number {
  const scheduler = (context.reactor ?? lookUp()?.scheduler) as CurrentThread | undefined;
  return scheduler === undefined ? monotonicNow() : scheduler.clock.now();
}

/** The engine that is current here; the default one is made if need be. */
export function currentEngine(): Engine {
  const found = lookUp();
  if (found !== undefined) {
    if (found.scheduler.isClosed) throw shutDownContext();   // while it shuts down, cleanups still run inside
    return found;
  }
  if (registry.default === null) throw noRuntime();
  registry.default = new Engine();
  return registry.default;
}

/** What the free functions use outside of any runtime; null: nothing. */
export function setDefaultEngine(engine: Engine | null): void {
  registry.default = engine;
}

function shutDownContext(): ContextError {
  return new ContextError("TOKIWA_NO_RUNTIME", "there is no reactor running, must be called from the context of a tokiwa runtime: the current one has shut down");
}

export function shutDownError(): JoinError {
  return new JoinError("TOKIWA_SHUT_DOWN", "the task was not started: its runtime has shut down");
}

function shutDownReason(): JoinError {
  return new JoinError("TOKIWA_SHUT_DOWN", "the runtime is shutting down");
}

/** What a task or a main takes over: the future itself, of a join handle only a wait. */
export function taken<T>(body: Future<T>): Future<T> {
  return isTask(body) ? (body.borrowed as Future<T>) : body;
}

/** Only undefined means the default: null is a mistake, and told. */
function orDefault<T>(value: T | undefined, otherwise: T): T {
  return value === undefined ? otherwise : value;
}

export function checkSlice(value: unknown): number {
  if (typeof value !== "number" || !(value > 0 && value <= MAX_SLICE)) {
    throw new OptionError(`timeSlice must be a number of milliseconds above 0 and at most ${MAX_SLICE}, got ${show(value)}`);
  }
  return value;
}

installDefaultReactor(() => (registry.default === null ? null : currentEngine().scheduler));

/** Nothing can bring `main` on: an error that lists who waits for what. */
export function deadlock(what: string, main: Future<unknown>, scheduler: CurrentThread): DeadlockError {
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
