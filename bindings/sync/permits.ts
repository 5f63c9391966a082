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
import { completed, context, Operation, PENDING, proceed, readyWith, restore, type Suspend, SUSPENDED, type Waker } from "../future.ts";
import { isOwn, NOBODY, own, Place, WaiterQueue } from "./waiters.ts";

/** The most permits a semaphore can hold: every integer up to it is exact. */
export const MAX_PERMITS: number = Number.MAX_SAFE_INTEGER;

export class Permits {
  available: number;
  isClosed = false;
  readonly queue: WaiterQueue<TakePlace> = new WaiterQueue<TakePlace>();
  /** A finished wait, to be used again by the task that has finished it. */
  spare: Take<unknown> | null = null;
  /** A place that is in no queue and nobody's. */
  sparePlace: TakePlace | null = null;

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
      queue.shift();
      first.wakeUp();
    }
    this.available += left;
  }

  /** A place in the queue, for one who has taken what is there and misses so many. */
  wait(needed: number, waker: Waker): TakePlace {
    let place = this.sparePlace;
    if (place === null) place = new TakePlace(needed);
    else {
      this.sparePlace = null;
      place.needed = needed;
    }
    this.available = 0;
    this.queue.push(place);
    place.waker = waker;
    return place;
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
 * In a loop a lock that is free costs the guard and nothing else: this object is the spare of its task, as other waiters are. One that
 * has to wait borrows its place from the lock. The lock keeps the spare also while it is in use, and only `yield*` leaves one: that is
 * 3 ns less than to take it out and put it back (at channels, which do that, it made no difference). A step object of its own
 * instead of the shared one was as fast, with 40 bytes more.
 */
export abstract class Take<T, P extends Permits = Permits> extends Operation<T> {
  /** The handle of the task that has finished it, when it is a spare. */
  owner = NOBODY;
  /** Null when it is over. */
  #permits: P | null;
  count: number;
  #place: TakePlace | null = null;

  constructor(permits: P, count: number) {
    super();
    this.#permits = permits;
    this.count = count;
  }

  /** Begins anew, if it is over and the task that runs may have it. */
  renew(permits: P, count: number): boolean {
    if (this.#permits !== null || !isOwn(this)) return false;
    this.#permits = permits;
    this.count = count;
    return true;
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
    if (this.#take(permits, waker)) {
      this.owner = NOBODY;
      return this.taken(permits);
    }
    restore();
    return PENDING;
  }

  /** Whether the permits are there; takes its place in the queue if not. */
  #take(permits: P, waker: Waker): boolean {
    const place = this.#place;
    if (place === null) {
      const { count } = this;
      const { available } = permits;
      if (available < count) {
        this.#place = permits.wait(count - available, waker);
        return false;
      }
      permits.available = available - count;
    } else {
      if (place.needed > 0) {
        place.waitWith(waker);
        return false;
      }
      this.#place = null;
      permits.sparePlace = place;
    }
    this.#permits = null;
    return true;
  }

  override next(): IteratorResult<Suspend, T> {
    const permits = this.#permits;
    const { waker, budget } = context;
    if (permits === null || permits.isClosed || budget <= 0 || waker === null) return super.next();
    if (!this.#take(permits, waker)) return SUSPENDED;
    context.budget = budget - 1;
    own(this);
    if (permits.spare !== this) permits.spare = this as Take<unknown>;
    return readyWith(this.taken(permits));
  }

  override [Symbol.dispose](): void {
    const permits = this.#permits;
    const place = this.#place;
    this.#permits = this.#place = null;
    this.owner = NOBODY;
    if (permits === null || place === null) return;
    place.forgetWaker();
    permits.queue.remove(place);
    permits.give(this.count - place.needed);
  }
}
