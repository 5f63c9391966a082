// oneshot: one message, from one sender to one receiver.
//
// The receiver is the channel: it holds the message, the flags and both wakers, and the sender only
// points at it, so a channel is two objects.
//
//   SENT | UNSENT      the sender has sent, or was closed without; never both
//   CLOSED             the receiver takes no message any more; one that was sent before it still does
//   OVER               the message, or the error, was taken: the end
//
// Awaiting borrows the receiver: a wait that is dropped (a lost select, an aborted task) leaves it as it
// was, with the message in it. Only close() and dispose close it.

import { RecvError, SendError, TryRecvError } from "../errors.ts";
import { completed, context, type Future, Operation, PENDING, proceed, readyWith, restore, type Suspend, SUSPENDED, type Waker } from "../future.ts";
import { blockFor } from "../block-on.ts";
import { Closed, type Closing } from "./closed.ts";
import { handOver, letGo, without } from "./hand-over.ts";

const SENT = 1;
const UNSENT = 2;
const CLOSED = 4;
const OVER = 8;

const takesNothing = ({ flags }: { readonly flags: number }): boolean => (flags & (CLOSED | OVER)) !== 0;

/** The sending half; made by `oneshot()`. */
export class OneshotSender<T> implements Disposable {
  readonly #receiver: OneshotReceiver<T>;

  /** @internal */
  constructor(receiver: OneshotReceiver<T>) {
    this.#receiver = receiver;
  }

  /**
   * Sends the message. Never waits; the receiver takes it when it likes.
   *
   * @throws {SendError} `TOKIWA_CLOSED`, with the message in `value`, when the receiver is closed, or this sender was used before
   */
  send(value: T): void {
    const receiver = this.#receiver;
    const { flags } = receiver;
    if ((flags & (SENT | UNSENT | CLOSED)) !== 0) {
      throw new SendError(value, (flags & SENT) !== 0 ? "this oneshot sender has sent its message already" : "channel closed");
    }
    receiver.flags = flags | SENT;
    receiver.value = value;
    receiver.wakeReceiver();
  }

  /** Whether a message sent now would be refused because the receiver is closed. */
  get isClosed(): boolean {
    return (this.#receiver.flags & (CLOSED | OVER)) !== 0;
  }

  /** Waits until the receiver is closed: what is being computed for it can stop. Cancel safe. */
  closed(): Future<void> {
    return new Closed(this.#receiver, takesNothing, "a oneshot sender");
  }

  /** Gives up sending: the receiver gets a `RecvError`. Nothing happens after `send()`. */
  close(): void {
    const receiver = this.#receiver;
    if ((receiver.flags & (SENT | UNSENT)) !== 0) return;
    receiver.flags |= UNSENT;
    receiver.wakeReceiver();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** One wait for the message, so that losing forgets the wait and not the receiver. */
class Receive<T> extends Operation<T> {
  readonly #receiver: OneshotReceiver<T>;
  #waker: Waker | null = null;

  constructor(receiver: OneshotReceiver<T>) {
    super();
    this.#receiver = receiver;
  }

  poll(waker: Waker): T | typeof PENDING {
    this.#waker = waker;
    return this.#receiver.poll(waker);
  }

  override [Symbol.dispose](): void {
    this.#receiver.forget(this.#waker);
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return this.#receiver.describe();
  }
}

/**
 * The receiving half; made by `oneshot()`. It is the future of the message itself: `await rx`.
 *
 * Rejects with `RecvError` when the sender was closed without sending. Cancel safe: it can lose a `select`, and be
 * awaited again, until it has given its message.
 */
export class OneshotReceiver<T> extends Operation<T> {
  /** @internal */
  flags = 0;
  /** @internal */
  value: T | undefined = undefined;
  /** @internal */
  closing: Closing = undefined;
  #waker: Waker | null = null;

  poll(waker: Waker): T | typeof PENDING {
    const { flags } = this;
    if ((flags & OVER) !== 0) completed();
    if (!proceed(waker)) return PENDING;
    if ((flags & SENT) !== 0) return this.#take();
    if (flags !== 0) this.#fail();
    this.#waker = handOver(this.#waker, waker);
    restore();
    return PENDING;
  }

  override next(): IteratorResult<Suspend, T> {
    const { waker, budget } = context;
    const { flags } = this;
    if (waker === null || budget <= 0 || (flags & ~SENT) !== 0) return super.next();
    if (flags === 0) {
      this.#waker = handOver(this.#waker, waker);
      return SUSPENDED;
    }
    context.budget = budget - 1;
    return readyWith(this.#take());
  }

  #take(): T {
    const value = this.value as T;
    this.#end();
    return value;
  }

  #fail(): never {
    this.#end();
    throw new RecvError();
  }

  #end(): void {
    this.flags |= OVER;
    this.value = undefined;
    letGo(this.#waker);
    this.#waker = null;
    this.closing?.wakeAll();
  }

  /** @internal */
  wakeReceiver(): void {
    const waker = this.#waker;
    this.#waker = null;
    waker?.wake();
  }

  /**
   * The message, if it is there.
   *
   * @throws {TryRecvError} `TOKIWA_EMPTY` when it may still come, `TOKIWA_CLOSED` when it was taken or cannot come any more
   */
  tryRecv(): T {
    const { flags } = this;
    if (flags === 0) throw new TryRecvError("no message yet", "TOKIWA_EMPTY");
    if ((flags & (SENT | OVER)) === SENT) return this.#take();
    if ((flags & OVER) === 0) this.#end();
    throw new TryRecvError();
  }

  /**
   * Runs the current runtime on this thread until the message is there, outside of tasks.
   *
   * @throws {ContextError} `TOKIWA_NESTED_RUNTIME` inside a task
   * @throws {RecvError} when the sender was closed without sending
   */
  blockingRecv(): T {
    return blockFor("blockingRecv()", new Receive(this));
  }

  /** Refuses a message from now on. One that was sent before can still be taken. */
  close(): void {
    if ((this.flags & CLOSED) !== 0) return;
    this.flags |= CLOSED;
    this.closing?.wakeAll();
    if ((this.flags & SENT) === 0) this.wakeReceiver();
  }

  /** Whether the message, or the error, was taken: awaiting it again is a mistake. */
  get isTerminated(): boolean {
    return (this.flags & OVER) !== 0;
  }

  /** Whether there is no message to take now. */
  get isEmpty(): boolean {
    return (this.flags & (SENT | OVER)) !== SENT;
  }

  /** @internal */
  override get borrowed(): Future<T> {
    return new Receive(this);
  }

  /** @internal A wait has been given up. */
  forget(waker: Waker | null): void {
    this.#waker = without(this.#waker, waker);
  }

  /** A `yield*` that is given up leaves the receiver as it is. */
  override return(value?: unknown): IteratorResult<Suspend, T> {
    this.forget(context.waker);
    return { done: true, value: value as T };
  }

  override throw(error: unknown): IteratorResult<Suspend, T> {
    this.forget(context.waker);
    throw error;
  }

  /** Closes the receiver and discards a message that is in it. */
  override [Symbol.dispose](): void {
    if ((this.flags & OVER) !== 0) return;
    this.flags |= CLOSED;
    this.#end();
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return "a oneshot message";
  }
}

/**
 * A channel for one message: an answer, an outcome, a hand-over.
 *
 * @example
 * const [reply, answer] = oneshot<number>();
 * spawn(function* () { reply.send(42); });
 * console.log(await answer);
 */
export function oneshot<T>(): [OneshotSender<T>, OneshotReceiver<T>] {
  const receiver = new OneshotReceiver<T>();
  return [new OneshotSender(receiver), receiver];
}
