// Blocking code where there is no JSPI: the C guest after Asyncify, by emcc and by wasm-opt. Runs on every host.
import { describe, expect, test } from "vitest";
import { OptionError, Runtime } from "tokiwa";
import { asyncify, guestImports } from "tokiwa/guest";
import { loadC, type Loaded } from "./guests/load.ts";
import { testBlocking } from "./support/blocking.ts";
import type { AttachOptions } from "tokiwa/guest";
import { hasJspi } from "./support/lanes.ts";

describe.each(["emcc", "clang"] as const)("blocking code under Asyncify, compiled by %s", (compiler) => {
  const load = (runtime: Runtime, options: AttachOptions = {}): Promise<Loaded> => loadC(compiler, runtime, { asyncify, ...options }, "asyncify");
  testBlocking(load);

  test("outside of blocking code a blocking call runs what is ready, and says that it cannot wait", async () => {
    using runtime = new Runtime({ lane: "manual" });
    const { call } = await load(runtime);
    call.fill!(50);
    expect(call.raw_sleep!(10)).toBe(-4);
    expect(call.counter_get!()).toBe(50);
    expect(call.raw_sleep!(NaN)).toBe(-1);
  });

  test("a name that is not exported, and arguments that do not fit, are refused", async () => {
    await using runtime = new Runtime();
    const { call, guest } = await load(runtime, { maxStacks: 1 });
    expect(() => guest.run("nothing")).toThrow(OptionError);
    const first = guest.run("sleep_ms", 5);
    expect(() => guest.run("sleep_ms", 5)).toThrow("has 1 stacks in use");
    expect(call.canary_spawn!(1)).toBe(-9);
    expect(await first).toBe(0);
    await expect(guest.run(60_000)).rejects.toThrow();
  });

  test.skipIf(hasJspi)("without { asyncify } such a module is as any other", async () => {
    await using runtime = new Runtime();
    const { guest } = await loadC(compiler, runtime, {}, "asyncify");
    expect(guest.canBlock).toBe(false);
    expect(() => guest.run("program", 1)).toThrow("a module built for Asyncify");
  });
});

test("a module that Asyncify has not been over is refused with the reason", async () => {
  await using runtime = new Runtime();
  await expect(loadC("clang", runtime, { asyncify })).rejects.toThrow("which Asyncify has not been over");
  await expect(loadC("clang", runtime, { asyncify: {} as never })).rejects.toThrow("asyncify must be asyncify of tokiwa/guest");
  expect(() => guestImports(runtime, { asyncify: 5 as never })).toThrow(OptionError);
});
