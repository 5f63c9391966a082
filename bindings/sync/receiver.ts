// What the receivers of bounded and unbounded channels have in common.

import { OptionError, TryRecvError } from "../errors.ts";
import type { Future } from "../future.ts";
import { checkInteger, show } from "../options.ts";
import { blockFor } from "../block-on.ts";
import { type Channel, Receive, ReceiveMany, type ReceivePool } from "./channel.ts";
import { iterate, readable } from "./stream.ts";
import { isOwn } from "./waiters.ts";

/** What can be received from: the base of `Receiver` and `UnboundedReceiver`. */
export abstract class ChannelReceiver<T> implements AsyncIterable<T>, Disposable {
  readonly #channel: Channel<T>;
  readonly #pool: ReceivePool<T> = { spare: null };

  /** @internal */
  constructor(channel: Channel<T>) {
    this.#channel = channel;
  }

  /**
   * The next message; `undefined` when every sender is closed, or this receiver is, and no message is left.
   *
   * Messages come in the order they were sent. Cancel safe: a wait that is dropped has taken none.
   * Several tasks may receive; each message goes to one of them.
   *
   * @example for (let job = yield* rx.recv(); job !== undefined; job = yield* rx.recv()) work(job);
   */
  recv(): Future<T | undefined> {
    const { spare } = this.#pool;
    if (!isOwn(spare)) return new Receive(this.#channel, this.#pool);
    this.#pool.spare = null;
    spare.renew();
    return spare;
  }

  /**
   * Waits for a message, and appends it and those behind it to `into`, at most `limit`.
   *
   * Gives how many; 0 when nothing will come any more, or `limit` is 0. Cancel safe.
   */
  recvMany(into: T[], limit: number): Future<number> {
    if (!Array.isArray(into)) throw new OptionError(`into must be an array, got ${show(into)}`);
    return new ReceiveMany(this.#channel, this.#pool, into, checkInteger("limit", limit, 0, Number.MAX_SAFE_INTEGER));
  }

  /**
   * The next message, if it is there.
   *
   * @throws {TryRecvError} `TOKIWA_EMPTY` when one may still come, `TOKIWA_CLOSED` when none can
   */
  tryRecv(): T {
    const channel = this.#channel;
    if (channel.queue.length > 0) return channel.shift();
    if (channel.isFinished) throw new TryRecvError();
    throw new TryRecvError("channel empty", "TOKIWA_EMPTY");
  }

  /**
   * Runs the current runtime on this thread until there is a message, outside of tasks; otherwise as `recv()`.
   *
   * @throws {ContextError} `TOKIWA_NESTED_RUNTIME` inside a task
   */
  blockingRecv(): T | undefined {
    return blockFor("blockingRecv()", new Receive(this.#channel, this.#pool));
  }

  /** As `recvMany()`, blocking as `blockingRecv()` does. */
  blockingRecvMany(into: T[], limit: number): number {
    return blockFor("blockingRecvMany()", this.recvMany(into, limit));
  }

  /** Refuses messages from now on. What is queued, and what holders of permits still send, can be received. */
  close(): void {
    this.#channel.close();
  }

  /** Closes, and discards what is queued. */
  [Symbol.dispose](): void {
    this.#channel.discard();
  }

  /** Whether this receiver was closed, or every sender is. There may still be messages. */
  get isClosed(): boolean {
    return this.#channel.isClosed || this.#channel.senders === 0;
  }

  get isEmpty(): boolean {
    return this.#channel.queue.length === 0;
  }

  /** How many messages are queued. */
  get length(): number {
    return this.#channel.queue.length;
  }

  /** How many senders there are. */
  get senderStrongCount(): number {
    return this.#channel.senders;
  }

  get senderWeakCount(): number {
    return this.#channel.weaks;
  }

  /**
   * Messages until the channel ends. Leaving the loop early keeps the receiver open.
   *
   * @example for await (const job of rx) work(job);
   */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return iterate(() => new Receive(this.#channel, this.#pool));
  }

  /** A stream of the messages, which owns this receiver: cancelling it discards what is queued and closes the channel. */
  toWeb(): ReadableStream<T> {
    return readable(
      () => new Receive(this.#channel, this.#pool),
      () => this[Symbol.dispose](),
    );
  }
}
