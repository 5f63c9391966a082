// After Tokio's rt_handle.rs and rt_metrics.rs: the runtime that is current, and what a runtime tells of itself.
import { describe, expect, test } from "vitest";
import { Barrier, mpsc, oneshot, run, Runtime, select, sleep, spawn, taskBuilder, yieldNow, type JoinHandle } from "tokiwa";
import { collectGarbage } from "./support/lanes.ts";
import { forEachRuntime } from "./support/runtimes.ts";

describe("enter()", () => {
  test("nests in any order, and is left when its function ends", async () => {
    const [a, b] = [new Runtime(), new Runtime()];
    expect(a.enter(() => [Runtime.current, b.enter(() => [Runtime.current, a.enter(() => Runtime.current)]), Runtime.current])).toEqual([a, [b, a], a]);
    expect(() => a.enter(() => b.enter(() => { throw new RangeError("inside"); }))).toThrow("inside");
    a.enter(() => expect(Runtime.current).toBe(a));
    for (const runtime of [a, b]) await runtime.shutdown();
  });

  test("a task spawned inside belongs to the runtime that was entered, and sees it as the current one", async () => {
    const [a, b] = [new Runtime(), new Runtime()];
    const here = async (): Promise<Runtime> => (await yieldNow(), Runtime.current);
    expect(await Promise.all([a.enter(() => spawn(here)), b.enter(() => spawn(here)), a.spawn(here)])).toEqual([a, b, a]);
    for (const runtime of [a, b]) await runtime.shutdown();
  });
});

test("a handle and a runtime show themselves in a line, not all that hangs on them", async () => {
  await run(async () => {
    const named = taskBuilder({ name: "fetch users" }).spawn(() => 1);
    const { id } = named;
    expect(JSON.parse(JSON.stringify([named, spawn(() => 2)]))).toEqual([{ id, name: "fetch users", isFinished: false }, { id: expect.any(Number), isFinished: false }]);
    await named;
    expect(JSON.stringify(named)).toBe(`{"id":${id},"name":"fetch users","isFinished":true}`);
    expect(JSON.parse(JSON.stringify(Runtime.current))).toMatchObject({ tasksSpawned: Runtime.current.metrics().tasksSpawned, workers: [] });
  });
});

test("tasks that hold each other's handles are let go", async () => {
  const refs: WeakRef<object>[] = [];
  await run(async () => {
    const barrier = new Barrier(3);
    const [tx, rx] = mpsc<{ handle: JoinHandle<void> }>(1);
    const a = spawn(async () => {
      const other = await rx.recv();                       // in an object: await would go on to await a handle
      await select({ other: other!.handle, now: yieldNow() });
      await barrier.wait();
    });
    const b = spawn(async () => {
      await select({ a, now: yieldNow() });
      await barrier.wait();
    });
    refs.push(new WeakRef(a), new WeakRef(b));
    await tx.send({ handle: b });
    await barrier.wait();
    await a;
    await b;
  });
  await new Promise((resolve) => setTimeout(resolve, 0));
  collectGarbage();
  expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined]);
});

forEachRuntime(({ fn, make }) => {
  test("metrics count tasks, timers, polls and drives", async () => {
    const runtime = make();
    const before = runtime.metrics();
    const [tx, rx] = oneshot<void>();
    const waiting = runtime.spawn(fn(function* () { yield rx; }));
    const sleeping = runtime.spawn(fn(function* () { yield sleep(1e6); }));
    expect(runtime.metrics()).toMatchObject({ tasksAlive: before.tasksAlive + 2, tasksSpawned: before.tasksSpawned + 2, queueDepth: before.queueDepth + 2 });
    await runtime.spawn(fn(function* () { yield yieldNow(); }));
    expect(runtime.metrics()).toMatchObject({ tasksAlive: before.tasksAlive + 2, timers: before.timers + 1, queueDepth: 0 });
    tx.send();
    await waiting;
    sleeping.abort();
    await sleeping.result();
    const after = runtime.metrics();
    expect(after).toMatchObject({ tasksAlive: before.tasksAlive, timers: before.timers, tasksSpawned: before.tasksSpawned + 3 });
    expect(after.polls).toBeGreaterThan(before.polls);
    expect(after.drives).toBeGreaterThan(before.drives);
  });
});

// No meaning in JavaScript: guards of enter() that are dropped out of order (a function ends before its caller), runtime ids
// (a runtime compares with ===), workers' park counts and busy times (metrics().workers of tokiwa/threads).
