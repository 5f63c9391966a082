// spawnBlocking() and blockInPlace() as free functions. Using one brings the thread pool along.

import type { TaskFn } from "./future.ts";
import { Runtime } from "./runtime.ts";
import type { JoinHandle } from "./task/task.ts";
import { provideThreads } from "./workers/provider.ts";
import type { Sendable } from "./workers/sendable.ts";

/**
 * Runs a function that blocks or computes on a thread of its own, so that this one stays responsive.
 *
 * A plain function is sent by source text: it captures nothing, gets copies of its arguments, and finds this package as
 * `tokiwa`. Threads are started on demand, at most `maxBlockingThreads`, and go after `threadKeepAlive` ms without work.
 * A function that has started cannot be interrupted: `abort()` cancels `currentTask().signal` in there.
 * It may call `blockOn()` of a runtime of its own.
 *
 * @throws {OptionError} for a native or bound function
 * @throws {ContextError} `TOKIWA_NO_RUNTIME` when there is no runtime and the default one is turned off
 * @example const sum = await spawnBlocking((n) => { let s = 0; for (let i = 0; i < n; i++) s += i; return s; }, 5e7);
 */
export function spawnBlocking<A extends unknown[], T>(fn: TaskFn<A, T> | Sendable<A, T>, ...args: A): JoinHandle<T> {
  provideThreads();
  return Runtime.current.spawnBlocking(fn, ...args);
}

/**
 * Runs a function that blocks on this thread, after giving work that waits here to other workers. It may call `blockOn()` of a runtime of its own.
 *
 * @throws {ContextError} `TOKIWA_CURRENT_THREAD` on a current-thread runtime
 */
export function blockInPlace<T>(fn: () => T): T {
  provideThreads();
  return Runtime.current.blockInPlace(fn);
}
