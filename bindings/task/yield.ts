// yieldNow() and the coop budget.
//
// A task that yields in a loop would make a future each time, and with many tasks each of
// them lives through a collection: 186 ns a yield at 50 000 tasks instead of 45. So the usual
// case, `yield* yieldNow()` in a task, shares one future for all tasks, and its state is two
// bits of the task: LENT from the call to the end, TAKEN while it waits. A second yield made while
// the first is out (to race two of them, say) finds LENT set and gets an object of its own.

import { checkFunction } from "../options.ts";
import { context, FINISHED, type Future, isFuture, Operation, PENDING, type Suspend, SUSPENDED, type TaskFn, type Waker, yieldToBack } from "../future.ts";
import { UNIT_YIELD, UNLIMITED } from "../limits.ts";
import { lazy } from "./lazy.ts";
import { YIELD_LENT, YIELD_TAKEN } from "./flags.ts";
import type { Task } from "./task.ts";

class Yield extends Operation<void> {
  #isTaken = false;

  poll(waker: Waker): void | typeof PENDING {
    if (this.#isTaken) return undefined;
    this.#isTaken = true;
    yieldToBack(waker);
    return PENDING;
  }

  override describe(): string {
    return "yieldNow()";
  }
}

class SharedYield extends Operation<void> {
  poll(waker: Waker): void | typeof PENDING {
    const task = context.task as Task<unknown>;
    if ((task.flags & YIELD_TAKEN) !== 0) {
      task.flags &= ~(YIELD_TAKEN | YIELD_LENT);
      return undefined;
    }
    task.flags |= YIELD_TAKEN;
    yieldToBack(waker);
    return PENDING;
  }

  override next(): IteratorResult<Suspend, void> {
    const task = context.ownTask as Task<unknown> | null;
    if (task === null || context.probe !== null) return super.next();
    const flags = task.flags;
    if ((flags & YIELD_TAKEN) !== 0) {
      task.flags = flags & ~(YIELD_TAKEN | YIELD_LENT);
      context.budget--;
      return FINISHED;
    }
    task.flags = flags | YIELD_TAKEN;
    context.verdict = UNIT_YIELD;
    return SUSPENDED;
  }

  override [Symbol.dispose](): void {
    const task = context.task as Task<unknown> | null;
    if (task !== null) task.flags &= ~(YIELD_TAKEN | YIELD_LENT);
  }

  override describe(): string {
    return "yieldNow()";
  }
}

const shared = /* @__PURE__ */ new SharedYield();

/**
 * Lets every other ready task, and timers and I/O, have a turn before this one goes on.
 *
 * Cancel safe: dropping it does nothing.
 *
 * @example for (const row of rows) { work(row); yield* yieldNow(); }
 */
export function yieldNow(): Future<void> {
  const task = context.ownTask as Task<unknown> | null;
  if (task !== null && (task.flags & YIELD_LENT) === 0) {
    task.flags |= YIELD_LENT;
    return shared;
  }
  return new Yield();
}

class ConsumeBudget extends Operation<void> {
  poll(waker: Waker): void | typeof PENDING {
    if (context.budget > 0) {
      context.budget--;
      return undefined;
    }
    yieldToBack(waker);
    return PENDING;
  }

  override describe(): string {
    return "coop.consumeBudget()";
  }
}

class Unconstrained<T> extends Operation<T> {
  readonly #inner: Future<T>;

  constructor(inner: Future<T>) {
    super();
    this.#inner = inner;
  }

  poll(waker: Waker): T | typeof PENDING {
    const { budget } = context;
    context.budget = UNLIMITED;
    try {
      return this.#inner.poll(waker);
    } finally {
      context.budget = budget;
    }
  }

  override [Symbol.dispose](): void {
    this.#inner[Symbol.dispose]?.();
  }
}

/** The coop budget: 128 operations for each poll of a task (Tokio's number), then others get a turn. */
export const coop: {
  /**
   * Runs `fn` (or polls a future) without a budget: it is never made to yield, and may starve others.
   * In an async function only the waits it makes in one go are free of it.
   */
  unconstrained<T>(fn: TaskFn<[], T> | Future<T>): Future<T>;
  /** Spends one unit, for loops that use no other operation; pending when there is none left. */
  consumeBudget(): Future<void>;
} = {
  unconstrained: (fn) => new Unconstrained(isFuture(fn) ? fn : lazy(checkFunction("fn", fn))),
  consumeBudget: () => new ConsumeBudget(),
};
