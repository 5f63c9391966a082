// Permits: the fair counter that semaphores, mutexes, read-write locks and once-cells are made of.
//
//   someone waits  =>  available is 0
//
// A waiter takes what is there at once and goes on waiting for the rest (`needed`), and what is
// given back goes to the front waiter first. So a large request is not starved by small ones, and
// nobody can barge in: this is Tokio's batch semaphore, with the same order of events.
//
// A waiter that has got all it needs leaves the queue and is woken. Dropped before it
// was polled again, it gives everything back. Closed counts before granted: a waiter that was granted
// and not polled yet fails, too.

import { AcquireError } from "../errors.ts";
import { completed, context, Operation, PENDING, proceed, restore, type Suspend, type Waker } from "../future.ts";
import { Place, WaiterQueue } from "./waiters.ts";

/** The most permits a semaphore can hold: every integer up to it is exact. */
export const MAX_PERMITS: number = Number.MAX_SAFE_INTEGER;

export class Permits {
  available: number;
  isClosed = false;
  readonly queue: WaiterQueue<TakePlace> = new WaiterQueue<TakePlace>();

  constructor(available: number) {
    this.available = available;
  }

  /** Takes `count` if they are there; never while somebody waits. */
  tryTake(count: number): boolean {
    if (this.available < count) return false;
    this.available -= count;
    return true;
  }

  /** Gives permits back, or adds some: first to those who wait. */
  give(count: number): void {
    const { queue } = this;
    let left = count;
    for (let { first } = queue; left > 0 && first !== null; { first } = queue) {
      const assigned = first.needed < left ? first.needed : left;
      first.needed -= assigned;
      left -= assigned;
      if (first.needed > 0) return;
      queue.remove(first);
      first.wakeUp();
    }
    this.available += left;
  }

  /** From now on nobody gets any; those who wait fail. */
  close(): void {
    this.isClosed = true;
    this.queue.wakeAll();
  }
}

/** The place of somebody who waits for permits. */
class TakePlace extends Place {
  /** How many are still missing. */
  needed: number;

  constructor(needed: number) {
    super();
    this.needed = needed;
  }
}

/**
 * Waits for permits, and makes of them what holds them.
 *
 * A lock that is free costs this object and the guard; two fields fewer here are several ns.
 */
export abstract class Take<T, P extends Permits = Permits> extends Operation<T> {
  /** Null when it is over. */
  #permits: P | null;
  readonly count: number;
  #place: TakePlace | null = null;

  constructor(permits: P, count: number) {
    super();
    this.#permits = permits;
    this.count = count;
  }

  /** The permits are the caller's: the guard for them. */
  protected abstract taken(permits: P): T;

  override get isRepollable(): boolean {
    return true;
  }

  poll(waker: Waker): T | typeof PENDING {
    const permits = this.#permits;
    if (permits === null) completed();
    if (!proceed(waker)) return PENDING;
    if (permits.isClosed) {
      this[Symbol.dispose]();
      throw new AcquireError();
    }
    let place = this.#place;
    if (place === null) {
      const { count } = this;
      const { available } = permits;
      if (available >= count) {
        permits.available = available - count;
        this.#permits = null;
        return this.taken(permits);
      }
      this.#place = place = new TakePlace(count - available);
      permits.available = 0;
      permits.queue.push(place);
    } else if (place.needed === 0) {
      this.#permits = null;
      return this.taken(permits);
    }
    place.waitWith(waker);
    restore();
    return PENDING;
  }

  override next(): IteratorResult<Suspend, T> {
    const permits = this.#permits;
    const { count } = this;
    if (permits === null || permits.available < count || this.#place !== null || permits.isClosed || context.budget <= 0 || context.waker === null) {
      return super.next();
    }
    context.budget--;
    permits.available -= count;
    this.#permits = null;
    return { done: true, value: this.taken(permits) };
  }

  override [Symbol.dispose](): void {
    const permits = this.#permits;
    const place = this.#place;
    this.#permits = null;
    if (permits === null || place === null) return;
    place.forgetWaker();
    permits.queue.remove(place);
    permits.give(this.count - place.needed);
  }
}
