// What is over leaves nothing behind: units, timers, waiters, heap. After Tokio's rt_metrics.rs, too.
import { describe, expect, test } from "vitest";
import { future, join, PENDING, Runtime, select, sleep, spawn, timeout, yieldNow } from "tokiwa";
import { collectGarbage } from "./support/lanes.ts";
import { settle } from "./support/runtimes.ts";

const IDLE = { tasksAlive: 0, timers: 0, queueDepth: 0 };

/** Bytes of heap in use after a collection. */
async function heap(): Promise<number> {
  await settle(2);
  collectGarbage();
  await settle(2);
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

const MEGABYTE = 2 ** 20;

/**
 * How much the heap grows from the second round to the last: the first one fills pools and tables. The least of some such measurements:
 * what leaks leaks in each.
 */
async function growth(round: () => Promise<void>, rounds = 4): Promise<number> {
  await round();
  await round();
  let least = Infinity;
  for (let tries = 3; tries > 0 && least >= MEGABYTE; tries--) {
    const before = await heap();
    for (let i = 0; i < rounds; i++) await round();
    least = Math.min(least, (await heap()) - before);
  }
  return least;
}

test("the heap is flat after a million spawns", async () => {
  await using runtime = new Runtime();
  const body = function* (n: number) { yield* yieldNow(); return n; };
  const grown = await growth(async () => {
    for (let k = 0; k < 170; k++) {
      const handles = Array.from({ length: 1000 }, (_, i) => runtime.spawn(body, i));
      for (const handle of handles) await handle;
    }
  });
  expect(grown).toBeLessThan(3 * MEGABYTE);
  expect(runtime.metrics()).toMatchObject(IDLE);
}, 60_000);

test("a million aborted sleeps leave no timer, no unit and no heap", async () => {
  await using runtime = new Runtime();
  const body = function* () { yield* sleep(1e9); };
  const grown = await growth(async () => {
    for (let k = 0; k < 17; k++) {
      const handles = Array.from({ length: 10_000 }, () => runtime.spawn(body));
      runtime.drive({ ms: 10_000 });
      expect(runtime.metrics().timers).toBe(10_000);
      for (const handle of handles) handle.abort();
      runtime.drive({ ms: 10_000 });
      expect(runtime.metrics()).toMatchObject(IDLE);
    }
  });
  expect(grown).toBeLessThan(3 * MEGABYTE);
}, 60_000);

describe("one handle", () => {
  test("cancelled selects over it hold nothing", async () => {
    await using runtime = new Runtime();
    const handle = runtime.spawn(future<void>(() => PENDING));
    const grown = await growth(() => runtime.run(function* () {
      for (let i = 0; i < 50_000; i++) yield* select({ handle, ready: future(() => i) }, { biased: true });
    }));
    expect(grown).toBeLessThan(MEGABYTE);
    handle.abort();
  }, 60_000);

  test("aborted waiters, with yield* and await and timeout, hold nothing", async () => {
    await using runtime = new Runtime();
    const handle = runtime.spawn(future<void>(() => PENDING));
    const grown = await growth(async () => {
      for (const body of [function* () { yield* handle; }, async () => { await handle; }, function* () { yield* handle.result(); }, function* () { yield* timeout(1e9, handle); }]) {
        for (let k = 0; k < 5; k++) {
          const waiters = Array.from({ length: 1000 }, () => runtime.spawn(body as () => void));
          await settle(1);
          for (const waiter of waiters) waiter.abort();
          while (runtime.metrics().tasksAlive > 1) await settle(1);
        }
      }
    });
    expect(grown).toBeLessThan(2 * MEGABYTE);
    expect(runtime.metrics().timers).toBe(0);
    handle.abort();
  }, 60_000);
});

test("async functions, their awaits and their signals", async () => {
  await using runtime = new Runtime();
  const grown = await growth(async () => {
    await runtime.run(async () => {
      for (let k = 0; k < 20; k++) {
        await Promise.all(Array.from({ length: 500 }, () => spawn(async () => { await yieldNow(); await join(sleep(0), timeout(1000, sleep(0))); })));
      }
    });
  });
  expect(grown).toBeLessThan(2 * MEGABYTE);
  expect(runtime.metrics()).toMatchObject(IDLE);
}, 60_000);

test("runtimes that come and go give their memory back", async () => {
  const grown = await growth(async () => {
    for (let i = 0; i < 500; i++) {
      const runtime = new Runtime();
      runtime.spawn(async () => { await sleep(1e9); });
      runtime.drive({ ms: 60_000 });
      await runtime.shutdown();
    }
  });
  expect(grown).toBeLessThan(2 * MEGABYTE);
}, 60_000);

test("metrics() counts tasks, polls, timers, drives and slices", async () => {
  await using runtime = new Runtime({ lane: "manual", timeSlice: 60_000 });
  const before = runtime.metrics();
  expect(before).toMatchObject({ ...IDLE, tasksSpawned: 0, polls: 0, drives: 0, longestSlice: 0 });
  const sleeper = runtime.spawn(function* () { yield* sleep(1e6); });
  const yielder = runtime.spawn(function* () { for (let i = 0; i < 200; i++) yield* yieldNow(); });
  expect(runtime.metrics()).toMatchObject({ tasksAlive: 2, tasksSpawned: 2, queueDepth: 2, polls: 0 });
  runtime.drive({ ms: 60_000 });
  const after = runtime.metrics();
  expect(after).toMatchObject({ tasksAlive: 1, tasksSpawned: 2, queueDepth: 0, timers: 1, drives: 1, polls: 202 });
  expect(yielder.isFinished).toBe(true);
  expect(after.longestSlice).toBeGreaterThan(0);
  for (const histogram of [after.sliceTimes, after.pollTimes]) {
    expect(histogram.bounds).toHaveLength(histogram.counts.length);
    expect(histogram.bounds.at(-1)).toBe(Infinity);
    expect([...histogram.bounds].sort((a, b) => a - b)).toEqual(histogram.bounds);
  }
  expect(after.sliceTimes.counts.reduce((a, b) => a + b)).toBe(1);
  const timed = after.pollTimes.counts.reduce((a, b) => a + b);      // some polls are timed, not all
  expect(timed).toBeGreaterThan(0);
  expect(timed).toBeLessThanOrEqual(after.polls);
  sleeper.abort();
  runtime.drive({ ms: 60_000 });
  expect(runtime.metrics()).toMatchObject(IDLE);
});
