// Weak senders: handles that do not keep their channel open. One class for all channels that have them.

/** What a channel counts: senders that keep it open, and handles that do not. */
export interface Counted {
  senders: number;
  weaks: number;
}

export abstract class WeakHandle<C extends Counted, S> implements Disposable {
  readonly #channel: C;
  #isClosed = false;

  /** @internal */
  constructor(channel: C) {
    this.#channel = channel;
    channel.weaks++;
  }

  /** A sender of this kind of channel, which is counted already. */
  protected abstract sender(channel: C): S;

  /** The channel, for `clone()`. */
  protected get channel(): C {
    return this.#channel;
  }

  /** A sender, or `undefined` when all senders are closed. */
  upgrade(): S | undefined {
    const channel = this.#channel;
    if (this.#isClosed || channel.senders === 0) return undefined;
    channel.senders++;
    return this.sender(channel);
  }

  /** Gives this handle up. Idempotent. */
  close(): void {
    if (!this.#isClosed) this.#channel.weaks--;
    this.#isClosed = true;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get strongCount(): number {
    return this.#channel.senders;
  }

  get weakCount(): number {
    return this.#channel.weaks;
  }
}
