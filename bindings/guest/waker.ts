// A waker of a guest's task that travels to other threads: for guests in shared memory, whose main thread has a box there.

import { BOX, BOX_CAPACITY, BOX_HEAD, BOX_LOCK, BOX_OVERFLOW, BOX_SIGNAL, BOX_TAIL } from "../../assembly/loops/layout.ts";
import { mayBlock } from "../host.ts";
import { PACK, packablesExist, registerPackable } from "../workers/sendable.ts";

interface State {
  readonly buffer: SharedArrayBuffer;
  /** First word of the guest's root. */
  readonly root: number;
  readonly task: number;
}

const TYPE = "guest-waker";
/** Rounds before a thread that may wait does. */
const SPINS = 100;

/**
 * Wakes one task of a guest from any thread: an argument like any other.
 *
 * @example await thread.exec((waker) => waker.wake(), guest.waker(task));
 */
export class GuestWaker {
  readonly #state: State;
  readonly #words: Int32Array;

  /** @internal */
  constructor(state: State) {
    this.#state = state;
    this.#words = new Int32Array(state.buffer);
    Object.defineProperty(this, PACK, { value: () => ({ type: TYPE, state }) });       // a method with a computed name would be in every bundle
    packablesExist();
  }

  /** Has the task polled. One that has ended is left alone. */
  wake(): void {
    const words = this.#words;
    const root = this.#state.root >>> 2;
    const at = (offset: number): number => root + (offset >>> 2);
    for (let spins = 0; Atomics.compareExchange(words, at(BOX_LOCK), 0, 1) !== 0; spins++) {
      if (spins > SPINS && mayBlock) Atomics.wait(words, at(BOX_LOCK), 1, 0.1);
    }
    const tail = words[at(BOX_TAIL)] as number;
    if (((tail - (words[at(BOX_HEAD)] as number)) >>> 0) < BOX_CAPACITY) {
      words[at(BOX) + (tail & (BOX_CAPACITY - 1))] = this.#state.task;
      words[at(BOX_TAIL)] = tail + 1;
    } else Atomics.store(words, at(BOX_OVERFLOW), 1);
    Atomics.store(words, at(BOX_LOCK), 0);
    Atomics.add(words, at(BOX_SIGNAL), 1);
    Atomics.notify(words, at(BOX_SIGNAL), 1);
  }
}

/** In whatever thread may be given one. */
export function registerWakers(): void {
  registerPackable<State>(TYPE, (state) => new GuestWaker(state));
}
