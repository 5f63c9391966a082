// After Tokio's task_abort.rs and task_builder.rs; what has no meaning here is listed at the foot.
import { describe, expect, test, vi } from "vitest";
import {
  AbortHandle, currentTask, future, fromPromise, type JoinHandle, JoinError, lazy, PENDING, run, Runtime, select, sleep, spawn, taskBuilder, timeout, type Waker, yieldNow,
} from "tokiwa";
import { forEachRuntime, rejection, settle, thrown } from "./support/runtimes.ts";

const never = () => future<never>(() => PENDING);

forEachRuntime(({ fn, make, run }) => {
  test("a task aborted in a sleep runs its finally, its handle says cancelled", () => run(function* () {
    const trace: string[] = [];
    const handle = spawn(fn(function* () { try { yield sleep(1e9); } finally { trace.push("finally"); } }));
    yield yieldNow();
    yield sleep(1);
    handle.abort("why");
    expect(trace).toEqual([]);                             // never inline
    const result = (yield handle.result()) as { status: string; reason: JoinError };
    expect(result.status).toBe("cancelled");
    expect(result.reason).toBeInstanceOf(JoinError);
    expect(result.reason).toMatchObject({ code: "TOKIWA_CANCELLED", isCancelled: true, cause: "why" });
    expect(trace).toEqual(["finally"]);
    expect(handle.isFinished).toBe(true);
    let caught: unknown;
    try { yield handle; } catch (error) { caught = error; }
    expect(caught).toBe(result.reason);
  }));

  test("aborted before its first poll, nothing of it runs", () => run(function* () {
    let ran = false;
    const handle = spawn(fn(function* () { ran = true; }));
    handle.abort();
    expect((yield handle.result() as never)).toMatchObject({ status: "cancelled" });
    expect(ran).toBe(false);
  }));

  test("a finished task is not changed by abort", () => run(function* () {
    const handle = spawn(fn(function* () { return 1; }));
    yield handle;
    handle.abort();
    expect(yield handle).toBe(1);
  }));

  test("abort from inside takes effect at the next suspension", () => run(function* () {
    const trace: string[] = [];
    const handle: JoinHandle<void> = spawn(fn(function* () {
      try {
        handle.abort();
        trace.push("goes on");
        yield sleep(1);
        yield sleep(1);
        trace.push("never");
      } finally {
        trace.push("finally");
      }
    }));
    expect((yield handle.result() as never)).toMatchObject({ status: "cancelled" });
    expect(trace).toEqual(["goes on", "finally"]);
  }));

  test("a task that ends in the poll that aborts it has its value", () => run(function* () {
    const handle: JoinHandle<number> = spawn(fn(function* () { yield yieldNow(); handle.abort(); return 7; }));
    expect(yield handle.result()).toEqual({ status: "fulfilled", value: 7 });
  }));

  test("throwing in finally during the abort is the task's own failure", () => run(function* () {
    const handle = spawn(fn(function* () {
      try {
        yield sleep(1e9);
      } finally {
        throw new Error("in finally"); // eslint-disable-line no-unsafe-finally
      }
    }));
    yield sleep(1);
    handle.abort();
    expect(yield handle.result()).toMatchObject({ status: "rejected", reason: { message: "in finally" } });
  }));

  test("abort wakes a task that waits for the handle", () => run(function* () {
    const victim = spawn(fn(function* () { yield never(); }));
    const watcher = spawn(fn(function* () { try { yield victim; } catch (error) { return (error as JoinError).code; } return "value"; }));
    yield sleep(1);
    victim.abort();
    expect(yield watcher).toBe("TOKIWA_CANCELLED");
  }));

  test("the signal of an aborted task is aborted, with the JoinError as its reason", () => run(function* () {
    let signal: AbortSignal | undefined;
    const handle = spawn(fn(function* () { signal = currentTask().signal; yield sleep(1e9); }));
    yield sleep(1);
    expect(signal!.aborted).toBe(false);
    handle.abort("stop");
    yield handle.result();
    expect(signal!.aborted).toBe(true);
    expect(signal!.reason).toMatchObject({ code: "TOKIWA_CANCELLED", cause: "stop" });
  }));

  test("the second abort changes nothing, the first reason stays", () => run(function* () {
    const handle = spawn(fn(function* () { yield sleep(1e9); }));
    yield sleep(1);
    handle.abort("first");
    handle.abort("second");
    expect(yield handle.result()).toMatchObject({ status: "cancelled", reason: { cause: "first" } });
    handle.abort("third");
    expect(yield handle.result()).toMatchObject({ reason: { cause: "first" } });
  }));

  test("an abort handle aborts, knows the id and whether the task has finished", () => run(function* () {
    const handle = spawn(fn(function* () { yield sleep(1e9); }));
    const abort: AbortHandle = handle.abortHandle();
    expect(abort).toBeInstanceOf(AbortHandle);
    expect(abort.id).toBe(handle.id);
    expect(abort.isFinished).toBe(false);
    abort.abort("x");
    yield handle.result();
    expect(abort.isFinished).toBe(true);
    abort.abort();
  }));

  test("taskBuilder: a name and a signal", async () => {
    const runtime = make();
    const controller = new AbortController();
    const handle = runtime.enter(() => taskBuilder({ name: "feed", signal: controller.signal }).spawn(fn(function* (n: number) {
      expect(currentTask().name).toBe("feed");
      yield sleep(1e9);
      return n;
    }), 5));
    await settle(2);
    controller.abort("user");
    const error = await rejection(handle);
    expect(error).toMatchObject({ code: "TOKIWA_CANCELLED", cause: "user" });
    expect(error.message).toContain("feed");
    const late = runtime.enter(() => taskBuilder({ signal: controller.signal }).spawn(fn(function* () { return 1; })));
    expect(await rejection(late)).toMatchObject({ code: "TOKIWA_CANCELLED", cause: "user" });
  });

  test("20 000 aborted sleeps leave no timer and no unit", async () => {
    const runtime = make();
    const before = runtime.metrics().timers;
    const total = 20_000;
    const body = fn(function* () { yield sleep(1e9); });
    for (let done = 0; done < total; done += 10_000) {
      const handles = Array.from({ length: 10_000 }, () => runtime.spawn(body));
      await settle(1);
      for (const handle of handles) handle.abort();
      while (runtime.metrics().tasksAlive > 0) await settle(1);
    }
    expect(runtime.metrics()).toMatchObject({ tasksAlive: 0, timers: before, queueDepth: 0 });
  }, 60_000);
});

describe("generators", () => {
  test("a generator ended by the abort is cancelled whatever its finally returns", () => run(function* () {
    const handle = spawn(function* () {
      try {
        yield* sleep(1e9);
      } finally {
        return 5; // eslint-disable-line no-unsafe-finally
      }
    });
    yield* sleep(1);
    handle.abort();
    expect((yield* handle.result()).status).toBe("cancelled");
  }));

  test("its finally blocks may wait on futures, and a second abort does not cut them short", () => run(function* () {
    const trace: string[] = [];
    const handle = spawn(function* () {
      try {
        yield* sleep(1e9);
      } finally {
        trace.push("begin");
        yield* sleep(5);
        yield* yieldNow();
        trace.push("end");
      }
    });
    yield* sleep(1);
    handle.abort();
    yield* sleep(1);
    expect(handle.isFinished).toBe(false);
    handle.abort();
    expect((yield* handle.result()).status).toBe("cancelled");
    expect(trace).toEqual(["begin", "end"]);
  }));

  test("catch cannot swallow the abort", () => run(function* () {
    const trace: string[] = [];
    const handle = spawn(function* () {
      try {
        yield* sleep(1e9);
      } catch {
        trace.push("catch");
      }
      trace.push("after");
    });
    yield* sleep(1);
    handle.abort();
    yield* handle.result();
    expect(trace).toEqual([]);
  }));

  test("what it waits for is dropped: a future's drop runs once", () => run(function* () {
    const drop = vi.fn();
    const handle = spawn(function* () { yield* future(() => PENDING, drop); });
    yield* sleep(1);
    handle.abort();
    yield* handle.result();
    expect(drop).toHaveBeenCalledTimes(1);
  }));

  test("waiting for a handle does not dispose of it: aborted waiters leave it awaitable and hold nothing", () => run(function* () {
    const target = spawn(function* () { yield* sleep(20); return "value"; });
    for (let i = 0; i < 100; i++) {
      const waiter = spawn(function* () { return yield* target; });
      yield* yieldNow();
      waiter.abort();
      yield* waiter.result();
    }
    expect(yield* target).toBe("value");
  }));
});

describe("async functions", () => {
  test("a swallowed abort comes again: every later wait on us rejects", () => run(async () => {
    let rejections = 0;
    const handle = spawn(async () => {
      for (;;) {
        try {
          await sleep(1e9);
        } catch {
          if (++rejections === 5) return "gave up";
        }
      }
    });
    await sleep(1);
    handle.abort();
    expect(await handle.result()).toEqual({ status: "fulfilled", value: "gave up" });   // it returned normally
    expect(rejections).toBe(5);
  }));

  test("waits rejected by the abort have the JoinError with its cause", () => run(async () => {
    let seen: unknown;
    const handle = spawn(async () => { try { await sleep(1e9); } catch (error) { seen = error; throw error; } });
    await sleep(1);
    handle.abort("because");
    const result = await handle.result();
    expect(result.status).toBe("cancelled");
    expect((result as { reason: unknown }).reason).toBe(seen);
    expect(seen).toMatchObject({ cause: "because" });
  }));

  test("reaches it wherever it waits, also after foreign promises and in nested async functions", () => run(async () => {
    const nested = async (): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await (async () => { await Promise.resolve(); await sleep(1e9); })();
    };
    const handle = spawn(nested);
    await sleep(20);
    handle.abort();
    expect((await handle.result()).status).toBe("cancelled");
  }));

  test("suspended on a foreign promise it settles when it ends; every wait on us then rejects", () => run(async () => {
    const trace: string[] = [];
    let release!: (value: unknown) => void;
    const foreign = new Promise((resolve) => { release = resolve; });
    const handle = spawn(async () => {
      await foreign;
      trace.push("foreign over");
      await sleep(1);
      trace.push("never");
    });
    await sleep(1);
    handle.abort();
    await sleep(1);
    expect(handle.isFinished).toBe(false);
    release(undefined);
    expect((await handle.result()).status).toBe("cancelled");
    expect(trace).toEqual(["foreign over"]);
  }));

  test("with detach the handle settles at once", () => run(async () => {
    let over = false;
    let release!: (value: unknown) => void;
    const foreign = new Promise((resolve) => { release = resolve; });
    const handle = spawn(async () => { await foreign; over = true; });
    await sleep(1);
    handle.abort("now", { detach: true });
    expect((await handle.result()).status).toBe("cancelled");
    expect(over).toBe(false);
    release(undefined);
    await sleep(5);
    expect(over).toBe(true);
  }));

  test("result() and a handle's await reject inside a cancelled async task, as every wait on us does", () => run(async () => {
    const other = spawn(async () => 1);
    await other;
    const seen: unknown[] = [];
    const handle = spawn(async () => {
      await sleep(1e9).then(undefined, () => {});
      seen.push(await rejection(other.result()), await rejection(other));
    });
    await sleep(1);
    handle.abort();
    await handle.result();
    expect(seen).toHaveLength(2);
    for (const error of seen) expect(error).toBeInstanceOf(JoinError);
  }));

  test("one that never awaits us settles with its own outcome", () => run(async () => {
    const handle = spawn(async () => { for (let i = 0; i < 10; i++) await Promise.resolve(); return "own"; });
    await sleep(0);
    handle.abort();
    expect(["fulfilled", "cancelled"]).toContain((await handle.result()).status);
    const second = spawn(async () => { await new Promise((resolve) => setTimeout(resolve, 5)); return "own"; });
    await sleep(1);
    second.abort();
    expect(await second.result()).toEqual({ status: "fulfilled", value: "own" });
  }));

  test("an await that was started and not awaited rejects, too, and is nobody's unhandled rejection when it is handled later", () => run(async () => {
    const handle = spawn(async () => {
      const both = await Promise.allSettled([sleep(1e9), sleep(2e9)]);
      return both.map((one) => one.status);
    });
    await sleep(1);
    handle.abort();
    expect(await handle.result()).toEqual({ status: "fulfilled", value: ["rejected", "rejected"] });
  }));
});

describe("futures as tasks", () => {
  test("are dropped, also before their first poll", () => run(async () => {
    const drop = vi.fn();
    const handle = spawn(future(() => PENDING, drop));
    handle.abort();
    expect((await handle.result()).status).toBe("cancelled");
    expect(drop).toHaveBeenCalledTimes(1);
  }));

  test("a drop that throws is contained: returned to whoever asks", () => run(async () => {
    const handle = spawn(future(() => PENDING, () => { throw new Error("in drop"); }));
    await sleep(1);
    handle.abort();
    expect(await handle.result()).toMatchObject({ status: "rejected", reason: { message: "in drop" } });
    expect(await spawn(() => "goes on")).toBe("goes on");
  }));

  test("a handle given to spawn is only lent", () => run(async () => {
    const inner = spawn(async () => { await sleep(5); return 1; });
    const outer = spawn(inner);
    await sleep(1);
    outer.abort();
    expect((await outer.result()).status).toBe("cancelled");
    expect(await inner).toBe(1);
  }));
});

describe("lazy", () => {
  test("of a generator or an async function is dropped by select and timeout, finally blocks run", () => run(async () => {
    const trace: string[] = [];
    await select({ fast: sleep(1), slow: lazy(function* () { try { yield* sleep(1e9); } finally { yield* sleep(1); trace.push("generator"); } }) });
    await select({ fast: sleep(1), slow: lazy(async () => { try { await sleep(1e9); } finally { trace.push("async"); } }) });
    expect(await rejection(timeout(1, lazy(function* () { try { yield* sleep(1e9); } finally { trace.push("timeout"); } })))).toMatchObject({ code: "TOKIWA_ELAPSED" });
    await sleep(20);
    expect(trace.sort()).toEqual(["async", "generator", "timeout"]);
  }));

  test("starts at its first poll, inside the polling task", () => run(async () => {
    let started = 0;
    const block = lazy(async () => { started++; return currentTask().id; });
    await sleep(1);
    expect(started).toBe(0);
    const handle = spawn(block);
    expect(await handle).toBe(handle.id);
    expect(started).toBe(1);
  }));

  test("dropped before its first poll it never starts", () => {
    let started = false;
    const block = lazy(() => { started = true; });
    block[Symbol.dispose]();
    expect(started).toBe(false);
  });
});

test("stale wakers and handles touch no other task", () => run(function* () {
  const wakers: Waker[] = [];
  const old: JoinHandle<void>[] = [];
  for (let i = 0; i < 100; i++) old.push(spawn(future<void>((waker) => { wakers.push(waker); return undefined; })));
  for (const handle of old) yield* handle;
  let polls = 0;
  const fresh = Array.from({ length: 100 }, () => spawn(future<void>(() => { polls++; return PENDING; })));
  yield* yieldNow();
  expect(polls).toBe(100);
  for (const waker of wakers) { waker.wake(); waker.wakeByRef?.(); }
  for (const handle of old) { handle.abort(); handle.abortHandle().abort(); }
  yield* yieldNow();
  yield* yieldNow();
  expect(polls).toBe(100);
  expect(fresh.some((handle) => handle.isFinished)).toBe(false);
  for (const handle of fresh) handle.abort();
}));

test("JoinError says which task was cancelled", () => run(async () => {
  const handle = spawn(() => never());
  handle.abort();
  expect((await rejection(handle)).message).toBe(`task ${handle.id} was cancelled`);
}));

test("arguments of abort are checked", () => {
  const runtime = new Runtime();
  const handle = runtime.spawn(() => never());
  for (const bad of [null, 5, "detach", []]) expect(thrown(() => handle.abort("x", bad as never))).toMatchObject({ code: "TOKIWA_BAD_OPTION" });
  expect(thrown(() => handle.abort("x", { detach: 1 as never }))).toMatchObject({ code: "TOKIWA_BAD_OPTION", message: expect.stringContaining("detach must be true or false, got 1") });
  expect(handle.isFinished).toBe(false);
  runtime[Symbol.dispose]();
});

test("a foreign promise in a generator: the wait is dropped at once", () => run(function* () {
  const handle = spawn(function* () { yield* fromPromise(new Promise(() => {})); });
  yield* sleep(1);
  handle.abort();
  expect((yield* handle.result()).status).toBe("cancelled");
}));

// No meaning in JavaScript: remote_abort_local_set_3929 (threads), test_join_error_debug.

test("the error of a cancellation lists no frames of ours, and the limit of frames stays as it was", async () => {
  const limit = Error.stackTraceLimit;
  const handle = spawn(function* () { yield* sleep(1e9); });
  await yieldNow();
  handle.abort("enough");
  const result = await handle.result();
  expect(result.status).toBe("cancelled");
  const { stack } = (result as { reason: Error }).reason;
  expect(stack).toContain("was cancelled");
  expect(stack).not.toContain("\n    at ");
  expect(Error.stackTraceLimit).toBe(limit);
});
