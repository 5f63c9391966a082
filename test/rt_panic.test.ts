// Bad input: wrong types and ranges of every option and argument, misuse from inside, things that come too late.
// After Tokio's rt_panic.rs.
import { describe, expect, test, vi } from "vitest";
import {
  currentTask, future, fromEvent, fromPromise, type JoinHandle, lazy, OptionError, PENDING, run, Runtime, select, setDefaultRuntime, sleep, sleepUntil, spawn, taskBuilder, taskLocal, timeout,
  TokiwaError, type Waker, yieldNow,
} from "tokiwa";
import { task } from "tokiwa/testing";
import { forEachRuntime, rejection, settle, thrown } from "./support/runtimes.ts";

const bad = (message: string) => ({ name: "OptionError", code: "TOKIWA_BAD_OPTION", message: expect.stringContaining(message) });

describe("options of Runtime", () => {
  const cases: Record<string, unknown[]> = {
    flavor: ["multi", "", 5, null],
    eventInterval: [0, -1, 1.5, NaN, Infinity, "61", null, 1_000_001],
    timeSlice: [0, -1, NaN, Infinity, "8", null],
    lane: ["fast", 5, null],
    capacity: [0, -1, 1.5, NaN, "64", null, 2 ** 21],
    unhandledFailure: ["throw", true, null],
    seed: [1.5, NaN, Infinity, "1", null],
    startPaused: [1, "yes", null],
    onTaskSpawn: [5, "f", null, {}],
    onTaskTerminate: [5],
    onBeforePoll: [{}],
    onAfterPoll: ["x"],
  };
  for (const [name, values] of Object.entries(cases)) {
    test(name, () => {
      for (const value of values) expect(thrown(() => new Runtime({ [name]: value } as never))).toMatchObject(bad(name));
    });
  }

  test("the options themselves", () => {
    for (const value of [null, 5, "x", [], true]) expect(thrown(() => new Runtime(value as never))).toMatchObject(bad("options"));
  });

  test("undefined means the default everywhere", () => {
    const options = Object.fromEntries(Object.keys(cases).map((name) => [name, undefined]));
    new Runtime(options as never)[Symbol.dispose]();
  });

  test("run() rejects, it does not throw", async () => {
    expect(await rejection(run(async () => 1, { timeSlice: -1 }))).toMatchObject(bad("timeSlice"));
    expect(await rejection(run(5 as never))).toMatchObject(bad("main"));
  });

  test("the message says name, range and value", () => {
    expect(thrown(() => new Runtime({ eventInterval: 0 }))).toMatchObject({ message: "eventInterval must be an integer from 1 to 1000000, got 0" });
  });
});

describe("arguments", () => {
  test("of spawn", () => {
    for (const value of [undefined, null, 5, "x", {}, [], Symbol("s"), 1n]) {
      expect(thrown(() => spawn(value as never))).toMatchObject(bad("spawn()"));
      expect(thrown(() => taskBuilder({}).spawn(value as never))).toMatchObject(bad("spawn()"));
    }
  });

  test("of taskBuilder", () => {
    for (const value of [null, 5, "x", []]) expect(thrown(() => taskBuilder(value as never))).toMatchObject(bad("options"));
    for (const name of [5, null, {}]) expect(thrown(() => taskBuilder({ name } as never))).toMatchObject(bad("name"));
    for (const signal of [5, null, {}, new AbortController()]) expect(thrown(() => taskBuilder({ signal } as never))).toMatchObject(bad("signal"));
  });

  test("of sleep and sleepUntil", () => {
    for (const value of [-1, -0.001, NaN, -Infinity, "5", null, undefined, 1n, {}]) expect(thrown(() => sleep(value as number))).toMatchObject(bad("ms"));
    for (const value of [5, null, undefined, {}, new Date()]) {
      expect(thrown(() => sleepUntil(value as never))).toMatchObject(bad("deadline"));
      expect(thrown(() => sleep(1).reset(value as never))).toMatchObject(bad("deadline"));
    }
  });

  test("of future, lazy, fromPromise, fromEvent, task", () => {
    for (const value of [undefined, null, 5, {}]) {
      expect(thrown(() => future(value as never))).toMatchObject(bad("poll"));
      expect(thrown(() => lazy(value as never))).toMatchObject(bad("fn"));
      expect(thrown(() => fromPromise(value as never))).toMatchObject(bad("promise"));
      expect(thrown(() => fromEvent(value as never, "x"))).toMatchObject(bad("target"));
      expect(thrown(() => fromEvent(new EventTarget(), value as never))).toMatchObject(bad("type"));
      expect(thrown(() => task(value as never))).toMatchObject(bad("future"));
    }
    expect(thrown(() => future(() => 1, 5 as never))).toMatchObject(bad("drop"));
  });

  test("of methods of a runtime", async () => {
    await using runtime = new Runtime();
    for (const value of [undefined, null, 5, {}]) {
      expect(thrown(() => runtime.blockOn(value as never))).toMatchObject(bad("main"));
      expect(await rejection(runtime.run(value as never))).toMatchObject(bad("main"));
      expect(thrown(() => runtime.enter(value as never))).toMatchObject(bad("fn"));
    }
    for (const value of [null, 5, []]) expect(thrown(() => runtime.drive(value as never))).toMatchObject(bad("budget"));
    for (const polls of [-1, 1.5, NaN, "1", null]) expect(thrown(() => runtime.drive({ polls } as never))).toMatchObject(bad("polls"));
    for (const ms of [-1, NaN, "1", null]) expect(thrown(() => runtime.drive({ ms } as never))).toMatchObject(bad("ms"));
    for (const timeout of [-1, NaN, "1", null]) expect(await rejection(runtime.shutdown({ timeout } as never))).toMatchObject(bad("timeout"));
    for (const value of [null, 5, []]) expect(await rejection(runtime.shutdown(value as never))).toMatchObject(bad("options"));
    expect(runtime.blockOn(() => "not shut down by that")).toBe("not shut down by that");
  });

  test("of setDefaultRuntime", () => {
    for (const value of [undefined, 5, {}, "x"]) expect(thrown(() => setDefaultRuntime(value as never))).toMatchObject(bad("runtime"));
  });

  test("are all OptionErrors and TokiwaErrors", () => {
    const error = thrown(() => sleep(-1));
    expect(error).toBeInstanceOf(OptionError);
    expect(error).toBeInstanceOf(TokiwaError);
    expect(error).toBeInstanceOf(Error);
  });
});

describe("a generator that yields something foreign", () => {
  test.each([["undefined", undefined], ["a number", 5], ["a promise", Promise.resolve(1)], ["a future (yield instead of yield*)", sleep(1)]])("%s: rejected with TOKIWA_BAD_YIELD", async (_, value) => {
    await using runtime = new Runtime();
    const handle = runtime.spawn(function* () { yield value as never; });
    const error = await rejection(handle);
    expect(error).toMatchObject({ code: "TOKIWA_BAD_YIELD", message: expect.stringContaining("yield*") });
  });

  test("it may catch that, and its finally blocks run", async () => {
    await using runtime = new Runtime();
    const trace: string[] = [];
    const caught = runtime.spawn(function* () {
      try { yield 5 as never; } catch (error) { trace.push((error as TokiwaError).code); }
      yield* sleep(1);
      return "went on";
    });
    expect(await caught).toBe("went on");
    const stubborn = runtime.spawn(function* () { for (;;) { try { yield 5 as never; } catch { trace.push("again"); } finally { trace.push("finally"); } } });
    expect((await stubborn.result()).status).toBe("rejected");
    expect(trace.slice(0, 2)).toEqual(["TOKIWA_BAD_YIELD", "again"]);
  });

  test("in the main of run(), in blockOn() and in lazy", async () => {
    const yields = function* () { yield 5 as never; };
    expect(await rejection(run(yields))).toMatchObject({ code: "TOKIWA_BAD_YIELD" });
    await using runtime = new Runtime();
    expect(thrown(() => runtime.blockOn(yields))).toMatchObject({ code: "TOKIWA_BAD_YIELD" });
    expect(await rejection(runtime.run(function* () { yield* lazy(yields); }))).toMatchObject({ code: "TOKIWA_BAD_YIELD" });
  });
});

describe("from inside", () => {
  forEachRuntime(({ fn, make }) => {
    test("spawn, drive, blockOn and shutdown in polls and cleanups", async () => {
      const runtime = make({ capacity: 64 });
      const trace: unknown[] = [];
      const inner: JoinHandle<unknown>[] = [];
      const poke = (where: string): void => {
        inner.push(runtime.spawn(() => where));
        runtime.drive({ ms: 60_000 });
        trace.push((thrown(() => runtime.blockOn(() => 1)) as { code?: string } | undefined)?.code);
      };
      const handle = runtime.spawn(fn(function* () {
        try {
          poke("body");
          yield sleep(1e9);
        } finally {
          poke("finally");
        }
      }));
      await settle(2);
      handle.abort();
      await handle.result();
      expect(trace).toEqual(["TOKIWA_NESTED_RUNTIME", "TOKIWA_NESTED_RUNTIME"]);
      expect(await inner[0]).toBe("body");
      expect(await inner[1]).toBe("finally");
    });
  });

  test("blockOn in a future that a test task polls by hand inside a task is refused, not a hang", async () => {
    await using runtime = new Runtime();
    const probe = future(() => thrown(() => runtime.blockOn(() => 1)));
    expect(await runtime.spawn(() => task(probe).poll())).toMatchObject({ code: "TOKIWA_NESTED_RUNTIME" });
  });

  test("spawning in a drop, and dropping in a poll", async () => {
    await using runtime = new Runtime();
    let inner: JoinHandle<number> | undefined;
    const handle = runtime.spawn(future(() => PENDING, () => { inner = runtime.spawn(() => 5); }));
    await settle(1);
    handle.abort();
    await handle.result();
    expect(await inner).toBe(5);
    const self: ReturnType<typeof future<number>> = future<number>(() => { self[Symbol.dispose](); return 1; });
    expect(await runtime.spawn(self)).toBe(1);
  });

  test("a generator task that steps itself gets the host's error, and nobody else notices", async () => {
    await using runtime = new Runtime();
    const generator: Generator<never, unknown, unknown> = (function* () { return thrown(() => generator.next()); })();
    expect(await runtime.spawn(() => generator)).toBeInstanceOf(TypeError);
    expect(await runtime.spawn(() => "fine")).toBe("fine");
  });
});

test("a future of one's own without a dispose can be raced, timed out and aborted", async () => {
  const bare = () => ({ poll: () => PENDING, then() {} }) as never;
  await run(async () => {
    expect((await select({ bare: bare(), soon: sleep(1) })).name).toBe("soon");
    expect(await rejection(timeout(1, bare()))).toMatchObject({ code: "TOKIWA_ELAPSED" });
    const handle = spawn(bare());
    await sleep(1);
    handle.abort();
    expect((await handle.result()).status).toBe("cancelled");
  });
  task(bare()).drop();
});

describe("too late", () => {
  test("a future polled after completion, after a throw, after a drop", () => {
    const drop = vi.fn();
    for (const [make, first] of [
      [() => future(() => 1, drop), 1],
      [() => lazy(() => 2), 2],
    ] as const) {
      const t = task<number>(make());
      expect(t.poll()).toBe(first);
      expect(thrown(() => t.poll())).toMatchObject({ code: "TOKIWA_COMPLETED" });
      t.drop();
    }
    expect(drop).not.toHaveBeenCalled();
    const failing = task(future(() => { throw new Error("once"); }));
    expect(thrown(() => failing.poll())).toMatchObject({ message: "once" });
    expect(thrown(() => failing.poll())).toMatchObject({ code: "TOKIWA_COMPLETED" });
    const dropped = task(fromPromise(new Promise(() => {})));
    dropped.poll();
    dropped.drop();
    expect(thrown(() => dropped.poll())).toMatchObject({ code: "TOKIWA_COMPLETED" });
  });

  test("wakers of a task that ended, of a runtime that shut down, and of another runtime in its memory", async () => {
    const wakers: Waker[] = [];
    const collect = () => future<void>((waker) => { wakers.push(waker); return PENDING; });
    for (let i = 0; i < 5; i++) {
      const old = new Runtime();
      for (let k = 0; k < 50; k++) old.spawn(collect());
      old.spawn(async () => { await collect(); });
      old.drive({ ms: 60_000 });
      await settle(1);
      await old.shutdown();
    }
    await using fresh = new Runtime();
    let polls = 0;
    for (let k = 0; k < 60; k++) fresh.spawn(future(() => { polls++; return PENDING; }));
    fresh.drive({ ms: 60_000 });
    for (const waker of wakers) waker.wake();
    await settle(2);
    expect(polls).toBe(60);
  });

  test("a sleep of a runtime that shut down says so when it is polled, reset or dropped", async () => {
    const runtime = new Runtime();
    const s = runtime.enter(() => sleep(1000));
    const t = task(s);
    runtime.enter(() => t.poll());
    await runtime.shutdown();
    expect(s.isElapsed).toBe(true);
    s.reset(s.deadline);
    t.drop();
    expect(await rejection(runtime.enter(() => Promise.resolve(s).then((v) => v)))).toMatchObject({ code: "TOKIWA_SHUT_DOWN" });
  });

  test("yield* of a future outside of a task", () => {
    const generator = (function* () { yield* sleep(1); })();
    expect(thrown(() => generator.next())).toMatchObject({ name: "ContextError", code: "TOKIWA_NO_RUNTIME" });
  });

  test("a task-local outside of its run()", async () => {
    const local = taskLocal<number>();
    expect(thrown(() => local.get())).toMatchObject({ name: "ContextError" });
    await run(async () => {
      expect(await local.run(1, async () => { await sleep(1); return local.run(2, async () => { await yieldNow(); return local.get(); }).then(async (two) => [local.get(), two]); })).toEqual([1, 2]);
      expect(await local.run(3, function* () { yield* yieldNow(); return local.get(); })).toBe(3);
      expect(thrown(() => local.get())).toMatchObject({ name: "ContextError" });
      expect(await local.run(4, async () => spawn(async () => thrown(() => local.get())))).toMatchObject({ name: "ContextError" });   // not inherited
      expect(thrown(() => local.run(1, 5 as never))).toMatchObject(bad("fn"));
    });
    expect(thrown(currentTask)).toMatchObject({ name: "ContextError" });
  });
});

test("fromEvent: the next event, and dropping removes the listener", async () => {
  const target = new EventTarget();
  await run(async () => {
    const next = spawn(fromEvent(target, "ping"));
    await sleep(1);
    const event = new Event("ping");
    target.dispatchEvent(event);
    expect(await next).toBe(event);
    const remove = vi.spyOn(target, "removeEventListener");
    const dropped = spawn(fromEvent(target, "ping"));
    await sleep(1);
    dropped.abort();
    await dropped.result();
    expect(remove).toHaveBeenCalledTimes(1);
  });
});

// No meaning in JavaScript: *_panic_caller (errors have stacks), into_panic.
