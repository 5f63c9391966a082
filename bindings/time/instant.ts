// A point in time of the current clock.

import { OptionError } from "../errors.ts";
import { show } from "../options.ts";
import { currentNow } from "../engine.ts";

/** A moment: milliseconds since the process (or page) started, monotonic, with fractions. */
export class Instant {
  /** Milliseconds since the process started. */
  readonly ms: number;

  /** @param ms milliseconds since the process started; `Infinity` is a moment that never comes */
  constructor(ms: number) {
    if (typeof ms !== "number" || Number.isNaN(ms)) throw new OptionError(`ms must be a number of milliseconds, got ${show(ms)}`);
    this.ms = ms;
  }

  /** Now, on the clock of the current runtime (which may be paused), read afresh. */
  static now(): Instant {
    return new Instant(currentNow());
  }

  /** Milliseconds from this moment until now, at least 0. */
  elapsed(): number {
    return Math.max(0, currentNow() - this.ms);
  }

  add(ms: number): Instant {
    return new Instant(this.ms + checkNumber(ms));
  }

  sub(ms: number): Instant {
    return new Instant(this.ms - checkNumber(ms));
  }

  /** Milliseconds since `earlier`; 0 if that is later. */
  durationSince(earlier: Instant): number {
    const difference = this.ms - checkInstant("earlier", earlier).ms;
    return difference > 0 ? difference : 0;
  }

  compare(other: Instant): -1 | 0 | 1 {
    const { ms } = checkInstant("other", other);
    return this.ms < ms ? -1 : this.ms > ms ? 1 : 0;
  }
}

function checkNumber(ms: number): number {
  if (typeof ms !== "number" || Number.isNaN(ms)) throw new OptionError(`ms must be a number of milliseconds, got ${show(ms)}`);
  return ms;
}

/** Whether this is one of ours, or of another copy of the package. */
function isInstant(value: unknown): value is Instant {
  if (value instanceof Instant) return true;
  const copy = value as Partial<Instant> | null | undefined;
  return typeof copy?.ms === "number" && typeof copy.durationSince === "function";
}

export function checkInstant(name: string, value: unknown): Instant {
  if (!isInstant(value)) throw new OptionError(`${name} must be an Instant, got ${show(value)}`);
  return value;
}
