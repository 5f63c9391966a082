// Semaphore: a fair number of permits.

import { OptionError, TryAcquireError } from "../errors.ts";
import { type Future } from "../future.ts";
import { checkInteger, show } from "../options.ts";
import { blockFor } from "../block-on.ts";
import { MAX_PERMITS, Permits, Take } from "./permits.ts";

/** Permits taken from a semaphore; give them back with `release()` or by `using`. */
export class SemaphorePermit implements Disposable {
  readonly #permits: Permits;
  #count: number;

  /** @internal */
  constructor(permits: Permits, count: number) {
    this.#permits = permits;
    this.#count = count;
  }

  /** How many permits this holds; 0 after it was released, forgotten or merged. */
  get count(): number {
    return this.#count;
  }

  /** Gives the permits back. A second call does nothing. */
  release(): void {
    const count = this.#count;
    this.#count = 0;
    if (count > 0) this.#permits.give(count);
  }

  /** Takes the permits out of circulation: the semaphore has that many fewer from now on. */
  forget(): void {
    this.#count = 0;
  }

  /**
   * Takes over the permits of another one, which is empty afterwards.
   *
   * @throws {OptionError} when it is of another semaphore, or this one itself
   */
  merge(other: SemaphorePermit): void {
    if (!(other instanceof SemaphorePermit)) throw new OptionError(`other must be a SemaphorePermit, got ${show(other)}`);
    if (other === this) throw new OptionError("other must be another permit, got the permit itself");
    if (other.#permits !== this.#permits) throw new OptionError("other must be a permit of the same semaphore, got one of another semaphore");
    this.#count += other.#count;
    other.#count = 0;
  }

  /**
   * Splits `n` permits off into a permit of their own.
   *
   * @returns undefined when this holds fewer than `n`
   */
  split(n: number): SemaphorePermit | undefined {
    checkInteger("n", n, 0, MAX_PERMITS);
    if (n > this.#count) return undefined;
    this.#count -= n;
    return new SemaphorePermit(this.#permits, n);
  }

  /** @internal */
  get isHandedByTokiwa(): true {
    return true;
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

class Acquire extends Take<SemaphorePermit> {
  protected taken(permits: Permits): SemaphorePermit {
    return new SemaphorePermit(permits, this.count);
  }

  override describe(): string {
    return this.count === 1 ? "a semaphore permit" : `${this.count} semaphore permits`;
  }
}

/**
 * Limits how many may do something at once. First come, first served: who asks for many is not
 * overtaken by those who ask for few.
 *
 * @example
 * const slots = new Semaphore(4);
 * using permit = await slots.acquire();
 * await fetch(url);
 */
export class Semaphore {
  /** The most permits a semaphore can hold, 2^53 - 1. */
  static readonly MAX_PERMITS: number = MAX_PERMITS;
  readonly #permits: Permits;

  /**
   * @param permits 0 to `MAX_PERMITS`
   * @throws {OptionError} for anything else
   */
  constructor(permits: number) {
    this.#permits = new Permits(checkInteger("permits", permits, 0, MAX_PERMITS));
  }

  /**
   * Waits for one permit.
   *
   * Cancel safe: dropping it gives up the place in the queue, and a permit that was just handed over goes to the next.
   *
   * @throws {AcquireError} `TOKIWA_CLOSED` once the semaphore is closed
   */
  acquire(): Future<SemaphorePermit> {
    return this.#acquire(1);
  }

  /**
   * Waits for `n` permits. While it waits at the front it collects those that become free, and gives them back
   * when it is dropped; otherwise as `acquire()`.
   *
   * @param n 0 to `MAX_PERMITS`
   */
  acquireMany(n: number): Future<SemaphorePermit> {
    return this.#acquire(checkInteger("n", n, 0, MAX_PERMITS));
  }

  #acquire(n: number): Acquire {
    const permits = this.#permits;
    const { spare } = permits;
    return spare !== null && spare.renew(permits, n) ? (spare as Acquire) : new Acquire(permits, n);
  }

  /**
   * Takes one permit now.
   *
   * @throws {TryAcquireError} `TOKIWA_NO_PERMITS` when there is none, `TOKIWA_CLOSED` once the semaphore is closed
   */
  tryAcquire(): SemaphorePermit {
    return this.#tryAcquire(1);
  }

  /** Takes `n` permits now, or none; otherwise as `tryAcquire()`. */
  tryAcquireMany(n: number): SemaphorePermit {
    return this.#tryAcquire(checkInteger("n", n, 0, MAX_PERMITS));
  }

  #tryAcquire(n: number): SemaphorePermit {
    const permits = this.#permits;
    if (permits.isClosed) throw new TryAcquireError("TOKIWA_CLOSED", "semaphore closed");
    if (!permits.tryTake(n)) {
      throw new TryAcquireError("TOKIWA_NO_PERMITS", `no permits available: ${n} wanted, ${permits.available} free`);
    }
    return new SemaphorePermit(permits, n);
  }

  /**
   * `acquire()` for code outside of tasks: runs the current runtime until there is a permit.
   *
   * @throws {ContextError} `TOKIWA_NESTED_RUNTIME` inside a task
   * @throws {WouldBlockError | DeadlockError} when it would wait for ever, as `blockOn()`
   */
  blockingAcquire(): SemaphorePermit {
    return blockFor("blockingAcquire()", this.acquire());
  }

  /** `acquireMany(n)` for code outside of tasks, see `blockingAcquire()`. */
  blockingAcquireMany(n: number): SemaphorePermit {
    return blockFor("blockingAcquireMany()", this.acquireMany(n));
  }

  /**
   * Adds permits, also to a closed semaphore.
   *
   * @throws {OptionError} when there would be more than `MAX_PERMITS`
   */
  addPermits(n: number): void {
    const permits = this.#permits;
    checkInteger("n", n, 0, MAX_PERMITS);
    if (n > MAX_PERMITS - permits.available) {
      throw new OptionError(`n must leave at most ${MAX_PERMITS} permits, got ${n} on top of ${permits.available}`);
    }
    permits.give(n);
  }

  /**
   * Takes up to `n` free permits out of circulation.
   *
   * @returns how many it were
   */
  forgetPermits(n: number): number {
    const permits = this.#permits;
    const count = Math.min(checkInteger("n", n, 0, MAX_PERMITS), permits.available);
    permits.available -= count;
    return count;
  }

  /** From now on every `acquire()` fails, those that wait included. Permits that are out can still be released. */
  close(): void {
    this.#permits.close();
  }

  get isClosed(): boolean {
    return this.#permits.isClosed;
  }

  /** Permits that can be had now; what waiters have collected does not count. */
  get availablePermits(): number {
    return this.#permits.available;
  }
}
