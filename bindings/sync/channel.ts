// The state of an mpsc channel, and the two kinds of waiting at it.
//
// Capacity is a number of slots. A slot is free, or held by a permit or by a waiting sender (`held`), or by
// a message in the queue:
//
//   free + held + queue.length === capacity          (a channel without capacity counts no slots)
//   someone waits for slots   =>  free === 0
//
// A waiting sender takes the slots that are there and waits for the rest; a slot that is given back goes to
// the one that waits longest, who is then woken and sends when it is polled: a send that is dropped before
// has sent nothing. Closed counts before granted, also for one that holds its slots already. All of it is
// Tokio's batch semaphore, in its order.
//
// The receiver is told of the end when nothing can come any more: no sender is left, or it was
// closed and no slot is held. There may be several waits for messages; each message wakes the one that
// waits longest, and one that is dropped after it was woken passes the wake on.
//
// A sender is counted until it is closed and its last permit or waiting send is gone (`Handle`).

import { SendError } from "../errors.ts";
import { completed, context, FINISHED, Operation, PENDING, proceed, readyWith, restore, type Suspend, SUSPENDED, type Waker } from "../future.ts";
import type { Closing } from "./closed.ts";
import { Queue } from "./queue.ts";
import { END, type Item } from "./stream.ts";
import { own, Waiter, WaiterQueue } from "./waiters.ts";

/** `capacity` of a channel that has no bound. */
export const UNBOUNDED = 0;

export class Channel<T> {
  readonly capacity: number;
  free: number;
  held = 0;
  readonly queue: Queue<T> = new Queue();
  /** Senders that are not closed, or still hold permits. */
  senders = 1;
  weaks = 0;
  /** The receiver takes nothing new. */
  isClosed = false;
  /** The receiver is gone: what is still sent by permits goes nowhere. */
  isDiscarding = false;
  readonly sending: WaiterQueue<Slots<unknown>> = new WaiterQueue();
  readonly receiving: WaiterQueue<Receive<T>> = new WaiterQueue();
  closing: Closing = undefined;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.free = capacity;
  }

  /** Whether the queue is empty and will stay so. */
  get isFinished(): boolean {
    return this.queue.length === 0 && (this.senders === 0 || (this.isClosed && (this.held === 0 || this.isDiscarding)));
  }

  /** Queues a message whose slot is taken already. */
  push(value: T): void {
    if (this.isDiscarding) {
      this.give(1);
      return;
    }
    this.queue.push(value);
    if (this.receiving.first !== null) this.wakeReceiver();
  }

  /** The next message; only when there is one. */
  shift(): T {
    const value = this.queue.shift();
    if (this.isClosed) this.give(this.capacity === UNBOUNDED ? 0 : 1);
    else if (this.capacity !== UNBOUNDED) {
      const { first } = this.sending;
      if (first === null) this.free++;
      else if (first.needed > 1) this.give(1);
      else this.grant(first);
    }
    return value;
  }

  wakeReceiver(): void {
    this.receiving.shift()?.wakeUp();
  }

  /** Gives the first of those that wait the one slot that it still misses. */
  grant(first: Slots<unknown>): void {
    first.needed = 0;
    this.held++;
    this.sending.shift();
    first.wakeUp();
  }

  /** Gives slots back: first to senders that wait. */
  give(count: number): void {
    const { sending } = this;
    let left = count;
    for (let { first } = sending; left > 0 && first !== null; { first } = sending) {
      const granted = first.needed < left ? first.needed : left;
      first.needed -= granted;
      this.held += granted;
      left -= granted;
      if (first.needed > 0) break;
      sending.remove(first);
      first.wakeUp();
    }
    if (this.capacity !== UNBOUNDED) this.free += left;
    if (this.isClosed && this.isFinished) this.receiving.wakeAll();
  }

  /** Slots that were held are free. */
  unhold(count: number): void {
    this.held -= count;
    this.give(count);
  }

  senderGone(): void {
    if (--this.senders === 0) this.receiving.wakeAll();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.closing?.wakeAll();
    this.sending.wakeAll();
    if (this.isFinished) this.receiving.wakeAll();
  }

  /** Closes, and forgets what is queued. */
  discard(): void {
    this.close();
    if (this.isDiscarding) return;
    this.isDiscarding = true;
    const { length } = this.queue;
    this.queue.clear();
    this.give(this.capacity === UNBOUNDED ? 0 : length);
    this.receiving.wakeAll();
  }
}

/** A sender as its channel counts it: one, until it is closed and nothing holds it any more. */
export class Handle<T> {
  readonly channel: Channel<T>;
  isClosed = false;
  /** Permits and waiting sends. */
  #holds = 0;
  /** A finished send, to be used again. */
  spare: Send<T> | null = null;

  constructor(channel: Channel<T>) {
    this.channel = channel;
  }

  hold(count: number): void {
    this.#holds += count;
  }

  unhold(): void {
    if (--this.#holds === 0 && this.isClosed) this.channel.senderGone();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.spare = null;
    if (this.#holds === 0) this.channel.senderGone();
  }

  /** Whether sending through this handle fails. */
  get isShut(): boolean {
    return this.isClosed || this.channel.isClosed;
  }
}

const FRESH = 0;
const WAITING = 1;
const OVER = 2;

/** Waits for slots. */
export abstract class Slots<R> extends Waiter<R> {
  readonly handle: Handle<unknown>;
  /** How many are missing. */
  needed = 0;
  protected state: number = FRESH;

  constructor(handle: Handle<unknown>) {
    super();
    this.handle = handle;
  }

  /** How many are wanted. */
  protected abstract get count(): number;
  /** They are counted as held now: what becomes of them. */
  protected abstract taken(): R;
  /** What the error of a closed channel carries. */
  protected abstract refused(): unknown;

  poll(waker: Waker): R | typeof PENDING {
    if (this.state === OVER) completed();
    if (!proceed(waker)) return PENDING;
    const { handle, count } = this;
    const { channel } = handle;
    if (channel.isClosed || (this.state === FRESH && handle.isClosed) || count > channel.capacity) {
      const value = this.refused();
      this[Symbol.dispose]();
      throw new SendError(value);
    }
    if (this.state === FRESH) {
      const granted = channel.free < count ? channel.free : count;
      channel.free -= granted;
      channel.held += granted;
      if (granted === count) {
        this.state = OVER;
        return this.taken();
      }
      this.wait(count - granted);
    } else if (this.needed === 0) {
      this.state = OVER;
      const result = this.taken();
      handle.unhold();
      return result;
    }
    this.waitWith(waker);
    restore();
    return PENDING;
  }

  /** Takes its place behind the others. */
  protected wait(needed: number): void {
    const { handle } = this;
    this.needed = needed;
    this.state = WAITING;
    handle.hold(1);
    handle.channel.sending.push(this);
  }

  override [Symbol.dispose](): void {
    const { state, handle } = this;
    this.state = OVER;
    this.forgetWaker();
    if (state !== WAITING) return;
    const { channel } = handle;
    channel.sending.remove(this);
    channel.unhold(this.count - this.needed);
    handle.unhold();
  }
}

/** Waits for a slot, and sends. */
export class Send<T> extends Slots<void> {
  #value: T | undefined;

  constructor(handle: Handle<T>, value: T) {
    super(handle as Handle<unknown>);
    this.#value = value;
  }

  /** A send that is over begins anew. */
  renew(value: T): void {
    this.state = FRESH;
    this.#value = value;
  }

  protected get count(): number {
    return 1;
  }

  protected taken(): void {
    const channel = this.handle.channel;
    channel.held--;
    channel.push(this.refused());
  }

  protected refused(): T {
    const value = this.#value as T;
    this.#value = undefined;
    return value;
  }

  override next(): IteratorResult<Suspend, void> {
    const { handle, state } = this;
    const { channel } = handle;
    const { waker, budget } = context;
    if (waker === null || budget <= 0 || channel.isClosed || state === OVER || (state === FRESH && handle.isClosed)) return super.next();
    if (state === FRESH) {
      if (channel.free === 0) {
        this.wait(1);
        this.waker = waker;
        return SUSPENDED;
      }
      channel.free--;
    } else {
      if (this.needed > 0) {
        this.waitWith(waker);
        return SUSPENDED;
      }
      channel.held--;
    }
    const value = this.#value as T;
    this.#value = undefined;
    this.state = OVER;
    context.budget = budget - 1;
    own(this);
    if (!handle.isClosed) handle.spare = this as Send<unknown>;
    channel.push(value);
    if (state === WAITING) handle.unhold();
    return FINISHED;
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    this.#value = undefined;
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return "room in an mpsc channel";
  }
}

/** Waits for a message. */
export class Receive<T> extends Waiter<T | undefined> implements Item<T> {
  readonly channel: Channel<T>;
  readonly #pool: ReceivePool<T>;
  #state = FRESH;

  constructor(channel: Channel<T>, pool: ReceivePool<T>) {
    super();
    this.channel = channel;
    this.#pool = pool;
  }

  renew(): void {
    this.#state = FRESH;
  }

  poll(waker: Waker): T | undefined | typeof PENDING {
    const value = this.pollItem(waker);
    return value === END ? undefined : value;
  }

  pollItem(waker: Waker): T | typeof PENDING | typeof END {
    if (this.#state === OVER) completed();
    if (!proceed(waker)) return PENDING;
    const { channel } = this;
    if (channel.queue.length > 0) {
      this.#end();
      return channel.shift();
    }
    if (channel.isFinished) {
      this.#end();
      return END;
    }
    restore();
    this.#wait(waker);
    return PENDING;
  }

  override next(): IteratorResult<Suspend, T | undefined> {
    const { waker, budget } = context;
    if (waker === null || budget <= 0 || this.#state === OVER) return super.next();
    const { channel } = this;
    let value: T | undefined;
    if (channel.queue.length > 0) value = channel.shift();
    else if (!channel.isFinished) {
      this.#wait(waker);
      return SUSPENDED;
    }
    context.budget = budget - 1;
    this.#end();
    own(this);
    this.#pool.spare = this;
    return readyWith(value);
  }

  #wait(waker: Waker): void {
    this.#state = WAITING;
    this.waitWith(waker);
    if (!this.isLinked) this.channel.receiving.push(this);
  }

  #end(): void {
    if (this.#state === WAITING) {
      this.forgetWaker();
      this.channel.receiving.remove(this);
    }
    this.#state = OVER;
  }

  override [Symbol.dispose](): void {
    const wasWoken = this.#state === WAITING && !this.isLinked;
    this.#end();
    if (wasWoken && this.channel.queue.length > 0) this.channel.wakeReceiver();
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return "a message of an mpsc channel";
  }
}

/** Where a finished wait is kept for the next one. */
export interface ReceivePool<T> {
  spare: Receive<T> | null;
}

/** Waits for messages, as many as there are. */
export class ReceiveMany<T> extends Operation<number> {
  readonly channel: Channel<T>;
  readonly #into: T[];
  readonly #limit: number;
  #inner: Receive<T>;

  constructor(channel: Channel<T>, pool: ReceivePool<T>, into: T[], limit: number) {
    super();
    this.channel = channel;
    this.#into = into;
    this.#limit = limit;
    this.#inner = new Receive(channel, pool);
  }

  poll(waker: Waker): number | typeof PENDING {
    if (this.#limit === 0) return proceed(waker) ? 0 : PENDING;
    const first = this.#inner.pollItem(waker);
    if (first === PENDING) return PENDING;
    if (first === END) return 0;
    const { channel } = this;
    this.#into.push(first as T);
    let count = 1;
    for (; count < this.#limit && channel.queue.length > 0; count++) this.#into.push(channel.shift());
    return count;
  }

  override [Symbol.dispose](): void {
    this.#inner[Symbol.dispose]();
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return "messages of an mpsc channel";
  }
}
