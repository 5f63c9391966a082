// A future polled by hand, with a waker that counts.

import { OptionError } from "../errors.ts";
import { context, type Future, isFuture, type PENDING, type Waker } from "../future.ts";
import { UNLIMITED } from "../limits.ts";
import { show } from "../options.ts";

/** Polls one future by hand and tells whether it was woken. */
export class TestTask<T> {
  readonly #future: Future<T>;
  #wakes = 0;
  readonly #waker: Waker = {
    wake: () => {
      this.#wakes++;
    },
  };

  /** @internal */
  constructor(future: Future<T>) {
    this.#future = future;
  }

  /** The value, `PENDING`, or a throw of the rejection. */
  poll(): T | typeof PENDING {
    this.#wakes = 0;
    const outer = context.leave();
    context.waker = this.#waker;
    context.unit = null;
    context.budget = UNLIMITED;
    try {
      return this.#future.poll(this.#waker);
    } finally {
      context.comeBack(outer);
    }
  }

  /** Whether it was woken since the last poll. */
  get isWoken(): boolean {
    return this.#wakes > 0;
  }

  /** Drops the future. */
  drop(): void {
    this.#future[Symbol.dispose]?.();
  }
}

/**
 * Wraps a future to poll it by hand.
 *
 * @example
 * const pending = task(rx.recv());
 * pending.poll();       // PENDING
 * tx.send(1);
 * pending.isWoken;      // true
 */
export function task<T>(future: Future<T>): TestTask<T> {
  if (!isFuture(future)) throw new OptionError(`task() takes a future, got ${show(future)}`);
  return new TestTask(future);
}
