// After tokio/tests/sync_mutex.rs and sync_mutex_owned.rs, then what is JavaScript's own.

import { ContextError, DeadlockError, interval, lazy, Mutex, type MutexGuard, OptionError, PENDING, run, Runtime, select, sleep, spawn, type Suspend, timeout, TimeoutError, TryLockError, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { describe, expect, test } from "vitest";

describe("as in Tokio", () => {
  test("one lock after the other is ready at once and sees what the last one wrote", () => {
    const mutex = new Mutex(100);
    for (const value of [100, 99, 98]) {
      using guard = task(mutex.lock()).poll() as MutexGuard<number>;
      expect(guard.value).toBe(value);
      guard.value = value - 1;
    }
  });

  test("a second lock waits until the first is given up", () => {
    const mutex = new Mutex(100);
    const first = task(mutex.lock());
    const second = task(mutex.lock());
    const guard = first.poll() as MutexGuard<number>;
    expect(second.poll()).toBe(PENDING);
    guard.unlock();
    expect(second.isWoken).toBe(true);
    expect((second.poll() as MutexGuard<number>).value).toBe(100);
  });

  test("a block that is dropped while it holds the lock unlocks it", () =>
    run(
      async () => {
        const mutex = new Mutex(0);
        const block = lazy(function* () {
          const ticks = interval(1000);
          using _guard = yield* mutex.lock();
          yield* ticks.tick();
          yield* ticks.tick();
        });
        await expect(timeout(1, block)).rejects.toThrow(TimeoutError);
        (await timeout(1, mutex.lock())).unlock();
      },
      { startPaused: true },
    ));

  test("a block that is dropped while it waits for the lock leaves it as it was", () =>
    run(
      async () => {
        const mutex = new Mutex(0);
        {
          using _guard = await mutex.lock();
          await expect(timeout(1, lazy(async () => mutex.lock()))).rejects.toThrow(TimeoutError);
          await expect(timeout(1, mutex.lock())).rejects.toThrow(TimeoutError);
        }
        (await timeout(1, mutex.lock())).unlock();
      },
      { startPaused: true },
    ));

  test("tryLock fails while the lock is held", () => {
    const mutex = new Mutex(0);
    {
      using _guard = mutex.tryLock();
      expect(() => mutex.tryLock()).toThrow(expect.objectContaining({ name: "TryLockError", code: "TOKIWA_LOCKED", message: "operation would block" }));
    }
    mutex.tryLock().unlock();
  });

  test("isLocked says whether it is held", () => {
    const mutex = new Mutex(0);
    expect(mutex.isLocked).toBe(false);
    const guard = mutex.tryLock();
    expect(mutex.isLocked).toBe(true);
    guard.unlock();
    expect(mutex.isLocked).toBe(false);
  });
});

describe("as Tokio documents", () => {
  test.each<[string, (mutex: Mutex<number[]>, n: number) => unknown]>([
    ["async functions", async (mutex, n) => {
      using guard = await mutex.lock();
      await sleep(0);
      guard.value.push(n);
    }],
    ["generators", function* (mutex, n) {
      using guard = yield* mutex.lock();
      yield* yieldNow();
      guard.value.push(n);
    }],
  ])("%s that wait get the lock in the order in which they came", async (_name, fn) => {
    const mutex = new Mutex<number[]>([]);
    const first = await mutex.lock();
    const handles = Array.from({ length: 20 }, (_, i) => spawn(fn, mutex, i));
    await yieldNow();
    first.unlock();
    for (const handle of handles) await handle;
    expect((await mutex.lock()).value).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  test("nobody barges in between an unlock and the next one's turn", () => {
    const mutex = new Mutex(0);
    const guard = mutex.tryLock();
    const waiting = task(mutex.lock());
    waiting.poll();
    guard.unlock();
    expect(mutex.isLocked).toBe(true);
    expect(() => mutex.tryLock()).toThrow(TryLockError);
    waiting.drop();
    expect(mutex.isLocked).toBe(false);
  });

  test("blockingLock outside of tasks locks, runs tasks while it waits, and names a deadlock", () => {
    using runtime = new Runtime();
    const mutex = new Mutex(1);
    runtime.enter(() => {
      mutex.blockingLock().unlock();
      const guard = mutex.tryLock();
      runtime.spawn(function* () {
        yield* sleep(1);
        guard.unlock();
      });
      const second = mutex.blockingLock();
      expect(() => mutex.blockingLock()).toThrow(DeadlockError);
      second.unlock();
    });
    expect(mutex.isLocked).toBe(false);
  });

  test("blockingLock inside a task is refused", async () => {
    const mutex = new Mutex(0);
    await expect(spawn(async () => mutex.blockingLock())).rejects.toThrow(ContextError);
    await expect(spawn(function* () { return mutex.blockingLock(); })).rejects.toThrow(/blockingLock\(\) was called inside a task/);
  });
});

describe("withLock", () => {
  test.each<[string, (guard: MutexGuard<number>) => unknown]>([
    ["a plain function", (guard) => ++guard.value],
    ["an async function", async (guard) => { await sleep(0); return ++guard.value; }],
    ["a generator function", function* (guard) { yield* yieldNow(); return ++guard.value; }],
    ["a function that returns a future", (guard) => lazy(function* () { yield* yieldNow(); return ++guard.value; })],
    ["a function that returns a promise", (guard) => Promise.resolve(++guard.value)],
  ])("runs %s with the lock held", async (_name, fn) => {
    const mutex = new Mutex(1);
    await run(async () => {
      const seen = await mutex.withLock((guard) => {
        expect(mutex.isLocked).toBe(true);
        return fn(guard);
      });
      expect(seen).toBe(2);
      expect(mutex.isLocked).toBe(false);
      expect(await mutex.withLock(fn)).toBe(3);
      expect(mutex.isLocked).toBe(false);
    });
  });

  test.each<[string, () => unknown]>([
    ["throws", () => { throw new Error("boom"); }],
    ["rejects", async () => { await sleep(0); throw new Error("boom"); }],
    ["throws in a generator", function* () { yield* yieldNow(); throw new Error("boom"); }],
    ["fails in a future", () => lazy(() => { throw new Error("boom"); })],
  ])("unlocks when the function %s", async (_name, fn) => {
    const mutex = new Mutex(0);
    await run(async () => {
      await expect(mutex.withLock(fn)).rejects.toThrow("boom");
      expect(mutex.isLocked).toBe(false);
    });
  });

  test("unlocking early inside is allowed", async () => {
    const mutex = new Mutex(0);
    await mutex.withLock(async (guard) => {
      guard.unlock();
      (await mutex.lock()).unlock();
    });
    expect(mutex.isLocked).toBe(false);
  });

  test.each<[string, () => unknown]>([
    ["an async function", async () => sleep(1000)],
    ["a generator", function* () { yield* sleep(1000); }],
    ["a future", () => sleep(1000)],
  ])("dropping it while %s runs cancels that, and unlocks", (_name, fn) =>
    run(
      async () => {
        const mutex = new Mutex(0);
        await expect(timeout(5, mutex.withLock(fn))).rejects.toThrow(TimeoutError);
        (await timeout(5, mutex.lock())).unlock();
      },
      { startPaused: true },
    ));

  test("the lock is held until the cleanup of a dropped function is through", () =>
    run(
      async () => {
        const mutex = new Mutex(0);
        const trace: string[] = [];
        const fn = function* (): Generator<Suspend, void, unknown> {
          try {
            yield* sleep(1000);
          } finally {
            yield* sleep(20);
            trace.push("cleaned up");
          }
        };
        await select({ work: mutex.withLock(fn), quit: sleep(5) });
        const guard = await mutex.lock();
        trace.push("locked");
        guard.unlock();
        expect(trace).toEqual(["cleaned up", "locked"]);
      },
      { startPaused: true },
    ));

  test("dropping it while it waits leaves the queue", async () => {
    const mutex = new Mutex(0);
    const guard = mutex.tryLock();
    let calls = 0;
    const waiting = task(mutex.withLock(() => calls++));
    waiting.poll();
    waiting.drop();
    guard.unlock();
    expect([mutex.isLocked, calls]).toEqual([false, 0]);
  });

  test("takes functions only", () => {
    expect(() => new Mutex(0).withLock(5 as never)).toThrow(OptionError);
  });
});

describe("here", () => {
  test("a second unlock does not unlock for somebody else", () => {
    const mutex = new Mutex(0);
    const first = mutex.tryLock();
    first.unlock();
    const second = mutex.tryLock();
    first.unlock();
    first[Symbol.dispose]();
    expect(mutex.isLocked).toBe(true);
    second.unlock();
    expect(mutex.isLocked).toBe(false);
  });

  test("a guard that was unlocked gives no access", () => {
    const mutex = new Mutex("secret");
    const guard = mutex.tryLock();
    guard.unlock();
    expect(() => guard.value).toThrow(expect.objectContaining({ name: "ContextError", code: "TOKIWA_UNLOCKED" }));
    expect(() => (guard.value = "changed")).toThrow(ContextError);
    expect(mutex.tryLock().value).toBe("secret");
  });

  test("an aborted task that waits leaves the queue, one that holds the lock gives it up", async () => {
    const mutex = new Mutex(0);
    const holder = spawn(async () => {
      using _guard = await mutex.lock();
      await sleep(Infinity);
    });
    const waiter = spawn(async () => mutex.lock());
    const last = spawn(function* () {
      using _guard = yield* mutex.lock();
      return "locked";
    });
    await yieldNow();
    waiter.abort();
    holder.abort();
    expect(await last).toBe("locked");
    expect((await waiter.result()).status).toBe("cancelled");
    expect(mutex.isLocked).toBe(false);
  });

  test("locking twice in one task is a deadlock with a name", () => {
    using runtime = new Runtime();
    const mutex = new Mutex(0);
    const main = function* (): Generator<Suspend, void, unknown> {
      yield* mutex.lock();
      yield* mutex.lock();
    };
    expect(() => runtime.blockOn(main)).toThrow(/main waits for a mutex/);
  });

  test("withLock works outside of any runtime, on the default one", async () => {
    const mutex = new Mutex(1);
    const slow = mutex.withLock(async (guard) => {
      await sleep(1);
      return ++guard.value;
    });
    const quick = mutex.withLock((guard) => ++guard.value);
    expect(await Promise.all([slow, quick])).toEqual([2, 3]);
  });

  test("works outside of any runtime", async () => {
    const mutex = new Mutex(0);
    const guard = await mutex.lock();
    const next = mutex.lock().then((g) => g.value);
    guard.value = 7;
    guard.unlock();
    expect(await next).toBe(7);
  });
});

// Not here: `debug_format` and `mutex_debug` are about Rust's formatter; `try_lock_owned`, `MappedMutexGuard` and
// `into_inner` are about ownership (the value is reached through the guard, and a part of it by a property).
