// After Tokio's rt_common.rs and rt_basic.rs; what has no meaning here is listed at the foot.
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  ContextError, coop, currentTask, future, fromPromise, Instant, join, type JoinHandle, type JoinError, PENDING, run, Runtime, setDefaultRuntime, sleep, spawn, taskBuilder,
  type Waker, yieldNow,
} from "tokiwa";
import { forEachRuntime, rejection, settle, thrown } from "./support/runtimes.ts";

forEachRuntime(({ fn, make, run }) => {
  test("run() gives the value of its main", () => expect(run(function* () { return "done"; })).resolves.toBe("done"));

  test("run() rejects with the error of its main", async () => {
    const error = new Error("main");
    expect(await rejection(run(function* () { throw error; }))).toBe(error);
  });

  test("one task in the background, and its join", () => run(function* () {
    const handle = spawn(fn(function* () { yield yieldNow(); return "test"; }));
    expect(yield handle).toBe("test");
  }));

  test("arguments after fn are passed on", () => run(function* () {
    expect(yield spawn(fn(function* (a: number, b: string) { yield yieldNow(); return `${a}${b}`; }), 1, "x")).toBe("1x");
  }));

  test("spawn only queues: nothing of the task runs on the caller's stack", () => run(function* () {
    const trace: string[] = [];
    const handle = spawn(fn(function* () { trace.push("task"); }));
    trace.push("after spawn");
    yield handle;
    expect(trace).toEqual(["after spawn", "task"]);
  }));

  test("a task spawns a task", () => run(function* () {
    const inner = fn(function* () { yield yieldNow(); return "inner"; });
    expect(yield spawn(fn(function* () { return (yield spawn(inner)) as string; }))).toBe("inner");
  }));

  test("many tasks from the main, joined in order", () => run(function* () {
    const handles = Array.from({ length: 200 }, (_, i) => spawn(fn(function* (n: number) { yield yieldNow(); return 100 + n; }), i));
    const values: number[] = [];
    for (const handle of handles) values.push((yield handle) as number);
    expect(values).toEqual(Array.from({ length: 200 }, (_, i) => 100 + i));
  }));

  test("many tasks from a task", () => run(function* () {
    const many = fn(function* () {
      let sum = 0;
      const handles = Array.from({ length: 200 }, (_, i) => spawn(fn(function* () { return i; })));
      for (const handle of handles) sum += (yield handle) as number;
      return sum;
    });
    expect(yield spawn(many)).toBe(19_900);
  }));

  test("a chain of tasks that await each other", () => run(function* () {
    let last: JoinHandle<number> = spawn(fn(function* () { return 0; }));
    for (let i = 0; i < 100; i++) {
      const before = last;
      last = spawn(fn(function* () { return ((yield before) as number) + 1; }));
    }
    expect(yield last).toBe(100);
  }));

  test("the main completes under load of tasks that always yield", () => run(function* () {
    const load = Array.from({ length: 3 }, () => spawn(fn(function* () { for (;;) yield yieldNow(); })));
    for (let i = 0; i < 100; i++) yield yieldNow();
    for (const task of load) task.abort();
  }));

  test("a sleep comes under load of tasks that always yield", () => run(function* () {
    const load = spawn(fn(function* () { for (;;) yield yieldNow(); }));
    const start = Instant.now();
    yield sleep(10);
    expect(start.elapsed()).toBeGreaterThanOrEqual(10);
    expect(start.elapsed()).toBeLessThan(10_000);
    load.abort();
  }));

  test("a sleep at the root never ends early", () => run(function* () {
    const start = Instant.now();
    yield sleep(20);
    expect(start.elapsed()).toBeGreaterThanOrEqual(20);
  }));

  test("a sleep in a task", () => run(function* () {
    yield spawn(fn(function* () {
      const start = Instant.now();
      yield sleep(20);
      expect(start.elapsed()).toBeGreaterThanOrEqual(20);
    }));
  }));

  test("a task that throws is a rejected handle with the task's own error, and the runtime goes on", () => run(function* () {
    const error = new Error("task");
    let caught: unknown;
    try {
      yield spawn(fn(function* () { yield yieldNow(); throw error; }));
    } catch (thrown) {
      caught = thrown;
    }
    expect(caught).toBe(error);
    expect(yield spawn(fn(function* () { return "on"; }))).toBe("on");
  }));

  test("a task that throws undefined rejects with undefined", () => run(function* () {
    const handle = spawn(fn(function* () { yield yieldNow(); throw undefined; }));
    expect(yield handle.result()).toEqual({ status: "rejected", reason: undefined });
    expect(yield handle.then(() => "fulfilled", (reason: unknown) => [reason])).toEqual([undefined]);
  }));

  test("enter() makes the runtime current while fn runs, and gives its value", async () => {
    const runtime = make();
    const handle = runtime.enter(() => {
      expect(Runtime.current).toBe(runtime);
      return spawn(fn(function* () { return Runtime.current; }));
    });
    expect(await handle).toBe(runtime);
  });

  test("enter() nests and restores, also when fn throws", () => {
    const runtime = make();
    const other = new Runtime();
    runtime.enter(() => {
      expect(thrown(() => other.enter(() => { throw new Error("inside"); }))).toMatchObject({ message: "inside" });
      expect(Runtime.current).toBe(runtime);
      other.enter(() => expect(Runtime.current).toBe(other));
      expect(Runtime.current).toBe(runtime);
    });
    other[Symbol.dispose]();
  });

  test("two run() at once on one runtime", async () => {
    const runtime = make();
    const both = await Promise.all([1, 2].map((n) => runtime.run(fn(function* () { yield sleep(2); return n; }))));
    expect(both).toEqual([1, 2]);
  });

  test("ping-pong of two tasks over wakers is fair to a third", () => run(function* () {
    let waiting: Waker | undefined;
    let isOver = false;
    const turn = () => {
      let polled = false;
      return future<void>((waker) => {
        if (polled) return undefined;
        polled = true;
        waiting?.wake();
        waiting = waker;
        return PENDING;
      });
    };
    const player = fn(function* () { while (!isOver) yield turn(); });
    const first = spawn(player);
    const second = spawn(player);
    for (let i = 0; i < 50; i++) yield yieldNow();
    isOver = true;
    for (let i = 0; i < 3; i++) { waiting?.wake(); yield yieldNow(); }
    first.abort();
    second.abort();
    yield first.result();
    yield second.result();
  }));

  test("a plain function is a task, too: its value, or what it throws", () => run(function* () {
    expect(yield spawn((n: number) => n + 1, 41)).toBe(42);
    expect(yield spawn(() => { throw undefined; }).result()).toEqual({ status: "rejected", reason: undefined });
  }));

  test("a future, a promise and a function that returns either are tasks", () => run(function* () {
    expect(yield spawn(future(() => 1))).toBe(1);
    expect(yield spawn(Promise.resolve(2))).toBe(2);
    expect(yield spawn({ then: (resolve: (n: number) => void) => resolve(3) } as PromiseLike<number>)).toBe(3);
    expect(yield spawn(() => future(() => 4))).toBe(4);
    expect(yield spawn(() => Promise.resolve(5))).toBe(5);
    expect(yield spawn(Promise.reject(new Error("no"))).result()).toMatchObject({ status: "rejected", reason: { message: "no" } });
    expect(yield spawn(spawn(() => 6))).toBe(6);
  }));

  test("a handle can be awaited again, by several tasks, before and after its outcome", () => run(function* () {
    const handle = spawn(fn(function* () { yield sleep(1); return {}; }));
    const readers = [1, 2, 3].map(() => spawn(fn(function* () { return (yield handle) as object; })));
    const first = (yield readers[0]!) as object;
    expect(yield readers[1]!).toBe(first);
    expect(yield readers[2]!).toBe(first);
    expect(yield handle).toBe(first);
    expect(yield handle.result()).toEqual({ status: "fulfilled", value: first });
    expect(handle.isFinished).toBe(true);
  }));

  test("after shutdown, methods return cancelled handles and free functions throw", async () => {
    const runtime = new Runtime();
    const sleeping = runtime.spawn(fn(function* () { yield sleep(100_000); }));
    await settle(1);
    await runtime.shutdown();
    expect(await sleeping.result()).toMatchObject({ status: "cancelled", reason: { code: "TOKIWA_SHUT_DOWN" } });
    const late = runtime.spawn(fn(function* () { return 1; }));
    expect(late.isFinished).toBe(true);
    expect(await rejection(late)).toMatchObject({ code: "TOKIWA_SHUT_DOWN", isCancelled: true });
    const error = thrown(() => runtime.enter(() => spawn(() => 1)));
    expect(error).toBeInstanceOf(ContextError);
    expect(error).toMatchObject({ code: "TOKIWA_NO_RUNTIME" });
    expect((error as Error).message).toContain("there is no reactor running");
    expect(thrown(() => runtime.enter(() => sleep(1)))).toMatchObject({ code: "TOKIWA_NO_RUNTIME" });
    expect(await rejection(runtime.run(fn(function* () { return 1; })))).toMatchObject({ code: "TOKIWA_NO_RUNTIME" });
  });

  test("shutdown drops outstanding tasks: their finally blocks run, inside the runtime, and no other task is resumed", async () => {
    const runtime = new Runtime();
    const trace: string[] = [];
    runtime.spawn(fn(function* () {
      try {
        yield sleep(100_000);
        trace.push("resumed");
      } finally {
        trace.push(Runtime.current === runtime ? "cleanup inside" : "cleanup outside");
      }
    }));
    runtime.spawn(fn(function* () {
      try {
        for (;;) yield yieldNow();
      } finally {
        trace.push("second");
      }
    }));
    await settle(2);
    await runtime.shutdown();
    expect(trace.sort()).toEqual(["cleanup inside", "second"]);
    expect(runtime.metrics().tasksAlive).toBe(0);
  });
});

describe("run()", () => {
  test("builds a runtime, runs, shuts it down", async () => {
    let inside: Runtime | undefined;
    expect(await run(async () => { inside = Runtime.current; return 1; })).toBe(1);
    expect(await rejection(inside!.run(() => 1))).toMatchObject({ code: "TOKIWA_NO_RUNTIME" });
  });

  test("cancels what the main leaves behind", async () => {
    const trace: string[] = [];
    await run(function* () {
      spawn(function* () {
        try {
          yield* sleep(100_000);
        } finally {
          trace.push("dropped");
        }
      });
      yield* yieldNow();
    });
    expect(trace).toEqual(["dropped"]);
  });

  test("takes a plain function, a promise function and a generator", async () => {
    expect(await run(() => 1)).toBe(1);
    expect(await run(() => Promise.resolve(2))).toBe(2);
    expect(await run(function* () { return 3; })).toBe(3);
  });

  test("the main is not a task", async () => {
    const spawned: unknown[] = [];
    const code = await run(async () => (thrown(currentTask) as ContextError).code, { onTaskSpawn: (meta) => spawned.push(meta) });
    expect(code).toBe("TOKIWA_NO_TASK");
    expect(spawned).toEqual([]);
    expect(thrown(currentTask)).toBeInstanceOf(ContextError);
    expect(await run(function* () { return (thrown(currentTask) as ContextError).code; })).toBe("TOKIWA_NO_TASK");
  });

  test("inside a task, run() on another runtime is allowed: it never blocks", async () => {
    expect(await spawn(async () => run(async () => { await sleep(1); return "inner"; }))).toBe("inner");
  });
});

describe("blockOn()", () => {
  const open: Runtime[] = [];
  const make = (options = {}): Runtime => {
    const runtime = new Runtime(options);
    open.push(runtime);
    return runtime;
  };
  afterEach(async () => {
    for (const runtime of open.splice(0)) await runtime.shutdown();
  });

  test("gives the value of a function, a generator and a future, synchronously", () => {
    const runtime = make();
    expect(runtime.blockOn(() => 1)).toBe(1);
    expect(runtime.blockOn(function* () { yield* yieldNow(); return 2; })).toBe(2);
    expect(runtime.blockOn(future(() => 3))).toBe(3);
    expect(runtime.blockOn(runtime.spawn(function* () { yield* sleep(2); return 4; }))).toBe(4);
  });

  test("throws what the main throws, and the runtime goes on", () => {
    const runtime = make();
    expect(thrown(() => runtime.blockOn(() => { throw undefined; }))).toBe(undefined);
    const error = new Error("main");
    expect(thrown(() => runtime.blockOn(function* () { yield* sleep(1); throw error; }))).toBe(error);
    expect(runtime.blockOn(() => 1)).toBe(1);
  });

  test("parks for timers without polling in between", () => {
    const runtime = make();
    const start = performance.now();
    runtime.blockOn(function* () { yield* sleep(50); });
    expect(performance.now() - start).toBeGreaterThanOrEqual(50);
    expect(runtime.metrics().drives).toBeLessThan(20);
  });

  test("returns when its main is done, whatever else is ready", () => {
    const runtime = make();
    const busy = runtime.spawn(function* () { for (;;) yield* yieldNow(); });
    expect(runtime.blockOn(function* () { for (let i = 0; i < 3; i++) yield* yieldNow(); return "done"; })).toBe("done");
    expect(runtime.blockOn(() => "again")).toBe("again");
    busy.abort();
  });

  test("no task makes progress without somebody who drives (lane manual)", async () => {
    const runtime = make({ lane: "manual" });
    let ran = false;
    const handle = runtime.spawn(() => { ran = true; });
    await settle();
    expect(ran).toBe(false);
    runtime.blockOn(function* () { yield* handle; });
    expect(ran).toBe(true);
  });

  test("an async function that awaits anything throws WouldBlockError; its main is dropped and the runtime stays usable", async () => {
    const runtime = make();
    const trace: string[] = [];
    const error = thrown(() => runtime.blockOn(async () => {
      try {
        await sleep(1);
      } catch (reason) {
        trace.push((reason as JoinError).code);
        throw reason;
      } finally {
        trace.push("finally");
      }
    }));
    expect(error).toMatchObject({ name: "WouldBlockError", code: "TOKIWA_WOULD_BLOCK" });
    expect((error as Error).message).toMatch(/run\(\)/);
    expect((error as Error).message).toMatch(/JSPI/);
    await settle();
    expect(trace).toEqual(["TOKIWA_CANCELLED", "finally"]);
    expect(runtime.metrics().timers).toBe(0);
    expect(runtime.blockOn(() => 1)).toBe(1);
  });

  test("WouldBlockError comes after all ready work has run", () => {
    const runtime = make();
    const trace: string[] = [];
    runtime.spawn(function* () { yield* yieldNow(); trace.push("task"); });
    expect(thrown(() => runtime.blockOn(fromPromise(new Promise(() => {}))))).toMatchObject({ code: "TOKIWA_WOULD_BLOCK" });
    expect(trace).toEqual(["task"]);
  });

  test("nothing left to wake it is a DeadlockError, at once, that names the tasks and runs finally", () => {
    const runtime = make();
    const trace: string[] = [];
    runtime.enter(() => taskBuilder({ name: "feeder" }).spawn(function* () { yield* future(() => PENDING); }));
    const error = thrown(() => runtime.blockOn(function* () {
      try {
        yield* future(() => PENDING);
      } finally {
        trace.push("finally");
      }
    })) as { message: string; tasks: string[] };
    expect(error).toMatchObject({ name: "DeadlockError", code: "TOKIWA_DEADLOCK" });
    expect(error.message).toContain("feeder");
    expect(error.tasks.some((line) => line.includes("feeder"))).toBe(true);
    expect(trace).toEqual(["finally"]);
    expect(runtime.blockOn(() => "usable")).toBe("usable");
  });

  test("finally blocks of a dropped main may wait on futures", () => {
    const runtime = make();
    const trace: string[] = [];
    expect(thrown(() => runtime.blockOn(function* () {
      try {
        yield* future(() => PENDING);
      } finally {
        yield* sleep(1);
        trace.push("after a sleep");
      }
    }))).toMatchObject({ code: "TOKIWA_DEADLOCK" });
    runtime.blockOn(function* () { yield* sleep(5); });
    expect(trace).toEqual(["after a sleep"]);
  });

  test("inside a task it throws, in a main too; inside enter() of another runtime it is allowed", async () => {
    const runtime = make();
    const other = make();
    const nested = { name: "ContextError", code: "TOKIWA_NESTED_RUNTIME", message: expect.stringContaining("cannot start a runtime from within a runtime") };
    expect(await runtime.spawn(async () => thrown(() => other.blockOn(() => 1)))).toMatchObject(nested);
    expect(await runtime.spawn(async () => { await sleep(1); return thrown(() => other.blockOn(() => 1)); })).toMatchObject(nested);
    expect(await runtime.spawn(function* () { return thrown(() => other.blockOn(() => 1)); })).toMatchObject(nested);
    expect(await runtime.spawn(() => thrown(() => runtime.blockOn(() => 1)))).toMatchObject(nested);
    expect(runtime.blockOn(() => thrown(() => other.blockOn(() => 1)))).toMatchObject(nested);
    expect(runtime.enter(() => other.blockOn(() => 1))).toBe(1);
  });

  test("with a paused clock it jumps from timer to timer", () => {
    const runtime = make({ startPaused: true });
    expect(runtime.blockOn(function* () {
      const start = Instant.now();
      yield* join(sleep(1000), sleep(3_600_000));
      return start.elapsed();
    })).toBe(3_600_000);
  });
});

describe("the default runtime", () => {
  afterEach(async () => {
    setDefaultRuntime(null);
    const runtime = new Runtime();
    setDefaultRuntime(runtime);
    await runtime.shutdown();                              // back to "made at the first use"
  });

  test("free functions work with no set-up, and Runtime.current is one and the same", async () => {
    expect(await spawn(async () => { await sleep(1); return 42; })).toBe(42);
    expect(Runtime.current).toBe(Runtime.current);
    await sleep(1);
  });

  test("turned off, free functions throw TOKIWA_NO_RUNTIME", () => {
    setDefaultRuntime(null);
    for (const call of [() => spawn(() => 1), () => sleep(1), () => Runtime.current, () => taskBuilder({}).spawn(() => 1)]) {
      const error = thrown(call);
      expect(error).toBeInstanceOf(ContextError);
      expect(error).toMatchObject({ code: "TOKIWA_NO_RUNTIME", message: expect.stringContaining("there is no reactor running") });
    }
  });

  test("may be set to a runtime of one's own", async () => {
    const own = new Runtime();
    setDefaultRuntime(own);
    expect(Runtime.current).toBe(own);
    expect(await spawn(() => Runtime.current)).toBe(own);
    await own.shutdown();
  });

  test("is made anew after it was shut down", async () => {
    const before = Runtime.current;
    await before.shutdown();
    expect(Runtime.current).not.toBe(before);
    expect(await spawn(() => 1)).toBe(1);
  });
});

/** How long a host timer of `ms` takes; the least of several, since other processes take the machine, too. */
async function leastDelay(ms: number): Promise<number> {
  let least = Infinity;
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    await new Promise((resolve) => setTimeout(resolve, ms));
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

describe("drive()", () => {
  test("with lane manual nothing runs unless called; its state tells what is left", async () => {
    await using runtime = new Runtime({ lane: "manual" });
    const trace: string[] = [];
    runtime.spawn(function* () { trace.push("a"); yield* yieldNow(); trace.push("b"); });
    runtime.spawn(function* () { yield* sleep(1500); trace.push("c"); });
    expect(runtime.drive({ polls: 1, ms: 60_000 })).toMatchObject({ more: true, alive: 2 });
    expect(trace).toEqual(["a"]);
    const state = runtime.drive({ ms: 60_000 });
    expect(trace).toEqual(["a", "b"]);
    expect(state.more).toBe(false);
    expect(state.alive).toBe(1);
    expect(state.nextTimeout).toBeGreaterThan(0);
    expect(state.nextTimeout).toBeLessThanOrEqual(1501);    // the tick is the deadline rounded up
    await new Promise((resolve) => setTimeout(resolve, 1550));
    expect(trace).toEqual(["a", "b"]);
    expect(runtime.drive({ ms: 60_000 })).toEqual({ more: false, nextTimeout: null, alive: 0 });
    expect(trace).toEqual(["a", "b", "c"]);
  });

  test("inside a drive it folds into the running one", async () => {
    const trace: string[] = [];
    await run(function* () {
      spawn(function* () { trace.push("other"); });
      const state = Runtime.current.drive();
      trace.push("after drive");
      expect(typeof state.more).toBe("boolean");
      yield* yieldNow();
    });
    expect(trace).toEqual(["after drive", "other"]);
  });

  test("a spurious drive is harmless", async () => {
    await using runtime = new Runtime();
    for (let i = 0; i < 1000; i++) expect(runtime.drive()).toEqual({ more: false, nextTimeout: null, alive: 0 });
  });

  test("a budget of polls is kept exactly", async () => {
    await using runtime = new Runtime({ lane: "manual" });
    let polls = 0;
    runtime.spawn(function* () { for (;;) { polls++; yield* yieldNow(); } });
    runtime.drive({ polls: 10, ms: 10_000 });
    expect(polls).toBe(10);
    runtime.drive({ polls: 0 });
    expect(polls).toBe(10);
    runtime.drive({ ms: 2 });
    expect(polls).toBeGreaterThan(10);
  });

  test("a task that always yields does not delay a timer of the host by more than the slice", async () => {
    await using runtime = new Runtime({ timeSlice: 4 });
    const busy = runtime.spawn(function* () { for (;;) yield* yieldNow(); });
    expect(await leastDelay(10)).toBeLessThan(60);
    busy.abort();
  });

  test("an async function that never waits for anything foreign does not starve the host either", async () => {
    await using runtime = new Runtime({ timeSlice: 4 });
    const busy = runtime.spawn(async () => { for (;;) await yieldNow(); });
    expect(await leastDelay(10)).toBeLessThan(60);
    busy.abort();
    expect((await busy.result()).status).toBe("cancelled");
  });
});

describe("lanes", () => {
  test.each([["auto"], ["microtask"], ["macrotask"], ["frame"]] as const)("lane %s runs tasks to their end", async (lane) => {
    await using runtime = new Runtime({ lane });
    expect(await runtime.spawn(async () => { await sleep(1); await yieldNow(); return lane; })).toBe(lane);
  });

  test("lane auto starts in a microtask, macrotask does not", async () => {
    for (const [lane, expected] of [["auto", true], ["macrotask", false]] as const) {
      await using runtime = new Runtime({ lane });
      let ran = false;
      runtime.spawn(() => { ran = true; });
      await Promise.resolve().then(() => {}).then(() => {}).then(() => {});
      expect(ran).toBe(expected);
      await settle(2);
      expect(ran).toBe(true);
    }
  });

  test("shutdown() runs cleanups in lane manual, too", async () => {
    const runtime = new Runtime({ lane: "manual" });
    const trace: string[] = [];
    runtime.spawn(function* () { try { yield* sleep(1e6); } finally { yield* sleep(1); trace.push("cleanup"); } });
    runtime.drive({ ms: 60_000 });
    await runtime.shutdown();
    expect(trace).toEqual(["cleanup"]);
  });
});

describe("order", () => {
  test("first spawned, first polled; yields go behind everything that is ready", async () => {
    const trace: string[] = [];
    await run(function* () {
      const tasks = ["a", "b", "c"].map((name) => spawn(function* () {
        for (let i = 0; i < 2; i++) { trace.push(name + i); yield* yieldNow(); }
      }));
      for (const task of tasks) yield* task;
    });
    expect(trace).toEqual(["a0", "b0", "c0", "a1", "b1", "c1"]);
  });

  test("the main is polled before the tasks of a tick", async () => {
    const trace: string[] = [];
    await run(function* () {
      const task = spawn(function* () { for (let i = 0; i < 2; i++) { trace.push(`task ${i}`); yield* yieldNow(); } });
      for (let i = 0; i < 2; i++) { trace.push(`main ${i}`); yield* yieldNow(); }
      yield* task;
    });
    expect(trace.slice(0, 3)).toEqual(["main 0", "task 0", "main 1"]);
  });

  test("wakes are one poll: a task woken many times before its poll is polled once", async () => {
    let polls = 0;
    let waker: Waker | undefined;
    await run(function* () {
      const task = spawn(future<void>((w) => { polls++; waker = w; return PENDING; }));
      yield* yieldNow();
      expect(polls).toBe(1);
      for (let i = 0; i < 10; i++) waker!.wake();
      yield* yieldNow();
      yield* yieldNow();
      expect(polls).toBe(2);
      task.abort();
    });
  });

  test("no extra poll: a task that finished is not polled again", async () => {
    let polls = 0;
    let late: Waker | undefined;
    await run(function* () {
      yield* spawn(future<number>((waker) => { polls++; late = waker; waker.wake(); return polls; }));
      late!.wake();
      yield* yieldNow();
      yield* yieldNow();
      expect(polls).toBe(1);
    });
  });

  test("the same seed makes the same choices", async () => {
    const { select } = await import("tokiwa");
    const choices = (seed: number) => run(async () => {
      const names: string[] = [];
      for (let i = 0; i < 40; i++) names.push((await select({ a: future(() => 1), b: future(() => 1), c: future(() => 1) })).name);
      return names.join("");
    }, { seed });
    const first = await choices(5);
    expect(await choices(5)).toBe(first);
    expect(await choices(6)).not.toBe(first);
    expect(new Set(first).size).toBe(3);
  });
});

describe("shutdown()", () => {
  test("is one promise: twice is once, also at once and after", async () => {
    const runtime = new Runtime();
    const first = runtime.shutdown();
    expect(await Promise.all([first, runtime.shutdown()])).toEqual([undefined, undefined]);
    await runtime.shutdown();
    runtime[Symbol.dispose]();
  });

  test("waits for cleanups at most the timeout; what is still suspended then settles as cancelled", async () => {
    const runtime = new Runtime();
    const stuck = runtime.spawn(async () => { await new Promise(() => {}); });
    const forever = runtime.spawn(function* () { try { yield* sleep(1e9); } finally { yield* sleep(1e9); } });
    await settle(1);
    const start = performance.now();
    await runtime.shutdown({ timeout: 20 });
    expect(performance.now() - start).toBeLessThan(20_000);
    expect(await stuck.result()).toMatchObject({ status: "cancelled", reason: { code: "TOKIWA_SHUT_DOWN" } });
    expect((await forever.result()).status).toBe("cancelled");
  });

  test("timeout 0 does not hang", async () => {
    const runtime = new Runtime();
    runtime.spawn(async () => { await new Promise(() => {}); });
    await settle(1);
    await runtime.shutdown({ timeout: 0 });
  });

  test("a future given to spawn is dropped, also when it was never polled", async () => {
    const runtime = new Runtime();
    const drop = vi.fn();
    const handle = runtime.spawn(future(() => PENDING, drop));
    const early = runtime.shutdown();
    await early;
    expect(drop).toHaveBeenCalledTimes(1);
    expect((await handle.result()).status).toBe("cancelled");
    runtime.spawn(future(() => PENDING, drop));
    expect(drop).toHaveBeenCalledTimes(2);
  });

  test("wakes during and after it are harmless", async () => {
    const runtime = new Runtime();
    let waker: Waker | undefined;
    runtime.spawn(future(() => PENDING, () => waker?.wake()));
    const handle = runtime.spawn(future((w) => { waker = w; return PENDING; }, () => waker?.wake()));
    await settle(1);
    await runtime.shutdown();
    waker!.wake();
    expect((await handle.result()).status).toBe("cancelled");
  });

  test("a spawn from a cleanup during it is refused, not lost", async () => {
    const runtime = new Runtime();
    let late: JoinHandle<number> | undefined;
    let free: JoinHandle<number> | undefined;
    runtime.spawn(function* () {
      try {
        yield* sleep(1e9);
      } finally {
        late = runtime.spawn(() => 1);
        free = spawn(() => 2);
      }
    });
    await settle(1);
    await runtime.shutdown();
    expect(await rejection(late!)).toMatchObject({ code: "TOKIWA_SHUT_DOWN" });
    expect(await rejection(free!)).toMatchObject({ code: "TOKIWA_SHUT_DOWN" });
  });

  test("the main of a run() that is under way is dropped: the run rejects", async () => {
    const runtime = new Runtime();
    const trace: string[] = [];
    const main = rejection(runtime.run(function* () { try { yield* sleep(1e9); } finally { yield* sleep(1); trace.push("finally"); } }));
    await settle(1);
    await runtime.shutdown();
    expect(await main).toMatchObject({ code: "TOKIWA_SHUT_DOWN" });
    expect(trace).toEqual(["finally"]);
  });

  test("from inside a task of its own", async () => {
    const runtime = new Runtime();
    const trace: string[] = [];
    runtime.spawn(function* () {
      try {
        void runtime.shutdown();
        trace.push("called");
        yield* sleep(1e9);
      } finally {
        trace.push("finally");
      }
    });
    await settle(3);
    await runtime.shutdown();
    expect(trace).toEqual(["called", "finally"]);
  });

  test("`using` cancels and closes at once, `await using` waits for cleanup", async () => {
    const trace: string[] = [];
    {
      using runtime = new Runtime();
      runtime.spawn(function* () { try { yield* sleep(1e9); } finally { trace.push("using"); } });
      runtime.drive({ ms: 60_000 });
    }
    expect(trace).toEqual(["using"]);
    {
      await using runtime = new Runtime();
      runtime.spawn(function* () { try { yield* sleep(1e9); } finally { yield* sleep(2); trace.push("await using"); } });
      runtime.drive({ ms: 60_000 });
    }
    expect(trace).toEqual(["using", "await using"]);
  });

  test("disposing of the runtime inside its own drive runs cleanups, too", async () => {
    const runtime = new Runtime();
    const trace: string[] = [];
    runtime.spawn(function* () { try { yield* sleep(1e9); } finally { trace.push("other"); } });
    runtime.spawn(function* () { runtime[Symbol.dispose](); trace.push("disposed"); });
    await settle(3);
    expect(trace.sort()).toEqual(["disposed", "other"]);
    expect(runtime.metrics().tasksAlive).toBe(0);
  });

  test("awaits that outlive it settle: nothing hangs", async () => {
    const runtime = new Runtime();
    let floating: Promise<unknown> | undefined;
    runtime.spawn(async () => {
      floating = (async () => rejection(sleep(1e9)))();    // not awaited: belongs to a task that has ended
    });
    const outside = runtime.enter(() => sleep(1e9));
    const waiting = rejection(outside);
    await settle(2);
    await runtime.shutdown();
    expect(await waiting).toMatchObject({ code: "TOKIWA_SHUT_DOWN" });
    expect(await floating).toMatchObject({ code: "TOKIWA_SHUT_DOWN" });
  });
});

describe("unhandledFailure", () => {
  test("shutdown: run() rejects with the task's error", async () => {
    const error = new Error("task");
    const caught = await rejection(run(async () => {
      spawn(async () => { throw error; });
      await sleep(1e9);
    }, { unhandledFailure: "shutdown" }));
    expect(caught).toBe(error);
  });

  test("ignore: nothing happens", async () => {
    await run(async () => { spawn(async () => { throw new Error("ignored"); }); await sleep(2); }, { unhandledFailure: "ignore" });
  });
});

test("coop.unconstrained and consumeBudget are futures", async () => {
  await run(async () => {
    await coop.consumeBudget();
    expect(await coop.unconstrained(async () => 1)).toBe(1);
    expect(await coop.unconstrained(function* () { return 2; })).toBe(2);
    expect(await coop.unconstrained(future(() => 3))).toBe(3);
  });
});

// No meaning in JavaScript: send_sync_bound, spawn_from_other_thread_* (threads are another suite's), *_from_blocking,
// block_on_socket and the socket cases (net), runtime_in_thread_local, local_set_*, wake_by_*_from_thread_local,
// acquire_mutex_in_drop (no destructors), timeout_panics_when_no_time_handle (drivers are always on), different_runtime_names.
