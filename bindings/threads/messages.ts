// Messages of a shared channel, for `for await`.
//
// In a task each step is a future, which belongs to the task and goes with it. Elsewhere nobody could drop a step, so what is there is
// taken at the call and comes in a promise of the host's: an `await` of that is one microtask, of a future three, with six
// objects. That was half of what a number from another thread cost. After a budget of them the host has a turn.
//
// Tried, as a prototype: steps that are futures and try before they wait; about twice as dear as a promise.

import { context } from "../future.ts";
import { macrotask } from "../host.ts";
import { COOP_BUDGET } from "../limits.ts";
import { END, type Item, iterate } from "../sync/stream.ts";
import { currentScope } from "../task/scope.ts";
import { NOTHING } from "./channel.ts";

type Step<T> = IteratorResult<T, undefined>;

/**
 * @param take a message, END or NOTHING
 * @param wait for the next one
 */
export function messages<T>(take: () => unknown, wait: () => Item<T>): AsyncIterator<T, undefined> {
  const steps = iterate(wait);
  let budget = COOP_BUDGET;
  const next = (): Promise<Step<T>> => {
    if (context.waker !== null || currentScope() !== null) return steps.next();
    if (budget-- === 0) {
      budget = COOP_BUDGET;
      return new Promise((resolve) => macrotask(() => resolve(next())));
    }
    let value: unknown;
    try {
      value = take();
    } catch (error) {
      return Promise.reject(error);
    }
    if (value === NOTHING) {
      budget = COOP_BUDGET;                                // it waits, and others get turns
      return steps.next();
    }
    return Promise.resolve(value === END ? { done: true, value: undefined } : { done: false, value: value as T });
  };
  return { next, return: () => steps.return!() };
}
