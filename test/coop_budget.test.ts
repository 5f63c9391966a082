// After Tokio's coop_budget.rs, task_yield_now.rs and the coop cases of rt_common.rs.
import { describe, expect, test } from "vitest";
import { coop, future, fromPromise, join, lazy, run, Runtime, sleep, spawn, timeout, TimeoutError, yieldNow } from "tokiwa";
import { forEachRuntime, thrown } from "./support/runtimes.ts";

const ready = () => future(() => 1);

forEachRuntime(({ fn, isAsync, run }) => {
  test("128 operations in each poll, then the others get a turn", () => run(function* () {
    let turns = 0;
    const other = spawn(fn(function* () { for (;;) { turns++; yield yieldNow(); } }));
    yield yieldNow();
    const greedy = spawn(fn(function* () {
      const before = turns;
      for (let i = 0; i < 1280; i++) yield coop.consumeBudget();
      return turns - before;
    }));
    const seen = (yield greedy) as number;
    expect(seen).toBeGreaterThanOrEqual(9);
    if (!isAsync) expect(seen).toBeLessThanOrEqual(12);    // ready awaits of an async function are microtasks: others run between them
    other.abort();
  }));

  test.each([["futures that are ready", ready], ["a finished handle", undefined], ["a sleep that has passed", () => sleep(0)]] as const)("a loop over %s cannot starve another task", (_, make) => run(function* () {
    const done = spawn(fn(function* () { return 1; }));
    yield done;
    let turns = 0;
    const other = spawn(fn(function* () { for (;;) { turns++; yield yieldNow(); } }));
    yield yieldNow();
    const before = turns;
    yield spawn(fn(function* () { for (let i = 0; i < 1280; i++) yield make === undefined ? done : make(); }));
    expect(turns - before).toBeGreaterThanOrEqual(9);
    other.abort();
  }));

  test("yieldNow() goes behind everything that is ready", () => run(function* () {
    const trace: string[] = [];
    const handle = spawn(fn(function* () { trace.push("a1"); yield yieldNow(); trace.push("a2"); }));
    spawn(fn(function* () { trace.push("b"); }));
    spawn(fn(function* () { trace.push("c"); }));
    yield handle;
    expect(trace).toEqual(["a1", "b", "c", "a2"]);
  }));

  test("two yields raced in one task are two futures", () => run(function* () {
    yield spawn(fn(function* () { yield join(yieldNow(), yieldNow(), yieldNow()); }));
    const kept = yieldNow();
    yield yieldNow();
    yield kept;
  }));
});

describe("unconstrained", () => {
  test("is never made to yield", () => run(function* () {
    let turns = 0;
    const other = spawn(function* () { for (;;) { turns++; yield* yieldNow(); } });
    yield* yieldNow();
    const before = turns;
    yield* coop.unconstrained(function* () { for (let i = 0; i < 10_000; i++) yield* coop.consumeBudget(); });
    expect(turns - before).toBeLessThanOrEqual(1);
    other.abort();
  }));

  test("checks its argument", () => {
    for (const bad of [undefined, null, 5, {}]) expect(thrown(() => coop.unconstrained(bad as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  });
});

test("a timer is not starved by a task that always yields, nor by one that never stops being ready", () => run(async () => {
  const busy = [spawn(function* () { for (;;) yield* yieldNow(); }), spawn(function* () { for (;;) yield* ready(); }), spawn(async () => { for (;;) await ready(); })];
  await sleep(10);
  for (const task of busy) task.abort();
}));

test("an await outside of any runtime that is always ready lets the host have turns", async () => {
  let isOver = false;
  setTimeout(() => { isOver = true; }, 5);
  for (let i = 0; i < 1e7 && !isOver; i++) await ready();
  expect(isOver).toBe(true);
});

test.each([
  ["is always ready", function* () { for (;;) yield* coop.consumeBudget(); }],
  ["always yields", function* () { for (;;) yield* yieldNow(); }],
] as const)("a block outside of any runtime that %s lets the host have turns, and is dropped by a timeout", async (_, body) => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await expect(timeout(30, lazy(body))).rejects.toThrow(TimeoutError);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(0);
});

test("yieldNow() outside of a runtime is a future like any other", async () => {
  expect(await yieldNow()).toBe(undefined);
});

test("the budget is the same after promises of the host", async () => {
  await using runtime = new Runtime();
  await runtime.spawn(function* () {
    for (let i = 0; i < 300; i++) yield* fromPromise(Promise.resolve(i));
    yield* lazy(function* () { yield* yieldNow(); });
  });
});

// No meaning in JavaScript: coop_budget_udp_send_recv (net has it), test_has_budget_remaining (not offered),
// yield_now_external_executor_and_block_in_place.
