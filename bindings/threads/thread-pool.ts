// ThreadPool: a fixed number of threads, each with one job at a time.

import { checkFunction, checkInteger, checkOptions } from "../options.ts";
import { processors } from "../host.ts";
import { Pool } from "../workers/pool.ts";
import { checkThreadName, checkResourceLimits, checkTransport, threadNames } from "../workers/provider.ts";
import type { ResourceLimits } from "../workers/start.ts";
import { Executor } from "./executor.ts";

export interface ThreadPoolOptions {
  /** Threads, 1 to 1024, started on demand. Default: the cores of the host. */
  size?: number;
  /** What the threads are called: a prefix, or a function of the index. Default `"pool"`. */
  name?: string | ((index: number) => string);
  /** Default `"auto"`: shared memory where it can be posted, else messages. */
  transport?: "auto" | "shared" | "messages";
  /** Starts a worker whose entry calls `expose()`: for bundlers. */
  worker?: () => Worker;
  /** Node, Bun and Deno. */
  resourceLimits?: ResourceLimits;
}

/**
 * Threads that share one queue. Each runs one job at a time, also while that job waits for something.
 *
 * @example
 * await using pool = new ThreadPool({ size: 2 });
 * const sums = await Promise.all([1, 2, 3].map((n) => pool.exec(heavy, n)));
 */
export class ThreadPool extends Executor implements AsyncDisposable {
  /** Threads it may have. */
  readonly size: number;

  /** @throws {OptionError} naming the option, what it may be and what it was */
  constructor(options?: ThreadPoolOptions) {
    const { size, name, transport, worker, resourceLimits } = checkOptions<ThreadPoolOptions>("options", options);
    checkResourceLimits(resourceLimits);
    const threads = checkInteger("size", size === undefined ? processors() : size, 1, 1024);
    checkThreadName("name", name);
    if (worker !== undefined) checkFunction("worker", worker);
    const pool = new Pool({
      size: threads,
      name: threadNames(name, "pool"),
      isShared: checkTransport(transport),
      isSerial: true,
      sharesJobs: false,
      keepAliveMs: Infinity,
      factory: worker,
      resourceLimits,
    });
    super(pool, "the pool");
    this.size = threads;
  }

  /** Jobs that have not ended: queued and running. */
  get pendingJobs(): number {
    return this.pool.outstanding;
  }

  /** Ends every thread now; what is pending is cancelled. Resolves when they have ended. */
  shutdown(): Promise<void> {
    return this.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown();
  }

  toJSON(): object {
    return { size: this.size, pendingJobs: this.pendingJobs };
  }
}
