// The unit that is woken alone is polled next, without a way through the core (scheduler/next-slot.ts): in the same order.

import { future, Notify, PENDING, run, Runtime, sleep, spawn, type Waker, yieldNow } from "tokiwa";
import { advance } from "tokiwa/testing";
import { describe, expect, test } from "vitest";

/** A task's waker, and a task that is polled whenever it is woken. */
function watched(runtime: Runtime, name: string, trace: string[], onPoll: () => unknown = () => PENDING): { waker: () => Waker; abort: () => void } {
  let waker: Waker | undefined;
  const handle = runtime.spawn(
    future((w) => {
      waker = w;
      trace.push(name);
      return onPoll() as typeof PENDING;
    }),
  );
  return { waker: () => waker as Waker, abort: () => handle.abort() };
}

test("what is woken and spawned while one unit runs alone is polled in that order", () => {
  using runtime = new Runtime({ lane: "manual" });
  const trace: string[] = [];
  const b = watched(runtime, "b", trace);
  const c = watched(runtime, "c", trace);
  runtime.drive({ ms: 60_000 });
  trace.length = 0;
  runtime.spawn(function* () {
    b.waker().wake();
    spawn(function* () { trace.push("spawned"); });
    c.waker().wake();
    b.waker().wake();
    trace.push("a");
    yield* yieldNow();
    trace.push("a again");
  });
  runtime.drive({ ms: 60_000 });
  expect(trace).toEqual(["a", "b", "spawned", "c", "a again"]);
  expect(runtime.metrics().queueDepth).toBe(0);
});

test("one that yields and is woken in the same poll is polled once, in the place of the wake", () => {
  using runtime = new Runtime({ lane: "manual" });
  const trace: string[] = [];
  let polls = 0;
  runtime.spawn(
    future((waker) => {
      trace.push(`poll ${++polls}`);
      if (polls > 1) return undefined;
      waker.wake();
      spawn(function* () { trace.push("spawned"); });
      return yieldNow().poll(waker) === PENDING ? PENDING : undefined;
    }),
  );
  runtime.drive({ ms: 60_000 });
  expect(trace).toEqual(["poll 1", "poll 2", "spawned"]);
});

test.each([1, 2, 61])("two that wake one another for ever let others have turns, %i polls at a time", (eventInterval) => {
  using runtime = new Runtime({ eventInterval });
  const there = new Notify();
  const back = new Notify();
  let rounds = 0;
  const main = function* () {
    const ping = spawn(function* () {
      for (;;) {
        there.notifyOne();
        yield* back.notified();
        rounds++;
      }
    });
    const pong = spawn(function* () {
      for (;;) {
        yield* there.notified();
        back.notifyOne();
      }
    });
    yield* sleep(1);                                       // timers have theirs
    while (rounds < 100) yield* yieldNow();
    ping.abort();
    pong.abort();
    yield* ping.result();
    yield* pong.result();
  };
  runtime.blockOn(main);
  expect(runtime.metrics().tasksAlive).toBe(0);
});

describe("one that was woken alone, and yields", () => {
  test("lets timers and the main have turns", () => {
    using runtime = new Runtime();
    let turns = 0;
    runtime.blockOn(function* () {
      const bell = new Notify();
      let isOver = false;
      const spinner = spawn(function* () {
        yield* bell.notified();
        while (!isOver) {
          turns++;
          yield* yieldNow();
        }
      });
      yield* yieldNow();
      bell.notifyOne();
      yield* sleep(2);
      isOver = true;
      yield* spinner;
    });
    expect(turns).toBeGreaterThan(0);
  });

  test("goes behind those that it has woken and spawned", () => {
    using runtime = new Runtime({ lane: "manual" });
    const trace: string[] = [];
    const b = watched(runtime, "b", trace);
    const bell = new Notify();
    runtime.spawn(function* () {
      yield* bell.notified();
      for (let i = 0; i < 30; i++) yield* yieldNow();
      b.waker().wake();
      yield* yieldNow();
      spawn(function* () { trace.push("spawned"); });
      b.waker().wake();
      yield* yieldNow();
      trace.push("a");
    });
    runtime.drive({ ms: 60_000 });
    runtime.spawn(function* () { bell.notifyOne(); });
    runtime.drive({ ms: 60_000 });
    expect(trace).toEqual(["b", "b", "spawned", "b", "a"]);
  });

  test("lets what is due on a paused clock run first", () =>
    run(function* () {
      const bell = new Notify();
      const trace: string[] = [];
      spawn(function* () {
        yield* sleep(5);
        trace.push("timer");
      });
      const one = spawn(function* () {
        yield* bell.notified();
        yield* yieldNow();
        yield* advance(5);
        trace.push("after");
      });
      yield* yieldNow();
      bell.notifyOne();
      yield* one;
      expect(trace).toEqual(["timer", "after"]);
    }, { startPaused: true }));
});

describe("a unit that waits to be polled next", () => {
  test("is counted when the drive ends before its turn, and is the first of the next one", () => {
    using runtime = new Runtime({ lane: "manual" });
    const trace: string[] = [];
    const b = watched(runtime, "b", trace);
    runtime.drive({ ms: 60_000 });
    trace.length = 0;
    runtime.spawn(function* () {
      b.waker().wake();
      spawn(function* () { trace.push("spawned"); });
      expect(runtime.metrics().queueDepth).toBeGreaterThanOrEqual(2);
    });
    expect(runtime.drive({ polls: 1, ms: 60_000 }).more).toBe(true);
    expect(runtime.metrics().queueDepth).toBe(2);
    expect(trace).toEqual([]);
    runtime.drive({ ms: 60_000 });
    expect(trace).toEqual(["b", "spawned"]);
  });

  test("may end in that poll, or have ended: its slot is used again", () => {
    using runtime = new Runtime({ lane: "manual", capacity: 64 });
    for (let i = 0; i < 1000; i++) {
      const trace: string[] = [];
      let isLast = false;
      const b = watched(runtime, "b", trace, () => (isLast ? undefined : PENDING));
      runtime.drive({ ms: 60_000 });
      isLast = true;
      runtime.spawn(future((waker) => {
        b.waker().wake();                                  // polled next, and ends
        waker.wake();                                      // has ended when its turn comes
        return undefined;
      }));
      runtime.spawn(future((waker) => {
        waker.wake();                                      // was polled next, had it not ended
        return undefined;
      }));
      runtime.drive({ ms: 60_000 });
      expect(trace).toEqual(["b", "b"]);
      expect(runtime.metrics()).toMatchObject({ tasksAlive: 0, queueDepth: 0 });
    }
  });

  test("is not polled any more when its runtime is shut down by the one that woke it", async () => {
    const runtime = new Runtime({ lane: "manual" });
    const trace: string[] = [];
    const b = watched(runtime, "b", trace);
    runtime.drive({ ms: 60_000 });
    runtime.spawn(function* () {
      b.waker().wake();
      runtime[Symbol.dispose]();
      trace.push("a");
    });
    runtime.drive({ ms: 60_000 });
    expect(trace).toEqual(["b", "a"]);
    await Promise.resolve();
    expect(runtime.metrics().queueDepth).toBe(0);
  });

  test("may be aborted by the one that woke it", () => {
    using runtime = new Runtime({ lane: "manual" });
    const trace: string[] = [];
    const b = watched(runtime, "b", trace);
    runtime.drive({ ms: 60_000 });
    runtime.spawn(function* () {
      b.waker().wake();
      b.abort();
      trace.push("a");
    });
    runtime.drive({ ms: 60_000 });
    expect(trace).toEqual(["b", "a"]);
    expect(runtime.metrics()).toMatchObject({ tasksAlive: 0, queueDepth: 0 });
  });
});
