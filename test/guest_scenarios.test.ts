// Scenarios B of the hosted event loop that the other files do not play: budgets, and the ends of programs.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Runtime, sleep } from "tokiwa";
import { attach } from "tokiwa/guest";
import { fixture, loadC } from "./guests/load.ts";
import { hasJspi } from "./support/lanes.ts";

describe("a budget (B1)", () => {
  test("1 000 000 ready tasks leave the host its turns", async () => {
    await using runtime = new Runtime({ timeSlice: 2 });
    const { call } = await loadC("clang", runtime);
    expect(call.fill!(1_000_000)).toBe(1_000_000);
    let turns = 0;
    while (call.counter_get!() < 1_000_000) {
      await new Promise((done) => setImmediate(done));
      turns++;
    }
    expect(turns).toBeGreaterThan(2);
    expect(runtime.metrics().drives).toBeGreaterThan(2);
  });

  test("a task that always yields starves no timer and no other task", async () => {
    await using runtime = new Runtime({ timeSlice: 2 });
    const { call, guest } = await loadC("clang", runtime);
    const endless = guest.spawn(call.yield_fn!(), call.yielder_new!(0x7fffffff));
    do await runtime.run(() => sleep(10));
    while (call.counter_get!() < 1000);
    const before = call.counter_get!();
    for (let i = 0; i < 100 && call.counter_get!() === before; i++) await new Promise((done) => setTimeout(done, 5));
    expect(call.counter_get!()).toBeGreaterThan(before);
    endless.abort();
    await expect(endless).rejects.toThrow("cancelled");
  });

  test("in the manual lane nothing runs until the program drives", async () => {
    using runtime = new Runtime({ lane: "manual" });
    const { call } = await loadC("emcc", runtime);
    call.fill!(100);
    await new Promise((done) => setTimeout(done, 5));
    expect(call.counter_get!()).toBe(0);
    expect(runtime.drive({ polls: 40, ms: 60_000 })).toMatchObject({ more: true, alive: 60 });
    expect(call.raw_drive!(0, 1000, 60_000)).toBe(0);
    expect(call.counter_get!()).toBe(100);
  });
});

describe("the end of a program (B4, B6)", () => {
  const run = (kind: string): Promise<{ code: number; output: string; errors: string }> =>
    new Promise((resolve) => {
      const program = fileURLToPath(new URL("guests/process.mjs", import.meta.url));
      execFile(process.execPath, [program, kind], { timeout: 50_000 }, (error, output, errors) => resolve({ code: Number(error?.code ?? 0), output, errors }));
    });

  test("the process goes on after main, and exits when the last task ends", async () => {
    expect(await run("timer")).toEqual({ code: 0, output: "main has returned\nthe last task gave 107\n", errors: "" });
  });

  test("main may spawn before it returns, at -O3, and tasks go on after it", async () => {
    await using runtime = new Runtime();
    const { default: factory } = await import(new URL("guests/fixtures/guest-main.mjs", import.meta.url).href);
    const guest = await attach(runtime, factory, { module: { wasmBinary: await fixture("guest-main.wasm"), printErr() {} } });
    const call = guest.exports as Record<string, () => number>;
    expect(call._spawned_get!()).toBeGreaterThanOrEqual(0);
    while (call._polls_get!() < 5) await runtime.run(() => sleep(1));
    await runtime.run(() => sleep(1));
    expect(call._polls_get!()).toBe(5);
    if (hasJspi) expect(await guest.task(call._nap!())).toBe(5);
    else expect(call._nap!()).toBe(-10);
  });

  test("a program whose tasks nothing can wake ends silently, or fails loudly where that is asked for", async () => {
    expect(await run("idle")).toMatchObject({ code: 0, errors: "" });
    const failed = await run("idle-fails");
    expect(failed.code).not.toBe(0);
    expect(failed.errors).toContain('guest "program" has 1 tasks that nothing can wake any more');
  }, 60_000);
});
