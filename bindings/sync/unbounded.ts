// unboundedMpsc: as mpsc, without a bound: sending never waits, and a slow receiver costs memory.

import { SendError } from "../errors.ts";
import { Channel, type Handle, UNBOUNDED } from "./channel.ts";
import { ChannelReceiver } from "./receiver.ts";
import { ChannelSender } from "./sender.ts";
import { writable } from "./stream.ts";
import { WeakHandle } from "./weak.ts";

/** The sending half of an unbounded channel. */
export class UnboundedSender<T> extends ChannelSender<T, UnboundedSender<T>> {
  readonly #handle: Handle<T>;

  /** @internal */
  constructor(channel: Channel<T>) {
    super(channel);
    this.#handle = this.handle;
  }

  /**
   * Sends at once.
   *
   * @throws {SendError} `TOKIWA_CLOSED`, with the message in `value`, when the receiver or this sender is closed
   */
  send(value: T): void {
    const handle = this.#handle;
    if (handle.isClosed || handle.channel.isClosed) throw new SendError(value);
    handle.channel.push(value);
  }

  /** A handle that does not keep the channel open. */
  downgrade(): WeakUnboundedSender<T> {
    return new WeakUnboundedSender(this.#handle.channel);
  }

  protected another(channel: Channel<T>): UnboundedSender<T> {
    return makeSender(channel);
  }

  protected get kind(): string {
    return "UnboundedSender";
  }

  /** A stream into the channel, which owns this sender. It never holds its writer back. */
  toWeb(): WritableStream<T> {
    return writable(
      (value: T) => this.send(value),
      () => this.close(),
    );
  }
}

/** A sender that does not keep the channel open, made by `downgrade()`. */
export class WeakUnboundedSender<T> extends WeakHandle<Channel<T>, UnboundedSender<T>> {
  protected sender(channel: Channel<T>): UnboundedSender<T> {
    return new UnboundedSender(channel);
  }

  clone(): WeakUnboundedSender<T> {
    return makeWeakSender(this.channel);
  }
}

/** The receiving half of an unbounded channel. */
export class UnboundedReceiver<T> extends ChannelReceiver<T> {}

// The bundler renames a class that names itself, and it would print as "_Sender": so functions make them.
function makeSender<T>(channel: Channel<T>): UnboundedSender<T> {
  return new UnboundedSender(channel);
}

function makeWeakSender<T>(channel: Channel<T>): WeakUnboundedSender<T> {
  return new WeakUnboundedSender(channel);
}

/**
 * A channel whose senders never wait. Prefer `mpsc(capacity)` wherever the producer can be faster than the consumer for long.
 *
 * @example
 * const [tx, rx] = unboundedMpsc<string>();
 * socket.onmessage = (event) => tx.send(event.data);
 */
export function unboundedMpsc<T>(): [UnboundedSender<T>, UnboundedReceiver<T>] {
  const channel = new Channel<T>(UNBOUNDED);
  return [new UnboundedSender(channel), new UnboundedReceiver(channel)];
}
