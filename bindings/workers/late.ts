// A task whose function may still be on its way: a module that is being loaded.

import type { CurrentThread } from "../scheduler/current-thread.ts";
import { callOf, type Task } from "../task/task.ts";
import type { Fn } from "./known.ts";
import { unpacking } from "./sendable.ts";

/**
 * Starts an admitted task, once its function is there. Until then it is a task that has not started: an abort settles it.
 *
 * Waiting inside of it would not do, for then what the function returns, a generator perhaps, would be its value.
 */
export function startWhenLoaded(scheduler: CurrentThread, task: Task<unknown>, fn: Fn | Promise<Fn>, args: readonly unknown[], hasShared = false): void {
  const call = (loaded: Fn): unknown => callOf(hasShared ? unpacking(loaded) : loaded, args);
  if (typeof fn === "function") {
    task.ofCall(call(fn));
    scheduler.wake(task.handle);
    return;
  }
  task.ofCall(null);
  scheduler.hostPending++;
  const start = (loaded: Fn): void => {
    scheduler.hostPending--;
    if (task.isFinished) return;
    task.ofCall(call(loaded));
    scheduler.wake(task.handle);
  };
  fn.then(start, (error: unknown) => start(() => {
    throw error;
  }));
}
