// Blocking code of a C guest, suspended by JSPI: Node 26 here, Chromium in test/browser/page_guest.test.ts.
import { describe, expect, test } from "vitest";
import { JoinError, OptionError, Runtime, yieldNow } from "tokiwa";
import { loadC } from "./guests/load.ts";
import { testBlocking } from "./support/blocking.ts";
import { hasJspi } from "./support/lanes.ts";

describe.skipIf(!hasJspi).each(["emcc", "clang"] as const)("blocking code compiled by %s", (compiler) => {
  testBlocking((runtime, options) => loadC(compiler, runtime, options));

  test("a task that yields and yields leaves the host, and other tasks, their turns", async () => {
    await using runtime = new Runtime();
    const { call, guest } = await loadC(compiler, runtime);
    const yields = 300_000;
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const alone = guest.run("yield_loop", yields);
    expect(await alone).toBe(yields);
    expect(ticks).toBeGreaterThan(2);

    ticks = 0;
    const first = guest.run("yield_loop", yields);
    const turns = runtime.spawn(function* () {
      for (let i = 0; i < 1000; i++) yield* yieldNow();
      return ticks;
    });
    const second = guest.run("yield_loop", yields);
    await turns;
    expect(first.isFinished || second.isFinished).toBe(false);
    first.abort();
    await expect(first).rejects.toBeInstanceOf(JoinError);
    expect(await second).toBe(yields);
    clearInterval(timer);
    expect(call.corrupted_get!()).toBe(0);
  });

  test("a stack that was too small is reported", async () => {
    await using runtime = new Runtime();
    const { guest } = await loadC(compiler, runtime, { stackBytes: 8192 });
    await expect(guest.run("overflow", 9)).rejects.toThrow("used more than its stack of 8192 bytes");
  });

  test("more stacks than maxStacks are refused, and may be had again later", async () => {
    await using runtime = new Runtime();
    const { call, guest } = await loadC(compiler, runtime, { maxStacks: 10 });
    const handles = Array.from({ length: 10 }, (_, id) => guest.run(call.canary_fn!(), id));
    expect(() => guest.run(call.canary_fn!(), 1)).toThrow("has 10 stacks in use, which is the limit (maxStacks)");
    expect(call.canary_spawn!(1)).toBe(-9);
    await Promise.all(handles);
    expect(await guest.run(call.canary_fn!(), 7)).toBe(7);
  });

  test("a name that is not exported, and arguments that do not fit, are refused", async () => {
    await using runtime = new Runtime();
    const { guest } = await loadC(compiler, runtime);
    expect(() => guest.run("nothing")).toThrow(OptionError);
    expect(() => guest.run("program", 1, 2, 3)).toThrow("at most 2 arguments");
    expect(() => guest.run("program", 1.5)).toThrow(OptionError);
    await expect(guest.run("program")).rejects.toThrow("trapped");
  });
});

test.skipIf(hasJspi)("without JSPI blocking code is refused, and said why", async () => {
  await using runtime = new Runtime();
  const { call, guest } = await loadC("clang", runtime);
  expect(guest.canBlock).toBe(false);
  expect(() => guest.run("program", 1)).toThrow("needs WebAssembly.promising and Suspending (JSPI)");
  expect(call.canary_spawn!(1)).toBe(-10);
});
