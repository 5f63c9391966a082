// closed() of a sender: the wait until nobody will take what it sends.

import { PENDING, proceed, restore, type Waker } from "../future.ts";
import { Waiter, WaiterQueue } from "./waiters.ts";

/** Those who wait for it; made for the first of them. */
export type Closing = WaiterQueue<Waiter<void>> | undefined;

export class Closed<C extends { closing: Closing }> extends Waiter<void> {
  readonly #channel: C;
  readonly #isOver: (channel: C) => boolean;
  readonly #what: string;

  /**
   * @param isOver whether nobody takes anything any more; then `closing` is woken
   * @param what the sender, for a deadlock report
   */
  constructor(channel: C, isOver: (channel: C) => boolean, what: string) {
    super();
    this.#channel = channel;
    this.#isOver = isOver;
    this.#what = what;
  }

  poll(waker: Waker): void | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    const channel = this.#channel;
    if (this.#isOver(channel)) return undefined;
    restore();
    this.waitWith(waker);
    if (!this.isLinked) (channel.closing ??= new WaiterQueue()).push(this);
    return PENDING;
  }

  override [Symbol.dispose](): void {
    this.forgetWaker();
    this.#channel.closing?.remove(this);
  }

  override describe(): string {
    return `closed() of ${this.#what}`;
  }
}

/** Of channels that count their receivers. */
export const hasNoReceiver = ({ receivers }: { readonly receivers: number }): boolean => receivers === 0;
