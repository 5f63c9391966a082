// After Tokio's time_pause.rs and rt_time_start_paused.rs; sleeps that jump are in time_sleep.test.ts.
import { describe, expect, test } from "vitest";
import { future, Instant, intervalAt, PENDING, Runtime, run, sleep, sleepUntil, spawn, type Waker } from "tokiwa";
import { advance, pause, resume, task } from "tokiwa/testing";
import { forEachRuntime, thrown } from "./support/runtimes.ts";

const paused = { startPaused: true };

forEachRuntime(({ fn, run }) => {
  test("a runtime may start paused: time moves by what is slept only", () => run(function* () {
    const now = Instant.now();
    expect(now.elapsed()).toBe(0);
    yield sleep(1);
    expect(now.elapsed()).toBe(1);
    yield sleep(1);
    expect(now.elapsed()).toBe(2);
  }, paused));

  test("pause() in the main and in a task", () => run(function* () {
    const start = Instant.now();
    pause();
    const handle = spawn(fn(function* () {
      yield sleep(1000);
      resume();
    }));
    yield handle;
    expect(start.elapsed()).toBeGreaterThanOrEqual(1000);
  }));

  test("a thousand sleeps one after the other are exact", () => run(function* () {
    const start = Instant.now();
    let sum = 0;
    for (let i = 0; i < 1000; i++) {
      const ms = (i * 7919) % 1000;
      yield sleep(ms);
      sum += ms;
      expect(start.elapsed()).toBe(sum);
    }
  }, paused));

  test.each([true, false])("advance() moves the clock exactly, with a sleep polled before it: %s", (isPolled) => run(function* () {
    const start = Instant.now();
    yield advance(1);
    const s = task(sleepUntil(start.add(300)));
    if (isPolled) expect(s.poll()).toBe(PENDING);
    const before = Instant.now();
    yield advance(100);
    expect(before.elapsed()).toBe(100);
    expect(s.poll()).toBe(PENDING);
    s.drop();
  }, paused));

  test.each([true, false])("in the same future, polled before: %s", (isPolled) => run(function* () {
    const start = Instant.now();
    yield advance(1);
    const s = sleepUntil(start.add(300));
    let step = 0;
    let before = start;
    let moving = advance(0);
    yield future((waker: Waker) => {
      if (step === 0) {
        if (isPolled) expect(s.poll(waker)).toBe(PENDING);
        before = Instant.now();
        moving = advance(100);
        step = 1;
      }
      if (moving.poll(waker) === PENDING) return PENDING;
      expect(before.elapsed()).toBe(100);
      expect(s.poll(waker)).toBe(PENDING);
      return undefined;
    });
    s[Symbol.dispose]();
  }, paused));

  test("an interval ticks as the clock is advanced", () => run(function* () {
    const start = Instant.now();
    yield advance(1);
    const i = intervalAt(start, 300);
    const next = (): number | undefined => {
      const tick = task(i.tick());
      const due = tick.poll();
      if (due !== PENDING) return due.ms - start.ms;
      tick.drop();
      return undefined;
    };
    expect([next(), next()]).toEqual([0, undefined]);
    for (const [ms, ...ticks] of [[100, undefined], [200, 300, undefined], [400, 600, undefined], [500, 900, 1200, undefined]] as const) {
      const before = Instant.now();
      yield advance(ms as number);
      expect(before.elapsed()).toBe(ms);
      for (const due of ticks) expect(next()).toBe(due);
    }
  }, paused));

  test.each([[51.592, 0.001], [3.141592, 3.123456], [1, 1]])("advance(%s), advance(%s) keep fractions", (first, second) => run(function* () {
    for (const ms of [first, second]) {
      const before = Instant.now();
      yield advance(ms);
      expect(before.elapsed()).toBeCloseTo(ms, 9);
    }
  }, paused));

  test("a long sleep is not woken by an advance of fractions", () => run(function* () {
    const start = Instant.now();
    yield advance(1);
    const s = task(sleepUntil(start.add(60_000)));
    expect(s.poll()).toBe(PENDING);
    yield advance(51.592);
    expect([s.isWoken, s.poll()]).toEqual([false, PENDING]);
    s.drop();
  }, paused));

  test.each([[[0.25], [1.5]], [[0.25, 0.25, 0.25], [0.25]]])("a sleep of 1 ms is pending after %s and woken after %s more", (before, after) => run(function* () {
    const s = task(sleep(1));
    expect(s.poll()).toBe(PENDING);
    for (const ms of before) {
      yield advance(ms);
      expect(s.poll()).toBe(PENDING);
    }
    for (const ms of after) yield advance(ms);
    expect(s.isWoken).toBe(true);
    expect(s.poll()).toBe(undefined);
  }, paused));
});

describe("two runs with the same seed", () => {
  test("take the same time", async () => {
    const walk = async (): Promise<number[]> =>
      run(async () => {
        const start = Instant.now();
        const trace: number[] = [];
        await Promise.all([3, 5, 7].map((ms) => spawn(async () => {
          for (let i = 0; i < 20; i++) {
            await sleep(ms * (i % 4));
            trace.push(ms, start.elapsed());
          }
        })));
        return trace;
      }, { ...paused, seed: 1 });
    expect(await walk()).toEqual(await walk());
  });
});

test("pausing twice, resuming a clock that runs, and advancing it are mistakes with a name", async () => {
  const runtime = new Runtime();
  runtime.enter(() => {
    expect(thrown(() => resume())).toMatchObject({ name: "TokiwaError", code: "TOKIWA_CLOCK" });
    expect(thrown(() => advance(1))).toMatchObject({ code: "TOKIWA_CLOCK" });
    pause();
    expect(thrown(() => pause())).toMatchObject({ code: "TOKIWA_CLOCK" });
    resume();
  });
  await runtime.shutdown();
});

// No meaning in JavaScript: pause_time_in_main_threads and pause_time_in_spawn_threads (a clock belongs to one runtime, and any may pause its own).
