// What test/browser/pages/guest-loop.js must give, in every browser.
import { expect } from "vitest";

interface GuestLoop {
  inFrames: unknown;
  byHand: unknown;
  slices: { frames: number; longestSlice: number; drives: number };
  fair: { fired: number; counted: number; status: string };
  afterMain: unknown;
}

export function expectGuestLoop(value: unknown): void {
  const { inFrames, byHand, slices, fair, afterMain } = value as GuestLoop;
  expect(inFrames).toEqual({ polledAtOnce: 0, counted: 100 * 50 + 2, last: 107, drivesPerFrame: true });
  expect(byHand).toEqual({ before: { counted: 0, alive: 1002, next: -1 }, more: 1, part: 400, hadTimer: true, result: 107, alive: 0 });
  expect(slices.drives).toBeGreaterThan(2);
  expect(slices.longestSlice).toBeLessThan(100);           // asked for 4, and the best of some rounds: the host may hold the page in a slice
  expect(fair.status).toBe("cancelled");
  expect(fair.fired).toBeGreaterThanOrEqual(10);
  expect(fair.counted).toBeGreaterThanOrEqual(10_000);
  expect(afterMain).toEqual({ polls: 5, napped: 5 });
}
