// A limit of time around a future.

import { TimeoutError } from "../errors.ts";
import { type Awaitable, completed, context, describeFuture, type Future, Operation, PENDING, type Waker } from "../future.ts";
import { UNLIMITED } from "../limits.ts";
import { checkDuration } from "../options.ts";
import { operand } from "../task/promise.ts";
import { checkInstant, type Instant } from "./instant.ts";
import { sleep, type Sleep, sleepUntil } from "./sleep.ts";

class Timeout<T> extends Operation<T> {
  readonly #inner: Future<T>;
  readonly #limit: Sleep;
  #isOver = false;

  constructor(inner: Future<T>, limit: Sleep) {
    super();
    this.#inner = inner;
    this.#limit = limit;
  }

  poll(waker: Waker): T | typeof PENDING {
    if (this.#isOver) completed();
    const before = context.budget;
    let value: T | typeof PENDING;
    try {
      value = this.#inner.poll(waker);
    } catch (error) {
      this.#isOver = true;
      this.#limit[Symbol.dispose]();
      throw error;
    }
    if (value !== PENDING) {
      this.#isOver = true;
      this.#limit[Symbol.dispose]();
      return value;
    }
    // The future may have used up the budget and be pending for that alone; the limit must
    // hold for it too, or a busy future would never time out (Tokio's rule).
    const after = context.budget;
    if (before > 0 && after <= 0) context.budget = UNLIMITED;
    const elapsed = this.#limit.poll(waker);
    if (before > 0 && after <= 0) context.budget = after;
    if (elapsed === PENDING) return PENDING;
    this.#isOver = true;
    this.#inner[Symbol.dispose]?.();
    throw new TimeoutError();
  }

  override [Symbol.dispose](): void {
    this.#isOver = true;
    this.#limit[Symbol.dispose]();
    this.#inner[Symbol.dispose]?.();
  }

  override describe(): string {
    return `${describeFuture(this.#inner)} (with a timeout)`;
  }
}

/**
 * Gives `future` at most `ms` milliseconds, then drops it and throws `TimeoutError`.
 *
 * The deadline is fixed at this call. The future is polled first, so one that is ready wins also at 0.
 * Cancel safe if the future is.
 *
 * @example const line = await timeout(1000, reader.readLine());
 */
export function timeout<T>(ms: number, future: Awaitable<T>): Future<T> {
  checkDuration("ms", ms);
  return new Timeout(operand("future", future), sleep(ms));
}

/** As `timeout()`, until a moment. */
export function timeoutAt<T>(deadline: Instant, future: Awaitable<T>): Future<T> {
  checkInstant("deadline", deadline);
  return new Timeout(operand("future", future), sleepUntil(deadline));
}
