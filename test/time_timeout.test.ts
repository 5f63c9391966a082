// After Tokio's time_timeout.rs.
import { expect, test, vi } from "vitest";
import { coop, future, Instant, join, lazy, PENDING, run, Runtime, sleep, spawn, TimeoutError, timeout, timeoutAt, yieldNow } from "tokiwa";
import { advance, task } from "tokiwa/testing";
import { forEachRuntime, rejection, thrown } from "./support/runtimes.ts";

const paused = { startPaused: true };
const never = (drop?: () => void) => future<never>(() => PENDING, drop);

forEachRuntime(({ fn, run }) => {
  test("a future that is ready wins, also at 0 and past the deadline", () => run(function* () {
    expect(yield timeout(0, future(() => 1))).toBe(1);
    expect(yield timeoutAt(Instant.now().sub(1000), future(() => 2))).toBe(2);
    expect(yield timeout(10, sleep(5))).toBe(undefined);
  }, paused));

  test("a future that is late is dropped, and TimeoutError thrown", () => run(function* () {
    const drop = vi.fn();
    const start = Instant.now();
    let error: unknown;
    try { yield timeout(100, never(drop)); } catch (caught) { error = caught; }
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ code: "TOKIWA_ELAPSED", name: "TimeoutError" });
    expect(start.elapsed()).toBe(100);
    expect(drop).toHaveBeenCalledTimes(1);
  }, paused));

  test("the future's own error goes through", () => run(function* () {
    let error: unknown;
    try { yield timeout(100, lazy(fn(function* () { yield sleep(1); throw undefined; }))); } catch (caught) { error = [caught]; }
    expect(error).toEqual([undefined]);
  }, paused));

  test("nested: the shorter one wins", () => run(function* () {
    let error: unknown;
    const start = Instant.now();
    try { yield timeout(100, timeout(50, never())); } catch (caught) { error = caught; }
    expect(error).toBeInstanceOf(TimeoutError);
    expect(start.elapsed()).toBe(50);
  }, paused));

  test("a join handle outlives the timeout that gave up on it", () => run(function* () {
    const handle = spawn(fn(function* () { yield sleep(100); return "done"; }));
    let error: unknown;
    try { yield timeout(10, handle); } catch (caught) { error = caught; }
    expect(error).toBeInstanceOf(TimeoutError);
    expect(yield handle).toBe("done");
  }, paused));

  test("promises are accepted", () => run(function* () {
    expect(yield timeout(1000, Promise.resolve(5))).toBe(5);
    let error: unknown;
    try { yield timeout(5, new Promise(() => {})); } catch (caught) { error = caught; }
    expect(error).toBeInstanceOf(TimeoutError);
  }));
});

test("the deadline is fixed at the call", () => run(function* () {
  const t = task(timeout(10, never()));
  yield* advance(10);
  expect(thrown(() => t.poll())).toBeInstanceOf(TimeoutError);
}, paused));

test("wakes at the deadline", () => run(function* () {
  const t = task(timeout(10, never()));
  expect(t.poll()).toBe(PENDING);
  yield* advance(9);
  expect(t.isWoken).toBe(false);
  yield* advance(1);
  expect(t.isWoken).toBe(true);
  expect(thrown(() => t.poll())).toBeInstanceOf(TimeoutError);
}, paused));

test("very long timeouts", () => run(function* () {
  for (const ms of [2 ** 32, 2 ** 36 + 1, 2 ** 50, Number.MAX_VALUE, Infinity]) expect(yield* timeout(ms, sleep(1))).toBe(undefined);
  expect(Runtime.current.metrics().timers).toBe(0);
}, paused));

test("a future that uses up the budget does not outlive its timeout", () => run(async () => {
  const busy = lazy(async () => { for (;;) await coop.consumeBudget(); });
  expect(await rejection(timeout(5, busy))).toBeInstanceOf(TimeoutError);
  const generator = lazy(function* () { for (;;) yield* coop.consumeBudget(); });
  expect(await rejection(timeout(5, generator))).toBeInstanceOf(TimeoutError);
  const yielding = lazy(function* () { for (;;) yield* yieldNow(); });
  expect(await rejection(timeout(5, yielding))).toBeInstanceOf(TimeoutError);
}));

test("polled after completion it says so", () => run(function* () {
  const t = task(timeout(10, future(() => 1)));
  expect(t.poll()).toBe(1);
  expect(thrown(() => t.poll())).toMatchObject({ code: "TOKIWA_COMPLETED" });
  yield* join();
}, paused));

test("bad arguments name what may be", () => run(async () => {
  for (const bad of [-1, NaN, "5", null, undefined, 1n, {}]) expect(thrown(() => timeout(bad as number, never()))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  for (const bad of [5, null, undefined, {}, "x", () => 1]) {
    expect(thrown(() => timeout(5, bad as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
    expect(thrown(() => timeoutAt(Instant.now(), bad as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  }
  for (const bad of [5, null, undefined, {}]) expect(thrown(() => timeoutAt(bad as never, never()))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
}));

// No meaning in JavaScript: nothing here.
