// Ticks at a fixed period, by Tokio's rules for ticks that were missed.

import { OptionError } from "../errors.ts";
import { type Future, Operation, PENDING, type Waker } from "../future.ts";
import { checkDuration, checkOneOf, checkOptions, show } from "../options.ts";
import { checkInstant, Instant } from "./instant.ts";
import { type Sleep, sleepUntil } from "./sleep.ts";

/** What happens after ticks were missed: catch up at once, wait a period from now, or keep the rhythm and leave them out. */
export type MissedTickBehavior = "burst" | "delay" | "skip";

export interface IntervalOptions {
  /** Default `"burst"`. */
  missedTickBehavior?: MissedTickBehavior;
}

const BEHAVIORS = ["burst", "delay", "skip"] as const;
/** Lateness in ms that is not yet a missed tick; the number is Tokio's. */
const TOLERANCE_MS = 5;

/** Ticks for ever; made by `interval()`. */
export class Interval implements AsyncIterable<Instant> {
  /** Milliseconds between ticks. */
  readonly period: number;
  #behavior: MissedTickBehavior;
  readonly #sleep: Sleep;

  /** @internal */
  constructor(start: Instant, period: number, behavior: MissedTickBehavior) {
    this.period = period;
    this.#behavior = behavior;
    this.#sleep = sleepUntil(start);
  }

  get missedTickBehavior(): MissedTickBehavior {
    return this.#behavior;
  }

  set missedTickBehavior(behavior: MissedTickBehavior) {
    this.#behavior = checkOneOf("missedTickBehavior", behavior, BEHAVIORS);
  }

  /** Waits for the next tick; gives the moment it was due. Cancel safe: dropping it loses no tick. */
  tick(): Future<Instant> {
    return new Tick(this.#sleep, (due) => this.#schedule(due));
  }

  #schedule(due: Instant): void {
    const now = Instant.now();
    let next = due.ms + this.period;
    if (now.ms > due.ms + TOLERANCE_MS) {
      if (this.#behavior === "delay") next = now.ms + this.period;
      else if (this.#behavior === "skip") next = now.ms + this.period - ((now.ms - due.ms) % this.period);
    }
    this.#sleep.reset(new Instant(next));
  }

  /** The next tick comes a period from now. */
  reset(): void {
    this.resetAfter(this.period);
  }

  /** The next tick comes at once. */
  resetImmediately(): void {
    this.#sleep.reset(Instant.now());
  }

  /** The next tick comes after `ms`. */
  resetAfter(ms: number): void {
    this.#sleep.reset(Instant.now().add(checkDuration("ms", ms)));
  }

  /** The next tick comes at that moment. */
  resetAt(instant: Instant): void {
    this.#sleep.reset(checkInstant("instant", instant));
  }

  /** Ticks for ever; leaving the loop stops it, and the interval can be used again. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Instant, void, undefined> {
    for (;;) yield await this.tick();
  }
}

class Tick extends Operation<Instant> {
  readonly #sleep: Sleep;
  readonly #next: (due: Instant) => void;

  constructor(sleep: Sleep, next: (due: Instant) => void) {
    super();
    this.#sleep = sleep;
    this.#next = next;
  }

  poll(waker: Waker): Instant | typeof PENDING {
    if (this.#sleep.poll(waker) === PENDING) return PENDING;
    const due = this.#sleep.deadline;
    this.#next(due);
    return due;
  }

  override [Symbol.dispose](): void {
    this.#sleep[Symbol.dispose]();                         // the deadline stays: the next tick() takes it up
  }

  override describe(): string {
    return "a tick of an interval";
  }
}

/**
 * Ticks every `ms` milliseconds, the first time at once.
 *
 * @param ms more than 0
 * @example for await (const due of interval(100)) draw(due.ms);
 */
export function interval(ms: number, options?: IntervalOptions): Interval {
  return intervalAt(Instant.now(), ms, options);
}

/** As `interval()`, with the first tick at `start`. */
export function intervalAt(start: Instant, ms: number, options?: IntervalOptions): Interval {
  checkInstant("start", start);
  if (!(checkDuration("ms", ms) > 0)) throw new OptionError(`ms must be more than 0, got ${show(ms)}`);
  const { missedTickBehavior } = checkOptions<IntervalOptions>("options", options);
  return new Interval(start, ms, missedTickBehavior === undefined ? "burst" : checkOneOf("missedTickBehavior", missedTickBehavior, BEHAVIORS));
}
