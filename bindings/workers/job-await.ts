// Awaits of jobs outside of any task: thousands of them at a time are how pools are used.
//
// The general await (task/await.ts) polls a future and can do so again; what comes back from a thread only has to be handed on. So
// a wait is one object, and all that are settled in one turn of the host are handed on in one microtask, in the order in which their
// jobs ended. Continuations run after it, as they would after a microtask for each.

import { microtask } from "../host.ts";
import type { Waker } from "../future.ts";
import { Wait } from "../task/await.ts";
import { FULFILLED } from "../task/flags.ts";
import type { Task } from "../task/task.ts";

let settled: JobAwait[] = [];

function handOn(): void {
  const waits = settled;
  settled = [];
  for (const wait of waits) wait.handOn();
}

export class JobAwait extends Wait implements Waker {
  /** The task has ended. */
  wake(): void {
    if (settled.push(this) === 1) microtask(handOn);
  }

  handOn(): void {
    const task = this.future as Task<unknown>;
    this.settle(task.slot, (task.flags & FULFILLED) !== 0);
  }
}
