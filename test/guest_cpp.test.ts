// C++20 coroutines: compiled by em++ 3.1.6 with the package's <coroutine>, and by clang 19 with its own.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Runtime } from "tokiwa";
import { attach, type Guest } from "tokiwa/guest";
import { advance } from "tokiwa/testing";
import { fixture, type Calls } from "./guests/load.ts";

/** libc++ can say why it aborts; it does not come to that. */
const wasi = { fd_close: () => 0, fd_seek: () => 0, fd_write: () => 0, fd_fdstat_get: () => 0, environ_get: () => 0, environ_sizes_get: () => 0, proc_exit: () => 0 };

describe.each(["em++", "clang++"])("a C++ guest compiled by %s", (compiler) => {
  let runtime: Runtime;
  let guest: Guest;
  let call: Calls;
  beforeEach(async () => {
    runtime = new Runtime({ startPaused: true, unhandledFailure: "ignore" });
    if (compiler === "clang++") {
      guest = await attach(runtime, await fixture("guest-cpp-clang.wasm"), { imports: { wasi_snapshot_preview1: wasi } });
      call = guest.exports as Calls;
      return;
    }
    const { default: factory } = await import(new URL("guests/fixtures/guest-cpp.mjs", import.meta.url).href);
    guest = await attach(runtime, factory, { module: { wasmBinary: await fixture("guest-cpp.wasm"), printErr() {} } });
    call = new Proxy({}, { get: (_, name) => guest.exports[`_${String(name)}`] }) as Calls;
  });
  afterEach(() => runtime.shutdown());

  const settle = (ms: number): Promise<void> => runtime.run(() => advance(ms));

  test("coroutines wait for coroutines, tasks and timers", async () => {
    call.start_tree!(1000);
    for (let i = 0; i < 20; i++) await settle(1);
    expect(call.total!()).toBe(111_000);
    expect([runtime.metrics().tasksAlive, call.alive_guards!()]).toEqual([0, 0]);
  });

  test("10 000 coroutines yield in turns", async () => {
    call.start_yielders!(10_000, 5);
    for (let i = 0; i < 20; i++) await settle(1);
    expect(call.total!()).toBe(10_000);
  });

  test("chains of 100 000 awaits, nested or in a row, need no stack", async () => {
    call.start_deep!(100_000);
    call.start_loop!(100_000);
    for (let i = 0; i < 20; i++) await settle(1);
    expect(call.total!()).toBe(200_000);
  });

  test("a channel with two senders", async () => {
    call.start_channels!(1000);
    for (let i = 0; i < 20; i++) await settle(1);
    expect(call.total!()).toBe(2 * 499_500);
    expect(runtime.metrics().tasksAlive).toBe(0);
  });

  test("when_all, when_any and abort; what loses is destroyed", async () => {
    call.start_combinators!();
    for (let i = 0; i < 20; i++) await settle(1);
    expect(call.total!()).toBe(12 + 300 + 4000);
    expect(call.alive_guards!()).toBe(0);
    expect(runtime.metrics()).toMatchObject({ tasksAlive: 0, timers: 0 });
  });

  test("a promise of JavaScript", async () => {
    call.start_promise!(guest.expose(Promise.resolve(42)));
    call.start_promise!(guest.expose(Promise.reject(new Error("no"))));
    for (let i = 0; i < 3; i++) await settle(1);
    expect(call.total!()).toBe(42 - 8);
  });

  test("a trap ends its task only, and detaching destroys what is left", async () => {
    call.start_trap!();
    call.start_yielders!(3, 3);
    call.start_combinators!();
    await settle(1);
    expect(call.alive_guards!()).toBeGreaterThan(0);
    guest.detach();
    expect(call.alive_guards!()).toBe(0);
    expect(runtime.metrics()).toMatchObject({ tasksAlive: 0, timers: 0 });
  });
});
