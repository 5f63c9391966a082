// The receiving end of a shared channel.

import { OptionError, type RecvError, TryRecvError } from "../errors.ts";
import type { Future } from "../future.ts";
import { checkInteger, show } from "../options.ts";
import { PACK, packablesExist } from "../workers/sendable.ts";
import { END } from "../sync/stream.ts";
import { type Far, noSharedMemory, packFar, type Packed } from "./far.ts";
import { checkMayBlock } from "./blocking.ts";
import { Channel, NOTHING } from "./channel.ts";
import { Receive, ReceiveMany } from "./channel-waits.ts";
import { messages } from "./messages.ts";

/** The receiving end of a shared channel; several receivers share the messages. */
export class SharedReceiver<T> implements AsyncIterable<T>, Disposable {
  readonly #channel!: Channel;
  readonly #far: Far | undefined;

  /** @internal */
  constructor(channel: Channel | Far) {
    packablesExist();
    if (channel instanceof Channel) this.#channel = channel;
    else this.#far = channel;
  }

  /** The next message; `undefined` when every sender is closed and the channel drained. Cancel safe. */
  recv(): Future<T | undefined> {
    const far = this.#far;
    if (far !== undefined) return this.#askFar(far, 1, ([value]) => value);
    return new Receive<T>(this.#channel);
  }

  /**
   * Waits for a message, and appends it and those behind it to `into`, at most `limit`.
   *
   * Gives how many; 0 when nothing will come any more, or `limit` is 0. Cancel safe.
   */
  recvMany(into: T[], limit: number): Future<number> {
    if (!Array.isArray(into)) throw new OptionError(`into must be an array, got ${show(into)}`);
    checkInteger("limit", limit, 0, Number.MAX_SAFE_INTEGER);
    if (this.#far === undefined) return new ReceiveMany(this.#channel, into, limit);
    return this.#askFar(this.#far, limit, (values) => {
      for (const value of values) into.push(value);
      return values.length;
    });
  }

  #askFar<R>(far: Far, limit: number, give: (values: T[]) => R): Future<R> {
    return far.ask<T[], R>("recv", [limit], give, (values, isDue) => far.tell("putBack", values, isDue));
  }

  /** @throws {TryRecvError} `TOKIWA_EMPTY` | `TOKIWA_CLOSED` */
  tryRecv(): T {
    if (this.#far !== undefined) return this.#far.now("tryRecv()", "tryRecv");
    const channel = this.#channel;
    let value = channel.take(false);
    if (value === NOTHING) {
      channel.items.reclaim();
      channel.checkSenders();
      value = channel.take(false);
    }
    if (value === END) throw new TryRecvError("channel closed");
    if (value === NOTHING) throw new TryRecvError("the channel is empty", "TOKIWA_EMPTY");
    return value as T;
  }

  /** Waits on this thread, which must be allowed to block. @throws {DeadlockError} when it was passed to no other thread */
  blockingRecv(): T | undefined {
    if (this.#far !== undefined) noSharedMemory("blockingRecv()");
    checkMayBlock("blockingRecv()");
    const channel = this.#channel;
    const value = channel.take(false);
    if (value === END) return undefined;
    if (value !== NOTHING) return value as T;
    try {
      channel.items.takeBlocking(1, "blockingRecv()", channel.checkSenders);
    } catch (error) {
      if (channel.isClosed && (error as RecvError).code === "TOKIWA_CLOSED") return undefined;
      throw error;
    }
    return channel.take(true) as T;
  }

  /** No more sends; what is queued can still be received. */
  close(): void {
    if (this.#far !== undefined) this.#far.tell("close");
    else this.#channel.close();
  }

  get isClosed(): boolean {
    if (this.#far !== undefined) return this.#far.now("isClosed", "isClosed");
    return this.#channel.isClosed;
  }

  get isEmpty(): boolean {
    return this.length === 0;
  }

  get length(): number {
    if (this.#far !== undefined) return this.#far.now("length", "length");
    return this.#channel.length;
  }

  /** For how many messages there is a place now. */
  get capacity(): number {
    if (this.#far !== undefined) return this.#far.now("capacity", "capacity");
    return this.#channel.slots.available;
  }

  get maxCapacity(): number {
    if (this.#far !== undefined) return this.#far.now("maxCapacity", "maxCapacity");
    return this.#channel.state.capacity;
  }

  /** How many senders there are, with those that are on their way to a thread. */
  get senderStrongCount(): number {
    if (this.#far !== undefined) return this.#far.now("senderStrongCount", "senderStrongCount");
    return this.#channel.senderCount;
  }

  get senderWeakCount(): number {
    if (this.#far !== undefined) return this.#far.now("senderWeakCount", "senderWeakCount");
    return this.#channel.weakCount;
  }

  /** Messages until the channel ends. Leaving the loop early keeps the receiver open, and loses none. In a task a step is lazy and goes with the task; elsewhere `next()` takes a message that is there at once. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    const far = this.#far;
    if (far !== undefined) return this.#steps(far);
    const channel = this.#channel;
    return messages(() => channel.take(false), () => new Receive<T>(channel));
  }

  #steps(far: Far): AsyncIterator<T, undefined> {
    const step = (values: T[]): IteratorResult<T, undefined> => (values.length === 0 ? { done: true, value: undefined } : { done: false, value: values[0] as T });
    return {
      next: () => this.#askFar(far, 1, step) as unknown as Promise<IteratorResult<T, undefined>>,
      return: () => Promise.resolve({ done: true, value: undefined }),
    };
  }

  /** As `close()`: what is queued stays, for there may be other receivers. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  [PACK](): Packed {
    if (this.#far !== undefined) return packFar("receiver", this.#far);
    return { type: "receiver", state: this.#channel.pack() };
  }
}
