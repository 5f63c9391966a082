// `thread` of the Rust crate: the programs of wasm-mt, and what can go wrong.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Runtime, sleep } from "tokiwa";
import { attach, type Guest } from "tokiwa/guest";
import { fixture, type Calls } from "./guests/load.ts";
import { hasJspi } from "./support/lanes.ts";

describe.each(["shared", "messages"] as const)("a Rust guest with threads (%s)", (transport) => {
  let runtime: Runtime;
  let guest: Guest;
  let call: Calls;
  beforeEach(async () => {
    runtime = new Runtime({ unhandledFailure: "ignore", transport });
    guest = await attach(runtime, await fixture("guest-rust-threads.wasm"), { threads: { transport, maxThreads: 16 } });
    call = guest.exports as Calls;
  });
  afterEach(() => runtime.shutdown());

  /** What the program gave, once it has ended. */
  const played = (program: string, ...args: number[]): Promise<number> => {
    call.reset!();
    call[`start_${program}`]!(...args);
    return runtime.run(async () => {
      while (runtime.metrics().tasksAlive > 0) await sleep(5);
      return call.total!();
    });
  };

  test("exec (C1)", async () => {
    expect(await played("exec")).toBe(3 - 10 + 300 - 1000);
  }, 60_000);

  test("fib(4), every call with n > 1 in threads of its own (C2)", async () => {
    expect(await played("fib", 4)).toBe(3);
  }, 60_000);

  test("executors (C3)", async () => {
    expect(await played("executors")).toBe(4 * 42 + 4 * 42_000);
  }, 60_000);

  test("a struct goes there, and another comes back", async () => {
    expect(await played("struct")).toBe(501);
  });

  test("a panic, a terminated thread, and what was pending there", async () => {
    expect(await played("errors")).toBe(1 + 20 + 300 + 4000);
  });

  test("dropping a job or a thread ends what it ran", async () => {
    expect(await played("drops")).toBe(5);
  });

  test("blocking work leaves this thread its timers", async () => {
    expect(await played("blocking")).toBe(100 + 1_249_999_975_000_000);
  }, 60_000);

  test("threads without end meet the limit", async () => {
    expect(await played("endless")).toBe(-9);
  }, 60_000);
});

test("four Julia sets at once (C4)", async () => {
  await using runtime = new Runtime();
  const guest = await attach(runtime, await fixture("guest-rust-threads.wasm"));
  const call = guest.exports as Calls;
  call.start_julia!(800);
  await runtime.run(async () => {
    while (call.total!() === 0) await sleep(10);
  });
  expect(call.total!()).toBe(4 * 44_841_052);
}, 60_000);

test.skipIf(!hasJspi)("blocking code waits for blocking work", async () => {
  await using runtime = new Runtime();
  const guest = await attach(runtime, await fixture("guest-rust-threads.wasm"));
  expect(await guest.run("blocking", 41)).toBe(42);
});
