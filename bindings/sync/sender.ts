// What the senders of bounded and unbounded channels have in common.

import { TokiwaError } from "../errors.ts";
import type { Future } from "../future.ts";
import { checkAlike } from "../options.ts";
import { type Channel, Handle } from "./channel.ts";
import { Closed } from "./closed.ts";

const isClosed = (channel: { readonly isClosed: boolean }): boolean => channel.isClosed;

/** What can be sent with: the base of `Sender` and `UnboundedSender`. */
export abstract class ChannelSender<T, S> implements Disposable {
  readonly #handle: Handle<T>;

  /** @internal */
  constructor(channel: Channel<T>) {
    this.#handle = new Handle(channel);
  }

  protected get handle(): Handle<T> {
    return this.#handle;
  }

  /** A sender of the same kind, which is counted already. */
  protected abstract another(channel: Channel<T>): S;

  /** What messages call this class. */
  protected abstract get kind(): string;

  /** Another sender of this channel. @throws {TokiwaError} `TOKIWA_CLOSED` when this sender was closed */
  clone(): S {
    const { channel } = this.#handle;
    if (this.#handle.isClosed) throw new TokiwaError("TOKIWA_CLOSED", "this sender was closed: clone it before, or keep a weak one");
    channel.senders++;
    return this.another(channel);
  }

  /** Waits until the receiver is closed. Cancel safe. */
  closed(): Future<void> {
    return new Closed(this.#handle.channel, isClosed, "an mpsc sender");
  }

  sameChannel(other: ChannelSender<T, S>): boolean {
    return this.#handle.channel === checkAlike<ChannelSender<T, S>>("other", other, this, this.kind).#handle.channel;
  }

  /** Gives this sender up; the receiver's end comes with the last one. Its permits, and sends that wait, stay good. Idempotent. */
  close(): void {
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Whether a message sent now would be refused. */
  get isClosed(): boolean {
    return this.#handle.isShut;
  }

  /** How many senders there are. */
  get strongCount(): number {
    return this.#handle.channel.senders;
  }

  get weakCount(): number {
    return this.#handle.channel.weaks;
  }
}
