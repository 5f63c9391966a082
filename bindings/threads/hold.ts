// What a wait at a shared primitive holds while another thread may answer: the process, and a thread that is parked in `blockOn()`.
//
// Of a primitive that was not passed to anybody yet only this thread knows. Then nobody but its own tasks can bring the wait on, and when nothing
// is left that could bring those on the program is stuck, and named so (`DeadlockError`). Where the host may forget a
// notification when its loop has run dry, such a wait holds it like any other.

import { context, type Reactor } from "../future.ts";
import { keepAlive, nodeMajor } from "../host.ts";

/** Memory of primitives that only this thread knows. */
const secret = new WeakSet<ArrayBufferLike>();
/** Waits in such memory. */
const waiting = new Set<Hold>();

/** This thread has just made it. */
export function madeHere(words: Int32Array): Int32Array {
  secret.add(words.buffer);
  return words;
}

/** Somebody else is told of it. */
export function passedOn(words: Int32Array): Int32Array {
  if (secret.delete(words.buffer)) for (const hold of [...waiting]) hold.look();
  return words;
}

export function isKnownElsewhere(words: Int32Array): boolean {
  return !secret.has(words.buffer);
}

export class Hold {
  readonly #words: Int32Array;
  #letGo: (() => void) | undefined;
  #reactor: Reactor | null = null;
  #isCounted = false;
  #isHeld = false;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /**
   * Again: for the runtime that polls now, if none did before. The first poll of an await is for nobody.
   *
   * @param needsHost a timer of the host's is part of the wait
   */
  begin(needsHost = false): void {
    this.#isHeld = true;
    this.#reactor ??= context.reactor;
    if (needsHost || isKnownElsewhere(this.#words)) this.#take();
    else {
      waiting.add(this);
      if (nodeMajor === 0) this.#letGo ??= keepAlive();
    }
  }

  /** Its memory is known elsewhere now, perhaps. */
  look(): void {
    if (!isKnownElsewhere(this.#words)) return;
    waiting.delete(this);
    this.#take();
  }

  #take(): void {
    this.#letGo ??= keepAlive();
    if (this.#isCounted || this.#reactor === null) return;
    this.#isCounted = true;
    this.#reactor.hostPending++;
  }

  end(): void {
    this.#isHeld = false;
    waiting.delete(this);
    this.#letGo?.();
    this.#letGo = undefined;
    if (this.#isCounted && this.#reactor !== null) this.#reactor.hostPending--;
    this.#isCounted = false;
    this.#reactor = null;
  }
}
