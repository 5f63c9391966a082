// After Tokio's macros_try_join.rs; what join and tryJoin have in common is in macros_join.test.ts.
import { expect, test } from "vitest";
import { coop, future, join, JoinError, lazy, oneshot, PENDING, sleep, spawn, tryJoin, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { forEachRuntime, rejection } from "./support/runtimes.ts";

const ready = <T>(value: T) => future<T>(() => value);
const failed = (message: string) => future<never>(() => { throw new RangeError(message); });

forEachRuntime(({ fn, run }) => {
  test("one, two and none", () => run(function* () {
    expect(yield tryJoin(ready(1))).toEqual([1]);
    expect(yield tryJoin(ready(1), ready("two"))).toEqual([1, "two"]);
    expect(yield tryJoin()).toEqual([]);
    expect(yield join()).toEqual([]);
  }));

  test("of two awaits the values come in the order written", () => run(function* () {
    const [tx1, rx1] = oneshot<string>();
    const [tx2, rx2] = oneshot<number>();
    const both = spawn(tryJoin(rx1, rx2));
    yield yieldNow();
    tx2.send(123);
    yield yieldNow();
    expect(both.isFinished).toBe(false);
    tx1.send("hello");
    expect(yield both).toEqual(["hello", 123]);
  }));

  test("the first failure ends it, and drops the rest", () => run(function* () {
    let dropped = 0;
    const never = future(() => PENDING, () => dropped++);
    const [, rx] = oneshot<void>();
    const error: unknown = yield rejection(tryJoin(rx, never, failed("at once")));
    expect(error).toBeInstanceOf(RangeError);
    expect([dropped, rx.isTerminated]).toEqual([1, false]);
  }));

  test("a failed task fails it with the task's own error, a cancelled one with JoinError", () => run(function* () {
    const body = fn(function* () { yield yieldNow(); throw new RangeError("own"); });
    expect(yield rejection(tryJoin(sleep(1e6), spawn(body)))).toMatchObject({ message: "own" });
    const handle = spawn(fn(function* () { yield sleep(1e6); }));
    handle.abort();
    expect(yield rejection(tryJoin(sleep(1e6), handle))).toBeInstanceOf(JoinError);
  }));

  test("a part that spends the budget does not starve the other", () => run(function* () {
    let isPolled = false;
    const greedy = lazy(fn(function* () { for (let i = 0; i < 1000; i++) yield coop.consumeBudget(); }));
    const poor = lazy(fn(function* () { yield coop.consumeBudget(); isPolled = true; }));
    const both = spawn(tryJoin(greedy, poor));
    for (let i = 0; i < 3; i++) yield yieldNow();
    expect([isPolled, both.isFinished]).toEqual([true, false]);
    yield both;
  }));
});

test("another future is polled first every time", () => {
  const order: number[] = [];
  const wakes = [1, 2, 3].map((n) => future(() => (order.push(n), order.length < 9 ? PENDING : n)));
  const both = task(tryJoin(...wakes));
  for (let i = 0; i < 3; i++) both.poll();
  expect(order).toEqual([1, 2, 3, 2, 3, 1, 3, 1, 2]);
});

// No meaning in JavaScript: *_comma, try_join_size, caller_names_const_count, futures_are_polled_in_order_in_biased_mode (no option).
