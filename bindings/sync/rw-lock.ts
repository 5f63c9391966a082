// RwLock: many readers or one writer.
//
// `maxReaders` permits: a reader takes one, a writer all of them. A waiting writer collects what becomes
// free, so later readers queue behind it and it cannot be starved (permits.ts).

import { TryLockError } from "../errors.ts";
import type { Future } from "../future.ts";
import { checkInteger, checkOptions } from "../options.ts";
import { blockFor } from "./blocking.ts";
import { Permits, Take, unlocked } from "./permits.ts";

/** Tokio's limit, 2^29 - 1. */
const MAX_READERS = 2 ** 29 - 1;

/** The permits, and the value that they guard. */
class Cell<T> extends Permits {
  readonly maxReaders: number;
  value: T;

  constructor(value: T, maxReaders: number) {
    super(maxReaders);
    this.maxReaders = maxReaders;
    this.value = value;
  }
}

/** Shared access to the value of an `RwLock`, until `unlock()` or the end of a `using` block. */
export class RwLockReadGuard<T> implements Disposable {
  #cell: Cell<T> | null;

  /** @internal */
  constructor(cell: Cell<T>) {
    this.#cell = cell;
  }

  /** The guarded value, to look at only. @throws {ContextError} `TOKIWA_UNLOCKED` after `unlock()` */
  get value(): T {
    return this.#cell === null ? unlocked() : this.#cell.value;
  }

  /** Gives up the access. A second call does nothing. */
  unlock(): void {
    const cell = this.#cell;
    if (cell === null) return;
    this.#cell = null;
    cell.give(1);
  }

  [Symbol.dispose](): void {
    this.unlock();
  }
}

/** Exclusive access to the value of an `RwLock`, until `unlock()`, `downgrade()` or the end of a `using` block. */
export class RwLockWriteGuard<T> implements Disposable {
  #cell: Cell<T> | null;

  /** @internal */
  constructor(cell: Cell<T>) {
    this.#cell = cell;
  }

  /** The guarded value. @throws {ContextError} `TOKIWA_UNLOCKED` after `unlock()` or `downgrade()` */
  get value(): T {
    return this.#cell === null ? unlocked() : this.#cell.value;
  }

  set value(value: T) {
    if (this.#cell === null) unlocked();
    this.#cell.value = value;
  }

  /**
   * Becomes a read guard, with no other writer in between; readers that wait at the front come in, too.
   *
   * @throws {ContextError} `TOKIWA_UNLOCKED` after `unlock()` or `downgrade()`
   */
  downgrade(): RwLockReadGuard<T> {
    const cell = this.#cell;
    if (cell === null) unlocked();
    this.#cell = null;
    const guard = new RwLockReadGuard(cell);
    cell.give(cell.maxReaders - 1);
    return guard;
  }

  /** Gives up the access. A second call does nothing. */
  unlock(): void {
    const cell = this.#cell;
    if (cell === null) return;
    this.#cell = null;
    cell.give(cell.maxReaders);
  }

  [Symbol.dispose](): void {
    this.unlock();
  }
}

class Read<T> extends Take<RwLockReadGuard<T>, Cell<T>> {
  constructor(cell: Cell<T>) {
    super(cell, 1);
  }

  protected taken(cell: Cell<T>): RwLockReadGuard<T> {
    return new RwLockReadGuard(cell);
  }

  override describe(): string {
    return "a read lock";
  }
}

class Write<T> extends Take<RwLockWriteGuard<T>, Cell<T>> {
  constructor(cell: Cell<T>) {
    super(cell, cell.maxReaders);
  }

  protected taken(cell: Cell<T>): RwLockWriteGuard<T> {
    return new RwLockWriteGuard(cell);
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
  readonly #cell: Cell<T>;

  /** @throws {OptionError} when `maxReaders` is out of range */
  constructor(value: T, options?: RwLockOptions) {
    const { maxReaders = MAX_READERS } = checkOptions<RwLockOptions>("options", options);
    this.#cell = new Cell(value, checkInteger("maxReaders", maxReaders, 1, MAX_READERS));
  }

  /**
   * Waits for shared access.
   *
   * Cancel safe: dropping it gives up the place in the queue, and access that was just handed over goes to the next.
   */
  read(): Future<RwLockReadGuard<T>> {
    return new Read(this.#cell);
  }

  /** Waits for exclusive access. Cancel safe, as `read()`: readers that waited behind it go on. */
  write(): Future<RwLockWriteGuard<T>> {
    return new Write(this.#cell);
  }

  /** Shared access now. @throws {TryLockError} `TOKIWA_LOCKED` when somebody writes or waits to, or `maxReaders` read */
  tryRead(): RwLockReadGuard<T> {
    const cell = this.#cell;
    if (!cell.tryTake(1)) throw new TryLockError();
    return new RwLockReadGuard(cell);
  }

  /** Exclusive access now. @throws {TryLockError} `TOKIWA_LOCKED` when somebody reads or writes */
  tryWrite(): RwLockWriteGuard<T> {
    const cell = this.#cell;
    if (!cell.tryTake(cell.maxReaders)) throw new TryLockError();
    return new RwLockWriteGuard(cell);
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
