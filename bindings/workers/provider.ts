// The threads of a runtime: a pool for sendables (multi-thread), a pool for blocking work.

import { ContextError, OptionError } from "../errors.ts";
import { processors } from "../host.ts";
import { checkDuration, checkFunction, checkInteger, checkOneOf, checkOptions, show } from "../options.ts";
import type { CurrentThread } from "../scheduler/current-thread.ts";
import { JoinError } from "../errors.ts";
import { reportUnobserved } from "../task/failures.ts";
import type { Task } from "../task/task.ts";
import type { TaskFn } from "../future.ts";
import { compile } from "./compile.ts";
import { nesting } from "./family.ts";
import type { Fn } from "./known.ts";
import { startWhenLoaded } from "./late.ts";
import { awaitsAnswer, lookAtWords, parkForAnswers, pumpPools } from "./parking.ts";
import { Pool } from "./pool.ts";
import { installThreads, type RuntimeThreads, type ThreadOptions, type ThreadsProvider, type WorkerMetrics } from "./seam.ts";
import { bySource, isSendable, type SendableFunction, takeArgs, tellWhenOver } from "./sendable.ts";
import { canShare } from "./transport.ts";

/** Most threads a pool may have. */
const MAX_THREADS = 1024;
const DEFAULT_KEEP_ALIVE = 10_000;

/** How the threads of a pool are called. */
export function threadNames(given: ThreadOptions["threadName"], fallback: string): (index: number) => string {
  if (given === undefined) return (index) => `${fallback}-${index}`;
  if (typeof given === "string") return (index) => `${given}-${index}`;
  return (index) => String(given(index));
}

export function checkTransport(value: ThreadOptions["transport"]): boolean {
  const transport = checkOneOf("transport", value === undefined ? "auto" : value, ["auto", "shared", "messages"]);
  if (transport === "shared" && !canShare()) {
    throw new OptionError('transport must be "auto" or "messages" here: "shared" needs SharedArrayBuffer, which a page has only with COOP and COEP headers');
  }
  return transport !== "messages" && canShare();
}

export function checkThreadName(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== "string" && typeof value !== "function") {
    throw new OptionError(`${name} must be a string or a function, got ${show(value)}`);
  }
}

/** A host that is given a limit it cannot read ignores it, or ends the process. */
export function checkResourceLimits(value: ThreadOptions["resourceLimits"]): void {
  for (const [name, limit] of Object.entries(checkOptions<object>("resourceLimits", value))) {
    if (limit !== undefined && !(typeof limit === "number" && limit > 0 && limit < Infinity)) throw new OptionError(`resourceLimits.${name} must be a number above 0, got ${show(limit)}`);
  }
}

const threads: ThreadsProvider = {
  isSendable,
  check(options) {
    const { workerThreads, maxBlockingThreads, threadKeepAlive, threadName, worker, resourceLimits, transport } = options;
    if (workerThreads !== undefined) checkInteger("workerThreads", workerThreads, 1, MAX_THREADS);
    if (maxBlockingThreads !== undefined) checkInteger("maxBlockingThreads", maxBlockingThreads, 1, MAX_THREADS);
    if (threadKeepAlive !== undefined) checkDuration("threadKeepAlive", threadKeepAlive);
    checkThreadName("threadName", threadName);
    if (worker !== undefined) checkFunction("worker", worker);
    checkResourceLimits(resourceLimits);
    checkTransport(transport);
  },
  open: (scheduler, isMulti, options) => new PooledThreads(scheduler, isMulti, options),
  awaitsAnswer,
  lookAtWords,
  pump: pumpPools,
  park: parkForAnswers,
};

/** Lets runtimes have threads. Harmless when it was done. */
export function provideThreads(): void {
  installThreads(threads);
}

class PooledThreads implements RuntimeThreads {
  readonly #scheduler: CurrentThread;
  readonly #isMulti: boolean;
  readonly #options: ThreadOptions;
  #workers: Pool | undefined;
  #blocking: Pool | undefined;
  #isClosed = false;

  constructor(scheduler: CurrentThread, isMulti: boolean, options: ThreadOptions) {
    this.#scheduler = scheduler;
    this.#isMulti = isMulti;
    this.#options = options;
  }

  #openWorkers(): Pool {
    const { workerThreads, threadName, worker, resourceLimits, transport } = this.#options;
    this.#workers = new Pool({
      size: workerThreads ?? processors(),
      name: threadNames(threadName, "tokiwa-worker"),
      isShared: checkTransport(transport),
      isSerial: false,
      sharesJobs: true,
      keepAliveMs: Infinity,
      factory: worker,
      resourceLimits,
      unhandledFailure: this.#scheduler.unhandledFailure,
      onUnobserved: this.#unobserved,
    });
    return this.#workers;
  }

  #blockingPool(): Pool {
    const { maxBlockingThreads, threadKeepAlive, threadName, worker, resourceLimits, transport } = this.#options;
    this.#blocking ??= new Pool({
      size: maxBlockingThreads ?? Math.max(4, processors()),
      name: threadNames(threadName, "tokiwa-blocking"),
      isShared: checkTransport(transport),
      isSerial: true,
      sharesJobs: false,
      keepAliveMs: threadKeepAlive ?? DEFAULT_KEEP_ALIVE,
      factory: worker,
      resourceLimits,
      unhandledFailure: this.#scheduler.unhandledFailure,
      onUnobserved: this.#unobserved,
    });
    return this.#blocking;
  }

  /** As a task of this runtime. */
  readonly #unobserved = (error: unknown): void => {
    if (this.#scheduler.unhandledFailure === "shutdown") this.#scheduler.failed(error);
    else reportUnobserved(error);
  };

  spawn(task: Task<unknown>, sendable: SendableFunction, args: unknown[]): void {
    if (this.#isMulti) (this.#workers ?? this.#openWorkers()).submit(this.#scheduler, task, sendable, args);
    else this.#spawnHere(task, sendable, args);
  }

  /** On a current-thread runtime a sendable is a function like any other, except that it gets copies. */
  #spawnHere(task: Task<unknown>, sendable: SendableFunction, args: unknown[]): void {
    const taken = takeArgs(args);
    tellWhenOver(task, taken);
    this.#scheduler.admit(task);
    startWhenLoaded(this.#scheduler, task, sendable.fn ?? localFunction(sendable), taken.args, taken.hasShared);
  }

  spawnBlocking(task: Task<unknown>, fn: unknown, args: unknown[]): void {
    const sendable = isSendable(fn) ? fn : bySource(checkFunction("fn", fn) as TaskFn<never[], unknown>);
    this.#blockingPool().submit(this.#scheduler, task, sendable, args);
  }

  blockInPlace<T>(fn: () => T): T {
    if (!this.#isMulti) {
      throw new ContextError("TOKIWA_CURRENT_THREAD", "blockInPlace() needs a multi-thread runtime: on a current-thread one it would hold every other task. Use spawnBlocking().");
    }
    return nesting(true, fn);
  }

  metrics(): { workers: WorkerMetrics[]; blocking: WorkerMetrics[] } {
    return { workers: this.#workers?.metrics() ?? [], blocking: this.#blocking?.metrics() ?? [] };
  }

  async close(due?: number): Promise<void> {
    this.#isClosed = true;
    const reason = new JoinError("TOKIWA_SHUT_DOWN", "the runtime has shut down");
    await Promise.all([this.#workers?.close(reason, due), this.#blocking?.close(reason, due)]);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }
}

/** The function, or what throws why there is none. */
function localFunction(sendable: SendableFunction): Fn | Promise<Fn> {
  try {
    return compile(sendable.definition);
  } catch (error) {
    return () => {
      throw error;
    };
  }
}
