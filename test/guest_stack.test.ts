// Blocking code of a C guest, suspended by JSPI: Node 26 here, Chromium in test/browser/page_guest.test.ts.
import { describe, expect, test } from "vitest";
import { JoinError, OptionError, Runtime, sleep, yieldNow } from "tokiwa";
import { loadC, takeTrace } from "./guests/load.ts";
import { hasJspi } from "./support/lanes.ts";

describe.skipIf(!hasJspi).each(["emcc", "clang"] as const)("blocking code compiled by %s", (compiler) => {
  test("500 interleaved stacks keep every byte", async () => {
    await using runtime = new Runtime();
    const { call, guest } = await loadC(compiler, runtime, { stackBytes: 16384 });
    const handles = Array.from({ length: 500 }, (_, id) => guest.run(call.canary_fn!(), id));
    expect(await Promise.all(handles)).toEqual(Array.from({ length: 500 }, (_, id) => id));
    expect(call.corrupted_get!()).toBe(0);
    const again = Array.from({ length: 500 }, (_, id) => guest.run(call.canary_fn!(), id));   // on the same stacks
    await Promise.all(again);
    expect(call.corrupted_get!()).toBe(0);
  });

  test("500 stacks beside poll tasks and calls from JavaScript keep every byte", async () => {
    await using runtime = new Runtime({ timeSlice: 1 });
    const { call, guest } = await loadC(compiler, runtime, { stackBytes: 16384 });
    const blocking = Array.from({ length: 500 }, () => call.canary_spawn!(3)).map((task) => guest.task(task));
    const polls = Array.from({ length: 500 }, () => guest.spawn(call.yield_fn!(), call.yielder_new!(20)));
    const noise = runtime.spawn(async () => {
      for (let i = 0; i < 50; i++) {
        call.fill!(10);
        await sleep(0);
        await Promise.resolve();
      }
    });
    await Promise.all([...blocking, ...polls, noise]);
    expect(call.corrupted_get!()).toBe(0);
  });

  test("a test program that blocks runs from its first line to its exit code", async () => {
    await using runtime = new Runtime();
    const { guest } = await loadC(compiler, runtime, { failOnDrain: true });
    expect(guest.canBlock).toBe(true);
    expect(await guest.run("program", 40)).toBe(0);
  });

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

  test("waits for promises, of JavaScript and of poll tasks", async () => {
    await using runtime = new Runtime();
    const { guest } = await loadC(compiler, runtime);
    const later = guest.run("wait_for", guest.expose(runtime.spawn(async () => (await sleep(5), 42))));
    const failing = guest.run("wait_for", guest.expose(Promise.reject(new Error("no"))));
    expect(await later).toBe(42);
    expect(await failing).toBe(-8);
    expect(await guest.run("wait_for", 4321)).toBe(-3);
  });

  test("an aborted task settles at once, and its blocking calls say that they were cancelled", async () => {
    await using runtime = new Runtime();
    const { call, guest } = await loadC(compiler, runtime);
    const handle = guest.run("sleep_forever");
    await runtime.run(() => sleep(2));
    handle.abort();
    await expect(handle).rejects.toBeInstanceOf(JoinError);
    await runtime.run(() => sleep(2));
    expect(takeTrace(call)).toEqual([-5, -5]);
  });

  test("a trap after a suspension ends its task and no other, however often", async () => {
    await using runtime = new Runtime();
    const { call, guest } = await loadC(compiler, runtime);
    for (let i = 0; i < 20; i++) {
      const beside = guest.run(call.canary_fn!(), 5);
      await expect(guest.run("trap_later")).rejects.toThrow(/^blocking task \d+ of guest "guest" trapped: RuntimeError: unreachable/);
      expect(await beside).toBe(5);
    }
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

  test("detaching ends blocking code", async () => {
    await using runtime = new Runtime();
    const { call, guest } = await loadC(compiler, runtime);
    const handle = guest.run("sleep_forever");
    await runtime.run(() => sleep(2));
    guest.detach();
    await expect(handle).rejects.toBeInstanceOf(JoinError);
    await runtime.run(() => sleep(2));
    expect(takeTrace(call)).toEqual([-5, -7]);
    expect(() => guest.run("sleep_forever")).toThrow("was detached");
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
