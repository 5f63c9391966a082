// After Tokio's time_sleep.rs, time_pause.rs and rt_time_start_paused.rs; what has no meaning here is listed at the foot.
import { describe, expect, test } from "vitest";
import { future, Instant, join, PENDING, run, Runtime, select, setDefaultRuntime, type Sleep, sleep, sleepUntil, spawn, type Suspend, timeout, type Waker, yieldNow } from "tokiwa";
import { advance, pause, resume, task } from "tokiwa/testing";
import { forEachRuntime, settle, thrown } from "./support/runtimes.ts";

const paused = { startPaused: true };

forEachRuntime(({ fn, run }) => {
  test("a sleep of 0 is ready at once, or at the next tick", () => run(function* () {
    const start = Instant.now();
    yield sleep(0);
    expect(start.elapsed()).toBe(0);
  }, paused));

  test("isElapsed tells whether the deadline has passed", () => run(function* () {
    const s = sleep(10);
    expect(s.isElapsed).toBe(false);
    yield s;
    expect(s.isElapsed).toBe(true);
  }, paused));

  test.each([1, 10, 60, 63, 64, 65, 100, 1000, 4095, 4096, 4097, 262_143, 262_144])("a sleep of %i ms ends exactly then", (ms) => run(function* () {
    const start = Instant.now();
    yield sleep(ms);
    expect(start.elapsed()).toBe(ms);
  }, paused));

  test("sleeps end in the order of their deadlines", () => run(function* () {
    const trace: number[] = [];
    const body = fn(function* (ms: number) { yield sleep(ms); trace.push(ms); });
    const handles = [50, 10, 4000, 64, 63, 300_000, 1].map((ms) => spawn(body, ms));
    for (const handle of handles) yield handle;
    expect(trace).toEqual([1, 10, 50, 63, 64, 4000, 300_000]);
  }, paused));

  test("advance() lets what is due run before it is ready itself", () => run(function* () {
    const trace: string[] = [];
    const handle = spawn(fn(function* () { yield sleep(10); trace.push("sleeper"); }));
    yield yieldNow();
    yield yieldNow();
    yield advance(10);
    trace.push("advance");
    yield handle;
    expect(trace).toEqual(["sleeper", "advance"]);
  }, paused));

  test("the deadline is fixed at the call, the timer set at the first poll", () => run(function* () {
    const s = sleep(10);
    yield advance(7);
    const start = Instant.now();
    yield s;
    expect(start.elapsed()).toBe(3);
  }, paused));

  test("a paused clock jumps to the next timer when nothing is ready", () => run(function* () {
    const start = Instant.now();
    const real = performance.now();
    yield sleep(86_400_000);
    expect(start.elapsed()).toBe(86_400_000);
    expect(performance.now() - real).toBeLessThan(4000);
  }, paused));

  test("interleaved sleeps of two tasks are deterministic", () => run(function* () {
    const trace: string[] = [];
    const walker = fn(function* (name: string, step: number) { for (let i = 1; i <= 3; i++) { yield sleep(step); trace.push(`${name}${i * step}`); } });
    const both = [spawn(walker, "a", 10), spawn(walker, "b", 15)];
    for (const one of both) yield one;
    expect(trace).toEqual(["a10", "b15", "a20", "b30", "a30", "b45"]);   // b's timer for 30 was set first
  }, paused));
});

/** Runs a generator as the main of a runtime with a paused clock, which only advance() moves while it is polled by hand. */
const held = (main: () => Generator<Suspend, void, unknown>): Promise<void> => run(main, paused);
const by = advance;

describe("by hand", () => {
  test("immediate: a deadline that has passed is ready at the first poll", () => held(function* () {
    const start = Instant.now();
    const s = task(sleepUntil(start));
    expect(s.poll()).toBe(undefined);
    yield* by(10);
    expect(task(sleepUntil(start)).poll()).toBe(undefined);
  }));

  test.each([0.5, 3, 64, 65, 1000, 70_000])("a delay of %d ms, level by level", (ms) => held(function* () {
    for (let i = 0; i < 3; i++) {
      const s = task(sleep(ms));
      expect(s.poll()).toBe(PENDING);
      yield* by(Math.ceil(ms) - 1);
      expect(s.isWoken).toBe(false);
      expect(s.poll()).toBe(PENDING);
      yield* by(1);
      expect(s.isWoken).toBe(true);
      expect(s.poll()).toBe(undefined);
    }
  }));

  test("reset to later before it fires", () => held(function* () {
    const now = Instant.now();
    const inner = sleepUntil(now.add(100));
    const s = task(inner);
    expect(s.poll()).toBe(PENDING);
    inner.reset(now.add(200));
    yield* by(150);
    expect(s.isWoken).toBe(false);
    yield* by(50);
    expect(s.isWoken).toBe(true);
    expect(s.poll()).toBe(undefined);
  }));

  test("reset to earlier before it fires", () => held(function* () {
    const now = Instant.now();
    const inner = sleepUntil(now.add(100));
    const s = task(inner);
    expect(s.poll()).toBe(PENDING);
    inner.reset(now.add(80));
    yield* by(79);
    expect(s.isWoken).toBe(false);
    yield* by(1);
    expect(s.isWoken).toBe(true);
    expect(s.poll()).toBe(undefined);
  }));

  test("reset to the past wakes at the next tick", () => held(function* () {
    const now = Instant.now();
    yield* by(10);
    const inner = sleepUntil(now.add(100));
    const s = task(inner);
    expect(s.poll()).toBe(PENDING);
    inner.reset(now);
    expect(inner.deadline.compare(now)).toBe(0);
    yield* by(1);
    expect(s.isWoken).toBe(true);
    expect(s.poll()).toBe(undefined);
  }));

  test("reset after it fired: it may be awaited again", () => held(function* () {
    const now = Instant.now();
    const inner = sleepUntil(now.add(100));
    const s = task(inner);
    expect(s.poll()).toBe(PENDING);
    yield* by(100);
    expect(s.poll()).toBe(undefined);
    inner.reset(now.add(110));
    expect(s.poll()).toBe(PENDING);
    expect(inner.isElapsed).toBe(false);
    yield* by(10);
    expect(s.isWoken).toBe(true);
    expect(s.poll()).toBe(undefined);
    expect(inner.isElapsed).toBe(true);
  }));

  test("reset before its first poll", () => held(function* () {
    const inner = sleep(1000);
    inner.reset(Instant.now().add(5));
    const s = task(inner);
    expect(s.poll()).toBe(PENDING);
    yield* by(5);
    expect(s.poll()).toBe(undefined);
  }));

  test("dropped from the wake of another, and after a reset at the new time", () => held(function* () {
    const now = Instant.now();
    const one = sleepUntil(now.add(3));
    const two = sleepUntil(now.add(3));
    const first = task(one);
    const second = task(two);
    first.poll();
    second.poll();
    one.reset(now.add(3));
    yield* by(3);
    first.drop();
    expect(second.poll()).toBe(undefined);
    const list: Sleep[] = [];
    const evil: Waker = { wake: () => { for (const s of list) s[Symbol.dispose](); } };
    for (let i = 0; i < 100; i++) {
      const s = sleep(5);
      list.push(s);
      s.poll(evil);
    }
    yield* by(5);
    expect(Runtime.current.metrics().timers).toBe(0);
  }));

  test("a waker that throws is reported and harms no other timer", async () => {
    const listeners = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    const reported: unknown[] = [];
    const listener = (error: unknown): void => void reported.push(error);
    process.on("unhandledRejection", listener);
    try {
      await run(function* () {
        const s = sleep(1);
        s.poll({ wake() { throw new Error("in wake"); } });
        yield* sleep(5);
        s[Symbol.dispose]();
      }, paused);
      await settle(2);
    } finally {
      process.off("unhandledRejection", listener);
      for (const old of listeners) process.on("unhandledRejection", old);
    }
    expect(reported).toHaveLength(1);
  });

  test("the last waker wins", () => held(function* () {
    const s = sleep(5);
    const wakes = [0, 0];
    expect(s.poll({ wake: () => wakes[0]!++ })).toBe(PENDING);
    expect(s.poll({ wake: () => wakes[1]!++ })).toBe(PENDING);
    yield* by(5);
    yield* by(0);
    expect(wakes).toEqual([0, 1]);
  }));
});

describe("long", () => {
  test.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 36 - 1, 2 ** 36, 2 ** 36 + 1, 2 ** 37 + 12_345, 2 ** 40 + 7])("a sleep of %d ms ends exactly then", (ms) => run(function* () {
    const start = Instant.now();
    yield* sleep(ms);
    expect(start.elapsed()).toBe(ms);
  }, paused));

  test("Infinity never fires, and can be raced, reset and dropped", () => run(function* () {
    expect((yield* select({ never: sleep(Infinity), soon: sleep(1e6) })).name).toBe("soon");
    const s = sleep(Infinity);
    expect(s.deadline.ms).toBe(Infinity);
    expect(s.isElapsed).toBe(false);
    const t = task(s);
    expect(t.poll()).toBe(PENDING);
    s.reset(Instant.now().add(3));
    yield* advance(3);
    expect(t.isWoken).toBe(true);
    expect(t.poll()).toBe(undefined);
    yield* timeout(Infinity, sleep(5));
    expect(Runtime.current.metrics().timers).toBe(0);
  }, paused));

  test("a long sleep on the real clock arms the host's timer once and does not spin", async () => {
    await using runtime = new Runtime();
    const handle = runtime.spawn(async () => { await sleep(2 ** 33); });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(runtime.metrics().drives).toBeLessThan(20);
    handle.abort();
    await handle.result();
    expect(runtime.metrics().timers).toBe(0);
  });

  test("many long sleeps at once", () => run(function* () {
    const start = Instant.now();
    const trace: number[] = [];
    const handles = [2 ** 36 + 5, 2 ** 33, 2 ** 30, 2 ** 36 - 1, 5].map((ms) => spawn(function* () { yield* sleep(ms); trace.push(start.elapsed()); }));
    for (const handle of handles) yield* handle;
    expect(trace).toEqual([5, 2 ** 30, 2 ** 33, 2 ** 36 - 1, 2 ** 36 + 5]);
  }, paused));
});

describe("the paused clock", () => {
  test("advance keeps fractions, Instant and elapsed() too", () => run(function* () {
    for (const ms of [51.5, 0.25, 3.125, 0, 1, 1]) {
      const now = Instant.now();
      yield* advance(ms);
      expect(now.elapsed()).toBe(ms);
    }
  }, paused));

  test("fractions of timers round up: never early", () => run(function* () {
    const start = Instant.now();
    const s = task(sleep(1));
    expect(s.poll()).toBe(PENDING);
    for (let i = 0; i < 3; i++) {
      yield* advance(0.25);
      expect(s.poll()).toBe(PENDING);
    }
    yield* advance(0.25);
    expect(s.isWoken).toBe(true);
    expect(s.poll()).toBe(undefined);
    expect(start.elapsed()).toBe(1);
    const late = Instant.now();
    yield* sleep(2.5);
    expect(late.elapsed()).toBe(3);
  }, paused));

  test("stands on a whole millisecond: pausing rounds up", async () => {
    await using runtime = new Runtime();
    runtime.enter(() => {
      const before = Instant.now().ms;
      pause();
      const { ms } = Instant.now();
      expect(Number.isInteger(ms)).toBe(true);
      expect(ms).toBeGreaterThanOrEqual(before);
      expect(Instant.now().ms).toBe(ms);
    });
  });

  test("resume goes on from where it stood, never back", async () => {
    await using runtime = new Runtime();
    await runtime.run(function* () {
      pause();
      yield* advance(1e6);
      const stood = Instant.now().ms;
      resume();
      expect(Instant.now().ms).toBeGreaterThanOrEqual(stood);
      expect(Instant.now().ms).toBeLessThan(stood + 10_000);
      const start = Instant.now();
      yield* sleep(5);
      expect(start.elapsed()).toBeGreaterThanOrEqual(5);
      pause();
      expect(Instant.now().ms).toBeGreaterThanOrEqual(stood);
    });
  });

  test("a sleep that waits while the clock is paused and resumed goes on", async () => {
    await using runtime = new Runtime();
    await runtime.run(function* () {
      const handle = spawn(function* () { yield* sleep(30); return "awake"; });
      yield* yieldNow();
      pause();
      resume();
      expect(yield* handle).toBe("awake");
    });
  });

  test("misuse is a TokiwaError", async () => {
    await using runtime = new Runtime();
    runtime.enter(() => {
      expect(thrown(resume)).toMatchObject({ code: "TOKIWA_CLOCK" });
      expect(thrown(() => advance(1))).toMatchObject({ code: "TOKIWA_CLOCK" });
      pause();
      expect(thrown(pause)).toMatchObject({ code: "TOKIWA_CLOCK" });
      for (const bad of [-1, NaN, Infinity, "1", undefined, null]) expect(thrown(() => advance(bad as number))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
      resume();
    });
  });

  test("async functions finish their turn before the clock jumps", () => run(async () => {
    const start = Instant.now();
    const slow = spawn(async () => {
      for (let i = 0; i < 50; i++) await Promise.resolve();
      await new Promise((resolve) => setImmediate(resolve));
      return start.elapsed();
    });
    const sleeper = spawn(async () => { await sleep(1000); });
    expect(await slow).toBe(0);
    await sleeper;
    expect(start.elapsed()).toBe(1000);
  }, paused));

  test("an async task that waits for the host's own timer does not make the clock jump", () => run(async () => {
    const start = Instant.now();
    const foreign = spawn(async () => { await new Promise((resolve) => setTimeout(resolve, 20)); return start.elapsed(); });
    const sleeper = spawn(async () => { await sleep(1000); });
    expect(await foreign).toBe(0);
    await sleeper;
    expect(start.elapsed()).toBe(1000);
  }, paused));

  test("a task that waits for a promise which another task's sleep fulfils does not hang", () => run(async () => {
    const start = Instant.now();
    let fulfil!: (value: string) => void;
    const promise = new Promise<string>((resolve) => { fulfil = resolve; });
    spawn(async () => { for (let i = 0; i < 5; i++) await sleep(1000); fulfil("there"); });
    expect(await spawn(async () => promise)).toBe("there");
    expect(start.elapsed()).toBe(5000);
  }, paused));

  test("the main of run() may wait for such a promise, too", () => run(async () => {
    await new Promise<void>((resolve) => spawn(async () => { await sleep(1000); resolve(); }));
  }, paused));

  test("a stress run of 1000 tasks is exact", () => run(function* () {
    const start = Instant.now();
    const handles = Array.from({ length: 1000 }, (_, i) => spawn(function* () {
      for (let k = 0; k < 5; k++) yield* sleep(i % 17);
      return start.elapsed();
    }));
    for (let i = 0; i < 1000; i++) expect(yield* handles[i]!).toBe((i % 17) * 5);
  }, paused));

  test("clocks of two runtimes are their own", async () => {
    await using one = new Runtime(paused);
    await using two = new Runtime();
    const before = one.enter(() => Instant.now().ms);
    await two.run(function* () { yield* sleep(5); });
    expect(one.enter(() => Instant.now().ms)).toBe(before);
  });
});

describe("Instant", () => {
  test("arithmetic and comparison", () => {
    const a = Instant.now();
    const b = a.add(2.5);
    expect(b.ms).toBe(a.ms + 2.5);
    expect(b.sub(2.5).compare(a)).toBe(0);
    expect([a.compare(b), b.compare(a)]).toEqual([-1, 1]);
    expect(b.durationSince(a)).toBeCloseTo(2.5);
    expect(a.durationSince(b)).toBe(0);
    expect(a.add(1e9).elapsed()).toBe(0);
    expect(a.add(Infinity).ms).toBe(Infinity);
    expect(a.add(Infinity).durationSince(a)).toBe(Infinity);
    expect(a.add(Infinity).compare(a.add(Infinity))).toBe(0);
    for (const bad of [NaN, "1", undefined, null, 1n, {}]) {
      expect(thrown(() => a.add(bad as number))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
      expect(thrown(() => a.sub(bad as number))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
      expect(thrown(() => a.durationSince(bad as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
      expect(thrown(() => a.compare(bad as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
    }
    expect(thrown(() => a.add(Infinity).sub(Infinity))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  });

  test("never goes back, and works without a runtime", () => {
    let last = Instant.now().ms;
    for (let i = 0; i < 1000; i++) {
      const { ms } = Instant.now();
      expect(ms).toBeGreaterThanOrEqual(last);
      last = ms;
    }
    setDefaultRuntime(null);
    try {
      expect(Instant.now().elapsed()).toBeGreaterThanOrEqual(0);
    } finally {
      const back = new Runtime();
      setDefaultRuntime(back);
      back[Symbol.dispose]();
    }
  });
});

test("100 000 short sleeps on the real clock: none is early, one host timer, no timer left", async () => {
  await using runtime = new Runtime();
  let early = 0;
  const body = function* (ms: number) {
    const start = performance.now();
    yield* sleep(ms);
    if (performance.now() - start < ms) early++;
  };
  const handles = Array.from({ length: 100_000 }, (_, i) => runtime.spawn(body, i % 40));
  for (const handle of handles) await handle;
  expect(early).toBe(0);
  expect(runtime.metrics().timers).toBe(0);
}, 60_000);

test("a sleep polled by a task of another runtime belongs to the one that polls it first", async () => {
  await using one = new Runtime(paused);
  await using two = new Runtime();
  const s = one.enter(() => sleep(5));
  await two.spawn(function* () { yield* s; });
  expect(one.metrics().timers).toBe(0);
});

test("joined sleeps take as long as the longest", () => run(function* () {
  const start = Instant.now();
  yield* join(sleep(10), sleep(30), sleep(20));
  expect(start.elapsed()).toBe(30);
}, paused));

test("a future that is never woken has no timer", () => run(function* () {
  const handle = spawn(future(() => PENDING));
  yield* sleep(10);
  expect(handle.isFinished).toBe(false);
  handle.abort();
}, paused));

// No meaning in JavaScript: creating_sleep_outside_of_context (see rt_common), greater_than_max, issue_5183,
// pause_time_in_*_threads (threads), paused_time_is_deterministic's random sleeps (the random test has them).
