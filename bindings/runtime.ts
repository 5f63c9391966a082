// Runtime: the public face of an engine, and the free functions on the current one.

import { blockOn } from "./block-on.ts";
import { checkSlice, currentEngine, Engine, type RuntimeOptions, setDefaultEngine, shutDownError } from "./engine.ts";
import { ContextError, OptionError } from "./errors.ts";
import { context, type Future, type TaskFn } from "./future.ts";
import { isPage } from "./host.ts";
import { checkDuration, checkFunction, checkInteger, checkOptions, checkSignal, show } from "./options.ts";
import type { DriveState } from "./scheduler/contract.ts";
import type { CurrentThread } from "./scheduler/current-thread.ts";
import { metricsOf, type RuntimeMetrics } from "./scheduler/metrics.ts";
import { currentScope } from "./task/scope.ts";
import { viewOf } from "./task/current.ts";
import { callOf, type CurrentTask, type JoinHandle, Task } from "./task/task.ts";
import { installedThreads, type RuntimeThreads, type WorkerMetrics } from "./workers/seam.ts";
import type { Sendable } from "./workers/sendable.ts";

export type { Flavor, RuntimeOptions } from "./engine.ts";

/**
 * Sets what the free functions use outside of any runtime; `null` turns that off, and then they
 * throw `ContextError` `TOKIWA_NO_RUNTIME`.
 */
export function setDefaultRuntime(runtime: Runtime | null): void {
  if (runtime !== null && !(runtime instanceof Runtime)) throw new OptionError(`runtime must be a Runtime or null, got ${show(runtime)}`);
  setDefaultEngine(runtime === null ? null : runtime.engine);
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
  readonly engine: Engine;

  /** @throws {OptionError} naming the option, what it may be and what it was */
  constructor(options?: RuntimeOptions) {
    this.engine = new Engine(options);
    this.engine.face = this;
  }

  /**
   * The runtime that is current here. Outside of one: the default runtime, made if need be.
   *
   * @throws {ContextError} `TOKIWA_NO_RUNTIME` when the default is turned off, or the current one has shut down
   */
  static get current(): Runtime {
    return faceOf(currentEngine());
  }

  /** Starts a task on this runtime, see `spawn()`. After `shutdown()` the handle is already cancelled. */
  spawn<A extends unknown[], T>(fn: TaskFn<A, T> | Sendable<A, T>, ...args: A): JoinHandle<T>;
  spawn<T>(future: Future<T> | PromiseLike<T>): JoinHandle<T>;
  spawn(body: unknown, ...args: unknown[]): JoinHandle<unknown> {
    if (typeof body === "function") return this.engine.spawnCall(callOf(body, args));
    return this.engine.spawnTask(body, args, undefined, undefined);
  }

  /** What JSON.stringify() shows: its metrics, at this moment. */
  toJSON(): RuntimeMetrics {
    return this.metrics();
  }

  /** @internal */
  get scheduler(): CurrentThread {
    return this.engine.scheduler;
  }

  /** @internal In a worker: what its parent shares with it. */
  useThreads(threads: RuntimeThreads): void {
    this.engine.threads = threads;
  }

  /** Runs a blocking function on a thread of its own, see `spawnBlocking()`. */
  spawnBlocking<A extends unknown[], T>(fn: TaskFn<A, T> | Sendable<A, T>, ...args: A): JoinHandle<T> {
    if (typeof fn !== "function" && installedThreads()?.isSendable(fn) !== true) throw new OptionError(`fn must be a function or what send() returns, got ${show(fn)}`);
    const { engine } = this;
    const task = new Task<T>(engine.scheduler, null);
    if (engine.isShuttingDown || engine.scheduler.isClosed) return task.refuse(shutDownError());
    engine.openThreads().spawnBlocking(task as Task<unknown>, fn, args);
    return task;
  }

  /** Runs a blocking function here, see `blockInPlace()`. */
  blockInPlace<T>(fn: () => T): T {
    checkFunction("fn", fn);
    return this.engine.openThreads().blockInPlace(fn);
  }

  /**
   * Runs `main` on this thread until it is done, and returns its value. Parks between timers where the thread may block.
   *
   * @throws {WouldBlockError} `TOKIWA_WOULD_BLOCK` when only the host's own event loop could bring `main` on
   * @throws {DeadlockError} `TOKIWA_DEADLOCK` when nothing could
   * @throws {ContextError} `TOKIWA_NESTED_RUNTIME` inside a task. A job of `spawnBlocking()`, and what `blockInPlace()` runs, may call it of a runtime of its own
   */
  blockOn<T>(main: TaskFn<[], T> | Future<T>): T {
    return blockOn(this.engine, main);
  }

  /** Runs `main` to its end; the asynchronous counterpart of `blockOn()`. Tasks it leaves go on. */
  run<T>(main: TaskFn<[], T> | Future<T>): Promise<T> {
    return this.engine.run(main);
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
    const slice = ms === undefined ? checkSlice(this.engine.options.timeSlice ?? (isPage ? 4 : 8)) : checkDuration("budget.ms", ms);
    const { scheduler } = this;
    scheduler.drive(polls, slice);
    if (!scheduler.isDriving && this.engine.options.lane === "manual" && scheduler.clock.isPaused && !scheduler.isClosed && !scheduler.isReady) scheduler.jump();
    return scheduler.state();
  }

  metrics(): RuntimeMetrics & { readonly workers: WorkerMetrics[]; readonly blocking: WorkerMetrics[] } {
    return { ...metricsOf(this.scheduler), ...(this.engine.threads?.metrics() ?? { workers: [], blocking: [] }) };
  }

  /**
   * Cancels every task, runs their cleanup and closes the runtime. What is still suspended after `timeout` settles as cancelled.
   *
   * @param options.timeout milliseconds to wait for cleanup, and for what workers have printed; default 5000
   */
  shutdown(options?: { timeout?: number }): Promise<void> {
    return this.engine.shutdown(options);
  }

  /** Cancels every task and closes at once, without waiting for async cleanup. */
  [Symbol.dispose](): void {
    this.engine.closeNow();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.engine.shutdown();
  }
}

/** The runtime that shows an engine: `run()` and `spawn()` make engines without one. */
function faceOf(engine: Engine): Runtime {
  engine.face ??= Object.assign(Object.create(Runtime.prototype) as Runtime, { engine });
  return engine.face as Runtime;
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
  const engine = new Engine(options);
  try {
    return await engine.run(main);
  } finally {
    await engine.shutdown();
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
  if (typeof body === "function") return currentEngine().spawnCall(callOf(body, args));
  return currentEngine().spawnTask(body, args, undefined, undefined);
}

/** Spawns with a name or an `AbortSignal`: `taskBuilder({ name: "feed", signal }).spawn(fn, ...args)`. */
export function taskBuilder(options: TaskOptions): TaskBuilder {
  const { name, signal } = checkOptions<TaskOptions>("options", options);
  if (name !== undefined && typeof name !== "string") throw new OptionError(`name must be a string, got ${show(name)}`);
  if (signal !== undefined) checkSignal("signal", signal);
  return {
    spawn: (body: unknown, ...args: unknown[]) => currentEngine().spawnTask(body, args, name, signal) as JoinHandle<never>,
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
  return viewOf(task);
}
