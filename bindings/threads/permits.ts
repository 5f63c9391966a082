// Permits in shared memory: a fair semaphore for threads, which all shared primitives are made of.
//
//   LOCK     0, or the number of the thread that changes the rest; held for a few instructions
//   PERMITS  free permits. With a queue, never enough for its front
//   CLOSED   nobody waits any more
//   HEAD, TAIL  the queue: cells of [state, permits wanted, thread], indices masked when they address a cell
//   TRACKS   whether HOLDERS is kept
//   HOLDERS  pairs of [thread, permits held]: what a dead thread held is given back
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
/** 1: what a dead thread holds is given back. */
const TRACKS = 5;
/** Two words for whoever builds on this. */
export const SPARE = 6;
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

  constructor(permits: number | Int32Array, tracks = true) {
    if (typeof permits !== "number") {
      this.words = permits;
      return;
    }
    this.words = new Int32Array(new SharedArrayBuffer(WORDS * 4));
    this.words[PERMITS] = permits;
    this.words[TRACKS] = tracks ? 1 : 0;
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
      if (spins < 100) continue;
      if (isDead(holder) && Atomics.compareExchange(words, LOCK, holder, me) === holder) return;
      if (mayBlock) Atomics.wait(words, LOCK, holder, 1);
    }
  }

  leave(): void {
    Atomics.store(this.words, LOCK, 0);
    if (mayBlock) Atomics.notify(this.words, LOCK, 1);
  }

  // ---- inside the lock

  #hold(thread: number, count: number): void {
    const { words } = this;
    if (words[TRACKS] === 0) return;
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
      if (words[cell] === WAITING) {
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
      if (words[HEAD] === words[TAIL] && (words[PERMITS] as number) >= wanted) {
        words[PERMITS]! -= wanted;
        this.#hold(ownId(), wanted);
        return NOW;
      }
      if (words[CLOSED] !== 0) return REFUSE;
      if (!mayQueue) return FULL;
      const tail = words[TAIL] as number;
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
    this.#grant();
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
    this.words[cell] = state === WAITING ? LEFT : FREE;
    this.leave();
    if (state === GRANTED) this.release(wanted);
    else if (state === WAITING) this.release(0, 0);        // who waited behind it may be next
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
    if (state !== WAITING) Atomics.store(this.words, cell, FREE);
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
        if (state === GRANTED) return;
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
      if (state === GRANTED) return this.#done();
      if (state === REFUSED) return this.#close();
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
