// The clock of a scheduler: the host's monotonic one, or a virtual one that tests hold.
//
// A paused clock stands on a whole millisecond (pausing rounds up), moves only by
// `advance()` or when the scheduler finds that nothing can happen before the next timer,
// and continues from where it stood when it is resumed. It never goes back.

import { TokiwaError } from "./errors.ts";
import { monotonicNow } from "./host.ts";

export class Clock {
  #paused = false;
  /** Virtual time while paused, in ms. */
  #standing = 0;
  /** How far the virtual clock is ahead of the host's, in ms. */
  #ahead = 0;

  get isPaused(): boolean {
    return this.#paused;
  }

  /** Milliseconds since the process started, read afresh. */
  now(): number {
    return this.#paused ? this.#standing : monotonicNow() + this.#ahead;
  }

  /** The clock's time at a host time that was read already. */
  at(hostNow: number): number {
    return this.#paused ? this.#standing : hostNow + this.#ahead;
  }

  pause(): void {
    if (this.#paused) throw new TokiwaError("TOKIWA_CLOCK", "the clock is paused already");
    this.#standing = Math.ceil(this.now());
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) throw new TokiwaError("TOKIWA_CLOCK", "the clock is not paused");
    this.#ahead = this.#standing - monotonicNow();
    this.#paused = false;
  }

  /** Moves a paused clock on by `ms`. */
  advance(ms: number): void {
    if (!this.#paused) throw new TokiwaError("TOKIWA_CLOCK", "advance() needs a paused clock: call pause() first, or start the runtime with startPaused");
    this.#standing += ms;
  }

  /** Moves a paused clock on to `tick`, if that is later. */
  jumpTo(tick: number): void {
    if (tick > this.#standing) this.#standing = tick;
  }
}
