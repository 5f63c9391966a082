// After Tokio's macros_join.rs and macros_try_join.rs; what has no meaning here is listed at the foot.
import { describe, expect, test, vi } from "vitest";
import { coop, future, join, lazy, PENDING, run, sleep, spawn, tryJoin, type Waker } from "tokiwa";
import { task } from "tokiwa/testing";
import { forEachRuntime, rejection, thrown } from "./support/runtimes.ts";

const paused = { startPaused: true };
const ready = <T>(value: T) => future(() => value);
const never = (drop?: () => void) => future<never>(() => PENDING, drop);

describe.each([["join", join], ["tryJoin", tryJoin]] as const)("%s", (_, both) => {
  forEachRuntime(({ fn, run }) => {
    test("gives the values in the order written", () => run(function* () {
      expect(yield both()).toEqual([]);
      expect(yield both(ready(1))).toEqual([1]);
      const slow = (ms: number) => lazy(fn(function* () { yield sleep(ms); return ms; }));
      expect(yield both(slow(30), slow(10), slow(20))).toEqual([30, 10, 20]);
    }, paused));

    test("promises and handles are accepted, handles stay awaitable", () => run(function* () {
      const handle = spawn(fn(function* () { yield sleep(1); return "h"; }));
      expect(yield both(Promise.resolve(1), handle, ready(3))).toEqual([1, "h", 3]);
      expect(yield handle).toBe("h");
    }));
  });

  test("another future is polled first every time", () => run(function* () {
    const order: number[] = [];
    let polls = 0;
    let waker: Waker | undefined;
    const part = (n: number) => future<void>((w) => {
      waker = w;
      order.push(n);
      return ++polls > 9 ? undefined : PENDING;
    });
    const t = task(both(part(1), part(2), part(3)));
    for (let i = 0; i < 4; i++) { t.poll(); waker!.wake(); }
    expect(order.slice(0, 9)).toEqual([1, 2, 3, 2, 3, 1, 3, 1, 2]);
  }));

  test("does not let a part starve that shares the budget with a greedy one", () => run(function* () {
    let steps = 0;
    const greedy = lazy(function* () { for (let i = 0; i < 1000; i++) yield* coop.consumeBudget(); });
    const modest = lazy(function* () { for (let i = 0; i < 5; i++) { yield* coop.consumeBudget(); steps++; } return steps; });
    expect((yield* both(greedy, modest))[1]).toBe(5);
  }));

  test("dropping it drops what has not finished, once", () => {
    const drops = [vi.fn(), vi.fn()];
    const t = task(both(never(drops[0]), ready(1), never(drops[1])));
    expect(t.poll()).toBe(PENDING);
    t.drop();
    t.drop();
    expect(drops.map((drop) => drop.mock.calls.length)).toEqual([1, 1]);
  });

  test("polled after completion it says so", () => {
    const t = task(both(ready(1)));
    expect(t.poll()).toEqual([1]);
    expect(thrown(() => t.poll())).toMatchObject({ code: "TOKIWA_COMPLETED" });
    const dropped = task(both(never()));
    dropped.drop();
    expect(thrown(() => dropped.poll())).toMatchObject({ code: "TOKIWA_COMPLETED" });
  });

  test("bad arguments are named", () => {
    expect(thrown(() => both(ready(1), 5 as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION", message: "argument 2 must be a future or a promise, got 5" });
    for (const bad of [null, undefined, "x", {}, [], () => 1]) expect(thrown(() => both(bad as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  });
});

test("join: if some fail the others still run to their end; the first in order is thrown", () => run(async () => {
  let over = false;
  const error = await rejection(join(
    lazy(async () => { await sleep(20); over = true; throw new Error("first in order"); }),
    lazy(async () => { await sleep(1); throw new Error("first in time"); }),
  ));
  expect(over).toBe(true);
  expect(error.message).toBe("first in order");
}, paused));

test("tryJoin: the first failure is thrown at once, the others are dropped", () => run(async () => {
  const drop = vi.fn();
  const error = await rejection(tryJoin(never(drop), lazy(async () => { await sleep(1); throw undefined; }), sleep(1e9)));
  expect(error).toBe(undefined);
  expect(drop).toHaveBeenCalledTimes(1);
}, paused));

test("a drop that throws does not keep the other drops from running", () => {
  const drop = vi.fn();
  const t = task(join(never(() => { throw new Error("drop"); }), never(drop)));
  t.poll();
  expect(thrown(() => t.drop())).toMatchObject({ message: "drop" });
  expect(drop).toHaveBeenCalledTimes(1);
});

// No meaning in JavaScript: *_comma, join_size, caller_names_const_count, *_biased (tokiwa's join has no option).
