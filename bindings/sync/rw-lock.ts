// RwLock: many readers or one writer.
//
// `maxReaders` permits: a reader takes one, a writer all of them. A waiting writer collects what becomes
// free, so later readers queue behind it and it cannot be starved (permits.ts).

import { TryLockError } from "../errors.ts";
import { type Future } from "../future.ts";
import { checkInteger, checkOptions } from "../options.ts";
import { blockFor } from "../block-on.ts";
import { Guarded, unlocked } from "./guarded.ts";
import { Take } from "./permits.ts";

/** Tokio's limit, 2^29 - 1. */
const MAX_READERS = (1 << 29) - 1;

/** Shared access to the value of an `RwLock`, until `unlock()` or the end of a `using` block. */
export class RwLockReadGuard<T> implements Disposable {
  #lock: Guarded<T> | null;

  /** @internal */
  constructor(lock: Guarded<T>) {
    this.#lock = lock;
  }

  /** The guarded value, to look at only. @throws {ContextError} `TOKIWA_UNLOCKED` after `unlock()` */
  get value(): T {
    return this.#lock === null ? unlocked() : this.#lock.value;
  }

  /** Gives up the access. A second call does nothing. */
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

/** Exclusive access to the value of an `RwLock`, until `unlock()`, `downgrade()` or the end of a `using` block. */
export class RwLockWriteGuard<T> implements Disposable {
  #lock: Guarded<T> | null;

  /** @internal */
  constructor(lock: Guarded<T>) {
    this.#lock = lock;
  }

  /** The guarded value. @throws {ContextError} `TOKIWA_UNLOCKED` after `unlock()` or `downgrade()` */
  get value(): T {
    return this.#held().value;
  }

  set value(value: T) {
    this.#held().value = value;
  }

  #held(): Guarded<T> {
    return this.#lock ?? unlocked();
  }

  /**
   * Becomes a read guard, with no other writer in between; readers that wait at the front come in, too.
   *
   * @throws {ContextError} `TOKIWA_UNLOCKED` after `unlock()` or `downgrade()`
   */
  downgrade(): RwLockReadGuard<T> {
    const lock = this.#held();
    const guard = new RwLockReadGuard(lock);
    this.#end(lock.all - 1);
    return guard;
  }

  /** Gives up the access. A second call does nothing. */
  unlock(): void {
    if (this.#lock !== null) this.#end(this.#lock.all);
  }

  #end(permits: number): void {
    const lock = this.#lock;
    this.#lock = null;
    lock?.give(permits);
  }

  /** @internal */
  get isHandedByTokiwa(): true {
    return true;
  }

  [Symbol.dispose](): void {
    this.unlock();
  }
}

class Read<T> extends Take<RwLockReadGuard<T>, Guarded<T>> {
  constructor(lock: Guarded<T>) {
    super(lock, 1);
  }

  protected taken(lock: Guarded<T>): RwLockReadGuard<T> {
    return new RwLockReadGuard(lock);
  }

  override describe(): string {
    return "a read lock";
  }
}

class Write<T> extends Take<RwLockWriteGuard<T>, Guarded<T>> {
  constructor(lock: Guarded<T>) {
    super(lock, lock.all);
  }

  protected taken(lock: Guarded<T>): RwLockWriteGuard<T> {
    return new RwLockWriteGuard(lock);
  }

  override describe(): string {
    return "a write lock";
  }
}

export interface RwLockOptions {
  /** How many may read at once, 1 to 2^29 - 1; default 2^29 - 1. */
  maxReaders?: number;
}

/**
 * Guards a value that many may read or one may write, also while they await. First come, first served: readers that come
 * after a waiting writer wait behind it.
 *
 * Not re-entrant: who reads, and reads again while a writer waits in between, waits for itself.
 *
 * @example
 * const config = new RwLock({ retries: 3 });
 * using guard = await config.read();
 * console.log(guard.value.retries);
 */
export class RwLock<T> {
  readonly #lock: Guarded<T>;

  /** @throws {OptionError} when `maxReaders` is out of range */
  constructor(value: T, options?: RwLockOptions) {
    const { maxReaders = MAX_READERS } = checkOptions<RwLockOptions>("options", options);
    this.#lock = new Guarded(value, checkInteger("maxReaders", maxReaders, 1, MAX_READERS));
  }

  /**
   * Waits for shared access.
   *
   * Cancel safe: dropping it gives up the place in the queue, and access that was just handed over goes to the next.
   */
  read(): Future<RwLockReadGuard<T>> {
    const lock = this.#lock;
    const { spare } = lock;
    return spare instanceof Read && spare.renew(lock, 1) ? (spare as Read<T>) : new Read(lock);
  }

  /** Waits for exclusive access. Cancel safe, as `read()`: readers that waited behind it go on. */
  write(): Future<RwLockWriteGuard<T>> {
    return new Write(this.#lock);
  }

  /** Shared access now. @throws {TryLockError} `TOKIWA_LOCKED` when somebody writes or waits to, or `maxReaders` read */
  tryRead(): RwLockReadGuard<T> {
    const lock = this.#lock;
    if (!lock.tryTake(1)) throw new TryLockError();
    return new RwLockReadGuard(lock);
  }

  /** Exclusive access now. @throws {TryLockError} `TOKIWA_LOCKED` when somebody reads or writes */
  tryWrite(): RwLockWriteGuard<T> {
    const lock = this.#lock;
    if (!lock.tryTake(lock.all)) throw new TryLockError();
    return new RwLockWriteGuard(lock);
  }

  /**
   * `read()` for code outside of tasks: runs the current runtime until there is access.
   *
   * @throws {ContextError} `TOKIWA_NESTED_RUNTIME` inside a task
   * @throws {WouldBlockError | DeadlockError} when it would wait for ever, as `blockOn()`
   */
  blockingRead(): RwLockReadGuard<T> {
    return blockFor("blockingRead()", this.read());
  }

  /** `write()` for code outside of tasks, see `blockingRead()`. */
  blockingWrite(): RwLockWriteGuard<T> {
    return blockFor("blockingWrite()", this.write());
  }
}
