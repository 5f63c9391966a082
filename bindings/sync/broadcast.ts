// broadcast: every receiver gets every message that was sent after it subscribed.
//
//   positions   0 ........ head ........ next of a receiver ........ tail
//
// Messages lie in a ring of `capacity` slots, the message of position p in slot p & mask. A slot counts
// the receivers that have not seen it (`unseen`); when none is left its message is let go.
//
//   head <= tail <= head + capacity; unseen > 0 exactly for the positions from head up to tail
//
// A sender never waits: it overwrites the oldest slot, and a receiver whose next position was
// overwritten is told how many it lost and goes on with the oldest that is there. The ring grows to its
// capacity as messages come, so a large one costs nothing before it is used.

import { LaggedError, RecvError, SendError, TokiwaError, TryRecvError } from "../errors.ts";
import { completed, context, type Future, PENDING, proceed, readyWith, restore, type Suspend, SUSPENDED, type Waker } from "../future.ts";
import { checkAlike, checkInteger } from "../options.ts";
import { blockFor } from "../block-on.ts";
import { Closed, type Closing, hasNoReceiver } from "./closed.ts";
import { END, type Item, iterate, readable } from "./stream.ts";
import { isOwn, own, OwnWaits, Waiter, WaiterQueue } from "./waiters.ts";
import { WeakHandle } from "./weak.ts";

/** Largest capacity: a power of two that a mask can be made of. */
const MAX_CAPACITY = 1 << 30;

class Channel<T> {
  readonly mask: number;
  readonly values: (T | undefined)[] = [];
  readonly unseen: number[] = [];
  head = 0;
  tail = 0;
  senders = 1;
  weaks = 0;
  receivers = 0;
  readonly receiving: WaiterQueue<Receive<T>> = new WaiterQueue();
  closing: Closing = undefined;

  constructor(capacity: number) {
    this.mask = 2 ** Math.ceil(Math.log2(capacity)) - 1;
  }

  push(value: T): void {
    const { tail, mask } = this;
    const slot = tail & mask;
    this.values[slot] = value;                             // the slots come in order: this appends until the ring is full
    this.unseen[slot] = this.receivers;
    this.tail = tail + 1;
    if (tail - this.head > mask) this.head = tail - mask;
    this.receiving.wakeAll();
  }

  /** The oldest position that is still there. */
  get oldest(): number {
    return Math.max(0, this.tail - this.mask - 1);
  }

  /** One receiver has seen the message of this position. */
  seen(position: number): void {
    const slot = position & this.mask;
    const left = (this.unseen[slot] as number) - 1;
    this.unseen[slot] = left;
    if (left > 0) return;
    this.values[slot] = undefined;
    if (position === this.head) this.head = position + 1;  // who has seen one has seen all before it
  }

  subscribe(): BroadcastReceiver<T> {
    this.receivers++;
    return new BroadcastReceiver(this);
  }

  /** A receiver is gone that had seen what lies before `next`. */
  unsubscribe(next: number): void {
    for (let position = Math.max(next, this.oldest); position < this.tail; position++) this.seen(position);
    if (--this.receivers === 0) this.closing?.wakeAll();
  }

  senderGone(): void {
    if (--this.senders === 0) this.receiving.wakeAll();
  }
}

/** A sending half; made by `broadcast()`, or alone: then it has no receiver until somebody subscribes. */
export class BroadcastSender<T> implements Disposable {
  readonly #channel: Channel<T>;
  #isClosed = false;

  /** @param capacity 1 to 2^30, rounded up to a power of two: so many messages a receiver may be behind */
  constructor(capacity: number);
  /** @internal */
  constructor(channel: Channel<T>);
  constructor(of: number | Channel<T>) {
    this.#channel = of instanceof Channel ? of : new Channel(checkInteger("capacity", of, 1, MAX_CAPACITY));
  }

  /**
   * Sends to every receiver there is, and tells how many. Never waits.
   *
   * @throws {SendError} `TOKIWA_CLOSED`, with the message in `value`, when there is no receiver (one may subscribe later), or this sender was closed
   */
  send(value: T): number {
    const channel = this.#channel;
    const { receivers } = channel;
    if (this.#isClosed) throw new SendError(value, "this sender was closed");
    if (receivers === 0) throw new SendError(value);
    channel.push(value);
    return receivers;
  }

  /** A receiver of what is sent from now on. */
  subscribe(): BroadcastReceiver<T> {
    return this.#channel.subscribe();
  }

  /** @throws {TokiwaError} `TOKIWA_CLOSED` when this sender was closed */
  clone(): BroadcastSender<T> {
    if (this.#isClosed) throw new TokiwaError("TOKIWA_CLOSED", "this sender was closed: clone it before, or keep a weak one");
    this.#channel.senders++;
    return makeSender(this.#channel);
  }

  /** A handle that does not keep the channel open. */
  downgrade(): WeakBroadcastSender<T> {
    return new WeakBroadcastSender(this.#channel);
  }

  /** Waits until there is no receiver. Cancel safe. */
  closed(): Future<void> {
    return new Closed(this.#channel, hasNoReceiver, "a broadcast sender");
  }

  sameChannel(other: BroadcastSender<T>): boolean {
    return this.#channel === checkAlike("other", other, this, "BroadcastSender").#channel;
  }

  /** Gives this sender up; the receivers' end comes with the last one. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#channel.senderGone();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get receiverCount(): number {
    return this.#channel.receivers;
  }

  /** How many messages somebody has not seen yet. */
  get length(): number {
    return this.#channel.tail - this.#channel.head;
  }

  get isEmpty(): boolean {
    return this.length === 0;
  }

  get strongCount(): number {
    return this.#channel.senders;
  }

  get weakCount(): number {
    return this.#channel.weaks;
  }
}

/** A sender that does not keep the channel open, made by `downgrade()`. */
export class WeakBroadcastSender<T> extends WeakHandle<Channel<T>, BroadcastSender<T>> {
  protected sender(channel: Channel<T>): BroadcastSender<T> {
    return new BroadcastSender(channel);
  }

  clone(): WeakBroadcastSender<T> {
    return makeWeakSender(this.channel);
  }
}

/** Where a receiver stands; shared with its waits. */
interface Cursor<T> {
  next: number;
  isClosed: boolean;
  /** A finished wait, to be used again. */
  spare: Receive<T> | null;
  readonly waits: OwnWaits;
}

/** What is at the cursor: its message, END, PENDING, or a throw of what was lost. */
function take<T>(channel: Channel<T>, cursor: Cursor<T>): T | typeof PENDING | typeof END {
  const { next } = cursor;
  if (cursor.isClosed) return END;
  if (next === channel.tail) return channel.senders === 0 ? END : PENDING;
  const { oldest } = channel;
  if (next < oldest) {
    cursor.next = oldest;
    throw new LaggedError(oldest - next);
  }
  const value = channel.values[next & channel.mask] as T;
  cursor.next = next + 1;
  channel.seen(next);
  return value;
}

class Receive<T> extends Waiter<T> implements Item<T> {
  readonly #channel: Channel<T>;
  readonly #cursor: Cursor<T>;
  #isOver = false;

  constructor(channel: Channel<T>, cursor: Cursor<T>) {
    super();
    this.#channel = channel;
    this.#cursor = cursor;
  }

  renew(): void {
    this.#isOver = false;
  }

  poll(waker: Waker): T | typeof PENDING {
    const value = this.pollItem(waker);
    if (value === END) throw new RecvError();
    return value as T | typeof PENDING;
  }

  pollItem(waker: Waker): T | typeof PENDING | typeof END {
    if (this.#isOver) completed();
    if (!proceed(waker)) return PENDING;
    const value = this.#take(waker);
    if (value === PENDING) restore();
    return value;
  }

  override next(): IteratorResult<Suspend, T> {
    const { waker, budget } = context;
    if (waker === null || budget <= 0 || this.#isOver) return super.next();
    context.budget = budget - 1;                           // also when it throws
    const value = this.#take(waker);
    if (value === PENDING) {
      context.budget = budget;
      return SUSPENDED;
    }
    if (value === END) throw new RecvError();
    own(this);
    this.#cursor.spare = this;
    return readyWith(value as T);
  }

  #take(waker: Waker): T | typeof PENDING | typeof END {
    let value: T | typeof PENDING | typeof END = END;
    try {
      value = take(this.#channel, this.#cursor);
    } finally {
      if (value !== PENDING) this[Symbol.dispose]();
    }
    if (value === PENDING) {
      this.waitWith(waker);
      if (!this.isLinked) {
        this.#channel.receiving.push(this);
        this.#cursor.waits.add(this);
      }
    }
    return value;
  }

  override [Symbol.dispose](): void {
    this.#isOver = true;
    this.forgetWaker();
    if (this.isLinked) this.#channel.receiving.remove(this);
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return "a message of a broadcast channel";
  }
}

/** A receiving half; made by `broadcast()` and `subscribe()`. */
export class BroadcastReceiver<T> implements AsyncIterable<T>, Disposable {
  readonly #channel: Channel<T>;
  readonly #cursor: Cursor<T>;

  /** @internal */
  constructor(channel: Channel<T>) {
    this.#channel = channel;
    this.#cursor = { next: channel.tail, isClosed: false, spare: null, waits: new OwnWaits() };
  }

  /**
   * The next message. Cancel safe: a wait that is dropped has taken none.
   *
   * Rejects with `RecvError` `TOKIWA_CLOSED` when every sender is closed and no message is left, and with `LaggedError`
   * `TOKIWA_LAGGED`, whose `skipped` says how many, when this receiver was too slow; the next one then gives the oldest message there is.
   */
  recv(): Future<T> {
    const { spare } = this.#cursor;
    if (!isOwn(spare)) return new Receive(this.#channel, this.#cursor);
    this.#cursor.spare = null;
    spare.renew();
    return spare;
  }

  /**
   * The next message, if it is there.
   *
   * @throws {TryRecvError} `TOKIWA_EMPTY` when one may still come, `TOKIWA_CLOSED` when none can
   * @throws {LaggedError} `TOKIWA_LAGGED`, as `recv()`
   */
  tryRecv(): T {
    const value = take(this.#channel, this.#cursor);
    if (value === PENDING) throw new TryRecvError("channel empty", "TOKIWA_EMPTY");
    if (value === END) throw new TryRecvError();
    return value as T;
  }

  /**
   * Runs the current runtime on this thread until there is a message, outside of tasks; otherwise as `recv()`.
   *
   * @throws {ContextError} `TOKIWA_NESTED_RUNTIME` inside a task
   */
  blockingRecv(): T {
    return blockFor("blockingRecv()", new Receive(this.#channel, this.#cursor));
  }

  /** Another receiver, of what is sent from now on. */
  resubscribe(): BroadcastReceiver<T> {
    return this.#channel.subscribe();
  }

  /** Gives this receiver up; its messages are let go. Idempotent. */
  close(): void {
    const cursor = this.#cursor;
    if (cursor.isClosed) return;
    cursor.isClosed = true;
    cursor.spare = null;
    this.#channel.unsubscribe(cursor.next);
    cursor.waits.wake(this.#channel.receiving);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  sameChannel(other: BroadcastReceiver<T>): boolean {
    return this.#channel === checkAlike("other", other, this, "BroadcastReceiver").#channel;
  }

  /** How many messages this receiver has not seen, those that it has lost included. */
  get length(): number {
    return this.#cursor.isClosed ? 0 : this.#channel.tail - this.#cursor.next;
  }

  get isEmpty(): boolean {
    return this.length === 0;
  }

  /** Whether every sender is closed, or this receiver is. There may still be messages. */
  get isClosed(): boolean {
    return this.#cursor.isClosed || this.#channel.senders === 0;
  }

  get senderStrongCount(): number {
    return this.#channel.senders;
  }

  get senderWeakCount(): number {
    return this.#channel.weaks;
  }

  /**
   * Messages until the channel ends. A step throws `LaggedError` when messages were lost; a new loop goes on behind them.
   * Leaving the loop keeps the receiver open.
   */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return iterate(() => new Receive(this.#channel, this.#cursor));
  }

  /** A stream of the messages, which owns this receiver; it fails with `LaggedError` when its reader is too slow. */
  toWeb(): ReadableStream<T> {
    return readable(
      () => new Receive(this.#channel, this.#cursor),
      () => this.close(),
    );
  }
}

// The bundler renames a class that names itself, and it would print as "_Sender": so functions make them.
function makeSender<T>(channel: Channel<T>): BroadcastSender<T> {
  return new BroadcastSender(channel);
}

function makeWeakSender<T>(channel: Channel<T>): WeakBroadcastSender<T> {
  return new WeakBroadcastSender(channel);
}

/**
 * A channel that gives every message to every receiver.
 *
 * @param capacity 1 to 2^30, rounded up to a power of two: so many messages a receiver may be behind before it loses the oldest
 * @example
 * const [news, first] = broadcast<string>(64);
 * const second = news.subscribe();
 * news.send("hello");                 // 2, the receivers
 * console.log(await first.recv(), await second.recv());
 */
export function broadcast<T>(capacity: number): [BroadcastSender<T>, BroadcastReceiver<T>] {
  const channel = new Channel<T>(checkInteger("capacity", capacity, 1, MAX_CAPACITY));
  return [new BroadcastSender(channel), channel.subscribe()];
}
