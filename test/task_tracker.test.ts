// After tokio-util/tests/task_tracker.rs, then what is JavaScript's own.

import { OptionError, PENDING, run, Runtime, sleep, spawn, TaskTracker, timeout, TimeoutError, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { describe, expect, test } from "vitest";

describe("as in Tokio", () => {
  test("opening and closing", () => {
    const tracker = new TaskTracker();
    const state = (): unknown[] => [tracker.isClosed, tracker.isEmpty, tracker.size];
    expect(state()).toEqual([false, true, 0]);
    expect([tracker.close(), tracker.close()]).toEqual([true, false]);
    expect(state()).toEqual([true, true, 0]);
    expect([tracker.reopen(), tracker.reopen()]).toEqual([true, false]);
    expect(state()).toEqual([false, true, 0]);
    expect(tracker.close()).toBe(true);
  });

  test("tokens count until they are disposed of, once", () => {
    const tracker = new TaskTracker();
    const tokens = Array.from({ length: 10 }, () => tracker.token());
    expect([tracker.size, tracker.isEmpty]).toEqual([10, false]);
    for (const [at, token] of tokens.entries()) {
      token[Symbol.dispose]();
      token[Symbol.dispose]();
      expect(tracker.size).toBe(9 - at);
    }
  });

  test("a closed and empty tracker is ready at once, also if it is opened before the poll", () => {
    const tracker = new TaskTracker();
    tracker.close();
    expect(task(tracker.wait()).poll()).toBe(undefined);
    const wait = task(tracker.wait());
    tracker.reopen();
    expect(wait.poll()).toBe(undefined);
    expect(task(tracker.wait()).poll()).toBe(PENDING);
  });

  test.each([false, true])("closing an empty tracker wakes, opened again: %s", (reopens) => {
    const tracker = new TaskTracker();
    const wait = task(tracker.wait());
    expect(wait.poll()).toBe(PENDING);
    tracker.close();
    if (reopens) tracker.reopen();
    expect(wait.isWoken).toBe(true);
    expect(wait.poll()).toBe(undefined);
  });

  test.each([false, true])("the end of the last task wakes, another one started: %s", (respawns) => {
    const tracker = new TaskTracker();
    tracker.close();
    const token = tracker.token();
    const wait = task(tracker.wait());
    expect(wait.poll()).toBe(PENDING);
    token[Symbol.dispose]();
    if (respawns) tracker.token();
    expect(wait.poll()).toBe(undefined);
  });

  test("the end of the last task of an open tracker wakes nobody", () => {
    const tracker = new TaskTracker();
    const token = tracker.token();
    const wait = task(tracker.wait());
    wait.poll();
    token[Symbol.dispose]();
    tracker.token();
    expect(wait.poll()).toBe(PENDING);
  });

  test("it may be closed at any moment while tasks end", () => {
    for (let spot = 0; spot <= 5; spot++) {
      const tracker = new TaskTracker();
      const tokens = Array.from({ length: 5 }, () => tracker.token());
      const wait = task(tracker.wait());
      for (const [at, token] of tokens.entries()) {
        expect(wait.poll()).toBe(PENDING);
        if (at === spot) tracker.close();
        expect(wait.poll()).toBe(PENDING);
        token[Symbol.dispose]();
      }
      if (spot === 5) {
        expect(wait.poll()).toBe(PENDING);
        tracker.close();
      }
      expect(wait.poll()).toBe(undefined);
    }
  });

  test("everybody who waits is woken", () => {
    const tracker = new TaskTracker();
    const waits = Array.from({ length: 10 }, () => task(tracker.wait()));
    for (const wait of waits) expect(wait.poll()).toBe(PENDING);
    tracker.close();
    for (const wait of waits) expect(wait.poll()).toBe(undefined);
  });

  test.each([false, true])("tasks of every kind are waited for, closed before: %s", (closedBefore) =>
    run(async () => {
      const tracker = new TaskTracker();
      if (closedBefore) tracker.close();
      let ended = 0;
      for (let i = 0; i < 8; i++) {
        tracker.spawn(async (ms) => { await sleep(ms); ended++; }, i);
        tracker.spawn(function* () { yield* yieldNow(); ended++; });
        tracker.spawn(sleep(1));
      }
      expect(tracker.size).toBe(24);
      tracker.close();
      await tracker.wait();
      expect([tracker.isEmpty, tracker.isClosed, ended]).toEqual([true, true, 16]);
    }));
});

describe("here", () => {
  test("the handle of a tracked task is like any other", async () => {
    const tracker = new TaskTracker();
    const good = tracker.spawn(async (a, b) => a + b, 1, 2);
    const bad = tracker.spawn(() => { throw new Error("boom"); });
    const stuck = tracker.spawn(sleep(Infinity));
    expect(await good).toBe(3);
    await expect(bad).rejects.toThrow("boom");
    expect(tracker.size).toBe(1);
    stuck.abort();
    expect((await stuck.result()).status).toBe("cancelled");
    expect(tracker.isEmpty).toBe(true);
  });

  test("blocking functions count until they have ended", () =>
    run(async () => {
      const tracker = new TaskTracker();
      const handle = tracker.spawnBlocking((n) => n + 1, 1);
      expect(tracker.size).toBe(1);
      tracker.close();
      await tracker.wait();
      expect([handle.isFinished, await handle, tracker.size]).toEqual([true, 2, 0]);
    }));

  test("trackFuture counts from the call until the end or the drop", async () => {
    const tracker = new TaskTracker();
    const done = tracker.trackFuture(yieldNow());
    const failed = tracker.trackFuture(Promise.reject(new Error("boom")));
    const dropped = tracker.trackFuture(sleep(Infinity));
    const unpolled = tracker.trackFuture(sleep(1));
    expect(tracker.size).toBe(4);
    await done;
    await expect(failed).rejects.toThrow("boom");
    expect(tracker.size).toBe(2);
    await expect(timeout(1, dropped)).rejects.toThrow(TimeoutError);
    unpolled[Symbol.dispose]();
    unpolled[Symbol.dispose]();
    expect(tracker.size).toBe(0);
    const aborted = spawn(tracker.trackFuture(sleep(Infinity)));
    aborted.abort();
    await aborted.result();
    expect(tracker.size).toBe(0);
    expect(() => tracker.trackFuture(5 as never)).toThrow(OptionError);
    expect(tracker.size).toBe(0);
  });

  test("await using closes and waits", () =>
    run(async () => {
      let ended = 0;
      {
        await using tracker = new TaskTracker();
        tracker.spawn(async () => { await sleep(2); ended++; });
      }
      expect(ended).toBe(1);
    }));

  test("a task that was never started because its runtime is gone does not count", async () => {
    const runtime = new Runtime();
    const tracker = new TaskTracker();
    tracker.close();
    const handle = runtime.enter(() => tracker.spawn(sleep(Infinity)));
    await runtime.shutdown();
    expect((await handle.result()).status).toBe("cancelled");
    expect(tracker.isEmpty).toBe(true);
    await tracker.wait();
  });
});

// Not here: spawn_local and LocalSet, since every task stays on its thread; `spawn_then_drop` is about destructors.
