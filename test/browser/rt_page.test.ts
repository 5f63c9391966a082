// The runtime in a page: see pages/runtime.js for the programs.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PageHarness } from "../support/browser.ts";
import type { Scenario } from "../support/server.ts";

let harness: PageHarness;
beforeAll(async () => {
  harness = await PageHarness.start();
});
afterAll(() => harness.close());

const play = async <T>(scenario: Scenario, argument: string): Promise<T> => (await harness.run<T>(scenario, "test/browser/pages/runtime.js", { argument })).value;

describe.each(["plain", "strict", "isolated"] as const)("%s page", (scenario) => {
  test("an async function is aborted where it waits, its finally block runs", async () => {
    expect(await play(scenario, "abortAsync")).toEqual({ trace: ["first", "finally"], status: "cancelled", cause: "why" });
  });

  test("currentTask().own() reaches past a foreign await", async () => {
    expect(await play(scenario, "own")).toEqual({ trace: ["TOKIWA_CANCELLED"], status: "cancelled" });
  });

  test("tasks that take turns see themselves", async () => {
    expect(await play(scenario, "current")).toEqual(["own", "own", "own"]);
  });

  test("every lane runs, manual only when driven", async () => {
    expect(await play(scenario, "lanes")).toEqual({ auto: "auto", microtask: "microtask", macrotask: "macrotask", frame: "frame", manual: [0, 3] });
  });

  test("blockOn runs what is ready, then says why it cannot wait", async () => {
    expect(await play(scenario, "blockOn")).toEqual({
      value: 5,
      codes: ["WouldBlockError TOKIWA_WOULD_BLOCK", "WouldBlockError TOKIWA_WOULD_BLOCK", "DeadlockError TOKIWA_DEADLOCK"],
      trace: ["ready work"],
      timers: 0,
      after: "usable",
    });
  });

  test("blockOn in a worker parks between timers", async () => {
    const { value } = await harness.run(scenario, "test/browser/pages/park.js");
    expect(value).toEqual([1, 2, 3]);
  });

  test("no sleep is early", async () => {
    expect(await play(scenario, "clock")).toBe(true);
  });
});

test("lane frame drives once a frame, and frames go on under a task that always yields", async () => {
  const { frames, drives } = await play<{ frames: number; drives: number }>("plain", "frames");
  expect(frames).toBe(20);
  expect(drives).toBeLessThanOrEqual(frames + 3);
});

test("a task that yields for ever starves neither frames nor timers nor messages of the page", async () => {
  let seen = { frames: 0, timers: 0, messages: 0 };        // of a second in which the host has not held the page for most of it
  for (let tries = 5; tries > 0 && !(seen.frames > 12 && seen.timers > 8 && seen.messages > 20); tries--) seen = await play("plain", "fair");
  const { frames, timers, messages } = seen;
  expect(frames).toBeGreaterThan(12);                      // 60 on an idle machine; 10 and no timer when turns were taken with priority
  expect(timers).toBeGreaterThan(8);
  expect(messages).toBeGreaterThan(20);
});

test.each(["plain", "strict"] as const)("a million ready tasks leave the page its turns (%s)", async (scenario) => {
  const seen = await play<{ done: number; turns: number; median: number; p90: number; longestSlice: number; drives: number; timer: number }>(scenario, "slices");
  expect(seen.done).toBe(1_000_000);
  expect(seen.turns).toBeGreaterThan(10);
  expect(seen.median).toBeLessThan(40);                    // the slice is 4 ms; collections and other processes take the rest
  expect(seen.timer).toBeLessThan(500);                    // alike
});
