// A histogram of durations in powers of two, from 1 microsecond to about a second.

const BUCKETS = 21;

/** How many durations fell below each bound, and above the one before. */
export interface HistogramSnapshot {
  /** Upper bounds in ms, the last one Infinity. */
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
}

export class Histogram {
  readonly counts: number[] = new Array<number>(BUCKETS + 1).fill(0);

  record(durationMs: number): void {
    const us = durationMs * 1000;
    const bucket = us < 1 ? 0 : Math.min(BUCKETS, Math.floor(Math.log2(us)) + 1);
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
  }
}

export function snapshotOf({ counts }: Histogram): HistogramSnapshot {
  return {
    bounds: counts.map((_, i) => (i === BUCKETS ? Infinity : 2 ** i / 1000)),
    counts: [...counts],
  };
}
