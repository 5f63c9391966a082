// Poll tasks of a C guest: compiled by emcc (imports through tokiwa-lib.js) and by clang (a plain module).
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { JoinError, OptionError, Runtime, sleep } from "tokiwa";
import { attach, guestImports } from "tokiwa/guest";
import { advance } from "tokiwa/testing";
import { fixture, loadC, takeTrace, type Loaded } from "./guests/load.ts";

describe.each(["emcc", "clang"] as const)("a C guest compiled by %s", (compiler) => {
  let loaded: Loaded;
  beforeEach(async () => {
    loaded = await loadC(compiler, new Runtime({ lane: "manual", startPaused: true, unhandledFailure: "ignore" }));
  });
  afterEach(() => loaded.runtime[Symbol.dispose]());

  const drive = (): void => {
    while (loaded.runtime.drive({ ms: 60_000 }).more);
  };

  test("runs what it spawned, in the loop and not before", () => {
    const { call, runtime } = loaded;
    expect(call.fill!(10_000)).toBe(10_000);
    expect(call.counter_get!()).toBe(0);
    expect(runtime.metrics().tasksAlive).toBe(10_000);
    drive();
    expect(call.counter_get!()).toBe(10_000);
    expect(runtime.metrics().tasksAlive).toBe(0);
  });

  test("10 000 tasks that yield are interleaved, and their handles give what they returned", async () => {
    const { call, guest } = loaded;
    const handles = Array.from({ length: 10_000 }, () => guest.spawn(call.yield_fn!(), call.yielder_new!(3)));
    drive();
    expect(call.counter_get!()).toBe(30_000);
    expect(call.objects_get!()).toBe(0);
    expect(await Promise.all(handles)).toEqual(Array.from({ length: 10_000 }, () => 7));
  });

  test("a task joins another and then waits for a timer", async () => {
    using runtime = new Runtime({ startPaused: true });
    const { call, guest } = await loadC(compiler, runtime);
    const handle = guest.task(call.joiner_spawn!(call.yielder_spawn!(2)));
    await runtime.run(() => advance(5));
    expect(takeTrace(call)).toEqual([7]);
    await runtime.run(() => advance(4));
    expect(takeTrace(call)).toEqual([]);
    await runtime.run(() => advance(30));
    expect(takeTrace(call)).toEqual([1000]);
    expect(await handle).toBe(107);
    expect(call.objects_get!()).toBe(0);
  });

  test("a task that ended before it is joined keeps its result, once", () => {
    const { call } = loaded;
    const task = call.yielder_spawn!(0);
    drive();
    expect([call.raw_live!(task), call.raw_join!(task), call.raw_join!(task)]).toEqual([0, 1007, -3]);
  });

  test("an aborted task gets one last poll, by the guest and by its handle", async () => {
    const { call, guest } = loaded;
    const own = call.idle_spawn!(4);
    const handle = guest.spawn(call.idle_fn!(), 5);
    drive();
    expect(takeTrace(call)).toEqual([4, 5]);
    expect(call.raw_abort!(own)).toBe(1);
    handle.abort();
    drive();
    expect(takeTrace(call).sort((a, b) => b - a)).toEqual([-4, -5]);
    expect(call.raw_join!(own)).toBe(1000 - 5);
    await expect(handle).rejects.toBeInstanceOf(JoinError);
    expect(call.raw_abort!(own)).toBe(-3);
  });

  test("the guest awaits promises and handles of JavaScript", async () => {
    const { call, guest, runtime } = loaded;
    let resolve!: (value: number) => void;
    const fulfilled = guest.task(call.awaiter_spawn!(guest.expose(new Promise((done) => (resolve = done)))));
    const rejected = guest.task(call.awaiter_spawn!(guest.expose(Promise.reject(new Error("no")))));
    const joined = guest.task(call.awaiter_spawn!(guest.expose(runtime.spawn(() => 21))));
    drive();
    resolve(42);
    for (let i = 0; i < 5; i++) {
      await new Promise((done) => setImmediate(done));
      drive();
    }
    expect(await fulfilled).toBe(42);
    expect(await joined).toBe(21);
    await expect(rejected).rejects.toThrow("ended with the error -8");
    expect(call.raw_await!(999)).toBe(-3);
  });

  test("a guest's task is a promise for JavaScript", async () => {
    const { call, guest } = loaded;
    const imports = (guest.exports.tokiwa as ReturnType<typeof guestImports>) ?? undefined;
    const task = call.yielder_spawn!(1);
    const number = call.promise_of!(task);
    expect(number).toBeGreaterThan(0);
    drive();
    if (imports) expect(await imports.promise(number)).toBe(7);
    expect(call.promise_of!(12345)).toBe(-3);
  });

  test("a trap ends its task, names it, and leaves the stack pointer right", async () => {
    const { call, guest } = loaded;
    for (let i = 0; i < 200; i++) {
      const handle = guest.spawn(call.bad_fn!(0), 1);
      const beside = guest.spawn(call.yield_fn!(), call.yielder_new!(1));
      drive();
      await expect(handle).rejects.toThrow(/^task \d+ of guest "guest" trapped: RuntimeError: unreachable/);
      expect(await beside).toBe(7);                          // 200 leaked frames of 4 KiB would be more than the stack
    }
    const joined = call.raw_spawn!(call.bad_fn!(0), 0);
    drive();
    expect(call.raw_join!(joined)).toBe(1000 - 6);
  });

  test("polls are counted one by one, also before a trap and while the tables grow", async () => {
    const { call, guest, runtime } = loaded;
    const before = runtime.metrics().polls;
    expect(call.fill!(10)).toBe(10);
    const trap = guest.spawn(call.bad_fn!(0), 0);
    expect(call.fill!(5000)).toBe(5000);
    drive();
    await expect(trap).rejects.toThrow("trapped");
    drive();
    expect(runtime.metrics().polls - before).toBe(5012);     // one is that of the handle's own task
    expect(call.counter_get!()).toBe(5010);
  });

  test("bad pointers, ids and results do no harm", async () => {
    const { call, guest, runtime } = loaded;
    expect(call.raw_spawn!(0, 0)).toBe(-1);
    expect(call.raw_spawn!(60_000, 0)).toBe(-1);
    expect(() => guest.spawn(60_000)).toThrow(OptionError);
    const wrong = guest.spawn(call.bad_fn!(5));
    drive();
    await expect(wrong).rejects.toThrow("trapped");
    expect(call.raw_wake!(0x3fffffff)).toBe(0);
    expect([call.raw_join!(0x3ffffff), call.raw_abort!(-1)]).toEqual([-3, -3]);
    const garbage = [3, 12345, -99, 0x7fffffff].map((value) => guest.spawn(call.bad_fn!(1), value));
    drive();
    expect(await garbage[0]).toBe(3);
    expect(await garbage[1]).toBe(12345);
    await expect(garbage[2]).rejects.toThrow("the error -99");
    expect(await garbage[3]).toBe(0x7fffffff);
    expect(runtime.metrics().tasksAlive).toBe(0);
  });

  test("a task that aborts itself, joins itself, or drives the loop again", async () => {
    const { call, guest } = loaded;
    const suicide = guest.spawn(call.bad_fn!(2));
    const nested = guest.spawn(call.bad_fn!(3));
    const blocking = guest.spawn(call.bad_fn!(4));
    const self = call.raw_spawn!(call.bad_fn!(7), 0);
    drive();
    await expect(suicide).rejects.toThrow("cancelled");
    expect(takeTrace(call)).toEqual([1, -5]);
    expect(await nested).toBe(11);
    expect(await blocking).toBe(21);
    expect(call.raw_join!(self)).toBe(1000 - 12);
  });

  test("spawning without end starves neither the budget nor JavaScript", () => {
    const { call, guest, runtime } = loaded;
    void guest.spawn(call.bad_fn!(6)).result();
    let turns = 0;
    runtime.spawn(function* () {
      for (; turns < 10; turns++) yield* sleep(0);
    });
    expect(runtime.drive({ polls: 5000, ms: 60_000 }).more).toBe(true);
    expect(call.counter_get!()).toBeGreaterThan(4000);
    expect(call.counter_get!()).toBeLessThanOrEqual(5000);
    expect(turns).toBe(10);
  });

  test("a task may spend 128 operations in one poll", async () => {
    const { call, guest } = loaded;
    const tasks = [guest.spawn(call.bad_fn!(8)), guest.spawn(call.bad_fn!(8))];
    drive();
    expect(await Promise.all(tasks)).toEqual([128, 128]);
  });

  test("the guest's memory grows in mid-poll, and may be exhausted", async () => {
    const { call, guest } = loaded;
    const some = guest.spawn(call.bad_fn!(9), 64 << 20);
    const much = guest.spawn(call.bad_fn!(9), 0xf000_0000);
    const after = guest.spawn(call.yield_fn!(), call.yielder_new!(1));
    drive();
    expect(await some).toBe(31);
    await expect(much).rejects.toThrow("the error -2");
    expect(await after).toBe(7);
  });

  test("the core's tables grow in mid-poll", () => {
    const { call, runtime } = loaded;
    let filled = 0;
    runtime.spawn(() => (filled = call.fill!(100_000)));
    drive();
    expect([filled, call.counter_get!()]).toEqual([100_000, 100_000]);
  });

  test("drives the loop itself, from outside of any poll", () => {
    const { call } = loaded;
    call.fill!(500);
    expect(call.raw_alive!()).toBe(500);
    expect(call.raw_drive!(0, 100, 60_000)).toBe(1);
    expect(call.counter_get!()).toBe(100);
    expect(call.raw_drive!(0, Infinity, 60_000)).toBe(0);
    expect(call.counter_get!()).toBe(500);
    expect([call.raw_next!(), call.raw_drive!(1, 1, 1), call.raw_drive!(0, -1, 1), call.raw_drive!(0, 1, NaN)]).toEqual([-1, -1, -1, -1]);
  });

  test("outside of blocking code, blocking calls run what is ready and say that they cannot wait", () => {
    const { call } = loaded;
    call.fill!(50);
    expect(call.raw_sleep!(10)).toBe(-4);
    expect(call.counter_get!()).toBe(50);
    expect([call.raw_sleep!(-1), call.raw_sleep!(NaN)]).toEqual([-1, -1]);
    expect(call.block_on_ready!()).toBe(7);
    expect(call.block_on_idle!()).toBe(-4);
    expect(takeTrace(call)).toEqual([77, -77]);
  });

  test("detaching gives each task its last poll, rejects its handles, and closes the guest's calls", async () => {
    const { call, guest, runtime } = loaded;
    const handles = [guest.spawn(call.idle_fn!(), 1), guest.spawn(call.yield_fn!(), call.yielder_new!(1000))];
    call.idle_spawn!(2);
    runtime.drive({ polls: 10, ms: 60_000 });
    takeTrace(call);
    guest.detach();
    guest.detach();
    expect(takeTrace(call).sort()).toEqual([-1, -2]);
    expect(call.objects_get!()).toBe(0);
    expect([call.fill!(1), call.raw_wake!(0), call.raw_sleep!(1), call.raw_abort!(0)]).toEqual([-7, -7, -7, -7]);
    expect(() => guest.spawn(call.idle_fn!())).toThrow("was detached");
    drive();
    for (const handle of handles) await expect(handle).rejects.toThrow("cancelled");
    expect(runtime.metrics().tasksAlive).toBe(0);
  });

  test("several guests share a runtime, and one's trap is its own", async () => {
    const { call, guest, runtime } = loaded;
    const other = await loadC(compiler, runtime, { name: "other" });
    const both = [guest.spawn(call.yield_fn!(), call.yielder_new!(5)), other.guest.spawn(other.call.yield_fn!(), other.call.yielder_new!(5))];
    const trap = other.guest.spawn(other.call.bad_fn!(0));
    drive();
    expect(await Promise.all(both)).toEqual([7, 7]);
    await expect(trap).rejects.toThrow('guest "other" trapped');
    other.guest.detach();
    expect(call.fill!(3)).toBe(3);
    drive();
    expect([call.counter_get!(), other.call.counter_get!()]).toEqual([8, 5]);
  });
});

test("a trap that nobody joins is reported", async () => {
  const runtime = new Runtime({ unhandledFailure: "shutdown", lane: "manual" });
  const { call } = await loadC("clang", runtime);
  const main = runtime.run(() => new Promise(() => {}));
  call.raw_spawn!(call.bad_fn!(0), 0);
  runtime.drive({ ms: 60_000 });
  await expect(main).rejects.toThrow("trapped");
});

test("what attach() does not take is refused by name", async () => {
  const runtime = new Runtime({ lane: "manual" });
  const bytes = await fixture("guest-clang.wasm");
  const noTable = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
  expect(() => attach(runtime, 5 as never)).toThrow("source must be a WebAssembly instance");
  expect(() => attach({} as never, bytes)).toThrow("runtime must be a Runtime");
  expect(() => attach(runtime, bytes, { stackBytes: 5 })).toThrow("stackBytes must be an integer from 1024 to 67108864, got 5");
  expect(() => attach(runtime, bytes, { name: 5 as never })).toThrow("name must be a string");
  expect(() => attach(runtime, {})).toThrow("tokiwa must be an object that guestImports() returned");
  await expect(attach(runtime, noTable)).rejects.toThrow('the guest "guest" must export its table');
  await expect(attach(runtime, noTable.subarray(0, 3))).rejects.toThrow(WebAssembly.CompileError);
  await runtime.shutdown();
  expect(() => attach(runtime, bytes)).toThrow("has shut down");
});

test("an instance of one's own imports guestImports(), which serve one guest each", async () => {
  using runtime = new Runtime({ lane: "manual" });
  const module = await WebAssembly.compile(await fixture("guest-clang.wasm"));
  const tokiwa = guestImports(runtime);
  const instance = await WebAssembly.instantiate(module, { tokiwa } as unknown as WebAssembly.Imports);
  const guest = attach(runtime, instance);
  expect(() => attach(runtime, instance, { guestImports: tokiwa })).toThrow("serve another guest already");
  expect((instance.exports.fill as (n: number) => number)(5)).toBe(5);
  while (runtime.drive({ ms: 60_000 }).more);
  expect((instance.exports.counter_get as () => number)()).toBe(5);
  expect(guest.wake(0)).toBe(false);
});

test("shutting the runtime down gives a guest's tasks their last poll", async () => {
  const runtime = new Runtime();
  const { call } = await loadC("clang", runtime);
  call.idle_spawn!(9);
  await runtime.run(() => sleep(1));
  await runtime.shutdown();
  expect(takeTrace(call)).toEqual([9, -9]);
  expect(call.fill!(1)).toBe(-7);
});
