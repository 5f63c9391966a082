// Waiting for permits as a future.

import { Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import { startTimer, whenNotified } from "../host.ts";
import { Hold, isKnownElsewhere } from "./hold.ts";
import { POKED, WAITING } from "./ledger.ts";
import { setWaitingAtWord, type WaitingAtWord } from "../workers/parking.ts";
import { CHECK_MS, FULL, GRANTED, NOW, type Permits, REFUSE, REFUSED } from "./permits.ts";

const FRESH = 0;
const QUEUED = 1;
const OVER = 2;

/**
 * Waiting for permits. Dropping it leaves the queue; a grant that came meanwhile goes to the next.
 */
export class Take<T> extends Operation<T> implements WaitingAtWord {
  readonly #permits: Permits;
  readonly #wanted: number;
  readonly #finish: () => T;
  readonly #refused: () => T;
  readonly #what: string;
  readonly #check: (() => void) | undefined;
  #state = FRESH;
  #cell = 0;
  #waker: Waker | undefined;
  readonly #hold: Hold;

  /**
   * @param refused what closing means: throws, or gives the value that stands for the end
   * @param check called now and then while it waits: whether somebody has died
   */
  constructor(permits: Permits, wanted: number, what: string, finish: () => T, refused: () => T, check?: () => void) {
    super();
    this.#permits = permits;
    this.#hold = new Hold(permits.words);
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
      this.#hold.begin(cell === FULL);
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
      this.#hold.begin();
    }
    restore();
    return PENDING;
  }

  #done(): T {
    this.#stopWaiting();
    this.#state = OVER;
    return this.#finish();
  }

  #close(): T {
    this.#stopWaiting();
    this.#state = OVER;
    return this.#refused();
  }

  #stopWaiting(): void {
    if (!this.#hold.isHeld) return;
    setWaitingAtWord(this, false);
    this.#hold.end();
  }

  // ---- for a thread that is parked

  get words(): Int32Array {
    return this.#permits.words;
  }

  get cell(): number {
    return this.#cell;
  }

  get idle(): number {
    return WAITING;
  }

  get isAnsweredElsewhere(): boolean {
    return isKnownElsewhere(this.#permits.words);
  }

  look(): void {
    if (this.#state === QUEUED && this.#permits.isWaiting(this.#cell)) {
      this.#permits.reclaim();
      this.#check?.();
    } else {
      setWaitingAtWord(this, false);                       // until it waits again
      this.#waker?.wake();
    }
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
    setWaitingAtWord(this, true);
    if (!whenNotified(this.#permits.words, this.#cell, WAITING, this.#look, CHECK_MS)) startTimer(this.#look, 1);
  }

  override [Symbol.dispose](): void {
    this.#stopWaiting();
    if (this.#state === QUEUED) this.#permits.withdraw(this.#cell, this.#wanted);
    this.#state = OVER;
    this.#waker = undefined;
  }

  override get isRepollable(): boolean {
    return true;
  }

  override describe(): string {
    return this.#what;
  }
}
