// Notify: wakes tasks without handing them anything but, at most, one permit.
//
// notifyOne() wakes the one that waits longest; when nobody waits it leaves a permit, at most
// one, for the next. notifyWaiters() wakes all that exist at that moment and leaves nothing: a
// `notified()` counts from its call on, polled or not, and knows by the number of such
// calls whether it missed one.
//
//   INIT --poll--> WAITING --notify--> served (out of the queue) --poll--> DONE
//
// Dropped while served by notifyOne() or notifyLast(), it passes the notification on in the same order.

import { completed, context, FINISHED, type Future, PENDING, proceed, restore, type Suspend, SUSPENDED, type Waker } from "../future.ts";
import { isOwn, own, Waiter, WaiterQueue } from "./waiters.ts";

/** One wait for a `Notify`. */
export interface Notified extends Future<void> {
  /**
   * Joins the queue now, as a first poll would, without waiting.
   *
   * @returns whether it is notified already; it takes the permit, if there is one
   */
  enable(): boolean;
}

const INIT = 0;
const WAITING = 1;
const DONE = 2;
const OVER = 3;

const NOTHING = 0;
const BY_FIRST = 1;
const BY_LAST = 2;

/** What a `Notify` and its waits share. */
class Bell {
  readonly queue: WaiterQueue<NotifiedFuture> = new WaiterQueue<NotifiedFuture>();
  /** A finished wait, to be used again. */
  spare: NotifiedFuture | null = null;
  hasPermit = false;
  /** How often notifyWaiters() was called. */
  broadcasts = 0;

  ring(order: number): void {
    const waiter = order === BY_FIRST ? this.queue.shift() : this.queue.pop();
    if (waiter === null) {
      this.hasPermit = true;
      return;
    }
    waiter.servedBy = order;
    waiter.wakeUp();
  }
}

class NotifiedFuture extends Waiter<void> implements Notified {
  readonly #bell: Bell;
  #broadcasts: number;
  #state = INIT;
  servedBy = NOTHING;

  constructor(bell: Bell) {
    super();
    this.#bell = bell;
    this.#broadcasts = bell.broadcasts;
  }

  renew(): void {
    this.#broadcasts = this.#bell.broadcasts;
    this.#state = INIT;
  }

  /** Whether it is notified; joins the queue if not. */
  #check(): boolean {
    const bell = this.#bell;
    const state = this.#state;
    if (state === DONE) return true;
    if (state === OVER) completed();
    if (this.servedBy === NOTHING && bell.broadcasts === this.#broadcasts) {
      if (state === WAITING) return false;
      if (!bell.hasPermit) {
        this.#state = WAITING;
        bell.queue.push(this);
        return false;
      }
      bell.hasPermit = false;
    }
    bell.queue.remove(this);                               // still in when a waker polls it during notifyWaiters()
    this.servedBy = NOTHING;
    this.#state = DONE;
    return true;
  }

  enable(): boolean {
    return this.#check();
  }

  override get isRepollable(): boolean {
    return true;
  }

  poll(waker: Waker): void | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    if (this.#check()) return undefined;
    this.waitWith(waker);
    restore();
    return PENDING;
  }

  override next(): IteratorResult<Suspend, void> {
    const { waker, budget } = context;
    if (waker === null || budget <= 0) return super.next();
    if (this.servedBy !== NOTHING) {                       // the usual end of a wait; out of the queue already
      this.servedBy = NOTHING;
      this.#state = DONE;
    } else if (!this.#check()) {
      this.waitWith(waker);
      return SUSPENDED;
    }
    context.budget = budget - 1;
    own(this);
    this.#bell.spare = this;
    return FINISHED;
  }

  override [Symbol.dispose](): void {
    const wasServedBy = this.servedBy;
    this.#bell.queue.remove(this);
    this.forgetWaker();
    this.servedBy = NOTHING;
    this.#state = OVER;
    if (wasServedBy !== NOTHING) this.#bell.ring(wasServedBy);
  }

  override describe(): string {
    return "a notification";
  }
}

/**
 * Wakes one task, or all that wait. It carries no value: what happened is looked up by who is woken.
 *
 * @example
 * const changed = new Notify();
 * spawn(async () => { for (;;) { await changed.notified(); redraw(); } });
 * changed.notifyOne();
 */
export class Notify {
  readonly #bell = new Bell();

  /**
   * Waits for a notification.
   *
   * Counts from this call on for `notifyWaiters()`; takes its place towards `notifyOne()` at the first poll, or by `enable()`.
   * Cancel safe: a notification that was just received goes to the next. The place in the queue is lost.
   */
  notified(): Notified {
    const bell = this.#bell;
    const { spare } = bell;
    if (!isOwn(spare)) return new NotifiedFuture(bell);
    bell.spare = null;
    spare.renew();
    return spare;
  }

  /** Wakes the one that has waited longest; if nobody waits, the next `notified()` is ready at once (once, however often this was called). */
  notifyOne(): void {
    this.#bell.ring(BY_FIRST);
  }

  /** As `notifyOne()`, but wakes the one that came last. */
  notifyLast(): void {
    this.#bell.ring(BY_LAST);
  }

  /** Wakes every `notified()` that exists now, polled or not. Leaves no permit for later ones. */
  notifyWaiters(): void {
    this.#bell.broadcasts++;
    this.#bell.queue.wakeAll();
  }
}
