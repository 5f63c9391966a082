// The end of a guest's poll task, as the body of a task of JavaScript.

import { JoinError, TokiwaError } from "../errors.ts";
import { Operation, PENDING, type Waker } from "../future.ts";
import { TK_ECANCELED } from "./codes.ts";

interface JoinedGuest {
  readonly label: string;
  abort(task: number): void;
}

/** Dropping it aborts the guest's task. */
export class GuestJoin extends Operation<number> {
  readonly #guest: JoinedGuest;
  readonly #task: number;
  /** Negative results are results too. */
  readonly #isRaw: boolean;
  #result: number | undefined;
  #error: unknown;
  #waker: Waker | undefined;

  constructor(guest: JoinedGuest, task: number, isRaw = false) {
    super();
    this.#guest = guest;
    this.#task = task;
    this.#isRaw = isRaw;
  }

  end(result: number, error: TokiwaError | undefined): void {
    this.#result = result;
    if (error !== undefined) this.#error = error;
    else if (result === TK_ECANCELED) this.#error = new JoinError("TOKIWA_CANCELLED", `task ${this.#task} of ${this.#guest.label} was cancelled`);
    else if (result < 0 && !this.#isRaw) this.#error = new TokiwaError("TOKIWA_GUEST_ERROR", `task ${this.#task} of ${this.#guest.label} ended with the error ${result}`);
    this.#waker?.wake();
  }

  poll(waker: Waker): number | typeof PENDING {
    this.#waker = waker;
    if (this.#result === undefined) return PENDING;
    if (this.#error !== undefined) throw this.#error;
    return this.#result;
  }

  override [Symbol.dispose](): void {
    this.#waker = undefined;
    if (this.#result === undefined) this.#guest.abort(this.#task);
  }

  override describe(): string {
    return `task ${this.#task} of ${this.#guest.label}`;
  }
}
