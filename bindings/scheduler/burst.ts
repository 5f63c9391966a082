// A drive that polls new tasks before they have a slot: most jobs of a worker end in their first poll, and then never take one.
//
// All of them run in one scope, for entering one costs more than a small function. One that turns out to be async keeps it.

import { context } from "../context.ts";
import { monotonicNow } from "../host.ts";
import { COOP_BUDGET, UNIT_PENDING } from "../limits.ts";
import { runInScope, Scope } from "../task/scope.ts";
import type { Task } from "../task/task.ts";
import type { CurrentThread } from "./current-thread.ts";

/** `body` hands tasks to `pollFirst()`, and returns when `isReady` says that there is something else to do: drive then. */
export function burst(scheduler: CurrentThread, body: (scope: Scope) => void): void {
  if (scheduler.isDriving || scheduler.isClosed) return;
  const lent = new Scope(null, scheduler, null);
  const outer = scheduler.beginDrive();
  scheduler.isBursting = true;
  try {
    runInScope(lent, () => body(lent));
  } finally {
    scheduler.isBursting = false;
    scheduler.endDrive(outer);
    if ((lent.task as Task<unknown> | null)?.scope !== lent) lent.end();
  }
  if (!scheduler.isClosed && !scheduler.isReady) scheduler.rest(monotonicNow());
}

/** The first poll of a task, in a burst; one that has no slot yet takes none if it ends. False when it has kept the burst's scope: begin another one. */
export function pollFirst(scheduler: CurrentThread, task: Task<unknown>, lent: Scope): boolean {
  if (task.handle < 0) scheduler.begun();
  scheduler.polls++;
  context.enter(task);
  context.budget = COOP_BUDGET;
  const verdict = task.runFirst(lent);
  if (context.verdict !== UNIT_PENDING) {
    context.verdict = UNIT_PENDING;
    if (verdict === UNIT_PENDING) scheduler.defer(task.handle);
  }
  return verdict !== UNIT_PENDING || task.scope !== lent;
}
