// Permits in shared memory: a fair semaphore for threads, which all shared primitives are made of.
//
//   LOCK     0, or the number of the thread that changes the rest; held for a few instructions
//   PERMITS  free permits. With a queue, never enough for its front
//   CLOSED   nobody waits any more
//   HEAD, TAIL  the queue: cells of [state, permits wanted, thread], indices masked when they address a cell
//   FLAGS    whether HOLDERS is kept, and whether newcomers may overtake
//   FAIR_AT  with overtaking: when the queue began, or the front of it was last given its turn
//   HOLDERS  pairs of [thread, permits held]: what a dead thread held is given back
//
// A lock that always goes to the front of the queue goes through the operating system at every unlock, for the front sleeps: 20 to
// 50 us each. So where newcomers may overtake, a release only pokes the front, which then tries for itself, and whoever runs takes
// the permit meanwhile; but once in FAIR_MS the front gets it, whoever comes. parking_lot's locks do the same.
//
// A cell goes FREE -> WAITING -> GRANTED | REFUSED, by whoever holds LOCK, and its waiter is notified, who frees it; or
// WAITING -> LEFT by the waiter itself, and HEAD frees it in passing. Nobody takes a cell that is not free. Waiters look every CHECK_MS whether a holder has died.

import { AcquireError, ContextError, TryAcquireError } from "../errors.ts";
import { context, Operation, PENDING, proceed, restore, type Reactor, type Waker } from "../future.ts";
import { keepAlive, mayBlock, microtask, startTimer } from "../host.ts";
import { family, isDead, ownId } from "../workers/family.ts";

const LOCK = 0;
const PERMITS = 1;
const CLOSED = 2;
const HEAD = 3;
const TAIL = 4;
const FLAGS = 5;
/** What a dead thread holds is given back. */
const TRACKS = 1;
/** Whoever comes may overtake those that wait, for a while. */
const OVERTAKES = 2;
/** Two words for whoever builds on this; the first one is FAIR_AT where newcomers may overtake. */
export const SPARE = 6;
const FAIR_AT = SPARE;
const HOLDERS = 8;
const HOLDER_PAIRS = 256;
const CELLS = HOLDERS + HOLDER_PAIRS * 2;
/** Waiters that can queue at once; more wait in turns. */
const CELL_COUNT = 1024;
const CELL_WORDS = 3;
const WORDS = CELLS + CELL_COUNT * CELL_WORDS;

const FREE = 0;
const WAITING = 1;
const GRANTED = 2;
const REFUSED = 3;
const LEFT = 4;
const POKED = 5;

/** Milliseconds after which the front of the queue has its turn. */
const FAIR_MS = 1;
/** Looks at a free permit before a thread queues and sleeps, where newcomers may overtake. */
const SPINS = 60;
/** Looks at the lock, and the milliseconds it is slept for then. */
const LOCK_SPINS = 100;
const LOCK_NAP = 0.05;

/** Milliseconds between looks for holders that have died. */
const CHECK_MS = 50;

// What request() returns besides a cell, which is positive.
const FULL = -1;
const REFUSE = -2;
/** Granted at once. */
export const NOW = -3;

type WaitAsync = (words: Int32Array, index: number, value: number, ms: number) => { async: boolean; value: Promise<string> | string };
const waitAsync = (Atomics as unknown as { waitAsync?: WaitAsync }).waitAsync;

export class Permits {
  readonly words: Int32Array;

  constructor(permits: number | Int32Array, tracks = true, overtakes = false) {
    if (typeof permits !== "number") {
      this.words = permits;
      return;
    }
    this.words = new Int32Array(new SharedArrayBuffer(WORDS * 4));
    this.words[PERMITS] = permits;
    this.words[FLAGS] = (tracks ? TRACKS : 0) | (overtakes ? OVERTAKES : 0);
  }

  get available(): number {
    return Atomics.load(this.words, PERMITS);
  }

  get isClosed(): boolean {
    return Atomics.load(this.words, CLOSED) !== 0;
  }

  // ---- the lock: short, and stolen from the dead

  enter(): void {
    const { words } = this;
    const me = ownId();
    for (let spins = 0; ; spins++) {
      const holder = Atomics.compareExchange(words, LOCK, 0, me);
      if (holder === 0) return;
      if (spins < LOCK_SPINS) continue;
      if (isDead(holder) && Atomics.compareExchange(words, LOCK, holder, me) === holder) return;
      if (mayBlock) Atomics.wait(words, LOCK, holder, LOCK_NAP);
    }
  }

  /** Wakes nobody: those who wait for it look again soon. */
  leave(): void {
    Atomics.store(this.words, LOCK, 0);
  }

  // ---- inside the lock

  #hold(thread: number, count: number): void {
    const { words } = this;
    if (((words[FLAGS] as number) & TRACKS) === 0) return;
    let free = -1;
    for (let i = HOLDERS; i < CELLS; i += 2) {
      if (words[i] === thread && words[i + 1] !== 0) {
        words[i + 1]! += count;
        return;
      }
      if (free < 0 && words[i + 1] === 0) free = i;
    }
    if (free < 0 || count < 0) return;                     // more threads than places: this one's death is not noticed
    words[free] = thread;
    words[free + 1] = count;
  }

  #grant(): void {
    const { words } = this;
    while (words[HEAD] !== words[TAIL]) {
      const cell = CELLS + ((words[HEAD] as number) & (CELL_COUNT - 1)) * CELL_WORDS;
      if (words[cell] === WAITING || words[cell] === POKED) {
        const thread = words[cell + 2] as number;
        const wanted = words[cell + 1] as number;
        if (isDead(thread)) words[cell] = FREE;
        else {
          if ((words[PERMITS] as number) < wanted) {
            if (words[CLOSED] === 0) return;
            this.#tell(cell, REFUSED);
          } else {
            words[PERMITS]! -= wanted;
            this.#hold(thread, wanted);
            this.#tell(cell, GRANTED);
          }
        }
      } else if (words[cell] === LEFT) words[cell] = FREE;
      words[HEAD]!++;
    }
  }

  get #overtakes(): boolean {
    return ((this.words[FLAGS] as number) & OVERTAKES) !== 0;
  }

  /** Permits have come back: pokes the front, or gives it its turn. */
  #pass(): void {
    const { words } = this;
    if (!this.#overtakes) {
      this.#grant();
      return;
    }
    if (words[HEAD] === words[TAIL]) return;
    const now = Date.now() | 0;
    if (words[CLOSED] !== 0 || ((now - (words[FAIR_AT] as number)) | 0) >= FAIR_MS) {
      words[FAIR_AT] = now;
      this.#grant();
      return;
    }
    this.#dropLeft();
    if (words[HEAD] === words[TAIL]) return;
    const cell = CELLS + ((words[HEAD] as number) & (CELL_COUNT - 1)) * CELL_WORDS;
    if (words[cell] === WAITING) this.#tell(cell, POKED);
  }

  /** Moves the head past those that have left, or died. */
  #dropLeft(): void {
    const { words } = this;
    while (words[HEAD] !== words[TAIL]) {
      const cell = CELLS + ((words[HEAD] as number) & (CELL_COUNT - 1)) * CELL_WORDS;
      const state = words[cell] as number;
      if (state === WAITING || state === POKED) {
        if (!isDead(words[cell + 2] as number)) return;
        words[cell] = FREE;
      } else if (state === LEFT) words[cell] = FREE;
      words[HEAD]!++;
    }
  }

  /** Whoever was poked tries for itself. False when somebody was quicker; it waits on then. */
  claim(cell: number, wanted: number): boolean {
    const { words } = this;
    this.enter();
    const state = words[cell];
    let isMine = state === GRANTED;
    if (isMine) words[cell] = FREE;
    else if (state === POKED) {
      isMine = (words[PERMITS] as number) >= wanted;
      words[cell] = isMine ? LEFT : WAITING;
      if (isMine) {
        words[PERMITS]! -= wanted;
        this.#hold(ownId(), wanted);
        this.#dropLeft();
      }
    }
    this.leave();
    return isMine;
  }

  #tell(cell: number, state: number): void {
    Atomics.store(this.words, cell, state);
    Atomics.notify(this.words, cell);
  }

  // ---- operations

  /** NOW, REFUSE, FULL, or the cell to wait at. */
  request(wanted: number, mayQueue: boolean): number {
    const { words } = this;
    this.enter();
    try {
      if ((words[HEAD] === words[TAIL] || this.#overtakes) && (words[PERMITS] as number) >= wanted) {
        words[PERMITS]! -= wanted;
        this.#hold(ownId(), wanted);
        return NOW;
      }
      if (words[CLOSED] !== 0) return REFUSE;
      if (!mayQueue) return FULL;
      const tail = words[TAIL] as number;
      if (tail === words[HEAD] && this.#overtakes) words[FAIR_AT] = Date.now() | 0;
      if (tail - (words[HEAD] as number) >= CELL_COUNT) return FULL;
      const cell = CELLS + (tail & (CELL_COUNT - 1)) * CELL_WORDS;
      if (words[cell] !== FREE && !isDead(words[cell + 2] as number)) return FULL;
      words[cell + 1] = wanted;
      words[cell + 2] = ownId();
      Atomics.store(words, cell, WAITING);
      words[TAIL] = tail + 1;
      return cell;
    } finally {
      this.leave();
    }
  }

  /** Gives permits back that `thread` held (0: that nobody held). */
  release(count: number, thread: number = ownId()): void {
    this.enter();
    this.words[PERMITS]! += count;
    if (thread !== 0) this.#hold(thread, -count);
    this.#pass();
    this.leave();
  }

  /** What one thread holds is another's now. */
  moveHold(from: number, to: number, count: number): void {
    this.enter();
    this.#hold(from, -count);
    this.#hold(to, count);
    this.leave();
  }

  /** They will not come back. */
  forget(count: number): void {
    this.enter();
    this.#hold(ownId(), -count);
    this.leave();
  }

  /** Stops waiting. A grant that came meanwhile is given back. */
  withdraw(cell: number, wanted: number): void {
    this.enter();
    const state = this.words[cell];
    const waited = state === WAITING || state === POKED;
    this.words[cell] = waited ? LEFT : FREE;
    this.leave();
    if (state === GRANTED) this.release(wanted);
    else if (waited) this.release(0, 0);                   // who waited behind it may be next
  }

  close(): void {
    this.enter();
    Atomics.store(this.words, CLOSED, 1);
    this.#grant();
    this.leave();
  }

  /** Gives back what dead threads held. */
  reclaim(): void {
    const { words } = this;
    let found = false;
    for (let i = HOLDERS; i < CELLS; i += 2) if (words[i + 1] !== 0 && isDead(words[i] as number)) found = true;
    const front = words[HEAD] !== words[TAIL] && isDead(words[CELLS + ((words[HEAD] as number) & (CELL_COUNT - 1)) * CELL_WORDS + 2] as number);
    if (!found && !front) return;
    this.enter();
    for (let i = HOLDERS; i < CELLS; i += 2) {
      if (words[i + 1] === 0 || !isDead(words[i] as number)) continue;
      words[PERMITS]! += words[i + 1] as number;
      words[i + 1] = 0;
    }
    this.#grant();
    this.leave();
  }

  /** The state of one's cell; a final one frees it. */
  state(cell: number): number {
    const state = Atomics.load(this.words, cell);
    if (state === GRANTED || state === REFUSED) Atomics.store(this.words, cell, FREE);
    return state;
  }

  /** Whether the cell has nothing to tell yet. */
  isWaiting(cell: number): boolean {
    return Atomics.load(this.words, cell) === WAITING;
  }

  /** One waiter, or the next one to come; or everyone who waits now. */
  signal(all: boolean): void {
    const { words } = this;
    this.enter();
    let waiting = 0;
    for (let at = words[HEAD] as number; at !== words[TAIL]; at++) if (words[CELLS + (at & (CELL_COUNT - 1)) * CELL_WORDS] === WAITING) waiting++;
    if (all) words[PERMITS]! += waiting;
    else words[PERMITS] = waiting === 0 ? 1 : (words[PERMITS] as number) + 1;
    this.#grant();
    if (waiting > 0) words[PERMITS] = 0;                   // of one who died meanwhile
    this.leave();
  }

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

  /** Blocks this thread. @throws {AcquireError} when closed */
  takeBlocking(wanted: number, what: string, check?: () => void): void {
    checkMayBlock(what);
    const spins = this.#overtakes ? SPINS : 0;
    for (let i = 0; i < spins; i++) if (Atomics.load(this.words, PERMITS) >= wanted && this.request(wanted, false) === NOW) return;
    for (;;) {
      const cell = this.request(wanted, true);
      if (cell === NOW) return;
      if (cell === REFUSE) throw new AcquireError();
      if (cell === FULL) {
        pauseThread();
        continue;
      }
      for (;;) {
        Atomics.wait(this.words, cell, WAITING, CHECK_MS);
        const state = this.state(cell);
        if (state === GRANTED || (state === POKED && this.claim(cell, wanted))) return;
        if (state === REFUSED) throw new AcquireError();
        this.reclaim();
        check?.();
      }
    }
  }
}

let sleepWord: Int32Array | undefined;

/** Blocks this thread for a millisecond. */
export function pauseThread(): void {
  sleepWord ??= new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(sleepWord, 0, 0, 1);
}

/** Blocking is for threads that may, outside of tasks of the main thread. */
export function checkMayBlock(what: string): void {
  if (!mayBlock) throw new ContextError("TOKIWA_WOULD_BLOCK", `${what} cannot block here: this thread may not block. Await the other variant.`);
  if (context.unit !== null && !family.inWorker) throw new ContextError("TOKIWA_NESTED_RUNTIME", `${what} was called inside a task, and would hold every other task of this thread. Await the other variant, or use spawnBlocking().`);
}

const FRESH = 0;
const QUEUED = 1;
const TAKEN = 2;
const OVER = 3;

/**
 * Waiting for permits. Dropping it leaves the queue; a grant that came meanwhile goes to the next.
 */
export class Take<T> extends Operation<T> {
  readonly #permits: Permits;
  readonly #wanted: number;
  readonly #finish: () => T;
  readonly #refused: () => T;
  readonly #what: string;
  readonly #check: (() => void) | undefined;
  #state = FRESH;
  #cell = 0;
  #waker: Waker | undefined;
  #letGo: (() => void) | undefined;
  #reactor: Reactor | null = null;

  /**
   * @param refused what closing means: throws, or gives the value that stands for the end
   * @param check called now and then while it waits: whether somebody has died
   */
  constructor(permits: Permits, wanted: number, what: string, finish: () => T, refused: () => T, check?: () => void) {
    super();
    this.#permits = permits;
    this.#wanted = wanted;
    this.#what = what;
    this.#check = check;
    this.#finish = finish;
    this.#refused = refused;
  }

  poll(waker: Waker): T | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    this.#waker = waker;
    if (this.#state === FRESH) {
      const cell = this.#permits.request(this.#wanted, true);
      if (cell === NOW) return this.#done();
      if (cell === REFUSE) return this.#close();
      this.#startWaiting();
      if (cell === FULL) {
        startTimer(() => this.#waker?.wake(), 1);
        restore();
        return PENDING;
      }
      this.#cell = cell;
      this.#state = QUEUED;
      this.#watch();
    }
    if (this.#state === QUEUED) {
      const state = this.#permits.state(this.#cell);
      if (state === GRANTED || (state === POKED && this.#permits.claim(this.#cell, this.#wanted))) return this.#done();
      if (state === REFUSED) return this.#close();
      if (state === POKED) this.#watch();                  // somebody was quicker
    }
    restore();
    return PENDING;
  }

  #done(): T {
    this.#stopWaiting();
    this.#state = TAKEN;
    const value = this.#finish();
    this.#state = OVER;
    return value;
  }

  #close(): T {
    this.#stopWaiting();
    this.#state = OVER;
    return this.#refused();
  }

  #startWaiting(): void {
    if (this.#letGo !== undefined) return;
    this.#letGo = keepAlive();
    this.#reactor = context.reactor;
    if (this.#reactor !== null) this.#reactor.hostPending++;
  }

  #stopWaiting(): void {
    this.#letGo?.();
    this.#letGo = undefined;
    if (this.#reactor !== null) this.#reactor.hostPending--;
    this.#reactor = null;
  }

  readonly #look = (): void => {
    if (this.#state !== QUEUED) return;
    if (this.#permits.isWaiting(this.#cell)) {
      this.#permits.reclaim();
      this.#check?.();
      this.#watch();
    } else this.#waker?.wake();
  };

  #watch(): void {
    if (waitAsync === undefined) {
      startTimer(this.#look, 1);
      return;
    }
    const result = waitAsync(this.#permits.words, this.#cell, WAITING, CHECK_MS);
    if (result.async) void (result.value as Promise<string>).then(this.#look);
    else microtask(this.#look);
  }

  override [Symbol.dispose](): void {
    this.#stopWaiting();
    if (this.#state === QUEUED) this.#permits.withdraw(this.#cell, this.#wanted);
    this.#state = OVER;
    this.#waker = undefined;
  }

  override describe(): string {
    return this.#what;
  }
}
