// sharedChannel(): a bounded queue between threads, many senders and receivers. Its memory is a Channel (channel.ts); without shared
// memory it lives on the thread that made it (far.ts).

import { type RecvError, SendError, TryRecvError, TrySendError } from "../errors.ts";
import { type Future, Operation, PENDING, proceed, restore, type Suspend, type Waker } from "../future.ts";
import { checkInteger } from "../options.ts";
import { PACK, packablesExist, registerPackable } from "../workers/sendable.ts";
import { mpsc } from "../sync/mpsc.ts";
import { Semaphore } from "../sync/semaphore.ts";
import { END, type Item } from "../sync/stream.ts";
import { lazy } from "../task/lazy.ts";
import { canShare } from "../workers/transport.ts";
import { atHome, Client, connect, type Far, type Home, isPort, noSharedMemory, packFar, type Packed, remote } from "./far.ts";
import { checkMayBlock, pauseThread } from "./blocking.ts";
import { Channel, CLOSED, encodeMessage, NO_PLACE, NO_ROOM, NOTHING, SENT, type State } from "./channel.ts";
import { messages } from "./messages.ts";
import { Take } from "./take.ts";

const MAX_CAPACITY = 1 << 20;

/** Waits for a place, and for room for bytes as well: places are free, but a few large messages fill the channel. */
class Send<T> extends Operation<void> {
  readonly #channel: Channel;
  readonly #value: T;
  #place: Take<boolean> | undefined;
  #hasPlace = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(channel: Channel, value: T) {
    super();
    this.#channel = channel;
    this.#value = value;
  }

  poll(waker: Waker): void | typeof PENDING {
    if (this.#place === undefined) {
      if (!proceed(waker)) return PENDING;
      const result = this.#put();
      if (result !== NO_PLACE) return this.#outcome(result, waker);
      restore();
      this.#place = new Take(this.#channel.slots, 1, "room in a shared channel", () => true, () => {
        throw new SendError(this.#value);
      });
    }
    if (!this.#hasPlace) {
      if (this.#place.poll(waker) === PENDING) return PENDING;
      this.#hasPlace = true;
    }
    return this.#outcome(this.#put(), waker);
  }

  #put(): number {
    try {
      return this.#channel.put(encodeMessage(this.#value), this.#hasPlace);
    } catch (error) {
      this.#giveBack();
      throw error;
    }
  }

  #outcome(result: number, waker: Waker): void | typeof PENDING {
    if (result === SENT || result === CLOSED) this.#hasPlace = false;
    if (result === SENT) return undefined;
    if (result === CLOSED) throw new SendError(this.#value);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => waker.wake(), 1);
    return PENDING;
  }

  #giveBack(): void {
    if (this.#hasPlace) this.#channel.slots.release(1);
    this.#hasPlace = false;
  }

  override [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#place?.[Symbol.dispose]();
    this.#giveBack();
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return "room in a shared channel";
  }
}

/** Waits for a message. */
class Receive<T> extends Operation<T | undefined> implements Item<T> {
  readonly #channel: Channel;
  #wait: Take<T | typeof END> | undefined;

  constructor(channel: Channel) {
    super();
    this.#channel = channel;
  }

  poll(waker: Waker): T | undefined | typeof PENDING {
    const value = this.pollItem(waker);
    return value === END ? undefined : (value as T);
  }

  pollItem(waker: Waker): T | typeof END | typeof PENDING {
    if (this.#wait === undefined) {
      if (!proceed(waker)) return PENDING;
      const channel = this.#channel;
      const value = channel.take(false);
      if (value !== NOTHING) return value as T | typeof END;
      restore();
      this.#wait = new Take<T | typeof END>(channel.items, 1, "a message of a shared channel", () => channel.take(true) as T, () => END, channel.checkSenders);
    }
    return this.#wait.poll(waker);
  }

  override [Symbol.dispose](): void {
    this.#wait?.[Symbol.dispose]();
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return "a message of a shared channel";
  }
}

/** The sending end of a shared channel. Passing it to another thread makes one more; close each. */
export class SharedSender<T> implements Disposable {
  readonly #channel!: Channel;
  readonly #far: Far | undefined;
  #isOpen = true;

  /** @internal */
  constructor(channel: Channel | Far) {
    packablesExist();
    if (channel instanceof Channel) this.#channel = channel;
    else this.#far = channel;
  }

  /** Waits for room. Cancel safe: a dropped send has sent nothing. @throws {SendError} when closed */
  send(value: T): Future<void> {
    if (!this.#isOpen) throw new SendError(value);
    if (this.#far !== undefined) return this.#far.ask("send", [value], () => undefined);
    return new Send(this.#channel, value);
  }

  /** @throws {TrySendError} `TOKIWA_FULL` | `TOKIWA_CLOSED`, with the value */
  trySend(value: T): void {
    if (this.#far !== undefined) noSharedMemory("trySend()");
    const channel = this.#channel;
    let result = CLOSED;
    if (this.#isOpen) {
      const encoded = encodeMessage(value);
      result = channel.put(encoded, false);
      if (result === NO_PLACE) {
        channel.slots.reclaim();
        result = channel.put(encoded, false);
      }
    }
    if (result === CLOSED) throw new TrySendError(value, "channel closed");
    if (result !== SENT) throw new TrySendError(value, "no room in the channel", "TOKIWA_FULL");
  }

  /** Waits on this thread, which must be allowed to block. @throws {SendError} when closed */
  blockingSend(value: T): void {
    if (this.#far !== undefined) noSharedMemory("blockingSend()");
    const channel = this.#channel;
    if (!this.#isOpen || channel.isClosed) throw new SendError(value);
    checkMayBlock("blockingSend()");
    const encoded = encodeMessage(value);
    let result = channel.put(encoded, false);
    const hasPlace = result === NO_PLACE;
    if (hasPlace) {
      try {
        channel.slots.takeBlocking(1, "blockingSend()");
      } catch (error) {
        throw channel.isClosed ? new SendError(value) : error;
      }
      result = NO_ROOM;
    }
    for (let isFirst = hasPlace; result === NO_ROOM || result === NO_PLACE; isFirst = false) {
      if (!isFirst) pauseThread();
      result = channel.put(encoded, hasPlace);
    }
    if (result === CLOSED) throw new SendError(value);
  }

  clone(): SharedSender<T> {
    if (this.#far !== undefined) return new SharedSender(remote(senderPort(this.#far)));
    this.#channel.addSender();
    return new SharedSender(this.#channel);
  }

  /** This sender sends no more. When the last one is closed, receivers get what is left and then `undefined`. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#far !== undefined) this.#far.tell("closeSender");
    else this.#channel.removeSender();
  }

  get isClosed(): boolean {
    if (this.#far !== undefined) noSharedMemory("isClosed");
    return this.#channel.isClosed;
  }

  get capacity(): number {
    if (this.#far !== undefined) noSharedMemory("capacity");
    return this.#channel.slots.available;
  }

  get maxCapacity(): number {
    if (this.#far !== undefined) noSharedMemory("maxCapacity");
    return this.#channel.state.capacity;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal The one that is on its way is counted until it arrives. */
  [PACK](): Packed {
    if (this.#far !== undefined) {
      const port = senderPort(this.#far);
      return { type: "sender", state: port, transfer: [port] };
    }
    return { type: "sender", ...this.#channel.depart() };
  }
}

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
    if (far !== undefined) return far.ask<T | undefined, T | undefined>("recv", [], (value) => value, (value) => far.tell("putBack", value));
    return new Receive<T>(this.#channel);
  }

  /** @throws {TryRecvError} `TOKIWA_EMPTY` | `TOKIWA_CLOSED` */
  tryRecv(): T {
    if (this.#far !== undefined) noSharedMemory("tryRecv()");
    const channel = this.#channel;
    let value = channel.take(false);
    if (value === NOTHING) {
      channel.items.reclaim();
      value = channel.take(false);
    }
    if (value === END) throw new TryRecvError("channel closed");
    if (value === NOTHING) throw new TryRecvError("the channel is empty", "TOKIWA_EMPTY");
    return value as T;
  }

  /** Waits on this thread, which must be allowed to block. */
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
    if (this.#far !== undefined) noSharedMemory("isClosed");
    return this.#channel.isClosed;
  }

  get isEmpty(): boolean {
    return this.length === 0;
  }

  get length(): number {
    if (this.#far !== undefined) noSharedMemory("length");
    return this.#channel.length;
  }

  /** Messages until the channel ends. Leaving the loop early keeps the receiver open, and loses none. In a task a step is lazy and goes with the task; elsewhere `next()` takes a message that is there at once. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    if (this.#far !== undefined) return this.#messages();
    const channel = this.#channel;
    return messages(() => channel.take(false), () => new Receive<T>(channel));
  }

  async *#messages(): AsyncGenerator<T, undefined> {
    for (;;) {
      const value = await this.recv();
      if (value === undefined) return undefined;
      yield value;
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  [PACK](): Packed {
    if (this.#far !== undefined) return packFar("receiver", this.#far);
    return { type: "receiver", state: this.#channel.state };
  }
}

/**
 * A bounded channel between threads. Both ends travel as arguments; messages are cloned, numbers cost no allocation.
 *
 * @param capacity messages that may wait, 1 to 1 048 576; besides, 4 MB of bytes
 * @example
 * const [tx, rx] = sharedChannel(16);
 * thread.exec(async (tx) => { await tx.send(1); tx.close(); }, tx); tx.close();
 * for await (const n of rx) console.log(n);
 */
export function sharedChannel<T>(capacity: number): [SharedSender<T>, SharedReceiver<T>] {
  checkInteger("capacity", capacity, 1, MAX_CAPACITY);
  if (!canShare()) return channelHome<T>(capacity);
  const channel = Channel.make(capacity);
  return [new SharedSender<T>(channel), new SharedReceiver<T>(channel)];
}

/** Without shared memory: a channel of this thread, and each sender a client of its own with a sender of its own. */
function channelHome<T>(capacity: number): [SharedSender<T>, SharedReceiver<T>] {
  const [first, rx] = mpsc<unknown>(capacity);
  const turn = new Semaphore(1);
  const returned: unknown[] = [];
  const receive = function* (): Generator<Suspend, unknown, unknown> {
    const permit = yield* turn.acquire();
    try {
      return returned.length > 0 ? returned.shift() : yield* rx.recv();
    } finally {
      permit.release();
    }
  };
  const receiver: Home = {
    recv: () => lazy(receive),
    putBack: (_client, value: unknown) => {
      if (value !== undefined) returned.push(value);       // its wait was dropped as it came
    },
    close: () => rx.close(),
  };
  const senderHome = (tx: ReturnType<typeof first.clone>): Home => ({
    send: (_client, value: unknown) => tx.send(value),
    closeSender: () => tx.close(),
    fork: () => {
      const client = new Client();
      const forked = tx.clone();
      client.hold(() => forked.close());
      return connect(atHome(senderHome(forked)), client);
    },
  });
  return [new SharedSender<T>(atHome(senderHome(first))), new SharedReceiver<T>(atHome(receiver))];
}

/** A port for one more sender. Only home can make one at once: a copy of a copy goes through it. */
function senderPort(far: Far): MessagePort {
  const { home } = far;
  if (home !== undefined) return (home["fork"] as (client: Client) => MessagePort)(new Client());
  return connect(far);
}

registerPackable("sender", (state: State | MessagePort) => {
  if (isPort(state)) return new SharedSender<unknown>(remote(state));
  const channel = new Channel(state);
  channel.arrive();
  return new SharedSender<unknown>(channel);
});
registerPackable("receiver", (state: State | MessagePort) => isPort(state) ? new SharedReceiver<unknown>(remote(state)) : new SharedReceiver<unknown>(new Channel(state)));
