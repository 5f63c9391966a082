// A host's timer may fire before its time (Node counts in whole milliseconds of another clock). The host's functions
// are taken when the package is loaded, so this file replaces them first and loads it afterwards.

import { expect, test } from "vitest";

const setTimer = globalThis.setTimeout;

test("a host timer that fires early is armed again, until the sleep is over", async () => {
  const early = ((fn: () => void, delayMs = 0) => setTimer(fn, Math.max(0, delayMs - 4))) as typeof setTimeout;
  globalThis.setTimeout = early;
  const { Instant, run, sleep } = await import("tokiwa");
  globalThis.setTimeout = setTimer;

  const start = Instant.now();
  const trace: string[] = [];
  await Promise.race([
    run(function* () {
      for (const ms of [5, 10, 20]) {
        yield* sleep(ms);
        trace.push(`slept ${ms}`);
      }
    }),
    new Promise((resolve) => setTimer(resolve, 30_000)),
  ]);

  expect(trace).toEqual(["slept 5", "slept 10", "slept 20"]);
  expect(start.elapsed()).toBeGreaterThanOrEqual(35);
});
