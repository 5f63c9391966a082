// After tokio/tests/sync_set_once.rs, then what is JavaScript's own.

import { PENDING, run, SetError, SetOnce, sleep, spawn, timeout, TimeoutError } from "tokiwa";
import { task } from "tokiwa/testing";
import { describe, expect, test } from "vitest";

describe("as in Tokio", () => {
  test("may be set from the start, or empty", () => {
    expect(new SetOnce(2).get()).toBe(2);
    expect(new SetOnce(2).isInitialized).toBe(true);
    const empty = new SetOnce<number>();
    expect([empty.get(), empty.isInitialized]).toEqual([undefined, false]);
  });

  test("set and get", () => {
    const once = new SetOnce<number>();
    once.set(5);
    expect([once.get(), once.isInitialized]).toEqual([5, true]);
  });

  test("waiting gives the value that another task sets", async () => {
    const once = new SetOnce<number>();
    spawn(async () => once.set(5));
    expect(await once.wait()).toBe(5);
  });

  test("of two that set, one fails", async () => {
    const once = new SetOnce<number>();
    const results = [await spawn(async () => once.set(4)).result(), await spawn(async () => once.set(3)).result()];
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "rejected"]);
    expect(once.get()).toBe(4);
  });

  test("setting twice fails, and gives the value back", () => {
    const once = new SetOnce<number>();
    once.set(20);
    expect(() => once.set(10)).toThrow(expect.objectContaining({ name: "SetError", code: "TOKIWA_ALREADY_INITIALIZED", value: 10 }));
    expect(once.get()).toBe(20);
  });
});

describe("here", () => {
  test("everybody who waits is woken, in order, and later waits are ready at once", () => {
    const once = new SetOnce<string>();
    const waiting = [1, 2, 3].map(() => task(once.wait()));
    for (const w of waiting) expect(w.poll()).toBe(PENDING);
    waiting[1]?.drop();
    once.set("x");
    expect(waiting.map((w) => w.isWoken)).toEqual([true, false, true]);
    expect([waiting[0]?.poll(), waiting[2]?.poll()]).toEqual(["x", "x"]);
    expect(task(once.wait()).poll()).toBe("x");
  });

  test("a waker that polls another wait does no harm", () => {
    const once = new SetOnce<number>();
    const later = once.wait();
    const seen: unknown[] = [];
    once.wait().poll({ wake: () => seen.push(later.poll({ wake() {} })) });
    later.poll({ wake: () => seen.push("woken") });
    once.set(1);
    expect(seen).toEqual([1]);
  });

  test.each([undefined, null])("the value may be %s", async (value) => {
    const once = new SetOnce<unknown>();
    const waiting = spawn(once.wait());
    await sleep(0);
    once.set(value);
    expect(await waiting).toBe(value);
    expect(() => once.set(1)).toThrow(SetError);
  });

  test("losing a timeout leaves the others waiting", () =>
    run(
      async () => {
        const once = new SetOnce<number>();
        const waiting = spawn(once.wait());
        await expect(timeout(5, once.wait())).rejects.toThrow(TimeoutError);
        once.set(1);
        expect(await waiting).toBe(1);
      },
      { startPaused: true },
    ));
});

// Not here: `drop_cell*`, `drop_into_inner*`, `into_inner_int_empty_setonce` and `from` are about destructors and ownership;
// the tests with threads have no counterpart, a SetOnce stays on its thread.
