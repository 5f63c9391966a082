// After Tokio's time_interval.rs.
import { describe, expect, test } from "vitest";
import { Instant, type Interval, interval, intervalAt, PENDING, run, Runtime, select, sleep, type Suspend, timeout } from "tokiwa";
import { advance, task } from "tokiwa/testing";
import { thrown } from "./support/runtimes.ts";

const paused = { startPaused: true };
const held = (main: () => Generator<Suspend, void, unknown>): Promise<void> => run(main, paused);

/** The ticks that are ready now, in ms since `start`; then it is pending. */
function ticks(i: Interval, start: Instant): number[] {
  const found: number[] = [];
  for (;;) {
    const t = task(i.tick());
    const due = t.poll();
    if (due === PENDING) {
      t.drop();
      return found;
    }
    found.push(due.ms - start.ms);
  }
}

/** Advances by each of the steps and compares the ticks that are ready after it. */
function* walk(i: Interval, start: Instant, steps: readonly (readonly [ms: number, expected: readonly number[]])[]): Generator<Suspend, void, unknown> {
  for (const [ms, expected] of steps) {
    yield* advance(ms);
    expect(ticks(i, start)).toEqual(expected);
  }
}

describe("missed ticks", () => {
  test("burst catches up", () => held(function* () {
    const start = Instant.now();
    yield* walk(intervalAt(start, 300), start, [[1, [0]], [100, []], [200, [300]], [650, [600, 900]], [200, []], [100, [1200]], [250, [1500]], [300, [1800]]]);
  }));

  test("delay waits a period from now", () => held(function* () {
    const start = Instant.now();
    yield* walk(intervalAt(start, 300, { missedTickBehavior: "delay" }), start, [[1, [0]], [100, []], [200, [300]], [650, [600]], [100, []], [201, [1251]], [300, [1551]], [300, [1851]]]);
  }));

  test("skip keeps the rhythm", () => held(function* () {
    const start = Instant.now();
    const i = intervalAt(start, 300);
    i.missedTickBehavior = "skip";
    expect(i.missedTickBehavior).toBe("skip");
    yield* walk(i, start, [[1, [0]], [100, []], [200, [300]], [650, [600]], [250, [1200]], [300, [1500]], [300, [1800]]]);
  }));

  test.each(["burst", "delay", "skip"] as const)("5 ms of lateness is not a missed tick (%s)", (missedTickBehavior) => held(function* () {
    const start = Instant.now();
    yield* walk(intervalAt(start, 100, { missedTickBehavior }), start, [[0, [0]], [105, [100]], [95, [200]], [100, [300]]]);
  }));

  test("6 ms are", () => held(function* () {
    const start = Instant.now();
    yield* walk(intervalAt(start, 100, { missedTickBehavior: "delay" }), start, [[0, [0]], [106, [100]], [99, []], [1, [206]]]);
  }));
});

describe("resets", () => {
  const cases: [string, (i: Interval) => void, [number, number[]][]][] = [
    ["reset: a period from now", (i) => i.reset(), [[250, []], [50, [701]], [300, [1001]]]],
    ["resetImmediately: now", (i) => i.resetImmediately(), [[0, [401]], [100, []], [200, [701]]]],
    ["resetAfter: after so many ms", (i) => i.resetAfter(20), [[20, [421]], [100, []], [200, [721]]]],
    ["resetAt: then", (i) => i.resetAt(Instant.now().add(40)), [[40, [441]], [100, []], [200, [741]]]],
    ["resetAt: later than a period", (i) => i.resetAt(Instant.now().add(1000)), [[1000, [1401]], [300, [1701]]]],
  ];
  test.each(cases)("%s", (_, reset, after) => held(function* () {
    const start = Instant.now();
    const i = intervalAt(start, 300);
    yield* walk(i, start, [[1, [0]], [100, []], [200, [300]], [100, []]]);
    reset(i);
    yield* walk(i, start, after);
  }));
});

test("the first tick comes at once, the period is told", () => run(async () => {
  const start = Instant.now();
  const i = interval(50);
  expect(i.period).toBe(50);
  expect((await i.tick()).ms).toBe(start.ms);
  expect((await i.tick()).ms).toBe(start.ms + 50);
  expect(start.elapsed()).toBe(50);
}, paused));

test("dropping a pending tick loses none", () => run(async () => {
  const start = Instant.now();
  const i = interval(50);
  await i.tick();
  for (let k = 0; k < 5; k++) await timeout(7, i.tick()).then(() => expect.unreachable(), () => {});
  expect((await select({ tick: i.tick(), late: sleep(1000) })).name).toBe("tick");
  expect(start.elapsed()).toBe(50);
}, paused));

test("is an async iterable; leaving the loop stops it and it can be used again", () => run(async () => {
  const start = Instant.now();
  const i = interval(10);
  const seen: number[] = [];
  for await (const due of i) {
    seen.push(due.ms - start.ms);
    if (seen.length === 3) break;
  }
  expect(seen).toEqual([0, 10, 20]);
  for await (const due of i) { seen.push(due.ms - start.ms); break; }
  expect(seen).toEqual([0, 10, 20, 30]);
  expect(Runtime.current.metrics().timers).toBe(0);
}, paused));

test("a period of Infinity ticks once", () => run(async () => {
  const i = interval(Infinity);
  await i.tick();
  expect((await select({ tick: i.tick(), other: sleep(1e9) })).name).toBe("other");
}, paused));

test("bad arguments name what may be", () => run(async () => {
  for (const bad of [0, -1, NaN, "5", null, undefined, 1n]) {
    expect(thrown(() => interval(bad as number))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
    expect(thrown(() => intervalAt(Instant.now(), bad as number))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  }
  expect((thrown(() => interval(0)) as Error).message).toContain("got 0");
  for (const bad of [0, {}, null, undefined]) expect(thrown(() => intervalAt(bad as never, 5))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  for (const bad of [null, 5, "burst", []]) expect(thrown(() => interval(5, bad as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  expect(thrown(() => interval(5, { missedTickBehavior: "none" as never }))).toMatchObject({ code: "TOKIWA_BAD_OPTION", message: expect.stringContaining('"burst", "delay", "skip"') });
  expect(thrown(() => interval(5, { missedTickBehavior: null as never }))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  const i = interval(5);
  expect(thrown(() => { i.missedTickBehavior = "x" as never; })).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  for (const bad of [-1, NaN, "1", null]) expect(thrown(() => i.resetAfter(bad as number))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  expect(thrown(() => i.resetAt(5 as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
}));
