// The paused clock of a test.

import { OptionError, TokiwaError } from "../errors.ts";
import { type Future, Operation, PENDING, type Waker, yieldToBack } from "../future.ts";
import { show } from "../options.ts";
import { currentScheduler } from "../engine.ts";
import type { CurrentThread } from "../scheduler/current-thread.ts";

/**
 * Stops the clock of the current runtime, at a whole millisecond (rounding up).
 *
 * From then on it moves only by `advance()`, and jumps to the next timer when nothing is ready: tests of
 * long waits take no time.
 *
 * @throws {TokiwaError} `TOKIWA_CLOCK` when it is paused already
 */
export function pause(): void {
  currentScheduler().pauseClock();
}

/** Lets the clock go on from where it stands. @throws {TokiwaError} `TOKIWA_CLOCK` when it is not paused */
export function resume(): void {
  currentScheduler().resumeClock();
}

class Advance extends Operation<void> {
  readonly #scheduler: CurrentThread;
  readonly #ms: number;
  #isDone = false;

  constructor(scheduler: CurrentThread, ms: number) {
    super();
    this.#scheduler = scheduler;
    this.#ms = ms;
  }

  poll(waker: Waker): void | typeof PENDING {
    if (this.#isDone) return undefined;
    this.#scheduler.advanceClock(this.#ms);
    this.#isDone = true;
    yieldToBack(waker);
    return PENDING;
  }

  override describe(): string {
    return `advance(${this.#ms})`;
  }
}

/**
 * Moves the paused clock on by `ms`, and lets what is due run before it is ready itself.
 *
 * @param ms at least 0, finite; fractions are kept
 * @throws {TokiwaError} `TOKIWA_CLOCK` when the clock is not paused
 */
export function advance(ms: number): Future<void> {
  if (typeof ms !== "number" || !(ms >= 0) || ms === Infinity) throw new OptionError(`ms must be a finite number of milliseconds of at least 0, got ${show(ms)}`);
  const scheduler = currentScheduler();
  if (!scheduler.clock.isPaused) throw new TokiwaError("TOKIWA_CLOCK", "advance() needs a paused clock: call pause() first, or start the runtime with startPaused");
  return new Advance(scheduler, ms);
}
