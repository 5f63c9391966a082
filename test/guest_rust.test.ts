// Programs on the Rust crate, compiled by rustc 1.63.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Runtime } from "tokiwa";
import { attach, type Guest } from "tokiwa/guest";
import { advance } from "tokiwa/testing";
import { fixture, type Calls } from "./guests/load.ts";
import { hasJspi } from "./support/lanes.ts";

describe("a Rust guest", () => {
  let runtime: Runtime;
  let guest: Guest;
  let call: Calls;
  beforeEach(async () => {
    runtime = new Runtime({ startPaused: true, unhandledFailure: "ignore" });
    guest = await attach(runtime, await fixture("guest-rust.wasm"));
    call = guest.exports as Calls;
  });
  afterEach(() => runtime.shutdown());

  const settle = (ms: number): Promise<void> => runtime.run(() => advance(ms));

  test("tasks wait for tasks and timers", async () => {
    call.start_tree!(1000);
    for (let i = 0; i < 20; i++) await settle(1);
    expect(call.total!()).toBe(111_000);
    expect(runtime.metrics().tasksAlive).toBe(0);
  });

  test("three services at once take as long as the slowest", async () => {
    call.start_services!();
    for (let i = 0; i < 160; i++) await settle(1);
    expect(call.total!()).toBe(360 + 150_000);
  });

  test("10 000 tasks yield in turns", async () => {
    call.start_yielders!(10_000, 5);
    for (let i = 0; i < 20; i++) await settle(1);
    expect(call.total!()).toBe(10_000);
  });

  test("a bounded channel with four senders, and a oneshot", async () => {
    call.start_channels!(1000);
    for (let i = 0; i < 20; i++) await settle(1);
    expect(call.total!()).toBe(4 * 499_500);
    expect(runtime.metrics().tasksAlive).toBe(0);
  });

  test("timeout, join!, select! and abort", async () => {
    call.start_combinators!();
    for (let i = 0; i < 20; i++) await settle(1);
    expect(call.total!()).toBe(1 + 20 + 300 + 7 + 4000);
    expect(runtime.metrics()).toMatchObject({ tasksAlive: 0, timers: 0 });   // the losers took their timers back
  });

  test("a promise of JavaScript is a future", async () => {
    call.start_promise!(guest.expose(Promise.resolve(42)));
    call.start_promise!(guest.expose(Promise.reject(new Error("no"))));
    for (let i = 0; i < 3; i++) await settle(1);
    expect(call.total!()).toBe(42 - 8);
  });

  test("a panic ends its task only", async () => {
    call.start_panic!();
    call.start_yielders!(3, 3);
    await settle(1);
    expect(call.total!()).toBe(3);
    expect(runtime.metrics().tasksAlive).toBe(0);
  });

  test("detaching drops what the tasks own", async () => {
    call.start_combinators!();
    for (let i = 0; i < 3; i++) await settle(1);
    guest.detach();
    expect(runtime.metrics()).toMatchObject({ tasksAlive: 0, timers: 0 });
  });

  test.skipIf(!hasJspi)("block_on() suspends ordinary code", async () => {
    const results = [guest.run("blocking", 5), guest.run("blocking", 1)];
    for (let i = 0; i < 10; i++) await settle(1);
    expect(await Promise.all(results)).toEqual([42, 42]);
  });

  test("block_on() elsewhere runs what is ready and says that it cannot wait", () => {
    expect(call.blocking!(5)).toBe(-4);
  });
});
