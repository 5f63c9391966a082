// sharedChannel(): a bounded queue between threads, many senders and receivers.
//
//   slots  permits: free places. A send takes one, a receive gives it back
//   items  permits: messages that lie in the ring. A send gives one, a receive takes it
//   ring   [kind, start, length] and a number for each place; bytes in a ring of their own, in the same order
//
// The ring is changed under the lock of `items`. Senders are counted as permits held of `senders`, so that those of
// a thread that dies are given up; when the last is gone the channel is closed, and receivers drain it.

import { type RecvError, SendError, TokiwaError, TryRecvError, TrySendError } from "../errors.ts";
import { type Future, Operation, PENDING, type Suspend, type Waker } from "../future.ts";
import { checkInteger } from "../options.ts";
import { PACK, packablesExist, registerPackable } from "../workers/sendable.ts";
import { decode, encode, type Encoded, NUMBER } from "./codec.ts";
import { ownId } from "../workers/family.ts";
import { mpsc } from "../sync/mpsc.ts";
import { Semaphore } from "../sync/semaphore.ts";
import { lazy } from "../task/lazy.ts";
import { canShare } from "../workers/transport.ts";
import { atHome, Client, connect, type Far, type Home, isPort, noSharedMemory, packFar, type Packed, remote } from "./far.ts";
import { NOW, pauseThread, Permits, Take } from "./permits.ts";

/** Bytes of messages that may lie in a channel, besides numbers and other primitives. */
const BYTES = 1 << 22;
const MAX_CAPACITY = 1 << 20;
const MAX_SENDERS = 0x3fffffff;
// words of the ring's header
const READ = 0;
const WRITE = 1;
const BYTES_READ = 2;
const BYTES_WRITE = 3;
const HEADER = 4;
const SLOT = 3;

interface State {
  capacity: number;
  slots: Int32Array;
  items: Int32Array;
  senders: Int32Array;
  /** The thread a sender on its way is counted for. */
  from: number;
  ring: Int32Array;
  numbers: Float64Array;
  bytes: Uint8Array;
}

class Channel {
  readonly state: State;
  readonly slots: Permits;
  readonly items: Permits;
  readonly senders: Permits;

  constructor(state: State) {
    this.state = state;
    this.slots = new Permits(state.slots);
    this.items = new Permits(state.items);
    this.senders = new Permits(state.senders);
  }

  /** Puts a message in; a place is taken already. False when its bytes do not fit now. */
  put({ kind, number, bytes }: Encoded): boolean {
    const { ring, numbers, capacity } = this.state;
    this.items.enter();
    const size = bytes.length;
    const start = this.#room(size);
    if (start < 0) {
      this.items.leave();
      return false;
    }
    const at = (ring[WRITE] as number) % capacity;
    const slot = HEADER + at * SLOT;
    ring[slot] = kind;
    if (kind === NUMBER) numbers[at] = number;
    else {
      ring[slot + 1] = start;
      ring[slot + 2] = size;
      if (size > 0) {
        this.state.bytes.set(bytes, start);
        ring[BYTES_WRITE] = start + size;
      }
    }
    ring[WRITE] = ((ring[WRITE] as number) + 1) % (capacity * 2);
    this.items.leave();
    this.items.release(1, 0);
    return true;
  }

  /** Where `size` bytes fit in one piece, or -1. Inside the lock. */
  #room(size: number): number {
    if (size === 0) return 0;
    const { ring } = this.state;
    const read = ring[BYTES_READ] as number;
    const write = ring[BYTES_WRITE] as number;
    if (ring[READ] === ring[WRITE]) {
      ring[BYTES_READ] = ring[BYTES_WRITE] = 0;
      return size <= BYTES ? 0 : -1;
    }
    if (write >= read) {
      if (write + size <= BYTES) return write;
      return size < read ? 0 : -1;
    }
    return write + size < read ? write : -1;
  }

  /** Takes a message out; its permit is taken already. */
  take(): unknown {
    const { ring, numbers, capacity } = this.state;
    this.items.enter();
    const at = (ring[READ] as number) % capacity;
    const slot = HEADER + at * SLOT;
    const kind = ring[slot] as number;
    let number = 0;
    let bytes: Uint8Array = EMPTY;
    if (kind === NUMBER) number = numbers[at] as number;
    else {
      const size = ring[slot + 2] as number;
      if (size > 0) {
        const start = ring[slot + 1] as number;
        bytes = this.state.bytes.slice(start, start + size);
        ring[BYTES_READ] = start + size;
      }
    }
    ring[READ] = ((ring[READ] as number) + 1) % (capacity * 2);
    this.items.leave();
    this.slots.release(1, 0);
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
    this.slots.close();
    this.items.close();
  }

  addSender(): void {
    this.senders.request(1, false);
  }

  removeSender(): void {
    this.senders.release(1);
    this.checkSenders();
  }

  /** Closes the channel when the last sender is gone, with its thread perhaps. */
  readonly checkSenders = (): void => {
    this.senders.reclaim();
    if (this.senders.available === MAX_SENDERS && !this.isClosed) this.close();
  };
}

const EMPTY = new Uint8Array(0);

/** Waits for room for bytes as well: places are free, but a few large messages fill the channel. */
class Send<T> extends Operation<void> {
  readonly #channel: Channel;
  readonly #value: T;
  readonly #place: Take<boolean>;
  #hasPlace = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(channel: Channel, value: T) {
    super();
    this.#channel = channel;
    this.#value = value;
    this.#place = new Take(channel.slots, 1, "room in a shared channel", () => true, () => {
      throw new SendError(value);
    });
  }

  poll(waker: Waker): void | typeof PENDING {
    if (!this.#hasPlace) {
      if (this.#channel.isClosed) throw new SendError(this.#value);
      if (this.#place.poll(waker) === PENDING) return PENDING;
      this.#hasPlace = true;
    }
    let encoded: Encoded;
    try {
      encoded = encode(this.#value);
      checkSize(encoded);
    } catch (error) {
      this.#giveBack();
      throw error;
    }
    if (this.#channel.put(encoded)) {
      this.#hasPlace = false;
      return undefined;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => waker.wake(), 1);
    return PENDING;
  }

  #giveBack(): void {
    if (this.#hasPlace) this.#channel.slots.release(1, 0);
    this.#hasPlace = false;
  }

  override [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#place[Symbol.dispose]();
    this.#giveBack();
  }

  override describe(): string {
    return "room in a shared channel";
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
    if (!this.#isOpen || channel.isClosed) throw new TrySendError(value, "channel closed");
    const encoded = encode(value);
    checkSize(encoded);
    if (channel.slots.request(1, false) !== NOW) throw new TrySendError(value, "no room in the channel", "TOKIWA_FULL");
    if (!channel.put(encoded)) {
      channel.slots.release(1, 0);
      throw new TrySendError(value, "no room in the channel", "TOKIWA_FULL");
    }
  }

  /** Waits on this thread, which must be allowed to block. @throws {SendError} when closed */
  blockingSend(value: T): void {
    if (this.#far !== undefined) noSharedMemory("blockingSend()");
    const channel = this.#channel;
    if (!this.#isOpen || channel.isClosed) throw new SendError(value);
    try {
      channel.slots.takeBlocking(1, "blockingSend()");
    } catch (error) {
      throw channel.isClosed ? new SendError(value) : error;
    }
    const encoded = encode(value);
    checkSize(encoded);
    while (!channel.put(encoded)) pauseThread();
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
    this.#channel.addSender();
    return { type: "sender", state: { ...this.#channel.state, from: ownId() } };
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
    const channel = this.#channel;
    return new Take<T | undefined>(channel.items, 1, "a message of a shared channel", () => channel.take() as T, () => undefined, channel.checkSenders);
  }

  /** @throws {TryRecvError} `TOKIWA_EMPTY` | `TOKIWA_CLOSED` */
  tryRecv(): T {
    if (this.#far !== undefined) noSharedMemory("tryRecv()");
    const { items } = this.#channel;
    if (items.request(1, false) !== NOW) {
      throw items.isClosed ? new TryRecvError("channel closed") : new TryRecvError("the channel is empty", "TOKIWA_EMPTY");
    }
    return this.#channel.take() as T;
  }

  /** Waits on this thread, which must be allowed to block. */
  blockingRecv(): T | undefined {
    if (this.#far !== undefined) noSharedMemory("blockingRecv()");
    try {
      this.#channel.items.takeBlocking(1, "blockingRecv()", this.#channel.checkSenders);
    } catch (error) {
      if (this.#channel.isClosed && (error as RecvError).code === "TOKIWA_CLOSED") return undefined;
      throw error;
    }
    return this.#channel.take() as T;
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

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (;;) {
      const value = await this.recv();
      if (value === undefined) return;
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
    slots: new Permits(capacity, false).words,
    items: new Permits(0, false).words,
    senders: new Permits(MAX_SENDERS).words,
    from: 0,
    ring: new Int32Array(words((HEADER + capacity * SLOT) * 4)),
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
  const channel = new Channel(state);
  channel.senders.moveHold(state.from, ownId(), 1);
  return new SharedSender<unknown>(channel);
});
registerPackable("receiver", (state: State | MessagePort) => isPort(state) ? new SharedReceiver<unknown>(remote(state)) : new SharedReceiver<unknown>(new Channel(state)));
