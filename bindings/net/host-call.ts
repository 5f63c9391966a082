// Something the host does once and reports by a callback, as a future: it begins at the first poll.

import { completed, Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import { Gate } from "./gate.ts";

type Result<T> = { value: T } | { error: Error };

export abstract class HostCall<T> extends Operation<T> {
  readonly #gate = new Gate(true);
  #isStarted = false;
  #result: Result<T> | undefined;
  /** The result was given out, or nobody wants it. */
  protected isOver = false;

  /** Asks the host, which then calls `settle()`, or throws. */
  protected abstract start(): void;

  /** Only the first one counts. */
  protected settle(result: Result<T>): void {
    this.#result ??= result;
    this.#gate.open(false);                                // no burst: one socket has one of these under way
  }

  poll(waker: Waker): T | typeof PENDING {
    if (this.isOver) completed();
    if (!proceed(waker)) return PENDING;
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.start();
    }
    const result = this.#result;
    if (result === undefined) {
      this.#gate.wait(this, waker);
      restore();
      return PENDING;
    }
    this.isOver = true;
    if ("error" in result) throw result.error;
    return result.value;
  }

  /** The host was through, and nobody has asked: gives back what came of it. */
  protected unclaimed(_value: T): void {}

  override [Symbol.dispose](): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#gate.forget(this);
    const result = this.#result;
    if (result !== undefined && "value" in result) this.unclaimed(result.value);
  }
}
