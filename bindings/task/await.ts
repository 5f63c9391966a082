// `await future`: the bridge from a promise reaction to a slot in the scheduler.
//
// The host calls `then` in a job of its own, one microtask after the await expression. Inside
// an async function of ours (a scope) the await becomes a unit: a slot, polled in drives,
// spending the function's budget, rejected when the function's task is aborted. Anywhere else it is a
// FreeAwait, which needs no runtime: its wake is a microtask.
//
// Both are what `then` returns, too. The promise that a caller may chain on is made only when
// somebody does: an `await` never looks at it, and one promise less is a third of its cost.
//
// Tried: futures that are promises, whose `constructor` (which an await reads at once) starts the wait. One that gives nothing
// and is used again made a bounded channel 1.5 times as fast; making one cost every other operation what it saved.
//
// A future that is ready at once still settles one microtask later: `then` must never
// call back on the caller's stack.

import { ContextError } from "../errors.ts";
import { context, describeFuture, type Future, installAwait, Operation, PENDING, type Reactor, type Unit, type Waker } from "../future.ts";
import { COOP_BUDGET, UNIT_PENDING, UNIT_YIELD } from "../limits.ts";
import { hasAsyncContext, macrotask, microtask } from "../host.ts";
import { currentScope, type Scope, type ScopedAwait } from "./scope.ts";

export type Callback = ((value: unknown) => unknown) | null | undefined;

/** The end of a chain that somebody hung on an await before it settled. */
interface Chain {
  readonly promise: Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

const OPEN = 0;
const CHAINED = 1;
const FULFILLED = 2;
const REJECTED = 3;

/**
 * One wait: what for, whom to tell, and how it came out. It is what `then` returns; an `await` never looks at it, so its promise is made late.
 *
 * All of it is here and not in the unit that waits: that one is old, and each reference to something young that is stored in it
 * costs the collector's barrier. Members are private to the compiler only: with #methods each of these would carry a brand.
 */
export class Wait implements PromiseLike<unknown> {
  readonly future: Future<unknown>;
  private onFulfilled: Callback;
  private onRejected: Callback;
  private state = OPEN;
  /** CHAINED: the chain; FULFILLED: what the callback returned; REJECTED: a promise. */
  private outcome: unknown = undefined;

  constructor(future: Future<unknown>, onFulfilled: Callback, onRejected: Callback) {
    this.future = future;
    this.onFulfilled = onFulfilled;
    this.onRejected = onRejected;
  }

  /** Calls the callback that fits, if there is one, and settles as a promise of then() would. */
  settle(value: unknown, ok: boolean): void {
    const callback = ok ? this.onFulfilled : this.onRejected;
    this.onFulfilled = this.onRejected = undefined;
    if (typeof callback === "function") {
      try {
        value = callback(value);
        ok = true;
      } catch (error) {
        value = error;
        ok = false;
      }
    }
    if (this.state === CHAINED) {
      const { resolve, reject } = this.outcome as Chain;
      if (ok) resolve(value);
      else reject(value);
      return;
    }
    this.state = ok ? FULFILLED : REJECTED;
    this.outcome = ok ? value : Promise.reject(value);     // unless somebody chains on it now, the host reports it
  }

  private promise(): Promise<unknown> {
    if (this.state === FULFILLED) return Promise.resolve(this.outcome);
    if (this.state === REJECTED) return this.outcome as Promise<unknown>;
    if (this.state === OPEN) {
      let resolve!: (value: unknown) => void;
      let reject!: (reason: unknown) => void;
      const promise = new Promise((onResolve, onReject) => {
        resolve = onResolve;
        reject = onReject;
      });
      this.outcome = { promise, resolve, reject } satisfies Chain;
      this.state = CHAINED;
    }
    return (this.outcome as Chain).promise;
  }

  then<R1, R2>(
    onFulfilled?: ((value: unknown) => R1 | PromiseLike<R1>) | null,
    onRejected?: ((reason: unknown) => R2 | PromiseLike<R2>) | null,
  ): PromiseLike<R1 | R2> {
    return this.promise().then(onFulfilled, onRejected) as PromiseLike<R1 | R2>;
  }

  catch(onRejected?: (reason: unknown) => unknown): Promise<unknown> {
    return this.promise().catch(onRejected);
  }

  finally(onFinally?: () => void): Promise<unknown> {
    return this.promise().finally(onFinally);
  }
}

/**
 * One wait of an async function of ours. A function awaits one thing after the other, as a rule: its scope keeps the
 * wait that has ended, slot and all, for the next one. A second wait at the same time gets an object of its own.
 */
class OwnedAwait implements Unit, ScopedAwait {
  handle = -1;
  previous: ScopedAwait | null = null;
  next: ScopedAwait | null = null;
  readonly scope: Scope;
  readonly scheduler: Reactor;
  /** Null between two waits, and once the outcome is known: a wake finds nothing to poll then. */
  private wait: Wait | null = null;

  constructor(scope: Scope) {
    this.scope = scope;
    this.scheduler = scope.scheduler;
  }

  wake(): void {
    if (this.wait !== null && this.handle >= 0) this.scheduler.wake(this.handle);
  }

  start(wait: Wait): void {
    const scope = this.scope;
    this.wait = wait;
    if (scope.isCancelled) {
      this.giveUp(wait, scope.reason);
      return;
    }
    if (this.handle < 0) {
      try {
        this.scheduler.adopt(this);
      } catch (error) {
        this.giveUp(wait, error);
        return;
      }
    }
    const outer = context.leave();
    context.reactor = this.scheduler;
    context.verdict = UNIT_PENDING;
    let value: unknown = PENDING;
    let ok = true;
    try {
      value = this.pollWait(wait);
    } catch (thrown) {
      ok = false;
      value = thrown;
    }
    const verdict = context.verdict;
    context.comeBack(outer);
    if (ok && value === PENDING) {
      scope.link(this);
      if (verdict === UNIT_YIELD) this.scheduler.defer(this.handle);
    } else {
      this.wait = null;                                    // it may have woken this before it was ready
      microtask(() => this.settle(wait, value, ok));
    }
  }

  /** Polls in the scope of the function that awaits, on its budget. Not called `poll`: this is no future. */
  private pollWait({ future }: Wait): unknown {
    const scope = this.scope;
    context.enter(this);
    context.task = scope.task;
    context.scope = null;
    context.locals = scope.locals;
    const before = (context.budget = scope.budget);
    if (before <= 0) {
      if (context.probe !== null) context.probe.push(future);
      else context.verdict = UNIT_YIELD;
      return PENDING;
    }
    scope.budget = before - 1;                             // also when it throws
    const value = future.poll(this);
    if (value === PENDING || context.budget !== before) scope.budget = context.budget;
    return value;
  }

  run(): number {
    const { wait } = this;
    if (wait === null) return UNIT_PENDING;                // woken for a wait that has ended
    this.scope.budget = COOP_BUDGET;
    let value: unknown;
    let ok = true;
    try {
      value = this.pollWait(wait);
    } catch (error) {
      value = error;
      ok = false;
    }
    context.scope = context.locals = null;
    if (ok && value === PENDING) return UNIT_PENDING;
    this.scope.unlink(this);
    this.settle(wait, value, ok);
    return UNIT_PENDING;
  }

  closed(): void {
    this.handle = -1;
    if (this.wait === null) return;
    this.scope.unlink(this);
    this.cancel(new ContextError("TOKIWA_SHUT_DOWN", "the runtime of this await has shut down"));
  }

  cancel(reason: unknown): void {
    const wait = this.wait as Wait;
    try {
      drop(wait.future);
    } catch (error) {
      reason = error;
    }
    this.settle(wait, reason, false);
  }

  private giveUp(wait: Wait, reason: unknown): void {
    this.wait = null;
    microtask(() => {
      drop(wait.future);
      this.settle(wait, reason, false);
    });
  }

  private settle(wait: Wait, value: unknown, ok: boolean): void {
    const { scope } = this;
    this.wait = null;
    if (scope.hasEnded || scope.spare !== null) this.scheduler.release(this);
    else scope.spare = this;
    if (hasAsyncContext) {
      const { scope: outer, locals } = context;            // a callback given to then() is code of the function, too
      context.scope = scope;
      context.locals = scope.locals;
      wait.settle(value, ok);
      context.scope = outer;
      context.locals = locals;
      return;
    }
    microtask(() => {                                      // the window: the next microtask is the function's own code
      context.scope = scope;
      context.task = scope.task;
      context.reactor = scope.scheduler;
    });
    wait.settle(value, ok);
    microtask(() => {
      context.scope = context.task = context.reactor = null;
    });
  }

  describe(): string {
    return describeFuture((this.wait as Wait).future);
  }
}

/** Budget of awaits outside of any runtime, so that a loop over ready futures lets the host have turns. */
let freeBudget = COOP_BUDGET;

/** An await outside of any runtime: works without one, for everything that needs none. */
class FreeAwait implements Waker {
  private readonly wait: Wait;
  private isQueued = false;
  /** Read by sync/hand-over.ts. */
  isDone = false;

  constructor(wait: Wait) {
    this.wait = wait;
  }

  wake(): void {
    if (this.isQueued || this.isDone) return;
    this.isQueued = true;
    this.queue();
  }

  /** Runs it in this turn of the host, or in a later one when awaits have had their share of this one. */
  private queue(): void {
    if (freeBudget > 0) {
      microtask(() => this.run());
      return;
    }
    macrotask(() => {
      freeBudget = COOP_BUDGET;
      this.run();
    });
  }

  start(): void {
    if (freeBudget > 0) this.run();
    else {
      this.isQueued = true;
      this.queue();
    }
  }

  private run(): void {
    this.isQueued = false;
    if (this.isDone) return;                               // it woke this, and was ready nevertheless
    const outer = context.waker;
    const outerUnit = context.unit;
    const outerBudget = context.budget;
    context.waker = this;
    context.unit = null;
    context.budget = COOP_BUDGET;                          // a block that is always ready must not loop here for ever
    freeBudget--;
    let value: unknown;
    let ok = true;
    try {
      value = this.wait.future.poll(this);
    } catch (error) {
      value = error;
      ok = false;
    }
    context.waker = outer;
    context.unit = outerUnit;
    context.budget = outerBudget;
    if (ok && value === PENDING) {
      if (!this.isQueued) freeBudget = COOP_BUDGET;        // it waits for the host or a runtime: others get turns
      return;
    }
    this.isDone = true;
    microtask(() => this.wait.settle(value, ok));
  }
}

/** Drops what is awaited; a receiver is only borrowed by an await and stays as it is. */
function drop(future: Future<unknown>): void {
  if ((future as Partial<Operation<unknown>>).borrowed === undefined) future[Symbol.dispose]();
}

/** Given to a first poll that has nobody to wake: if it is pending, a second one follows at once. */
const NOBODY: Waker = { wake() {} };
const resolved: Promise<unknown> = Promise.resolve();

/**
 * Polls a future that does not mind being polled twice, before anything is made for the wait: a message that is
 * there costs no slot and no unit. The answer settles in a job of its own, as always: telling the callbacks of
 * an await from a caller's own, to call those at once, cost as much as the job that it saved.
 */
function tryFirst(future: Future<unknown>, scope: Scope, onFulfilled: Callback, onRejected: Callback): PromiseLike<unknown> | undefined {
  const { budget } = context;
  context.budget = scope.budget;
  let value: unknown;
  try {
    value = future.poll(NOBODY);
    if (value === PENDING) return undefined;
  } catch (error) {
    return Promise.reject(error).then(onFulfilled, onRejected);
  } finally {
    scope.budget = context.budget;
    context.budget = budget;
  }
  if (typeof onFulfilled !== "function") return Promise.resolve(value);
  return resolved.then(value === undefined ? onFulfilled : () => onFulfilled(value));
}

/** Awaits `future` on behalf of `scope`, or of nobody. */
export function awaitIn<T, R1, R2>(
  future: Future<T>,
  scope: Scope | null,
  onFulfilled: ((value: T) => R1 | PromiseLike<R1>) | null | undefined,
  onRejected: ((reason: unknown) => R2 | PromiseLike<R2>) | null | undefined,
): PromiseLike<R1 | R2> {
  if (hasAsyncContext && scope !== null && !scope.isCancelled && scope.budget > 0 && (future as Partial<Operation<T>>).isRepollable === true) {
    const settled = tryFirst(future, scope, onFulfilled as Callback, onRejected as Callback);
    if (settled !== undefined) return settled as PromiseLike<R1 | R2>;
  }
  const wait = new Wait(future, onFulfilled as Callback, onRejected as Callback);
  if (scope === null) new FreeAwait(wait).start();
  else {
    const unit = (scope.spare as OwnedAwait | null) ?? new OwnedAwait(scope);
    scope.spare = null;
    unit.start(wait);
  }
  return wait as PromiseLike<unknown> as PromiseLike<R1 | R2>;
}

installAwait((future, onFulfilled, onRejected) => awaitIn(future, currentScope(), onFulfilled, onRejected));

/**
 * `await x` reads `x.then` at once and calls it a microtask later. On a host without async context the window of the function is
 * closed by then: so the owner is taken when the property is read. For every class that has a `then` of its own.
 */
export function ownWhenRead(prototype: PromiseLike<unknown>): void {
  if (hasAsyncContext) return;
  const { then } = prototype;
  Object.defineProperty(prototype, "then", {
    configurable: true,
    get(this: PromiseLike<unknown>) {
      const scope = currentScope();
      if (scope === null) return then;
      return (onFulfilled: Callback, onRejected: Callback) => {
        const outer = context.scope;
        context.scope = scope;
        try {
          return then.call(this, onFulfilled, onRejected);
        } finally {
          context.scope = outer;
        }
      };
    },
  });
}

ownWhenRead(Operation.prototype);

class OwnedFuture<T> extends Operation<T> {
  readonly #inner: Future<T>;
  readonly #scope: Scope;

  constructor(inner: Future<T>, scope: Scope) {
    super();
    this.#inner = inner;
    this.#scope = scope;
  }

  poll(waker: Waker): T | typeof PENDING {
    return this.#inner.poll(waker);
  }

  override [Symbol.dispose](): void {
    this.#inner[Symbol.dispose]?.();
  }

  override describe(): string {
    return describeFuture(this.#inner);
  }

  override then<R1 = T, R2 = never>(
    onFulfilled?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onRejected?: ((reason: unknown) => R2 | PromiseLike<R2>) | null,
  ): PromiseLike<R1 | R2> {
    return awaitIn(this.#inner, this.#scope, onFulfilled, onRejected);
  }
}

/** Ties a future to a scope, whoever awaits it. */
export function ownFuture<T>(inner: Future<T>, scope: Scope): Future<T> {
  return new OwnedFuture(inner, scope);
}
