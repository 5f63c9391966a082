// What Chromium's tests show of guests and of the runtime, in Firefox.
import { expect, test } from "vitest";
import { runInFirefox } from "../support/firefox.ts";
import { expectGuestLoop } from "../support/guest-loop.ts";
import type { Scenario } from "../support/server.ts";

test.each<Scenario>(["plain", "isolated", "strict"])("C guests run poll tasks, await a fetch, and suspend 500 stacks without a wrong byte (%s)", async (scenario) => {
  const value = await runInFirefox(scenario, "test/browser/pages/guest.js");
  const outcome = { sum: 70_000, fetched: 200, ended: 500, corrupted: 0, program: 0 };
  expect(value).toEqual({ canBlock: true, first: outcome, second: outcome });
});

test("a guest in lane frame, in a loop of its own, with a million tasks, and after its main", async () => {
  expectGuestLoop(await runInFirefox("plain", "test/browser/pages/guest-loop.js"));
});

test.each(["plain", "isolated"] as const)("the programs for every host pass (%s)", async (scenario) => {
  const value = await runInFirefox<Record<string, string>>(scenario, "test/browser/pages/hosts.js");
  expect(value).toEqual(Object.fromEntries(Object.keys(value).map((title) => [title, "ok"])));
});

test("every lane runs, manual only when driven, and no sleep is early", async () => {
  const value = await runInFirefox("plain", "test/browser/pages/runtime.js", "lanes");
  expect(value).toEqual({ auto: "auto", microtask: "microtask", macrotask: "macrotask", frame: "frame", manual: [0, 3] });
  expect(await runInFirefox("plain", "test/browser/pages/runtime.js", "clock")).toBe(true);
});

test("a guest built with -pthread: its tasks move between pthreads, and wake each other and the page's own (B5)", async () => {
  const value = await runInFirefox("isolated", "test/browser/pages/guest-loops.js");
  expect(value).toEqual({ sum: 7000, counted: 200_000, moved: true, tree: 2047, wakes: true, told: 11, slept: [5, 5, 5], early: 0 });
});

test("threads of C and Rust guests without shared memory (C1 to C4)", async () => {
  const julia = 4 * 44_841_052;
  const c = { exec: 104, fib: 103, executors: 8 * 42, julia, blocking: 100 + 4 * 21 };
  expect(await runInFirefox("plain", "test/browser/pages/guest-threads.js", { allowsSource: true }, 80_000)).toMatchObject({ isolated: false, c, plain: c, rust: { fib: 3, julia } });
});
