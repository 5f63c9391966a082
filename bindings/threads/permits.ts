// Permits in shared memory: a fair semaphore for threads, which all shared primitives are made of.
//
// One or two of them lie behind a ledger (ledger.ts), whose lock they share. Each is
//
//   PERMITS  free permits. With a queue, never enough for its front
//   CLOSED   nobody waits any more
//   HEAD, TAIL  the queue: cells of [state, permits wanted, thread], indices masked when they address a cell
//   FLAGS    whether HOLDERS is kept, and whether newcomers may overtake
//   FAIR_AT  with overtaking: when the queue began, or the front of it was last given its turn
//   HOLDERS  pairs of [thread, permits held], one for each thread: what a dead thread held is given back
//
// A lock that always goes to the front of the queue goes through the operating system at every unlock, for the front sleeps: 20 to
// 50 us each. So where newcomers may overtake, a release only pokes the front, which then tries for itself, and whoever runs takes
// the permit meanwhile; but once in FAIR_MS the front gets it, whoever comes. parking_lot's locks do the same.
//
// A cell goes FREE -> WAITING -> GRANTED | TOLD | REFUSED, by whoever holds the lock, and its waiter is notified, who frees it (TOLD: he may
// go on and has got nothing, see rounds.ts); or
// WAITING -> LEFT by the waiter itself, and HEAD frees it in passing. Nobody takes a cell that is not free. Waiters look every
// CHECK_MS whether somebody has died, as a holder or inside the lock. Permits, holder and cell of one step change together, so a death counts
// a permit neither twice nor not at all.
//
// The ends of a channel count in another way what is free (channel-end.ts); everything here asks `count()`.

import { AcquireError, TryAcquireError } from "../errors.ts";
import { isDead, ownId } from "../workers/family.ts";
import { pumpPools } from "../workers/parking.ts";
import { checkMayBlock, pauseThread, refuseStuck } from "./blocking.ts";
import { madeHere } from "./hold.ts";
import { Ledger, LEDGER_WORDS, POKED, WAITING } from "./ledger.ts";

// Offsets in one of them.
const PERMITS = 0;
const CLOSED = 1;
const HEAD = 2;
const TAIL = 3;
const FLAGS = 4;
const FAIR_AT = 5;
/** What a dead thread holds is given back. */
const TRACKS = 1;
/** Whoever comes may overtake those that wait, for a while. */
const OVERTAKES = 2;
/** Never more than one is free: a notification that is kept. */
const KEEPS_ONE = 4;
const HOLDERS = 8;
const HOLDER_PAIRS = 256;
const CELLS = HOLDERS + HOLDER_PAIRS * 2;
/** Waiters that can queue at once; more wait in turns. */
const CELL_COUNT = 1024;
const CELL_WORDS = 3;
const PERMITS_WORDS = CELLS + CELL_COUNT * CELL_WORDS;

const FREE = 0;
export const GRANTED = 2;
export const REFUSED = 3;
const LEFT = 4;
const TOLD = 6;

/** Milliseconds after which the front of the queue has its turn. */
const FAIR_MS = 1;
/** Looks at a free permit before a thread queues and sleeps, where newcomers may overtake. */
const SPINS = 60;
/** Milliseconds between looks for threads that have died. */
export const CHECK_MS = 50;

// What request() returns besides a cell, which is positive.
export const FULL = -1;
export const REFUSE = -2;
/** Granted at once. */
export const NOW = -3;

/** How permits begin. */
export interface Kind {
  readonly permits: number;
  /** What a dead thread holds is given back. */
  readonly tracks?: boolean;
  /** Newcomers may overtake. */
  readonly overtakes?: boolean;
  /** Never more than one is free. */
  readonly keepsOne?: boolean;
}

export class Permits {
  readonly words: Int32Array;
  readonly ledger: Ledger;
  readonly #base: number;

  /** @param place which of those that lie in `words` */
  constructor(words: Int32Array, place = 0, ledger: Ledger = new Ledger(words)) {
    this.words = words;
    this.ledger = ledger;
    this.#base = LEDGER_WORDS + place * PERMITS_WORDS;
    const { onTakeOver } = ledger;
    ledger.onTakeOver = () => {
      onTakeOver();
      this.pass();
    };
  }

  /** Memory for some of them, behind one lock. */
  static make(...kinds: Kind[]): Int32Array {
    const words = madeHere(new Int32Array(new SharedArrayBuffer((LEDGER_WORDS + kinds.length * PERMITS_WORDS) * 4)));
    for (const [place, { permits, tracks = true, overtakes = false, keepsOne = false }] of kinds.entries()) {
      const base = LEDGER_WORDS + place * PERMITS_WORDS;
      words[base + PERMITS] = permits;
      words[base + FLAGS] = (tracks ? TRACKS : 0) | (overtakes ? OVERTAKES : 0) | (keepsOne ? KEEPS_ONE : 0);
    }
    return words;
  }

  /** Free ones, and those that dead threads held. */
  get available(): number {
    this.reclaim();
    return this.count();
  }

  /** Free ones; exact inside the lock. */
  count(): number {
    return this.stock;
  }

  protected get stock(): number {
    return this.words[this.#base + PERMITS] as number;
  }

  get #free(): number {
    return Atomics.load(this.words, this.#base + PERMITS);
  }

  get isClosed(): boolean {
    return Atomics.load(this.words, this.#base + CLOSED) !== 0;
  }

  get #overtakes(): boolean {
    return ((this.words[this.#base + FLAGS] as number) & OVERTAKES) !== 0;
  }

  /** Nobody waits; inside the lock, or as a guess. */
  get #isQueueEmpty(): boolean {
    return this.words[this.#base + HEAD] === this.words[this.#base + TAIL];
  }

  #cellAt(index: number): number {
    return this.#base + CELLS + (index & (CELL_COUNT - 1)) * CELL_WORDS;
  }

  // ---- inside the lock: parts of a change, which the caller commits

  /** Whether somebody who comes now may have them. */
  mayTake(wanted: number): boolean {
    return this.count() >= wanted && this.isOpen;
  }

  /** How many go to one who wants that, now. */
  costOf(wanted: number): number {
    return wanted;
  }

  /** How many one has got who was granted that. */
  priceOf(wanted: number): number {
    return wanted;
  }

  /** Nobody has to be served before one who comes now. */
  get isOpen(): boolean {
    return this.#isQueueEmpty || this.#overtakes;
  }

  /** Free permits become more, or fewer. */
  noteFree(change: number): void {
    const { words } = this;
    const free = (words[this.#base + PERMITS] as number) + change;
    this.ledger.note(this.#base + PERMITS, free > 1 && ((words[this.#base + FLAGS] as number) & KEEPS_ONE) !== 0 ? 1 : free);
  }

  /** A thread holds more, or fewer. */
  noteHeld(thread: number, change: number): void {
    const { words, ledger } = this;
    if (thread === 0 || ((words[this.#base + FLAGS] as number) & TRACKS) === 0) return;
    const place = this.#placeOf(thread);
    if (place < 0) return;                                 // more threads than places: this one's death is not noticed
    if (words[place] === thread) ledger.note(place + 1, (words[place + 1] as number) + change);
    else if (change > 0) {
      ledger.note(place, thread);
      ledger.note(place + 1, change);
    }
  }

  /** A thread keeps its place. Without one: one that nobody has had, else one of a thread that holds nothing. */
  #placeOf(thread: number): number {
    const { words } = this;
    const end = this.#base + CELLS;
    let unused = -1;
    for (let place = this.#base + HOLDERS; place < end; place += 2) {
      const owner = words[place] as number;
      if (owner === thread || owner === 0) return place;
      if (unused < 0 && words[place + 1] === 0) unused = place;
    }
    return unused;
  }

  // ---- inside the lock: whole changes

  /** Permits may have become free: serves the queue, or pokes its front. */
  pass(): void {
    if (this.#isQueueEmpty) return;
    const { words } = this;
    if (this.#overtakes) {
      const now = Date.now() | 0;
      if (!this.isClosed && ((now - (words[this.#base + FAIR_AT] as number)) | 0) < FAIR_MS) {
        this.#poke();
        return;
      }
      words[this.#base + FAIR_AT] = now;
    }
    this.#grant();
  }

  #poke(): void {
    this.#dropLeft();
    if (this.#isQueueEmpty) return;
    const cell = this.#cellAt(this.words[this.#base + HEAD] as number);
    if (this.words[cell] !== WAITING) return;
    Atomics.store(this.words, cell, POKED);
    Atomics.notify(this.words, cell);
  }

  /** Serves the queue as far as permits go. */
  #grant(): void {
    const { words, ledger } = this;
    for (;;) {
      this.#dropLeft();
      if (this.#isQueueEmpty) return;
      const head = words[this.#base + HEAD] as number;
      const cell = this.#cellAt(head);
      const state = words[cell];
      if (state === WAITING || state === POKED) {
        const { isClosed } = this;                         // before the count, which stays as it is then
        const cost = this.costOf(words[cell + 1] as number);
        const has = this.count() >= cost;
        if (!has && !isClosed) return;
        if (has) {
          this.noteFree(-cost);
          this.noteHeld(words[cell + 2] as number, cost);
        }
        ledger.note(this.#base + HEAD, head + 1);
        ledger.noteCell(cell, !has ? REFUSED : cost === 0 ? TOLD : GRANTED);
        ledger.commit();
      } else words[this.#base + HEAD]!++;
    }
  }

  /** Moves the head past those that have left, or died. */
  #dropLeft(): void {
    const { words } = this;
    for (; !this.#isQueueEmpty; words[this.#base + HEAD]!++) {
      const cell = this.#cellAt(words[this.#base + HEAD] as number);
      const state = words[cell] as number;
      if (state === WAITING || state === POKED) {
        if (!isDead(words[cell + 2] as number)) return;
        words[cell] = FREE;
      } else if (state === LEFT) words[cell] = FREE;
    }
  }

  /** Queues this thread. @returns its cell, or FULL */
  #queue(wanted: number): number {
    const { words } = this;
    const tail = words[this.#base + TAIL] as number;
    if (this.#overtakes && this.#isQueueEmpty) words[this.#base + FAIR_AT] = Date.now() | 0;
    if (tail - (words[this.#base + HEAD] as number) >= CELL_COUNT) return FULL;
    const cell = this.#cellAt(tail);
    if (words[cell] !== FREE && !isDead(words[cell + 2] as number)) return FULL;
    words[cell + 1] = wanted;
    words[cell + 2] = ownId();
    Atomics.store(words, cell, WAITING);                   // of one who dies here: nobody looks at it before the tail has moved
    Atomics.store(words, this.#base + TAIL, tail + 1);
    return cell;
  }

  // ---- operations

  /** NOW, REFUSE, FULL, or the cell to wait at. */
  request(wanted: number, mayQueue: boolean): number {
    const { ledger } = this;
    ledger.enter();
    let result = NOW;
    let isThere = this.mayTake(wanted);
    const isClosed = !isThere && this.isClosed;
    if (isClosed) {
      this.pass();                                         // nobody waits any more: whether what is there now will do
      isThere = this.mayTake(wanted);
    }
    if (isThere) {
      const cost = this.costOf(wanted);
      this.noteFree(-cost);
      this.noteHeld(ownId(), cost);
      ledger.commit();
    } else if (isClosed) result = REFUSE;
    else if (!mayQueue) result = FULL;
    else {
      result = this.#queue(wanted);
      this.hasQueued();
    }
    ledger.leave();
    return result;
  }

  /** Inside the lock: this thread waits now. */
  hasQueued(): void {}

  /** Gives permits back that `thread` held (0: that nobody held). */
  release(count: number, thread: number = ownId()): void {
    const { ledger } = this;
    ledger.enter();
    this.noteRelease(count, thread);
    ledger.commit();
    this.pass();
    ledger.leave();
  }

  noteRelease(count: number, thread: number): void {
    this.noteFree(count);
    this.noteHeld(thread, -count);
  }

  /** They will not come back. */
  forget(count: number): void {
    const { ledger } = this;
    ledger.enter();
    this.noteHeld(ownId(), -count);
    ledger.commit();
    ledger.leave();
  }

  /** Nobody waits any more. */
  close(): void {
    const { ledger } = this;
    ledger.enter();
    Atomics.store(this.words, this.#base + CLOSED, 1);
    this.pass();
    ledger.leave();
  }

  /** One waiter, or the next one to come. */
  signal(): void {
    this.release(1, 0);
  }

  // ---- waiting at a cell

  /** The state of one's cell; a final one frees it. */
  state(cell: number): number {
    const state = Atomics.load(this.words, cell);
    if (state === GRANTED || state === TOLD || state === REFUSED) Atomics.store(this.words, cell, FREE);
    return state === TOLD ? GRANTED : state;
  }

  /** Whether the cell has nothing to tell yet. */
  isWaiting(cell: number): boolean {
    return Atomics.load(this.words, cell) === WAITING;
  }

  /** Whoever was poked tries for itself. False when somebody was quicker; it waits on then. */
  claim(cell: number, wanted: number): boolean {
    const { words, ledger } = this;
    ledger.enter();
    const state = words[cell];
    let isMine = state === GRANTED;
    if (isMine) words[cell] = FREE;
    else if (state === POKED) {
      isMine = this.count() >= wanted;
      if (isMine) {
        this.noteFree(-wanted);
        this.noteHeld(ownId(), wanted);
        ledger.note(cell, LEFT);
        ledger.commit();
        this.#dropLeft();
      } else words[cell] = WAITING;
    }
    ledger.leave();
    return isMine;
  }

  /** Stops waiting. A grant that came meanwhile is given back. */
  withdraw(cell: number, wanted: number): void {
    const { words, ledger } = this;
    ledger.enter();
    if (words[cell] === GRANTED) {
      ledger.note(cell, FREE);
      this.noteRelease(this.priceOf(wanted), ownId());
      ledger.commit();
    } else words[cell] = words[cell] === REFUSED || words[cell] === TOLD ? FREE : LEFT;
    this.pass();                                           // who waited behind it may be next
    ledger.leave();
  }

  // ---- deaths

  /** Gives back what dead threads held, and goes on where one died inside the lock. */
  reclaim(): void {
    const { words, ledger } = this;
    if (!ledger.isOrphaned && !this.#hasDead() && !this.isOverdue()) return;
    ledger.enter();
    for (let place = this.#base + HOLDERS; place < this.#base + CELLS && words[place] !== 0; place += 2) {
      const count = words[place + 1] as number;
      if (count === 0 || !isDead(words[place] as number)) continue;
      this.noteFree(count);
      ledger.note(place + 1, 0);
      ledger.commit();
    }
    this.pass();
    ledger.leave();
  }

  /** A guess: whether somebody is dead who holds something, or is at the front. */
  #hasDead(): boolean {
    const { words } = this;
    for (let place = this.#base + HOLDERS; place < this.#base + CELLS && words[place] !== 0; place += 2) {
      if (words[place + 1] !== 0 && isDead(words[place] as number)) return true;
    }
    return !this.#isQueueEmpty && isDead(words[this.#cellAt(words[this.#base + HEAD] as number) + 2] as number);
  }

  /** A guess: whether somebody waits for what is there. Here nobody does: who gives a permit back passes it on in the same lock. */
  isOverdue(): boolean {
    return false;
  }

  /** Somebody is at the front of the queue. A guess, good enough for who looks after a change that those who queue look for afterwards. */
  get hasWaiters(): boolean {
    return Atomics.load(this.words, this.#base + TAIL) !== Atomics.load(this.words, this.#base + HEAD);
  }

  // ---- taking

  /** False when there are not enough. @throws {TryAcquireError} when closed */
  tryTake(wanted: number): boolean {
    let result = this.request(wanted, false);
    if (result === FULL) {
      this.reclaim();
      result = this.request(wanted, false);
    }
    if (result === REFUSE) throw new TryAcquireError("TOKIWA_CLOSED", "semaphore closed");
    return result === NOW;
  }

  /** Blocks this thread. @throws {AcquireError} when closed @throws {DeadlockError} when no other thread could end it */
  takeBlocking(wanted: number, what: string, check?: () => void): void {
    checkMayBlock(what);
    const spins = this.#overtakes ? SPINS : 0;
    for (let i = 0; i < spins; i++) if (this.#free >= wanted && this.request(wanted, false) === NOW) return;
    for (;;) {
      const cell = this.request(wanted, true);
      if (cell === NOW) return;
      if (cell === REFUSE) throw new AcquireError();
      refuseStuck(this.words, what, () => {
        if (cell !== FULL) this.withdraw(cell, wanted);
      });
      if (cell === FULL) {
        pauseThread();
        continue;
      }
      for (;;) {
        Atomics.wait(this.words, cell, WAITING, CHECK_MS);
        const state = this.state(cell);
        if (state === GRANTED || (state === POKED && this.claim(cell, wanted))) return;
        if (state === REFUSED) throw new AcquireError();
        pumpPools();                                       // a worker that has exited says so by a word; nobody else would look
        this.reclaim();
        check?.();
      }
    }
  }
}
