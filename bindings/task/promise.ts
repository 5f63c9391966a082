// Promises and events of the host as futures.

import { type Awaitable, completed, context, type Future, isFuture, isThenable, Operation, PENDING, type Reactor, type Waker, whenSettled } from "../future.ts";
import { OptionError } from "../errors.ts";
import { show } from "../options.ts";

const WAITING = 0;
const FULFILLED = 1;
const REJECTED = 2;

/** Something only the host can finish: counted, so that `blockOn()` knows that it would wait in vain. */
abstract class HostFuture<T> extends Operation<T> {
  #state = WAITING;
  #value: unknown;
  #waker: Waker | undefined;
  #reactor: Reactor | null = null;
  #isStarted = false;
  #isDropped = false;

  /** Begins to listen; called once, at the first poll. */
  protected abstract start(): void;
  /** Stops listening. */
  protected stop(): void {}

  poll(waker: Waker): T | typeof PENDING {
    if (this.#state === FULFILLED) return this.#value as T;
    if (this.#state === REJECTED) throw this.#value;
    if (this.#isDropped) completed();
    this.#waker = waker;
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#reactor = context.reactor;
      if (this.#reactor !== null) this.#reactor.hostPending++;
      this.start();
    }
    return PENDING;
  }

  protected settle(isFulfilled: boolean, value: unknown): void {
    if (this.#state !== WAITING) return;
    this.#state = isFulfilled ? FULFILLED : REJECTED;
    this.#value = value;
    this.#leave();
    const waker = this.#waker;
    this.#waker = undefined;
    waker?.wake();
  }

  #leave(): void {
    if (this.#reactor !== null) this.#reactor.hostPending--;
    this.#reactor = null;
  }

  override [Symbol.dispose](): void {
    this.#isDropped = true;
    this.#leave();
    this.#waker = undefined;
    if (this.#isStarted && this.#state === WAITING) this.stop();
  }
}

class PromiseFuture<T> extends HostFuture<T> {
  readonly #promise: PromiseLike<T>;

  constructor(promise: PromiseLike<T>) {
    super();
    this.#promise = promise;
  }

  protected start(): void {
    whenSettled(this.#promise, (value) => this.settle(true, value), (error) => this.settle(false, error));
  }

  override describe(): string {
    return "a promise of the host";
  }
}

class EventFuture<E extends Event> extends HostFuture<E> {
  readonly #target: EventTarget;
  readonly #type: string;
  readonly #listener = (event: Event): void => this.settle(true, event);

  constructor(target: EventTarget, type: string) {
    super();
    this.#target = target;
    this.#type = type;
  }

  protected start(): void {
    this.#target.addEventListener(this.#type, this.#listener, { once: true });
  }

  protected override stop(): void {
    this.#target.removeEventListener(this.#type, this.#listener);
  }

  override describe(): string {
    return `the event ${JSON.stringify(this.#type)}`;
  }
}

/**
 * A promise as a future, for `yield*` and combinators.
 *
 * Dropping it stops waiting; the promise itself cannot be cancelled, use `currentTask().signal` for that.
 */
export function fromPromise<T>(promise: PromiseLike<T>): Future<T> {
  if (!isThenable(promise)) throw new OptionError(`promise must be a promise, got ${show(promise)}`);
  return new PromiseFuture(promise as PromiseLike<T>);
}

/**
 * The next event of this type, listened for from the first poll on. Dropping it removes the listener.
 *
 * @example const click = await fromEvent(button, "click");
 */
export function fromEvent<E extends Event>(target: EventTarget, type: string): Future<E> {
  if (typeof target?.addEventListener !== "function") throw new OptionError(`target must be an EventTarget, got ${show(target)}`);
  if (typeof type !== "string") throw new OptionError(`type must be a string, got ${show(type)}`);
  return new EventFuture(target, type);
}

/**
 * What a combinator polls of an operand: a future, or a promise as one. Handles and receivers are lent, not given: losing
 * forgets the wait and leaves them as they are.
 */
export function operand<T>(name: string, value: Awaitable<T>): Future<T> {
  const lent = (value as Partial<Operation<T>> | null | undefined)?.borrowed;
  if (lent !== undefined) return lent;
  if (isFuture(value)) return value as Future<T>;
  if (isThenable(value)) return new PromiseFuture(value as PromiseLike<T>);
  throw new OptionError(`${name} must be a future or a promise, got ${show(value)}`);
}
