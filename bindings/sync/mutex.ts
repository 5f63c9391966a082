// Mutex: one at a time, across awaits.

import { TryLockError } from "../errors.ts";
import { type Future, type TaskFn } from "../future.ts";
import { checkFunction } from "../options.ts";
import { blockFor } from "../block-on.ts";
import { Guarded, unlocked } from "./guarded.ts";
import { hold } from "./held.ts";
import { Take } from "./permits.ts";

/** Access to the value of a locked `Mutex`, until `unlock()` or the end of a `using` block. */
export class MutexGuard<T> implements Disposable {
  #lock: Guarded<T> | null;

  /** @internal */
  constructor(lock: Guarded<T>) {
    this.#lock = lock;
  }

  /** The guarded value. @throws {ContextError} `TOKIWA_UNLOCKED` after `unlock()` */
  get value(): T {
    return this.#lock === null ? unlocked() : this.#lock.value;
  }

  set value(value: T) {
    if (this.#lock === null) unlocked();
    this.#lock.value = value;
  }

  /** Lets the next one in. A second call does nothing. */
  unlock(): void {
    const lock = this.#lock;
    if (lock === null) return;
    this.#lock = null;
    lock.give(1);
  }

  /** @internal */
  get isHandedByTokiwa(): true {
    return true;
  }

  [Symbol.dispose](): void {
    this.unlock();
  }
}

class Lock<T> extends Take<MutexGuard<T>, Guarded<T>> {
  constructor(lock: Guarded<T>) {
    super(lock, 1);
  }

  protected taken(lock: Guarded<T>): MutexGuard<T> {
    return new MutexGuard(lock);
  }

  override describe(): string {
    return "a mutex";
  }
}

/**
 * Guards a value that only one task may use at a time, also while it awaits. First come, first served.
 *
 * Not re-entrant: who locks again what it has locked waits for itself.
 *
 * @example
 * const account = new Mutex({ balance: 10 });
 * using guard = await account.lock();
 * guard.value.balance -= await price();
 */
export class Mutex<T> {
  readonly #lock: Guarded<T>;

  constructor(value: T) {
    this.#lock = new Guarded(value, 1);
  }

  /**
   * Waits until nobody else holds the lock.
   *
   * Cancel safe: dropping it gives up the place in the queue, and a lock that was just handed over goes to the next.
   */
  lock(): Future<MutexGuard<T>> {
    const lock = this.#lock;
    const { spare } = lock;
    return spare !== null && spare.renew(lock, 1) ? (spare as Lock<T>) : new Lock(lock);
  }

  /** Locks now. @throws {TryLockError} `TOKIWA_LOCKED` when it is held, or others wait for it */
  tryLock(): MutexGuard<T> {
    if (!this.#lock.tryTake(1)) throw new TryLockError();
    return new MutexGuard(this.#lock);
  }

  /**
   * `lock()` for code outside of tasks: runs the current runtime until the lock is free.
   *
   * @throws {ContextError} `TOKIWA_NESTED_RUNTIME` inside a task
   * @throws {WouldBlockError | DeadlockError} when it would wait for ever, as `blockOn()`
   */
  blockingLock(): MutexGuard<T> {
    return blockFor("blockingLock()", this.lock());
  }

  /**
   * Runs `fn` with the lock held, and unlocks when it has ended, however it does.
   *
   * Dropping it while it waits for the lock is safe. Dropped later, `fn` is cancelled where it waits, and the lock
   * is free when its cleanup is through; a promise of the host that it waits for cannot be cut short.
   *
   * @param fn an async, a generator or a plain function
   * @example const left = await stock.withLock((guard) => --guard.value);
   */
  withLock<R>(fn: TaskFn<[MutexGuard<T>], R>): Future<R> {
    return hold(this.lock(), checkFunction("fn", fn));
  }

  /** Whether somebody holds the lock. */
  get isLocked(): boolean {
    return this.#lock.available === 0;
  }
}
