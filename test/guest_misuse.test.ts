// Poll functions that do what nobody should, with JavaScript as their body: a function of JavaScript, made one of Wasm, in
// the guest's table. And two copies of the package in one program.
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type * as Tokiwa from "tokiwa";
import { Runtime } from "tokiwa";
import type * as TokiwaGuest from "tokiwa/guest";
import type { Guest } from "tokiwa/guest";
import { type Calls, fixture, loadC, takeTrace } from "./guests/load.ts";

/** (module (import "e" "f" (func (param i32 i32) (result i32))) (export "f" (func 0))) */
const AS_WASM = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 2, 7, 1, 1, 101, 1, 102, 0, 0, 7, 5, 1, 1, 102, 0, 0]);

let runtime: Runtime;
let guest: Guest;
let call: Calls;
beforeEach(async () => {
  runtime = new Runtime({ lane: "manual", unhandledFailure: "ignore" });
  ({ guest, call } = await loadC("clang", runtime));
});
afterEach(() => runtime.shutdown());

const drive = (): void => {
  while (runtime.drive({ ms: 1000 }).more);
};

/** A function pointer of the guest whose body is `poll`. */
function pointer(poll: (arg: number, self: number) => number): number {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(AS_WASM), { e: { f: poll } });
  const table = guest.exports["__indirect_function_table"] as WebAssembly.Table;
  const place = table.grow(1);
  table.set(place, exports["f"]);
  return place;
}

describe("a poll function that", () => {
  test("throws ends its task with that as cause", async () => {
    const thrown = new TypeError("from inside");
    const handle = guest.spawn(pointer(() => {
      throw thrown;
    }));
    const beside = guest.spawn(call.yield_fn!(), call.yielder_new!(2));
    drive();
    await expect(handle).rejects.toMatchObject({ code: "TOKIWA_GUEST_TRAP", cause: thrown });
    expect(await beside).toBe(7);
  });

  test("detaches its guest is the last to run", async () => {
    const handle = guest.spawn(pointer(() => {
      guest.detach();
      return 5;
    }));
    call.idle_spawn!(3);
    drive();
    expect(takeTrace(call)).toContain(-3);
    await expect(handle).rejects.toThrow("cancelled");
    expect(call.fill!(1)).toBe(-7);
    expect(runtime.metrics().tasksAlive).toBe(0);
  });

  test("shuts its runtime down leaves nothing behind", async () => {
    let closing: Promise<void> | undefined;
    const handle = guest.spawn(pointer(() => {
      closing = runtime.shutdown();
      return 0;
    }));
    drive();
    await closing;
    await expect(handle).rejects.toThrow();
    expect(call.raw_wake!(0)).toBe(-7);
  });

  test("drives the runtime, from JavaScript and by tk_drive(), finds it driving", async () => {
    let inner: unknown;
    const handle = guest.spawn(pointer(() => {
      inner = [runtime.drive({ ms: 60_000 }).alive, call.raw_drive!(0, 10, 10)];
      return 9;
    }));
    const beside = guest.spawn(call.yield_fn!(), call.yielder_new!(1));
    drive();
    expect(await handle).toBe(9);
    expect(inner).toEqual([expect.any(Number), -11]);
    expect(await beside).toBe(7);
  });

  test("wakes itself for ever starves neither the budget nor others", () => {
    let polls = 0;
    const self = pointer((_, task) => {
      polls++;
      call.raw_wake!(task);
      return 0;
    });
    void guest.spawn(self).result();
    call.fill!(1000);
    expect(runtime.drive({ polls: 3000, ms: 60_000 }).more).toBe(true);
    expect(call.counter_get!()).toBe(1000);
    expect(polls).toBeLessThanOrEqual(2001);
  });

  test("aborts every other task, and the one that polls after it, leaves their slots right", async () => {
    const victims = Array.from({ length: 50 }, () => call.idle_spawn!(0));
    drive();
    takeTrace(call);
    const killer = guest.spawn(pointer(() => {
      for (const victim of victims) call.raw_abort!(victim);
      for (const victim of victims) call.raw_wake!(victim);
      return 1;
    }));
    const after = guest.spawn(call.yield_fn!(), call.yielder_new!(1));
    drive();
    expect(await killer).toBe(1);
    expect(await after).toBe(7);
    expect(victims.map((victim) => call.raw_join!(victim))).toEqual(victims.map(() => 1000 - 5));
    expect(runtime.metrics().tasksAlive).toBe(0);
  });

  test("traps in its last poll, or starts another task there, ends all the same", async () => {
    const last = pointer((_, task) => {
      if (task >= 0) return 0;
      call.fill!(3);
      throw new Error("in the last poll");
    });
    const handle = guest.spawn(last);
    drive();
    handle.abort();
    drive();
    await expect(handle).rejects.toThrow();
    expect(call.counter_get!()).toBe(3);
    expect(runtime.metrics().tasksAlive).toBe(0);
  });
});

test("stale ids do nothing, also when their slots are used again", () => {
  const old = Array.from({ length: 100 }, () => call.yielder_spawn!(0));
  drive();
  for (const task of old) expect(call.raw_join!(task)).toBe(1007);
  const fresh = Array.from({ length: 100 }, () => call.idle_spawn!(1));
  drive();
  takeTrace(call);
  expect(old.map((task) => [call.raw_wake!(task), call.raw_abort!(task), call.raw_live!(task), call.raw_join!(task)])).toEqual(old.map(() => [0, -3, 0, -3]));
  drive();
  expect(takeTrace(call)).toEqual([]);
  expect(fresh.every((task) => call.raw_live!(task) === 1)).toBe(true);
});

test("more tasks than the core can hold are refused, and all that were accepted run", () => {
  const most = 1 << 22;
  expect(call.fill!(most - 100)).toBe(most - 100);
  expect(call.fill!(200)).toBe(-2);
  expect(() => guest.spawn(call.tick_fn!(), 1)).toThrow("cannot grow to hold another task");
  drive();
  expect(call.counter_get!()).toBe(most);
  expect(call.fill!(5)).toBe(5);
  drive();
  expect(runtime.metrics().tasksAlive).toBe(0);
});

test("two copies of the package run guests side by side, and know their own runtimes", async () => {
  const dist = fileURLToPath(new URL("../dist/", import.meta.url));
  const folder = await mkdtemp(join(tmpdir(), "tokiwa-copy-"));
  try {
    await cp(dist, join(folder, "dist"), { recursive: true, filter: (path) => !path.endsWith(".map") && !path.includes("/types") });
    const copy = (name: string): Promise<unknown> => import(pathToFileURL(join(folder, "dist", name)).href);
    const other = (await copy("index.js")) as typeof Tokiwa;
    const { attach } = (await copy("guest.js")) as typeof TokiwaGuest;
    expect(other.Runtime).not.toBe(Runtime);
    const second = new other.Runtime({ lane: "manual" });
    const bytes = await fixture("guest-clang.wasm");
    expect(() => attach(runtime as never, bytes)).toThrow("runtime must be a Runtime of this copy of the package");
    const there = await attach(second, bytes);
    const mine = guest.spawn(call.yield_fn!(), call.yielder_new!(3));
    const theirs = there.spawn((there.exports as Calls).yield_fn!(), (there.exports as Calls).yielder_new!(5));
    while (second.drive({ ms: 60_000 }).more);
    drive();
    expect([await mine, await theirs, call.counter_get!(), (there.exports as Calls).counter_get!()]).toEqual([7, 7, 3, 5]);
    await second.shutdown();
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a factory that returns no module is named", async () => {
  const { attach } = await import("tokiwa/guest");
  const factory = (): undefined => undefined;
  await expect(attach(runtime, factory as never)).rejects.toThrow(/source must be the factory of an Emscripten module \(-sMODULARIZE\), got one that returned undefined/);
});
