// Words in shared memory that change together or not at all, although a thread may be killed at any instruction.
//
//   LOCK     0, or the number of the thread that changes the rest; held for a few instructions
//   LOG      how many of ENTRIES must be carried out; 0: none
//   EXTRA    words for whoever builds on this
//   ENTRIES  pairs of [index, value]; -index means the cell of a waiter
//
// Inside the lock a change of several words is noted first (note), then LOG says that it counts, and then it is carried out (commit).
// Before LOG says so nothing has happened; from then on everything has: whoever finds the lock in the hands of a dead thread takes it
// and carries out what LOG says. Values are absolute, so twice does no harm. A change of one word needs none of this.
//
// A thread that is to be ended is warned, and dies inside a lock only when nobody could warn it (workers/family.ts). Whoever waits for
// the lock of such a one may be the one that would notice the death if it did not wait: then it fails after STUCK_MS, and not sooner.
//
// The one word that changes without the lock is the cell of a waiter who has been told something: he frees it. So a cell is
// told only while it still waits, and only by the last entry: who is told finds everything else done.

import { TokiwaError } from "../errors.ts";
import { mayBlock, monotonicNow } from "../host.ts";
import { goInside, goOutside, isDead, mayBeInside, ownId, waitForEnd } from "../workers/family.ts";

const LOCK = 0;
const LOG = 1;
/** Words for whoever builds on this. */
export const EXTRA = 4;
const ENTRIES = 12;
const MAX_ENTRIES = 10;
/** Where whoever builds on this goes on. */
export const LEDGER_WORDS = ENTRIES + MAX_ENTRIES * 2;

/** Looks at the lock, and the milliseconds it is slept for then. */
const LOCK_SPINS = 100;
const LOCK_NAP = 0.05;
/** Milliseconds after which nobody will open the lock while this thread waits for it. */
const STUCK_MS = 5000;

// A cell of a waiter, as far as this file is concerned.
export const WAITING = 1;
export const POKED = 5;

export class Ledger {
  readonly words: Int32Array;
  /** Entries of the change that is being noted. */
  #count = 0;
  /** Called inside the lock after it was taken from a dead thread, which may have woken nobody. */
  onTakeOver: () => void = () => {};

  constructor(words: Int32Array) {
    this.words = words;
  }

  /** @throws {TokiwaError} `TOKIWA_LOCK_STUCK` */
  enter(): void {
    const { words } = this;
    const me = ownId();
    this.#count = 0;
    goInside();
    if (Atomics.compareExchange(words, LOCK, 0, me) !== 0) this.#wait(me);
    if (mayBeInside()) return;
    this.leave();
    waitForEnd();
  }

  #wait(me: number): void {
    const { words } = this;
    let since = 0;
    for (let spins = 0; ; spins++) {
      const holder = Atomics.compareExchange(words, LOCK, 0, me);
      if (holder === 0) return;
      if (spins < LOCK_SPINS) continue;
      if (isDead(holder) && Atomics.compareExchange(words, LOCK, holder, me) === holder) {
        this.#carryOut(words[LOG] as number);
        this.onTakeOver();
        return;
      }
      if (!mayBeInside()) waitForEnd();
      const now = monotonicNow();
      if (since === 0) since = now;
      else if (now - since > STUCK_MS) {
        goOutside();
        throw new TokiwaError("TOKIWA_LOCK_STUCK", `a thread has held the lock of a shared primitive for ${STUCK_MS} ms: it has died inside, and this thread has had no turn of its event loop to notice that. Try again later.`);
      }
      if (mayBlock) Atomics.wait(words, LOCK, holder, LOCK_NAP);
    }
  }

  /** Wakes nobody: those who wait for it look again soon. Tried: to notify those who were told something after this and not before; it made no difference. */
  leave(): void {
    Atomics.store(this.words, LOCK, 0);
    goOutside();
  }

  /** Somebody has died inside: whoever enters mends it. */
  get isOrphaned(): boolean {
    return isDead(Atomics.load(this.words, LOCK));
  }

  /** Notes that a word gets a value. Inside the lock, each word once until `commit()`. */
  note(index: number, value: number): void {
    const { words } = this;
    const entry = ENTRIES + this.#count++ * 2;
    words[entry] = index;
    words[entry + 1] = value;
  }

  /** Notes that a waiter is told something: the last entry. */
  noteCell(cell: number, state: number): void {
    this.note(-cell, state);
  }

  /** Makes what was noted happen. */
  commit(): void {
    const count = this.#count;
    this.#count = 0;
    Atomics.store(this.words, LOG, count);                 // from here on it counts; pairs with the exchange of who takes over
    this.#carryOut(count);
  }

  #carryOut(count: number): void {
    const { words } = this;
    const end = ENTRIES + count * 2;
    for (let entry = ENTRIES; entry < end; entry += 2) {
      const index = words[entry] as number;
      const value = words[entry + 1] as number;
      if (index >= 0) words[index] = value;
      else this.#tell(-index, value);
    }
    words[LOG] = 0;                                        // before leave()
  }

  #tell(cell: number, state: number): void {
    const { words } = this;
    const now = Atomics.load(words, cell);
    if (now === WAITING || now === POKED) Atomics.store(words, cell, state);
    Atomics.notify(words, cell);
  }
}
