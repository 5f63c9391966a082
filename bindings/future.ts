// Futures: the protocol, and what is running right now on this thread.
//
// A future is polled with a waker until it is ready. One object serves three callers:
//   yield* future    the leaf is its own iterator; a suspended step returns SUSPENDED, one
//                    shared object, through every generator up to the scheduler
//   await future     `then` hands the future to the scheduler (task/await.ts installs how)
//   future.poll(w)   combinators and hand-written futures
//
// `context` is the thread's "now", see context.ts.
//
// Coop budget (Tokio's): 128 units for each poll of a task. A leaf spends one with
// `proceed()` and gives it back with `restore()` when it is pending; `yield*` and `await` spend
// one themselves when nothing below them did. Without units a future is pending and its task
// goes behind everything that is ready.

import { context } from "./context.ts";
import { ContextError, OptionError } from "./errors.ts";
import { microtask, reportUnhandled } from "./host.ts";
import { UNIT_YIELD } from "./limits.ts";
import { checkFunction, show } from "./options.ts";
import { shared } from "./registry.ts";

export { context };

/** What `poll` returns while a future is not ready. */
export const PENDING: unique symbol = Symbol.for("tokiwa.pending");

/** Called when a pending future may have become ready. May be called late, twice, or for nothing. */
export interface Waker {
  wake(): void;
  wakeByRef?(): void;
}

declare const suspendBrand: unique symbol;
/** What a generator task yields while it waits. Only `yield*` of a future makes one. */
export interface Suspend {
  readonly [suspendBrand]: true;
}

/**
 * A value that will be there later: lazy, single use, usable with `await` and `yield*`.
 *
 * Cancelled by `[Symbol.dispose]()` or by losing in a combinator.
 */
export interface Future<T> extends PromiseLike<T> {
  [Symbol.iterator](): Iterator<Suspend, T, unknown>;
  poll(waker: Waker): T | typeof PENDING;
  [Symbol.dispose](): void;
}

/** What a task runs: an async, a generator or a plain function. */
export type TaskFn<A extends unknown[], T> = (...args: A) => Generator<Suspend, T, unknown> | PromiseLike<T> | T;

/** A future, or a promise of the host. */
export type Awaitable<T> = Future<T> | PromiseLike<T>;

/** Something the scheduler polls by its slot in the core. */
export interface Unit extends Waker {
  /** `generation << 22 | index` of its slot, -1 before and after. */
  handle: number;
  readonly scheduler: Reactor;
  /** Never throws. */
  run(): number;
  /** Its scheduler has closed: whoever waits must not wait any longer. Tasks and roots have ended before. */
  closed?(): void;
}

/** What futures need of a scheduler, whichever it is. */
export interface Reactor {
  /** Gives the unit a slot. It is not woken by that. */
  adopt(unit: Unit): void;
  /** Gives the slot of a unit back, outside of its own `run()`. */
  release(unit: Unit): void;
  /** Queues the unit, and sees to it that someone drives. */
  wake(handle: number): void;
  /** Queues the unit behind everything that is ready. */
  defer(handle: number): void;
  /** How many things only the host's event loop can finish: promises, sockets, async functions. */
  hostPending: number;
}

/** A task as seen from below: an owner of futures. */
export interface Owner {
  readonly name: string | undefined;
}

const SUSPEND = /* @__PURE__ */ shared("suspend", () => Object.freeze({})) as Suspend;
/** The step of an iterator that waits. One object for all: a suspension allocates nothing. */
export const SUSPENDED: IteratorResult<Suspend, never> = /* @__PURE__ */ shared("suspended", () => Object.freeze({ done: false, value: SUSPEND }));
/** The step of an iterator that has finished without a value. */
export const FINISHED: IteratorResult<Suspend, undefined> = /* @__PURE__ */ Object.freeze({ done: true, value: undefined });

/** The step of a wait that is ready. One for all, read before anything else can run. */
const READY: { done: true; value: unknown } = { done: true, value: undefined };
let keepsValue = false;
const forgetValue = (): void => {
  READY.value = undefined;
  keepsValue = false;
};

/** The step of an iterator that has finished with a value. Good until the next one is made; keeps the value for this turn of the host and no longer. */
export function readyWith<T>(value: T): IteratorResult<Suspend, T> {
  READY.value = value;
  if (!keepsValue) {
    keepsValue = true;
    microtask(forgetValue);
  }
  return READY as IteratorResult<Suspend, T>;
}

/** Whether a yielded value came from one of our futures. */
export function isSuspend(value: unknown): boolean {
  return value === SUSPEND;
}

/** Wakes somebody's own waker; what it throws is reported, and harms nobody else. */
export function wakeSafely(waker: Waker): void {
  try {
    waker.wake();
  } catch (error) {
    reportUnhandled(error);
  }
}

/** Sends the one that is being polled behind everything else that is ready. */
export function yieldToBack(waker: Waker): void {
  if (waker === context.unit) context.verdict = UNIT_YIELD;
  else wakeSafely(waker);
}

/** Spends one unit of budget. False when there is none: return PENDING then, the wake is arranged. */
export function proceed(waker: Waker): boolean {
  if (context.budget > 0) {
    context.budget--;
    return true;
  }
  yieldToBack(waker);
  return false;
}

/** Gives back the unit of a leaf that turned out to be pending. */
export function restore(): void {
  context.budget++;
}

function noTask(): never {
  throw new ContextError(
    "TOKIWA_NO_RUNTIME",
    "yield* of a future outside of a task: there is no one to wake. Run the generator with spawn(), run() or blockOn().",
  );
}

/** How `await` works; installed by task/await.ts, which knows about slots and scopes. */
export type AwaitFn = <T, R1, R2>(
  future: Future<T>,
  onFulfilled: ((value: T) => R1 | PromiseLike<R1>) | null | undefined,
  onRejected: ((reason: unknown) => R2 | PromiseLike<R2>) | null | undefined,
) => PromiseLike<R1 | R2>;

/**
 * Base of all futures of this package.
 *
 * A subclass implements `poll` and, when it holds a place in a queue, `[Symbol.dispose]`, which
 * must be harmless after completion. It may override `next` where the generic one is too slow,
 * if it spends budget itself and goes to `exhausted()` when there is none.
 */
export abstract class Operation<T> implements Future<T> {
  abstract poll(waker: Waker): T | typeof PENDING;

  /**
   * Whether a poll that is pending may be followed at once by one with another waker: then an await tries before it makes
   * anything for the wait. Not so where a poll counts (yieldNow) or costs (a timer).
   */
  get isRepollable(): boolean {
    return false;
  }

  /** @internal How to wait for something that a combinator must not dispose of: handles, receivers. A symbol as its name would keep whole classes in bundles. */
  get borrowed(): Future<T> | undefined {
    return undefined;
  }

  /** Whether its value can be had again from elsewhere (a task's from its handle): then a drop does not give it back. */
  get keepsValue(): boolean {
    return false;
  }

  /** What a deadlock report says that is waited for. */
  describe(): string {
    return "a future";
  }

  [Symbol.dispose](): void {}

  [Symbol.iterator](): this & Iterator<Suspend, T, unknown> {
    return this as this & Iterator<Suspend, T, unknown>;
  }

  next(): IteratorResult<Suspend, T> {
    const waker = context.waker;
    if (waker === null) noTask();
    const before = context.budget;
    if (before <= 0) return this.exhausted(waker);
    const value = this.poll(waker);
    if (value === PENDING) return SUSPENDED;
    if (context.budget === before) context.budget = before - 1;
    return { done: true, value };
  }

  /** The path of `next()` without budget: to the back of the queue, or into a deadlock report. */
  protected exhausted(waker: Waker): IteratorResult<Suspend, never> {
    if (context.probe !== null) context.probe.push(this);
    else yieldToBack(waker);
    return SUSPENDED;
  }

  return(value?: unknown): IteratorResult<Suspend, T> {
    this[Symbol.dispose]();
    return { done: true, value: value as T };
  }

  throw(error: unknown): IteratorResult<Suspend, T> {
    this[Symbol.dispose]();
    throw error;
  }

  then<R1 = T, R2 = never>(
    onFulfilled?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onRejected?: ((reason: unknown) => R2 | PromiseLike<R2>) | null,
  ): PromiseLike<R1 | R2> {
    return awaitFuture(this, onFulfilled, onRejected);
  }

  /** As `promise.catch()`. */
  catch<R = never>(onRejected?: ((reason: unknown) => R | PromiseLike<R>) | null): Promise<T | R> {
    return this.then(undefined, onRejected) as Promise<T | R>;
  }

  /** As `promise.finally()`. */
  finally(onFinally?: (() => void) | null): Promise<T> {
    return (this.then(undefined) as Promise<T>).finally(onFinally);
  }
}

let awaitFuture: AwaitFn = () => {
  throw new ContextError("TOKIWA_NO_RUNTIME", "await of a future before the package was loaded");
};

/** Called once, by task/await.ts. */
export function installAwait(fn: AwaitFn): void {
  awaitFuture = fn;
}

class FnFuture<T> extends Operation<T> {
  #poll: ((waker: Waker) => T | typeof PENDING) | undefined;
  #drop: (() => void) | undefined;

  constructor(poll: (waker: Waker) => T | typeof PENDING, drop: (() => void) | undefined) {
    super();
    this.#poll = poll;
    this.#drop = drop;
  }

  poll(waker: Waker): T | typeof PENDING {
    const poll = this.#poll;
    if (poll === undefined) completed();
    let value: T | typeof PENDING;
    try {
      value = poll(waker);
    } catch (error) {
      this.#poll = this.#drop = undefined;
      throw error;
    }
    if (value !== PENDING) this.#poll = this.#drop = undefined;
    return value;
  }

  override [Symbol.dispose](): void {
    const drop = this.#drop;
    this.#poll = this.#drop = undefined;
    drop?.();
  }
}

/** A future is single use: polling it again is a mistake of the caller. */
export function completed(): never {
  throw new ContextError("TOKIWA_COMPLETED", "this future has completed or was dropped: futures are single use, make a new one");
}

/**
 * Makes a future of a poll function.
 *
 * `poll` gets a waker and returns the value, or `PENDING` after it has arranged for
 * `waker.wake()` to be called; throwing rejects the future. It is not called again after it
 * returned a value or threw.
 *
 * @param drop called once if the future is dropped before it completed
 * @example
 * const onMessage = future((waker) => queue.length > 0 ? queue.shift() : (listener = waker, PENDING));
 */
export function future<T>(poll: (waker: Waker) => T | typeof PENDING, drop?: () => void): Future<T> {
  checkFunction("poll", poll);
  if (drop !== undefined) checkFunction("drop", drop);
  return new FnFuture(poll, drop);
}

/** Whether a value is a future (ours, or anything that implements `poll`). */
export function isFuture(value: unknown): value is Future<unknown> {
  return typeof value === "object" && value !== null && typeof (value as Future<unknown>).poll === "function";
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === "object" && value !== null) || typeof value === "function") &&
    typeof (value as PromiseLike<unknown>).then === "function"
  );
}

/** Waits for a promise as await does: whatever a foreign one does, one of the two is called, once, and later. */
export function whenSettled<T>(promise: PromiseLike<T>, onFulfilled: (value: T) => void, onRejected: (reason: unknown) => void): void {
  Promise.resolve(promise).then(onFulfilled, onRejected);
}

class ByRef<T> extends Operation<T> {
  readonly #future: Future<T>;

  constructor(inner: Future<T>) {
    super();
    this.#future = inner;
  }

  poll(waker: Waker): T | typeof PENDING {
    return this.#future.poll(waker);
  }

  override describe(): string {
    return describeFuture(this.#future);
  }
}

/**
 * Lends a future to a combinator: losing there does not drop it, and it can be awaited again.
 *
 * @example await select({ line: byRef(nextLine), quit: token.cancelled() });
 */
export function byRef<T>(inner: Future<T>): Future<T> {
  if (!isFuture(inner)) throw new OptionError(`byRef() takes a future, got ${show(inner)}`);
  return new ByRef(inner);
}

/** The property that marks guards and permits, what only the one it was handed to can give back. No symbol: one as the name of a member keeps whole classes in bundles. */
const HANDED = "isHandedByTokiwa";

/**
 * Gives back what a future has obtained and will hand to nobody, since it was dropped: guards and permits, also in the array of a
 * join. There are no destructors here that would do it.
 */
export function giveBack(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) value.forEach(giveBack);
  else if (HANDED in value) (value as unknown as Disposable)[Symbol.dispose]();
}

/** The name of a future in a deadlock report. */
export function describeFuture(f: Future<unknown>): string {
  return (f as Partial<Operation<unknown>>).describe?.() ?? "a future";
}
