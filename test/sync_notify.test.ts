// After tokio/tests/sync_notify.rs and sync_notify_owned.rs, then what is JavaScript's own.

import { Notify, PENDING, run, select, sleep, spawn, timeout, TimeoutError, yieldNow } from "tokiwa";
import { task, type TestTask } from "tokiwa/testing";
import { describe, expect, test } from "vitest";

/** Some waits of one Notify, polled once each when asked to. */
function waits(notify: Notify, count: number): TestTask<void>[] {
  return Array.from({ length: count }, () => task(notify.notified()));
}

/** Polls each, and says which are ready. */
function ready(tasks: TestTask<void>[]): boolean[] {
  return tasks.map((t) => t.poll() !== PENDING);
}

function woken(tasks: TestTask<void>[]): boolean[] {
  return tasks.map((t) => t.isWoken);
}

describe("as in Tokio", () => {
  test("a notification before the wait is kept", () => {
    const notify = new Notify();
    const tasks = waits(notify, 1);
    notify.notifyOne();
    expect(ready(tasks)).toEqual([true]);
  });

  test("notifyOne wakes the first of two, notifyLast the last", () => {
    for (const [method, expected] of [["notifyOne", [true, false]], ["notifyLast", [false, true]]] as const) {
      const notify = new Notify();
      const tasks = waits(notify, 2);
      expect(ready(tasks)).toEqual([false, false]);
      notify[method]();
      expect(woken(tasks)).toEqual(expected);
      expect(ready(tasks)).toEqual(expected);
    }
  });

  test("of two waits, a notification before them serves one, the next the other", () => {
    const notify = new Notify();
    notify.notifyOne();
    const tasks = waits(notify, 2);
    expect(ready(tasks)).toEqual([true, false]);
    notify.notifyOne();
    expect(woken(tasks)[1]).toBe(true);
    expect(ready(tasks.slice(1))).toEqual([true]);
  });

  test("permits do not add up", () => {
    const notify = new Notify();
    notify.notifyOne();
    notify.notifyOne();
    notify.notifyLast();
    expect(ready(waits(notify, 2))).toEqual([true, false]);
  });

  test("a wait that is dropped does not take the notification of the next", () => {
    const notify = new Notify();
    const [first, second] = waits(notify, 2) as [TestTask<void>, TestTask<void>];
    first.poll();
    first.drop();
    expect(second.poll()).toBe(PENDING);
    notify.notifyOne();
    expect(second.isWoken).toBe(true);
    expect(second.poll()).not.toBe(PENDING);
  });

  test("a notified wait that is dropped passes it on", () => {
    const notify = new Notify();
    const tasks = waits(notify, 2);
    ready(tasks);
    notify.notifyOne();
    expect(woken(tasks)).toEqual([true, false]);
    tasks[0]?.drop();
    expect(woken(tasks)).toEqual([true, true]);
    expect(ready(tasks.slice(1))).toEqual([true]);
  });

  test("it passes it on in the order in which it was notified", () => {
    for (const [method, dropped, next] of [["notifyOne", 0, 1], ["notifyLast", 2, 1]] as const) {
      const notify = new Notify();
      const tasks = waits(notify, 3);
      ready(tasks);
      notify[method]();
      tasks[dropped]?.drop();
      const left = tasks.filter((_, i) => i !== dropped);
      expect(ready(left)).toEqual(left.map((t) => t === tasks[next]));
    }
  });

  test("a waker that calls notifyWaiters again does no harm", () => {
    const notify = new Notify();
    const notified = notify.notified();
    let wakes = 0;
    notified.poll({
      wake() {
        wakes++;
        notify.notifyWaiters();
      },
    });
    notify.notifyWaiters();
    expect(wakes).toBe(1);
  });

  test("notifyOne after all were notified, and the one dropped, leaves a permit", () => {
    const notify = new Notify();
    const tasks = waits(notify, 1);
    ready(tasks);
    notify.notifyWaiters();
    notify.notifyOne();
    tasks[0]?.drop();
    expect(ready(waits(notify, 1))).toEqual([true]);
  });

  test("notifyOne before enable and poll is kept", () => {
    const notify = new Notify();
    const notified = notify.notified();
    notify.notifyOne();
    expect(task(notified).poll()).not.toBe(PENDING);
  });

  test("notifyOne after enable wakes the enabled one, which stays notified", () => {
    const notify = new Notify();
    const notified = notify.notified();
    expect(notified.enable()).toBe(false);
    notify.notifyOne();
    expect(task(notified).poll()).not.toBe(PENDING);
    expect(notified.enable()).toBe(true);
  });

  test("enable and poll may come in any order, and again", () => {
    const notify = new Notify();
    const notified = notify.notified();
    expect(notified.enable()).toBe(false);
    const polled = task(notified);
    expect(polled.poll()).toBe(PENDING);
    expect(notified.enable()).toBe(false);
    notify.notifyOne();
    expect(polled.isWoken).toBe(true);
    expect(notified.enable()).toBe(true);
    expect(polled.poll()).not.toBe(PENDING);
  });

  test("enable takes the place in the queue", () => {
    const notify = new Notify();
    const first = notify.notified();
    const second = notify.notified();
    second.enable();
    first.enable();
    notify.notifyOne();
    expect([first.enable(), second.enable()]).toEqual([false, true]);
  });

  test("enable takes the permit", () => {
    const notify = new Notify();
    notify.notifyOne();
    expect(notify.notified().enable()).toBe(true);
    expect(notify.notified().enable()).toBe(false);
  });

  test("the waker of the last poll is the one that is woken", () => {
    const notify = new Notify();
    const notified = notify.notified();
    const first = task(notified);
    const second = task(notified);
    first.poll();
    second.poll();
    notify.notifyOne();
    expect([first.isWoken, second.isWoken]).toEqual([false, true]);
  });

  test("one that notifyWaiters completed unpolled leaves the permit to others", () => {
    const notify = new Notify();
    const first = task(notify.notified());
    notify.notifyWaiters();
    notify.notifyOne();
    expect(first.poll()).not.toBe(PENDING);
    expect(ready(waits(notify, 1))).toEqual([true]);
  });
});

describe("as Tokio documents", () => {
  test("notifyWaiters wakes those that exist, polled or not, and nobody later", () => {
    const notify = new Notify();
    const tasks = waits(notify, 3);
    tasks[0]?.poll();
    tasks[2]?.poll();
    notify.notifyWaiters();
    expect(woken(tasks)).toEqual([true, false, true]);
    expect(ready(tasks)).toEqual([true, true, true]);
    expect(ready(waits(notify, 1))).toEqual([false]);
  });

  test("notifyWaiters leaves a permit where it is", () => {
    const notify = new Notify();
    notify.notifyOne();
    notify.notifyWaiters();
    expect(ready(waits(notify, 2))).toEqual([true, false]);
  });

  test("one dropped after notifyWaiters passes nothing on", () => {
    const notify = new Notify();
    const tasks = waits(notify, 2);
    ready(tasks);
    notify.notifyWaiters();
    tasks[0]?.drop();
    expect(ready(waits(notify, 1))).toEqual([false]);
  });

  test("a wait added by a waker of notifyWaiters is not woken by it", () => {
    const notify = new Notify();
    let late: TestTask<void> | undefined;
    notify.notified().poll({
      wake() {
        late = task(notify.notified());
        late.poll();
      },
    });
    const last = task(notify.notified());
    last.poll();
    notify.notifyWaiters();
    expect([late?.isWoken, last.isWoken]).toEqual([false, true]);
  });
});

describe("here", () => {
  test("works from generators, async functions and outside of tasks", async () => {
    const notify = new Notify();
    const trace: string[] = [];
    const handles = [
      spawn(function* () {
        yield* notify.notified();
        trace.push("generator");
      }),
      spawn(async () => {
        await notify.notified();
        trace.push("async");
      }),
      spawn(notify.notified()),
      notify.notified().then(() => trace.push("outside")),
    ];
    await sleep(1);
    notify.notifyWaiters();
    for (const handle of handles) await handle;
    expect(trace.sort()).toEqual(["async", "generator", "outside"]);
  });

  test("losing a timeout or a select loses no notification", () =>
    run(
      async () => {
        const notify = new Notify();
        await expect(timeout(5, notify.notified())).rejects.toThrow(TimeoutError);
        notify.notifyOne();
        const { name } = await select({ late: sleep(5), notified: notify.notified() }, { biased: true });
        expect(name).toBe("notified");
        await select({ first: notify.notified(), second: sleep(1) });
        notify.notifyOne();
        await timeout(1, notify.notified());
      },
      { startPaused: true },
    ));

  test("a select whose other branch is ready at the same time passes the notification on", () => {
    const notify = new Notify();
    const other = new Notify();
    const both = task(select({ other: other.notified(), notified: notify.notified() }, { biased: true }));
    const next = task(notify.notified());
    both.poll();
    next.poll();
    notify.notifyOne();
    other.notifyOne();
    expect(both.poll()).toMatchObject({ name: "other" });
    expect(next.isWoken).toBe(true);
  });

  test("a loop over ready notifications lets other tasks have turns", async () => {
    const notify = new Notify();
    let turns = 0;
    let isDone = false;
    const counter = spawn(function* () {
      for (; !isDone; turns++) yield* yieldNow();
    });
    await spawn(function* () {
      for (let i = 0; i < 1280; i++) {
        notify.notifyOne();
        yield* notify.notified();
      }
      isDone = true;
    });
    await counter;
    expect(turns).toBeGreaterThanOrEqual(9);
  });
});

// Not here: the tests of `OwnedNotified` repeat these; that `Notify` is Send and Sync is said by types.
