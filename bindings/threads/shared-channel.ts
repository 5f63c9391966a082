// sharedChannel(): a bounded queue between threads, many senders and receivers.
//
//   slots  permits: free places. A send takes one, a receive gives it back
//   items  permits: messages that lie in the ring. A send gives one, a receive takes it
//   ring   [kind, start, length] and a number for each place; bytes in a ring of their own, in the same order
//
// Both permits and the indices of the ring lie behind one ledger: a message goes in, or out, in one change, once its bytes are copied. So
// free places, messages, and what was granted to those who wait always add up to the capacity, whoever dies when.
// Senders are counted as permits held of `senders`, so that those of a thread that dies are given up; when
// the last is gone the channel is closed, and receivers drain it.

import { type RecvError, SendError, TokiwaError, TryRecvError, TrySendError } from "../errors.ts";
import { type Future, Operation, PENDING, proceed, restore, type Suspend, type Waker } from "../future.ts";
import { checkInteger } from "../options.ts";
import { PACK, packablesExist, registerPackable } from "../workers/sendable.ts";
import { decode, encode, type Encoded, NUMBER } from "./codec.ts";
import { ownId } from "../workers/family.ts";
import { mpsc } from "../sync/mpsc.ts";
import { Semaphore } from "../sync/semaphore.ts";
import { END, iterate, type Item } from "../sync/stream.ts";
import { lazy } from "../task/lazy.ts";
import { canShare } from "../workers/transport.ts";
import { atHome, Client, connect, type Far, type Home, isPort, noSharedMemory, packFar, type Packed, remote } from "./far.ts";
import { checkMayBlock, pauseThread } from "./blocking.ts";
import { EXTRA, Ledger } from "./ledger.ts";
import { Permits } from "./permits.ts";
import { Take } from "./take.ts";

/** Bytes of messages that may lie in a channel, besides numbers and other primitives. */
const BYTES = 1 << 22;
const MAX_CAPACITY = 1 << 20;
const MAX_SENDERS = 0x3fffffff;
// Words of the ledger: where the ring is read and written, counted up to twice the capacity, and the ring of bytes.
const READ = EXTRA;
const WRITE = EXTRA + 1;
const BYTES_READ = EXTRA + 2;
const BYTES_WRITE = EXTRA + 3;
const SLOT = 3;

interface State {
  capacity: number;
  /** Slots and items. */
  words: Int32Array;
  senders: Int32Array;
  /** The thread a sender on its way is counted for. */
  from: number;
  /** Of a sender on its way: ON_ITS_WAY, ARRIVED or GIVEN_UP. */
  ticket?: Int32Array;
  ring: Int32Array;
  numbers: Float64Array;
  bytes: Uint8Array;
}

const ON_ITS_WAY = 0;
const ARRIVED = 1;
const GIVEN_UP = 2;

// What put() comes to.
const SENT = 0;
const NO_PLACE = 1;
const NO_ROOM = 2;
const CLOSED = 3;

/** What take() returns instead of a message, or END. */
const NOTHING: unique symbol = Symbol("nothing");

class Channel {
  readonly state: State;
  readonly slots: Permits;
  readonly items: Permits;
  readonly senders: Permits;
  readonly #ledger: Ledger;

  constructor(state: State) {
    this.state = state;
    const ledger = (this.#ledger = new Ledger(state.words));
    this.slots = new Permits(state.words, 0, ledger);
    this.items = new Permits(state.words, 1, ledger);
    this.senders = new Permits(state.senders);
  }

  /** Puts a message in. @param hasPlace a place was granted to this thread */
  put({ kind, number, bytes }: Encoded, hasPlace: boolean): number {
    const ledger = this.#ledger;
    const { slots, items } = this;
    const { ring, numbers, capacity, words } = this.state;
    ledger.enter();
    let result = SENT;
    let start = 0;
    if (!hasPlace && slots.isClosed) result = CLOSED;
    else if (!hasPlace && !slots.mayTake(1)) result = NO_PLACE;
    else if ((start = this.#room(bytes.length)) < 0) result = NO_ROOM;
    else {
      const write = words[WRITE] as number;
      const at = write % capacity;
      const slot = at * SLOT;
      ring[slot] = kind;
      if (kind === NUMBER) numbers[at] = number;
      else if (bytes.length === 0) ring[slot + 2] = 0;
      else {
        ring[slot + 1] = start;
        ring[slot + 2] = bytes.length;
        this.state.bytes.set(bytes, start);
        ledger.note(BYTES_WRITE, start + bytes.length);
      }
      ledger.note(WRITE, write + 1 === capacity * 2 ? 0 : write + 1);
      if (hasPlace) slots.noteHeld(ownId(), -1);
      else slots.noteFree(-1);
      items.noteFree(1);
      ledger.commit();
      items.pass();
    }
    ledger.leave();
    return result;
  }

  /** Where `size` bytes fit in one piece, or -1. Inside the lock. */
  #room(size: number): number {
    if (size === 0) return 0;
    const { words } = this.state;
    if (words[READ] === words[WRITE]) {
      words[BYTES_READ] = words[BYTES_WRITE] = 0;
      return size <= BYTES ? 0 : -1;
    }
    const read = words[BYTES_READ] as number;
    const write = words[BYTES_WRITE] as number;
    if (write >= read) {
      if (write + size <= BYTES) return write;
      return size < read ? 0 : -1;
    }
    return write + size < read ? write : -1;
  }

  /** Takes a message out. @param isGranted it was granted to this thread */
  take(isGranted: boolean): unknown {
    const ledger = this.#ledger;
    const { slots, items } = this;
    const { ring, numbers, capacity, words } = this.state;
    ledger.enter();
    if (!isGranted && !items.mayTake(1)) {
      const none = items.isClosed ? END : NOTHING;
      ledger.leave();
      return none;
    }
    const read = words[READ] as number;
    const at = read % capacity;
    const slot = at * SLOT;
    const kind = ring[slot] as number;
    let number = 0;
    let bytes: Uint8Array = EMPTY;
    if (kind === NUMBER) number = numbers[at] as number;
    else {
      const size = ring[slot + 2] as number;
      if (size > 0) {
        const start = ring[slot + 1] as number;
        bytes = this.state.bytes.slice(start, start + size);
        ledger.note(BYTES_READ, start + size);
      }
    }
    ledger.note(READ, read + 1 === capacity * 2 ? 0 : read + 1);
    if (isGranted) items.noteHeld(ownId(), -1);
    else items.noteFree(-1);
    slots.noteFree(1);
    ledger.commit();
    slots.pass();
    ledger.leave();
    return decode(kind, number, bytes);
  }

  get length(): number {
    return this.items.available;
  }

  get isClosed(): boolean {
    return this.slots.isClosed;
  }

  /** No more sends; what lies there can still be received. */
  close(): void {
    const ledger = this.#ledger;
    ledger.enter();
    this.slots.noteClosed();
    this.items.noteClosed();
    ledger.commit();
    this.slots.pass();
    this.items.pass();
    ledger.leave();
  }

  addSender(): void {
    this.senders.request(1, false);
  }

  /** A sender that was counted for thread `from` while it was on its way is this thread's now. */
  arrive(from: number, ticket: Int32Array | undefined): void {
    const { senders } = this;
    const { ledger } = senders;
    ledger.enter();                                        // first, for one that is to end does not get further
    const isCounted = ticket === undefined || Atomics.compareExchange(ticket, 0, ON_ITS_WAY, ARRIVED) === ON_ITS_WAY;
    if (isCounted && from !== ownId()) {
      senders.noteHeld(from, -1);
      senders.noteHeld(ownId(), 1);
    } else if (!isCounted) {                               // it was for a job that has ended
      senders.noteFree(-1);
      senders.noteHeld(ownId(), 1);
    }
    ledger.commit();
    ledger.leave();
  }

  removeSender(thread: number = ownId()): void {
    this.senders.release(1, thread);
    this.checkSenders();
  }

  /** Closes the channel when the last sender is gone, with its thread perhaps. */
  readonly checkSenders = (): void => {
    this.senders.reclaim();
    if (this.senders.available === MAX_SENDERS && !this.isClosed) this.close();
  };
}

const EMPTY = new Uint8Array(0);

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
      const encoded = encode(this.#value);
      checkSize(encoded);
      return this.#channel.put(encoded, this.#hasPlace);
    } catch (error) {
      this.#giveBack();
      throw error;
    }
  }

  #outcome(result: number, waker: Waker): void | typeof PENDING {
    if (result === SENT) {
      this.#hasPlace = false;
      return undefined;
    }
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

  override describe(): string {
    return "a message of a shared channel";
  }
}

function checkSize({ bytes }: Encoded): void {
  if (bytes.length > BYTES) throw new TokiwaError("TOKIWA_TOO_LARGE", `a message of a shared channel may have at most ${BYTES} bytes, got ${bytes.length}: send a buffer as an argument instead`);
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
      const encoded = encode(value);
      checkSize(encoded);
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
    const encoded = encode(value);
    checkSize(encoded);
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
    const channel = this.#channel;
    channel.addSender();
    const from = ownId();
    const ticket = new Int32Array(new SharedArrayBuffer(4));
    const over = (): void => {
      if (Atomics.compareExchange(ticket, 0, ON_ITS_WAY, GIVEN_UP) === ON_ITS_WAY) channel.removeSender(from);
    };
    return { type: "sender", state: { ...channel.state, from, ticket }, over };
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

  /** Messages until the channel ends. Leaving the loop early keeps the receiver open. */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return this.#far === undefined ? iterate(() => new Receive<T>(this.#channel)) : this.#messages();
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
  const words = (count: number): SharedArrayBuffer => new SharedArrayBuffer(count);
  const channel = new Channel({
    capacity,
    words: Permits.make({ permits: capacity }, { permits: 0 }),
    senders: Permits.make({ permits: MAX_SENDERS }),
    from: 0,
    ring: new Int32Array(words(capacity * SLOT * 4)),
    numbers: new Float64Array(words(capacity * 8)),
    bytes: new Uint8Array(words(BYTES)),
  });
  channel.addSender();
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
  const { from, ticket, ...rest } = state;
  const channel = new Channel({ ...rest, from });
  channel.arrive(from, ticket);
  return new SharedSender<unknown>(channel);
});
registerPackable("receiver", (state: State | MessagePort) => isPort(state) ? new SharedReceiver<unknown>(remote(state)) : new SharedReceiver<unknown>(new Channel(state)));
