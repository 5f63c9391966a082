// After Tokio's task_hooks.rs and rt_poll_callbacks.rs, task_id.rs.
import { describe, expect, test } from "vitest";
import { currentTask, future, type JoinHandle, PENDING, Runtime, sleep, spawn, type TaskMeta, taskBuilder, yieldNow } from "tokiwa";
import { forEachRuntime, rejection, settle, thrown } from "./support/runtimes.ts";

describe("hooks", () => {
  test("spawn, poll and terminate, with id, name and spawnedAt", async () => {
    const trace: string[] = [];
    const metas: TaskMeta[] = [];
    const hook = (name: string) => (meta: TaskMeta) => { trace.push(`${name} ${meta.name}`); metas.push(meta); };
    const runtime = new Runtime({ onTaskSpawn: hook("spawn"), onTaskTerminate: hook("terminate"), onBeforePoll: hook("before"), onAfterPoll: hook("after") });
    const before = performance.now();
    const handle = runtime.enter(() => taskBuilder({ name: "x" }).spawn(function* () { yield* yieldNow(); }));
    expect(trace).toEqual(["spawn x"]);
    await handle;
    await runtime.shutdown();
    expect(trace.slice(0, 4)).toEqual(["spawn x", "before x", "after x", "before x"]);
    expect(trace.slice(4).sort()).toEqual(["after x", "terminate x"]);
    for (const meta of metas) {
      expect(meta.id).toBe(handle.id);
      expect(meta.spawnedAt).toBeGreaterThanOrEqual(before);
      expect(meta.spawnedAt).toBeLessThan(before + 60_000);
    }
  });

  test("the terminate hook fires for every way to end, once each", async () => {
    const ended = new Map<number, number>();
    const runtime = new Runtime({ onTaskTerminate: ({ id }) => ended.set(id, (ended.get(id) ?? 0) + 1), unhandledFailure: "ignore" });
    const handles: JoinHandle<unknown>[] = [
      runtime.spawn(() => 1),
      runtime.spawn(async () => { await sleep(1); }),
      runtime.spawn(function* () { throw new Error("x"); }),
      runtime.spawn(future(() => PENDING)),
      runtime.spawn(function* () { yield* sleep(1e9); }),
      runtime.spawn(async () => { await new Promise(() => {}); }),
    ];
    await settle(2);
    handles[3]!.abort();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await runtime.shutdown({ timeout: 10 });
    expect([...ended.keys()].sort()).toEqual(handles.map((handle) => handle.id).sort());
    expect([...ended.values()]).toEqual(handles.map(() => 1));
  });

  test("the main of run() does not count", async () => {
    let spawns = 0;
    const runtime = new Runtime({ onTaskSpawn: () => spawns++, onBeforePoll: () => spawns++ });
    await runtime.run(async () => { await sleep(1); });
    runtime.blockOn(function* () { yield* yieldNow(); });
    expect(spawns).toBe(0);
    await runtime.shutdown();
  });

  test("a hook that throws is reported and changes nothing", async () => {
    const reported: unknown[] = [];
    const listener = (error: unknown): void => void reported.push(error);
    const listeners = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", listener);
    try {
      const runtime = new Runtime({ onTaskSpawn: () => { throw new Error("in hook"); }, onAfterPoll: () => { throw undefined; } });
      expect(await runtime.spawn(() => 5)).toBe(5);
      await settle(2);
      await runtime.shutdown();
    } finally {
      process.off("unhandledRejection", listener);
      for (const old of listeners) process.on("unhandledRejection", old);
    }
    expect(reported).toHaveLength(2);
  });

  test("spawn, drive, blockOn and shutdown from inside hooks are safe", async () => {
    const codes = new Set<unknown>();
    const extra: JoinHandle<number>[] = [];
    let depth = 0;
    const runtime: Runtime = new Runtime({
      onTaskSpawn: () => { runtime.drive({ ms: 60_000 }); },
      onBeforePoll: () => {
        codes.add((thrown(() => runtime.blockOn(() => 1)) as { code?: string })?.code);
        runtime.drive({ ms: 60_000 });
      },
      onTaskTerminate: () => { if (depth++ < 3) extra.push(runtime.spawn(() => depth)); },
    });
    expect(await runtime.spawn(function* () { yield* yieldNow(); return 1; })).toBe(1);
    await settle(3);
    expect(extra).toHaveLength(3);
    expect(codes).toEqual(new Set(["TOKIWA_NESTED_RUNTIME"]));
    await runtime.shutdown();

    const second: Runtime = new Runtime({ onAfterPoll: () => { void second.shutdown(); } });
    const handle = second.spawn(function* () { yield* sleep(1e9); });
    expect((await handle.result()).status).toBe("cancelled");
    await second.shutdown();

    const third: Runtime = new Runtime({ onTaskTerminate: () => third[Symbol.dispose]() });
    expect(await third.spawn(() => 1)).toBe(1);
  });
});

forEachRuntime(({ fn, run }) => {
  test("ids differ, compare with === and are the same inside and outside", () => run(function* () {
    const ids = new Set<unknown>();
    for (let i = 0; i < 100; i++) {
      const handle = spawn(fn(function* () { yield yieldNow(); return currentTask().id; }));
      expect(yield handle).toBe(handle.id);
      ids.add(handle.id);
    }
    expect(ids.size).toBe(100);
  }));

  test("currentTask() is right after every kind of wait, and in cleanup", () => run(function* () {
    let inFinally: unknown;
    let isWaiting = false as boolean;
    const handle = spawn(fn(function* () {
      const ids = [currentTask().id];
      yield sleep(1);
      ids.push(currentTask().id);
      yield Promise.resolve();
      ids.push(currentTask().id);
      yield new Promise((resolve) => setTimeout(resolve, 1));
      ids.push(currentTask().id);
      try {
        isWaiting = true;
        yield sleep(1e9);
      } finally {
        inFinally = currentTask().id;
        expect(new Set(ids).size).toBe(1);
      }
    }));
    while (!isWaiting) yield sleep(1);
    handle.abort();
    expect((yield handle.result() as never)).toMatchObject({ status: "cancelled" });
    expect(inFinally).toBe(handle.id);
  }));

  test("two tasks that take turns see themselves", () => run(function* () {
    const body = fn(function* () {
      const own = currentTask().id;
      for (let i = 0; i < 20; i++) { yield i % 3 ? yieldNow() : Promise.resolve(); if (currentTask().id !== own) return "mixed up"; }
      return "own";
    });
    const both = [spawn(body), spawn(body)];
    expect([yield both[0]!, yield both[1]!]).toEqual(["own", "own"]);
  }));
});

test("currentTask().own() ties a future to the task, and checks its argument", async () => {
  const runtime = new Runtime();
  const handle = runtime.spawn(async () => {
    const me = currentTask();
    expect(thrown(() => me.own(5 as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
    await new Promise((resolve) => setTimeout(resolve, 1));
    await me.own(sleep(1e9));
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  handle.abort();
  expect(await rejection(handle)).toMatchObject({ code: "TOKIWA_CANCELLED" });
  await runtime.shutdown();
});

// No meaning in JavaScript: spawn locations, schedule_latency, destructors of outputs, panic callers.
