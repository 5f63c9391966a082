// After Tokio's macros_select.rs; what has no meaning here is listed at the foot.
import { describe, expect, test, vi } from "vitest";
import { byRef, coop, future, join, lazy, PENDING, run, Runtime, select, sleep, spawn, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { forEachRuntime, rejection, thrown } from "./support/runtimes.ts";

const paused = { startPaused: true };
const ready = <T>(value: T) => future(() => value);
const never = (drop?: () => void) => future<never>(() => PENDING, drop);

forEachRuntime(({ fn, run }) => {
  test("gives the name and value of the winner, and drops the losers", () => run(function* () {
    const drop = vi.fn();
    expect(yield select({ one: ready(1), two: never(drop) })).toEqual({ name: "one", value: 1 });
    expect(drop).toHaveBeenCalledTimes(1);
    expect(yield select({ slow: sleep(20), fast: sleep(10) })).toEqual({ name: "fast", value: undefined });
  }, paused));

  test("the winner's error is thrown, the losers are dropped", () => run(function* () {
    const drop = vi.fn();
    let error: unknown = "none";
    try { yield select({ bad: lazy(fn(function* () { yield sleep(1); throw undefined; })), other: never(drop) }); } catch (caught) { error = caught; }
    expect(error).toBe(undefined);
    expect(drop).toHaveBeenCalledTimes(1);
  }, paused));

  test("losing leaves a handle awaitable, and it is not aborted", () => run(function* () {
    const handle = spawn(fn(function* () { yield sleep(10); return "value"; }));
    for (let i = 0; i < 5; i++) expect(((yield select({ handle, soon: sleep(1) })) as { name: string }).name).toBe("soon");
    expect(yield handle).toBe("value");
    expect(yield select({ handle, late: sleep(5) })).toEqual({ name: "handle", value: "value" });
  }, paused));

  test("byRef protects any other future", () => run(function* () {
    const drop = vi.fn();
    const values: number[] = [];
    const inner = future<number>(() => values[0] ?? PENDING, drop);
    expect(((yield select({ inner: byRef(inner), soon: sleep(1) })) as { name: string }).name).toBe("soon");
    expect(drop).not.toHaveBeenCalled();
    values.push(5);
    expect(yield inner).toBe(5);
  }, paused));

  test("nested and joined", () => run(function* () {
    expect(yield join(select({ a: ready(1) }), select({ b: select({ c: ready(2) }) }))).toEqual([{ name: "a", value: 1 }, { name: "b", value: { name: "c", value: 2 } }]);
  }));
});

describe("order", () => {
  test("biased goes in the order written", () => run(function* () {
    for (let i = 0; i < 50; i++) expect((yield* select({ a: ready(1), b: ready(2), c: ready(3) }, { biased: true })).name).toBe("a");
    expect((yield* select({ a: never(), b: ready(2), c: ready(3) }, { biased: true })).name).toBe("b");
  }));

  test("otherwise it begins at a random branch", () => run(function* () {
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) seen.add((yield* select({ a: ready(1), b: ready(2), c: ready(3) })).name);
    expect(seen.size).toBe(3);
  }));

  test("random picks the beginning", () => run(function* () {
    const branches = () => ({ a: ready(1), b: ready(2), c: ready(3) });
    expect((yield* select(branches(), { random: () => 0 })).name).toBe("a");
    expect((yield* select(branches(), { random: () => 0.5 })).name).toBe("b");
    expect((yield* select(branches(), { random: () => 0.999 })).name).toBe("c");
    expect((yield* select(branches(), { random: false })).name).toBe("a");
    expect(["a", "b", "c"]).toContain((yield* select(branches(), { random: true })).name);
    for (const wild of [1, 5, -3, NaN, Infinity]) expect(["a", "b", "c"]).toContain((yield* select(branches(), { random: () => wild })).name);
  }));

  test("the same seed gives the same choices, in a task too", async () => {
    const choices = async (seed: number): Promise<string> => {
      await using runtime = new Runtime({ seed });
      return await runtime.spawn(function* () {
        let names = "";
        for (let i = 0; i < 50; i++) names += (yield* select({ a: ready(1), b: ready(2) })).name;
        return names;
      });
    };
    expect(await choices(1)).toBe(await choices(1));
    expect(await choices(1)).not.toBe(await choices(2));
  });
});

describe("disabled branches", () => {
  test("undefined and null are skipped", () => run(function* () {
    expect(yield* select({ a: undefined, b: null, c: ready(3) })).toEqual({ name: "c", value: 3 });
  }));

  test("none, or all disabled, throws OptionError", () => {
    for (const branches of [{}, { a: undefined }, { a: null, b: undefined }]) expect(thrown(() => select(branches))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  });
});

test("is budget-aware: a select loop over ready futures lets others run", () => run(function* () {
  let others = 0;
  const other = spawn(function* () { for (;;) { others++; yield* yieldNow(); } });
  for (let i = 0; i < 1000; i++) yield* select({ a: ready(1), b: ready(2) }, { biased: true });
  expect(others).toBeGreaterThanOrEqual(7);                // 128 units for each poll
  other.abort();
}));

test("without budget it is pending, whatever a branch would give, and comes again", () => run(function* () {
  const wasReady: boolean[] = [];
  yield* future((waker) => {
    if (wasReady.length > 0) return undefined;
    for (let i = 0; i <= 128; i++) wasReady.push(select({ spends: coop.consumeBudget(), always: ready(1) }, { biased: true }).poll(waker) !== PENDING);
    return PENDING;
  });
  expect(wasReady).toEqual([...Array<boolean>(128).fill(true), false]);
}));

test("many branches", () => run(function* () {
  const branches: Record<string, ReturnType<typeof ready<number>> | ReturnType<typeof never>> = {};
  for (let i = 0; i < 200; i++) branches[`b${i}`] = i === 137 ? ready(137) : never();
  expect(yield* select(branches)).toEqual({ name: "b137", value: 137 });
}));

test("polled after completion it says so, and so does a dropped one", () => {
  const t = task(select({ a: ready(1), b: never() }));
  expect(t.poll()).toMatchObject({ name: "a" });
  expect(thrown(() => t.poll())).toMatchObject({ code: "TOKIWA_COMPLETED" });
  const dropped = task(select({ a: never() }));
  dropped.drop();
  expect(thrown(() => dropped.poll())).toMatchObject({ code: "TOKIWA_COMPLETED" });
});

test("awaited twice, the second await rejects instead of hanging", () => run(async () => {
  const once = select({ a: sleep(1) });
  await once;
  expect(await rejection(once)).toMatchObject({ code: "TOKIWA_COMPLETED" });
}, paused));

test("an async block that loses is cancelled where it waits", () => run(async () => {
  const trace: string[] = [];
  const slow = lazy(async () => { try { await coop.consumeBudget(); await sleep(1e9); } finally { trace.push("finally"); } });
  await select({ slow, fast: sleep(5) });
  await sleep(1);
  expect(trace).toEqual(["finally"]);
}, paused));

test("bad arguments are named", () => {
  for (const bad of [null, undefined, 5, "x"]) expect(thrown(() => select(bad as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  for (const bad of [5, "x", {}, () => 1]) expect(thrown(() => select({ a: bad as never }))).toMatchObject({ code: "TOKIWA_BAD_OPTION", message: expect.stringContaining("branch a") });
  for (const bad of [null, 5, []]) expect(thrown(() => select({ a: ready(1) }, bad as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  expect(thrown(() => select({ a: ready(1) }, { biased: 1 as never }))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  expect(thrown(() => select({ a: ready(1) }, { random: 0.5 as never }))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  for (const bad of [null, 5, undefined, {}]) expect(thrown(() => byRef(bad as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
});

// No meaning in JavaScript: struct_size_*, the borrow checks, patterns, use_future_in_if_condition, never_branch_no_warnings,
// temporary_lifetime_extension, future_panics_after_poll (drops are explicit here).
