// One end of a shared channel: permits of which the other end makes more, without coming in.
//
//   DONE  how many messages went through this end, counted on for ever; the other end reads it
//   SEEN  DONE of the other end when this one last looked: there are no fewer by now
//
//   free = PERMITS (as many as it began with, less those granted and not used) + DONE of the other end - DONE of this one
//
// So a message that goes through is one word that changes, which needs no log, and each end has a lock and memory of its own: a sender and
// a receiver meet only where one of them waits. Whoever waits queues, and looks at the other DONE afterwards; whoever has moved
// DONE looks for waiters at the other end afterwards (serve): one of the two sees the other. One who dies between is made
// up for by those who wait: they look every CHECK_MS whether what they wait for is there (isOverdue).
//
// Both ends are closed by the same word, which changes in the lock of the senders: once it is seen, DONE of the senders moves no more.

import { TokiwaError } from "../errors.ts";
import { EXTRA } from "./ledger.ts";
import { Permits } from "./permits.ts";

export const DONE = EXTRA;
export const SEEN = EXTRA + 1;
/** Words of an end for whoever builds on this. */
export const MORE = EXTRA + 2;

export class ChannelEnd extends Permits {
  readonly #other: Int32Array;
  readonly #door: ChannelEnd | undefined;

  /** @param door the end that is closed for both, if not this */
  constructor(words: Int32Array, other: Int32Array, door?: ChannelEnd) {
    super(words);
    this.#other = other;
    this.#door = door;
  }

  /** How many messages went through. Inside the lock. */
  get done(): number {
    return this.words[DONE] as number;
  }

  /** One more has gone through: its memory was written, or read. Inside the lock. */
  advance(): void {
    Atomics.store(this.words, DONE, (this.done + 1) | 0);    // pairs with the loads of the other end
  }

  /** Nothing lies between the ends. Inside the lock. */
  get isEmpty(): boolean {
    return Atomics.load(this.#other, DONE) === this.done;
  }

  /** As mayTake(1), for one that is used in the same lock. Inside the lock. */
  mayPass(): boolean {
    if (!this.isOpen) return false;
    const { words } = this;
    const own = (this.stock - (words[DONE] as number)) | 0;
    if (((own + (words[SEEN] as number)) | 0) > 0) return true;
    words[SEEN] = Atomics.load(this.#other, DONE);
    return ((own + (words[SEEN] as number)) | 0) > 0;
  }

  override get isClosed(): boolean {
    return this.#door === undefined ? super.isClosed : this.#door.isClosed;
  }

  override count(): number {
    return (this.stock + Atomics.load(this.#other, DONE) - (this.words[DONE] as number)) | 0;
  }

  override get available(): number {
    this.reclaim();
    this.ledger.enter();
    const count = this.count();
    this.ledger.leave();
    return count;
  }

  override hasQueued(): void {
    this.pass();
  }

  override isOverdue(): boolean {
    return this.hasWaiters && (this.isClosed || this.count() > 0);
  }

  /** After the other end has gone on, outside of any lock: whoever waits here is served. */
  serve(): void {
    if (!this.hasWaiters) return;
    const { ledger } = this;
    try {
      ledger.enter();
    } catch (error) {
      if (error instanceof TokiwaError) return;            // stuck: the message went through, and those who wait look for themselves
      throw error;
    }
    this.pass();
    ledger.leave();
  }
}
