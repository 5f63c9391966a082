// The seam between the runtime and the threads: the runtime knows these interfaces only, so that a
// program without threads does not carry them. Whoever imports something of threads installs them.

import { ContextError } from "../errors.ts";
import type { CurrentThread } from "../scheduler/current-thread.ts";
import type { Task } from "../task/task.ts";
import type { ResourceLimits } from "./start.ts";

/** What a runtime says about its threads. */
export interface ThreadOptions {
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
}

/** Counts of one worker, see `runtime.metrics()`. */
export interface WorkerMetrics {
  readonly name: string;
  readonly isReady: boolean;
  /** Jobs it has been given and has not answered. */
  readonly jobsInFlight: number;
  readonly jobsDone: number;
  /** Names of tasks among the jobs it has been given, of those that have one. */
  readonly taskNames: readonly string[];
}

/** The threads of one runtime. */
export interface RuntimeThreads {
  /** Runs a sendable on whichever worker is free; on a current-thread runtime, here. */
  spawn(task: Task<unknown>, sendable: unknown, args: unknown[]): void;
  spawnBlocking(task: Task<unknown>, fn: unknown, args: unknown[]): void;
  blockInPlace<T>(fn: () => T): T;
  metrics(): { workers: WorkerMetrics[]; blocking: WorkerMetrics[] };
  /**
   * Ends every thread, also those that work. Resolves when they have ended.
   *
   * @param due until when to wait for what idle ones have printed, on `monotonicNow()`; a moment is always waited
   */
  close(due?: number): Promise<void>;
}

export interface ThreadsProvider {
  isSendable(value: unknown): boolean;
  /** Checks the options of threads. */
  check(options: ThreadOptions): void;
  open(scheduler: CurrentThread, isMulti: boolean, options: ThreadOptions): RuntimeThreads;
  /** Sends what is queued and takes what has come, without the host's event loop. False when nothing could come so. */
  pump(): boolean;
  /** Whether another thread may have an answer for this one. */
  awaitsAnswer(): boolean;
  /** Wakes what has waited in a shared primitive and has been answered, on this thread perhaps. */
  lookAtWords(): void;
  /** Blocks until a worker has answered, or a shared primitive has, at most `ms`. */
  park(ms: number): void;
}

let installed: ThreadsProvider | undefined;

export function installThreads(provider: ThreadsProvider): void {
  installed = provider;
}

export function installedThreads(): ThreadsProvider | undefined {
  return installed;
}

export function requireThreads(what: string): ThreadsProvider {
  if (installed === undefined) {
    throw new ContextError("TOKIWA_NO_THREADS", `${what} needs threads, which this bundle has left out: add import "tokiwa/threads"`);
  }
  return installed;
}
