// sendTimeout() of a channel: a send that has a limit of time.

import { SendTimeoutError, TimeoutError } from "../errors.ts";
import { type Future, Operation, type PENDING, type Waker } from "../future.ts";
import { timeout } from "../time/timeout.ts";

export class SendWithin<T> extends Operation<void> {
  readonly #send: Operation<void>;
  readonly #value: T;
  readonly #ms: number;
  #limited: Future<void> | undefined;

  constructor(send: Operation<void>, value: T, ms: number) {
    super();
    this.#send = send;
    this.#value = value;
    this.#ms = ms;
  }

  poll(waker: Waker): void | typeof PENDING {
    this.#limited ??= timeout(this.#ms, this.#send);
    try {
      return this.#limited.poll(waker);
    } catch (error) {
      throw error instanceof TimeoutError ? new SendTimeoutError(this.#value) : error;
    }
  }

  override [Symbol.dispose](): void {
    (this.#limited ?? this.#send)[Symbol.dispose]();
  }

  override describe(): string {
    return `${this.#send.describe()} (with a timeout)`;
  }
}
