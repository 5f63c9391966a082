// What blocking code of a C guest does, however it is suspended: guest_stack.test.ts (JSPI) and guest_asyncify.test.ts run this list.
import { expect, test } from "vitest";
import { JoinError, Runtime, sleep } from "tokiwa";
import type { AttachOptions } from "tokiwa/guest";
import { takeTrace, type Loaded } from "../guests/load.ts";

export function testBlocking(load: (runtime: Runtime, options?: AttachOptions) => Promise<Loaded>): void {
  test("a test program that blocks runs from its first line to its exit code", async () => {
    await using runtime = new Runtime();
    const { guest } = await load(runtime, { failOnDrain: true });
    expect(guest.canBlock).toBe(true);
    expect(await guest.run("program", 40)).toBe(0);
    expect(await Promise.all([guest.run("program", 20), guest.run("program", 30)])).toEqual([0, 0]);
  });

  test("500 interleaved stacks keep every byte, and are used again", async () => {
    await using runtime = new Runtime();
    const { call, guest } = await load(runtime, { stackBytes: 16384 });
    for (let round = 0; round < 2; round++) {
      const handles = Array.from({ length: 500 }, (_, id) => guest.run(call.canary_fn!(), id));
      expect(await Promise.all(handles)).toEqual(Array.from({ length: 500 }, (_, id) => id));
    }
    expect(call.corrupted_get!()).toBe(0);
  });

  test("500 stacks beside poll tasks and calls from JavaScript keep every byte", async () => {
    await using runtime = new Runtime({ timeSlice: 1 });
    const { call, guest } = await load(runtime, { stackBytes: 16384 });
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

  test("waits for promises, of JavaScript and of poll tasks", async () => {
    await using runtime = new Runtime();
    const { guest } = await load(runtime);
    const later = guest.run("wait_for", guest.expose(runtime.spawn(async () => (await sleep(5), 42))));
    const failing = guest.run("wait_for", guest.expose(Promise.reject(new Error("no"))));
    expect(await later).toBe(42);
    expect(await failing).toBe(-8);
    expect(await guest.run("wait_for", 4321)).toBe(-3);
  });

  test("an aborted task settles at once, and its blocking calls say that they were cancelled", async () => {
    await using runtime = new Runtime();
    const { call, guest } = await load(runtime);
    const handle = guest.run("sleep_forever");
    await runtime.run(() => sleep(2));
    handle.abort();
    await expect(handle).rejects.toBeInstanceOf(JoinError);
    await runtime.run(() => sleep(2));
    expect(takeTrace(call)).toEqual([-5, -5]);
  });

  test("a trap after a suspension ends its task and no other, however often", async () => {
    await using runtime = new Runtime();
    const { call, guest } = await load(runtime);
    for (let i = 0; i < 20; i++) {
      const beside = guest.run(call.canary_fn!(), 5);
      await expect(guest.run("trap_later")).rejects.toThrow(/^blocking task \d+ of guest "guest" trapped: RuntimeError: unreachable/);
      expect(await beside).toBe(5);
    }
    expect(call.corrupted_get!()).toBe(0);
  });

  test("detaching ends blocking code", async () => {
    await using runtime = new Runtime();
    const { call, guest } = await load(runtime);
    const handle = guest.run("sleep_forever");
    await runtime.run(() => sleep(2));
    guest.detach();
    await expect(handle).rejects.toBeInstanceOf(JoinError);
    await runtime.run(() => sleep(2));
    expect(takeTrace(call)).toEqual([-5, -7]);
    expect(() => guest.run("sleep_forever")).toThrow("was detached");
  });
}
