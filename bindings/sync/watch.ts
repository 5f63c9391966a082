// watch: the latest value, and who has not seen it yet.
//
// The value has a version that goes up with every change. A receiver remembers the version it
// has seen; it never gets a list of changes, only the last. `changed` waits for a version that is not the one seen.

import { RecvError, SendError, TokiwaError } from "../errors.ts";
import { completed, context, FINISHED, type Future, PENDING, proceed, restore, type Suspend, SUSPENDED, type Waker } from "../future.ts";
import { checkAlike, checkFunction } from "../options.ts";
import { Closed, type Closing, hasNoReceiver } from "./closed.ts";
import { END, type Item, iterate, readable } from "./stream.ts";
import { isOwn, own, OwnWaits, Waiter, WaiterQueue } from "./waiters.ts";

class Shared<T> {
  value: T;
  version = 0;
  senders = 1;
  receivers = 0;
  readonly changing: WaiterQueue<Wait<T, unknown>> = new WaiterQueue();
  closing: Closing = undefined;

  constructor(value: T) {
    this.value = value;
  }

  set(value: T): void {
    this.value = value;
    this.version++;
    this.changing.wakeAll();
  }

  subscribe(version: number): WatchReceiver<T> {
    this.receivers++;
    return new WatchReceiver(this, version);
  }

  receiverGone(): void {
    if (--this.receivers === 0) this.closing?.wakeAll();
  }

  senderGone(): void {
    if (--this.senders === 0) this.changing.wakeAll();
  }
}

/** A sending half; made by `watch()`. */
export class WatchSender<T> implements Disposable {
  readonly #shared: Shared<T>;
  #isClosed = false;

  /** @internal */
  constructor(shared: Shared<T>) {
    this.#shared = shared;
  }

  /**
   * Sets the value, and wakes the receivers.
   *
   * @throws {SendError} `TOKIWA_CLOSED`, with the value in `value`, when there is no receiver (`sendReplace()` sets it anyway), or this sender was closed
   */
  send(value: T): void {
    if (this.#isClosed) throw new SendError(value, "this sender was closed");
    if (this.#shared.receivers === 0) throw new SendError(value);
    this.#shared.set(value);
  }

  /** What is shared, while this sender is open. */
  #open(value: unknown): Shared<T> {
    if (this.#isClosed) throw new SendError(value, "this sender was closed");
    return this.#shared;
  }

  /**
   * Changes the value in place, or returns another one, and wakes the receivers; also when there are none.
   *
   * When `f` throws, nobody is told; what it has changed in place stays changed.
   */
  sendModify(f: (value: T) => T | void): void {
    checkFunction("f", f);
    const shared = this.#open(undefined);
    const value = f(shared.value);
    shared.set(value === undefined ? shared.value : (value as T));
  }

  /**
   * As `sendModify()`, but the receivers are told only if `f` returns true (it changed the value in place) or `{ value }`
   * (another one). Returns whether they were.
   */
  sendIfModified(f: (value: T) => boolean | { value: T }): boolean {
    checkFunction("f", f);
    const shared = this.#open(undefined);
    const result = f(shared.value);
    if (typeof result === "object" && result !== null) shared.set(result.value);
    else if (result) shared.set(shared.value);
    else return false;
    return true;
  }

  /** Sets the value, also when there is no receiver, and returns the one before. */
  sendReplace(value: T): T {
    const shared = this.#open(value);
    const before = shared.value;
    shared.set(value);
    return before;
  }

  /** The value. */
  borrow(): T {
    return this.#shared.value;
  }

  /** A receiver that has seen the value as it is now. */
  subscribe(): WatchReceiver<T> {
    return this.#shared.subscribe(this.#shared.version);
  }

  /** @throws {TokiwaError} `TOKIWA_CLOSED` when this sender was closed */
  clone(): WatchSender<T> {
    if (this.#isClosed) throw new TokiwaError("TOKIWA_CLOSED", "this sender was closed: clone it before");
    this.#shared.senders++;
    return makeSender(this.#shared);
  }

  /** Gives this sender up; with the last one the receivers' waits fail. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#shared.senderGone();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Waits until there is no receiver. Cancel safe. */
  closed(): Future<void> {
    return new Closed(this.#shared, hasNoReceiver, "a watch sender");
  }

  sameChannel(other: WatchSender<T>): boolean {
    return this.#shared === checkAlike("other", other, this, "WatchSender").#shared;
  }

  /** Whether there is no receiver (one may subscribe), or this sender was closed. */
  get isClosed(): boolean {
    return this.#isClosed || this.#shared.receivers === 0;
  }

  get receiverCount(): number {
    return this.#shared.receivers;
  }

  get senderCount(): number {
    return this.#shared.senders;
  }
}

/** What a receiver has seen; shared with its waits. */
interface Sight {
  version: number;
  isClosed: boolean;
  /** A finished `changed()`, to be used again. */
  spare: Changed<unknown> | null;
  readonly waits: OwnWaits;
}

/** Waits for something of the value. */
abstract class Wait<T, R> extends Waiter<R> {
  protected readonly shared: Shared<T>;
  protected readonly sight: Sight;
  protected isOver = false;

  constructor(shared: Shared<T>, sight: Sight) {
    super();
    this.shared = shared;
    this.sight = sight;
  }

  /** What is waited for, PENDING, or a throw. */
  protected abstract look(waker: Waker): R | typeof PENDING;

  poll(waker: Waker): R | typeof PENDING {
    if (this.isOver) completed();
    if (!proceed(waker)) return PENDING;
    const value = this.attempt(waker);
    if (value === PENDING) restore();
    return value;
  }

  protected attempt(waker: Waker): R | typeof PENDING {
    let isPending = false;
    try {
      const value = this.look(waker);
      isPending = value === PENDING;
      return value;
    } finally {
      if (!isPending) this[Symbol.dispose]();
      else {
        this.waitWith(waker);
        if (!this.isLinked) {
          this.shared.changing.push(this as Wait<T, unknown>);
          this.sight.waits.add(this as Wait<unknown, unknown>);
        }
      }
    }
  }

  /** Whether no change can come any more. */
  protected get isEnd(): boolean {
    return this.sight.isClosed || this.shared.senders === 0;
  }

  override [Symbol.dispose](): void {
    this.isOver = true;
    this.forgetWaker();
    this.shared.changing.remove(this as Wait<T, unknown>);
  }

  override describe(): string {
    return "a change of a watched value";
  }
}

class Changed<T> extends Wait<T, void> {
  protected look(): void | typeof PENDING {
    const { sight, shared } = this;
    if (sight.version !== shared.version && !sight.isClosed) {
      sight.version = shared.version;
      return undefined;
    }
    if (this.isEnd) throw new RecvError();
    return PENDING;
  }

  renew(): void {
    this.isOver = false;
  }

  override get isRepollable(): boolean {
    return true;
  }

  override next(): IteratorResult<Suspend, void> {
    const { waker, budget } = context;
    if (waker === null || budget <= 0 || this.isOver) return super.next();
    context.budget = budget - 1;                           // also when it throws
    if (this.attempt(waker) === PENDING) {
      context.budget = budget;
      return SUSPENDED;
    }
    own(this);
    this.sight.spare = this as Changed<unknown>;
    return FINISHED;
  }
}

class WaitFor<T> extends Wait<T, T> {
  readonly #accepts: (value: T) => boolean;
  #isFirst = true;

  constructor(shared: Shared<T>, sight: Sight, accepts: (value: T) => boolean) {
    super(shared, sight);
    this.#accepts = accepts;
  }

  protected look(waker: Waker): T | typeof PENDING {
    const { sight, shared } = this;
    if ((this.#isFirst || sight.version !== shared.version) && !sight.isClosed) {
      this.#isFirst = false;
      const { value, version } = shared;
      sight.version = version;
      if (this.#accepts(value)) return value;
      if (shared.version !== version) {
        waker.wake();                                      // the predicate itself has sent: a look at that in a turn of its own
        return PENDING;
      }
    }
    if (this.isEnd) throw new RecvError();
    return PENDING;
  }
}

/** The next value for a loop: the current one first, then each that is new when it is asked for. */
class NextValue<T> extends Wait<T, T | typeof END> implements Item<T> {
  readonly #isFirst: boolean;

  constructor(shared: Shared<T>, sight: Sight, isFirst: boolean) {
    super(shared, sight);
    this.#isFirst = isFirst;
  }

  protected look(): T | typeof END | typeof PENDING {
    const { sight, shared } = this;
    if ((this.#isFirst || sight.version !== shared.version) && !sight.isClosed) {
      sight.version = shared.version;
      return shared.value;
    }
    return this.isEnd ? END : PENDING;
  }

  pollItem(waker: Waker): T | typeof END | typeof PENDING {
    return this.poll(waker);
  }
}

/** A receiving half; made by `watch()`, `subscribe()` and `clone()`. */
export class WatchReceiver<T> implements AsyncIterable<T>, Disposable {
  readonly #shared: Shared<T>;
  readonly #sight: Sight;

  /** @internal */
  constructor(shared: Shared<T>, version: number) {
    this.#shared = shared;
    this.#sight = { version, isClosed: false, spare: null, waits: new OwnWaits() };
  }

  /** The value, without marking it as seen. */
  borrow(): T {
    return this.#shared.value;
  }

  /** The value, which counts as seen: `changed()` waits for the next one. */
  borrowAndUpdate(): T {
    this.#sight.version = this.#shared.version;
    return this.#shared.value;
  }

  /**
   * Waits for a value that was not seen, and marks it as seen. Cancel safe.
   *
   * Rejects with `RecvError` when every sender is closed and the last value was seen.
   *
   * @example for (;;) { yield* config.changed(); apply(config.borrow()); }
   */
  changed(): Future<void> {
    const spare = this.#sight.spare as Changed<T> | null;
    if (!isOwn(spare)) return new Changed(this.#shared, this.#sight);
    this.#sight.spare = null;
    spare.renew();
    return spare;
  }

  /**
   * Whether there is a value that was not seen.
   *
   * @throws {RecvError} if and only if every sender is closed
   */
  get hasChanged(): boolean {
    if (this.#sight.isClosed || this.#shared.senders === 0) throw new RecvError();
    return this.#sight.version !== this.#shared.version;
  }

  /**
   * Waits until the value, beginning with the current one, is one that `f` accepts, and gives it. Every value looked at
   * counts as seen. Cancel safe.
   *
   * Rejects with `RecvError` when every sender is closed and the last value was not accepted, and with what `f` throws.
   *
   * @example await state.waitFor((s) => s === "ready");
   */
  waitFor(f: (value: T) => boolean): Future<T> {
    return new WaitFor(this.#shared, this.#sight, checkFunction("f", f));
  }

  /** Lets the value count as not seen. */
  markChanged(): void {
    this.#sight.version = this.#shared.version - 1;
  }

  /** Lets the value count as seen. */
  markUnchanged(): void {
    this.#sight.version = this.#shared.version;
  }

  /** Another receiver that has seen what this one has. */
  clone(): WatchReceiver<T> {
    return this.#shared.subscribe(this.#sight.version);
  }

  /** Gives this receiver up; its waits fail. Idempotent. */
  close(): void {
    if (this.#sight.isClosed) return;
    this.#sight.isClosed = true;
    this.#sight.spare = null;
    this.#shared.receiverGone();
    this.#sight.waits.wake(this.#shared.changing);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  sameChannel(other: WatchReceiver<T>): boolean {
    return this.#shared === checkAlike("other", other, this, "WatchReceiver").#shared;
  }

  /**
   * The current value, then the latest at every step that it has changed since, until every sender is closed. Leaving the loop
   * keeps the receiver open.
   */
  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return iterate(this.#steps());
  }

  #steps(): () => NextValue<T> {
    let isFirst = true;
    return () => {
      const step = new NextValue(this.#shared, this.#sight, isFirst);
      isFirst = false;
      return step;
    };
  }

  /** A stream of the values, as in a loop, which owns this receiver. */
  toWeb(): ReadableStream<T> {
    return readable(this.#steps(), () => this.close());
  }
}

// The bundler renames a class that names itself, and it would print as "_Sender": so functions make them.
function makeSender<T>(shared: Shared<T>): WatchSender<T> {
  return new WatchSender(shared);
}

/**
 * A value that is watched: configuration, state, progress. Receivers see the latest, not every one.
 *
 * @example
 * const [state, seen] = watch("starting");
 * spawn(function* () { state.send("ready"); });
 * await seen.waitFor((s) => s === "ready");
 */
export function watch<T>(initial: T): [WatchSender<T>, WatchReceiver<T>] {
  const shared = new Shared(initial);
  return [new WatchSender(shared), shared.subscribe(0)];
}
