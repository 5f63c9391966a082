// Who waits at a primitive, first come first served: a doubly linked queue threaded through the waiting futures.
//
// A future that may have to wait is a Waiter, and is its own node: waiting allocates nothing, and one that
// is dropped leaves in O(1). A waiter is in one queue at most, and `isLinked` says whether. Who takes it out
// to serve it (`shift()`) then does what it waits for and wakes it; who drops it takes it out with `remove()`.
// The waker is the one of the last poll: polled from two tasks, the last one wins (hand-over.ts).
//
// Served means out of the queue, before the waiter has been polled again. One that is dropped in
// between must give back what it was handed, or pass it on: that is up to each primitive.
//
// A future that hardly ever waits, and is made by the million, has a Place instead, once it has to wait.
//
// A finished `yield*` leaves its waiter as a spare for the next one of the same task: a task that receives in a loop makes
// no object. Only of the same task, because whoever has kept the finished one may still dispose of it, and
// must not end somebody else's wait by that.

import { context, Operation, type Waker } from "../future.ts";
import { handOver, letGo } from "./hand-over.ts";

/** The owner of a spare that nobody may use: a unit without a slot has the handle -1. */
export const NOBODY = -2;

/** What stands in a `WaiterQueue`. */
export interface Linked {
  /** Of the poll that was pending last. Stays after the waiter was served, until `wakeUp()`. */
  waker: Waker | null;
  isLinked: boolean;
  /** How often `wakeAll()` had been called when it was put in. */
  epoch: number;
  before: Linked | null;
  after: Linked | null;
  /** Wakes whoever polled last, once. */
  wakeUp(): void;
  /** It was polled, and is pending. */
  waitWith(waker: Waker): void;
  /** It is over. */
  forgetWaker(): void;
}

/** A future that can stand in a `WaiterQueue`. */
export abstract class Waiter<T> extends Operation<T> implements Linked {
  /** The handle of the task that has finished it, when it is a spare. */
  owner = NOBODY;
  waker: Waker | null = null;
  isLinked = false;
  epoch = 0;
  before: Linked | null = null;
  after: Linked | null = null;

  waitWith(waker: Waker): void {
    this.waker = handOver(this.waker, waker);
  }

  forgetWaker(): void {
    const { waker } = this;
    if (waker === null) return;
    this.waker = null;
    letGo(waker);
  }

  wakeUp(): void {
    const { waker } = this;
    this.waker = null;
    waker?.wake();
  }
}

/** What may be used again by the task that has finished it. */
interface Spare {
  owner: number;
}

/** Leaves a finished waiter to the task that runs. */
export function own(spare: Spare): void {
  const { unit } = context;
  spare.owner = unit === null || unit.handle < 0 ? NOBODY : unit.handle;
}

/** Whether the task that runs may use the spare. */
export function isOwn<W extends Spare>(spare: W | null): spare is W {
  const { unit } = context;
  return spare !== null && unit !== null && context.waker === unit && spare.owner === unit.handle;
}

/** The place of a future in a `WaiterQueue`, made when it has to wait. */
export class Place implements Linked {
  waker: Waker | null = null;
  isLinked = false;
  epoch = 0;
  before: Linked | null = null;
  after: Linked | null = null;

  waitWith(waker: Waker): void {
    this.waker = handOver(this.waker, waker);
  }

  forgetWaker(): void {
    const { waker } = this;
    if (waker === null) return;
    this.waker = null;
    letGo(waker);
  }

  wakeUp(): void {
    const { waker } = this;
    this.waker = null;
    waker?.wake();
  }
}

/** First in, first out; any waiter may leave from the middle. */
export class WaiterQueue<W extends Linked> {
  first: W | null = null;
  last: W | null = null;
  epoch = 0;

  get isEmpty(): boolean {
    return this.first === null;
  }

  /** Appends a waiter that is in no queue. */
  push(waiter: W): void {
    const { last } = this;
    waiter.isLinked = true;
    waiter.epoch = this.epoch;
    waiter.before = last;
    if (last === null) this.first = waiter;
    else last.after = waiter;
    this.last = waiter;
  }

  /** Puts one back that was taken out by `shift()` for nothing: it is the next again. */
  unshift(waiter: W): void {
    const { first } = this;
    waiter.isLinked = true;
    waiter.epoch = first === null ? this.epoch : first.epoch;
    waiter.after = first;
    if (first === null) this.last = waiter;
    else first.before = waiter;
    this.first = waiter;
  }

  /** Takes out the one that has waited longest. */
  shift(): W | null {
    const { first } = this;
    if (first === null) return null;
    const after = first.after as W | null;
    this.first = after;
    if (after === null) this.last = null;
    else after.before = first.after = null;
    first.isLinked = false;
    return first;
  }

  /** Takes out the one that came last. */
  pop(): W | null {
    const { last } = this;
    if (last !== null) this.remove(last);
    return last;
  }

  /** Takes out a waiter; nothing happens when it is not in. */
  remove(waiter: W): void {
    if (!waiter.isLinked) return;
    const before = waiter.before as W | null;
    const after = waiter.after as W | null;
    if (before === null) this.first = after;
    else before.after = after;
    if (after === null) this.last = before;
    else after.before = before;
    waiter.before = waiter.after = null;
    waiter.isLinked = false;
  }

  /**
   * Takes out all that wait at this moment, and wakes each. Those that come while wakers run are left in,
   * those that leave meanwhile are not woken.
   */
  wakeAll(): void {
    const { epoch } = this;
    this.epoch = epoch + 1;
    for (let { first } = this; first !== null && first.epoch <= epoch; { first } = this) {
      this.remove(first);
      first.wakeUp();
    }
  }
}

/**
 * The waits of one handle among all that stand in a queue, so that closing the handle wakes them and not
 * everybody. There is one at most as long as no two tasks wait through the same handle.
 */
export class OwnWaits {
  #last: Waiter<unknown> | null = null;
  #isShared = false;

  /** A wait of this handle was put into the queue. */
  add(waiter: Waiter<unknown>): void {
    const last = this.#last;
    if (last !== null && last !== waiter && last.isLinked) this.#isShared = true;
    this.#last = waiter;
  }

  /** Takes them out of the queue and wakes them; others may be woken for nothing. */
  wake<W extends Waiter<unknown>>(queue: WaiterQueue<W>): void {
    const last = this.#last as W | null;
    if (this.#isShared) queue.wakeAll();
    else if (last?.isLinked === true) {
      queue.remove(last);
      last.wakeUp();
    }
  }
}
