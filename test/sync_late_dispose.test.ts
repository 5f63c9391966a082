// What a yield* has finished is used again by its task (sync/waiters.ts): whoever has kept it must harm nobody.

import { broadcast, type Future, mpsc, Notify, run, RwLock, RwLockReadGuard, RwLockWriteGuard, select, Semaphore, sleep, spawn, timeout, watch, yieldNow } from "tokiwa";
import { describe, expect, test } from "vitest";

describe("a finished wait that is disposed of late ends nobody else's", () => {
  const [tx, rx] = mpsc<number>(1);
  const [full, drain] = mpsc<number>(1);
  const [hub, reader] = broadcast<number>(4);
  const [state, seen] = watch(0);
  const bell = new Notify();
  const slots = new Semaphore(0);
  const cases: [string, make: () => Future<unknown>, serve: () => void][] = [
    ["recv() of mpsc", () => rx.recv(), () => tx.trySend(1)],
    ["send() of mpsc", () => full.send(1), () => drain.tryRecv()],
    ["recv() of broadcast", () => reader.recv(), () => hub.send(1)],
    ["changed() of watch", () => seen.changed(), () => state.send(1)],
    ["notified()", () => bell.notified(), () => bell.notifyOne()],
    ["acquire()", () => slots.acquire(), () => slots.addPermits(1)],
    ["acquireMany()", () => slots.acquireMany(2), () => slots.addPermits(2)],
  ];
  full.trySend(0);
  test.each(cases)("%s", (_, make, serve) =>
    run(
      function* () {
        const first = spawn(function* () {
          using wait = make();
          yield* wait;
          yield* sleep(10);
        });
        yield* sleep(1);
        serve();
        yield* sleep(1);
        const second = spawn(function* () {
          yield* make();
          return "served";
        });
        yield* first;
        serve();
        expect(yield* timeout(100, second)).toBe("served");
      },
      { startPaused: true },
    ),
  );
});

test("a read lock and a write lock that were finished are told apart when they are used again", () =>
  run(function* () {
    const lock = new RwLock("value", { maxReaders: 1 });
    for (let i = 0; i < 3; i++) {
      const writer = yield* lock.write();
      expect(writer).toBeInstanceOf(RwLockWriteGuard);
      writer.unlock();
      const reader = yield* lock.read();
      expect(reader).toBeInstanceOf(RwLockReadGuard);
      reader.unlock();
    }
  }));

test("a place in the queue of a lock serves one wait after the other", () =>
  run(function* () {
    const slots = new Semaphore(0);
    const order: string[] = [];
    const acquire = function* (name: string, count: number) {
      const permit = yield* slots.acquireMany(count);
      order.push(name);
      permit.forget();
    };
    for (let round = 0; round < 3; round++) {
      const tasks = [spawn(acquire, "two", 2), spawn(acquire, "one", 1), spawn(acquire, "three", 3)];
      yield* yieldNow();
      for (let i = 0; i < 6; i++) {
        slots.addPermits(1);
        yield* yieldNow();
      }
      for (const task of tasks) yield* task;
    }
    expect(order).toEqual(Array(3).fill(["two", "one", "three"]).flat());
    expect(slots.availablePermits).toBe(0);
  }));

describe("a lock that was asked for by yield* and is asked for again", () => {
  test("is another future while the first is not over, and when the first was dropped or polled to its end", () =>
    run(function* () {
      const slots = new Semaphore(3);
      yield* slots.acquire();
      const used = slots.acquire();
      const second = slots.acquire();
      expect(second === used).toBe(false);
      used[Symbol.dispose]();
      const third = slots.acquire();
      expect([third === used, third === second]).toEqual([false, false]);
      used[Symbol.dispose]();
      const { value } = yield* select({ third });
      expect(value.count).toBe(1);
      const fourth = slots.acquire();
      expect(fourth === third).toBe(false);
      third[Symbol.dispose]();
      (yield* fourth).release();
      second[Symbol.dispose]();
      value.release();
      expect(slots.availablePermits).toBe(2);
    }));
});
