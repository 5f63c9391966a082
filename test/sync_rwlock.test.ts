// After tokio/tests/sync_rwlock.rs, then what is JavaScript's own.

import { Barrier, ContextError, DeadlockError, OptionError, PENDING, run, Runtime, RwLock, type RwLockReadGuard, type RwLockWriteGuard, spawn, timeout, TimeoutError, TryLockError, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { describe, expect, test } from "vitest";

type Unlockable = { unlock(): void };

describe("as in Tokio", () => {
  test("two may read at once", () => {
    const lock = new RwLock(100);
    expect((task(lock.read()).poll() as RwLockReadGuard<number>).value).toBe(100);
    expect((task(lock.read()).poll() as RwLockReadGuard<number>).value).toBe(100);
  });

  test.each(["read", "write"] as const)("a writer waits while somebody holds it to %s", (how) => {
    const lock = new RwLock(100);
    const held = task<Unlockable>(lock[how]()).poll() as Unlockable;
    const writer = task(lock.write());
    expect(writer.poll()).toBe(PENDING);
    held.unlock();
    expect(writer.isWoken).toBe(true);
    expect((writer.poll() as RwLockWriteGuard<number>).value).toBe(100);
  });

  test("a reader waits while somebody writes", () => {
    const lock = new RwLock(100);
    const writer = task(lock.write()).poll() as Unlockable;
    const reader = task(lock.read());
    expect(reader.poll()).toBe(PENDING);
    writer.unlock();
    expect(reader.isWoken).toBe(true);
  });

  test("readers beyond maxReaders wait for one to leave", () => {
    const lock = new RwLock(100, { maxReaders: 1024 });
    const guards: Unlockable[] = [];
    for (;;) {
      const guard = task(lock.read()).poll();
      if (guard === PENDING) break;                        // not dropped: it stays first in the queue
      guards.push(guard);
    }
    expect(guards.length).toBe(1024);
    const reader = task(lock.read());
    expect(reader.poll()).toBe(PENDING);
    guards.pop()?.unlock();
    guards.pop()?.unlock();
    expect(reader.isWoken).toBe(true);
    expect(reader.poll()).not.toBe(PENDING);
  });

  test.each([0, -1, 0.5, NaN, 2 ** 29, "1", null])("maxReaders %s is refused", (maxReaders) => {
    expect(() => new RwLock(100, { maxReaders: maxReaders as number })).toThrow(OptionError);
    expect(() => new RwLock(100, { maxReaders: maxReaders as number })).toThrow(/maxReaders must be an integer from 1 to 536870911, got /);
  });

  test("a waiting writer blocks later readers", () => {
    const lock = new RwLock(100);
    task(lock.read()).poll();
    task(lock.read()).poll();
    expect(task(lock.write()).poll()).toBe(PENDING);
    expect(task(lock.read()).poll()).toBe(PENDING);
    expect(() => lock.tryRead()).toThrow(TryLockError);
  });

  test("readers go on when the writer before them is dropped", () => {
    const lock = new RwLock(100);
    task(lock.read()).poll();
    const writer = task(lock.write());
    writer.poll();
    const reader = task(lock.read());
    expect(reader.poll()).toBe(PENDING);
    writer.drop();
    expect(reader.isWoken).toBe(true);
    expect(reader.poll()).not.toBe(PENDING);
  });

  test("reading and writing without contention", () =>
    run(async () => {
      const lock = new RwLock(100);
      {
        using guard = await lock.read();
        expect(guard.value).toBe(100);
      }
      using guard = await lock.write();
      guard.value += 50;
      expect(guard.value).toBe(150);
    }));

  test("the order is that of the waits, not of the calls", () =>
    run(async () => {
      const lock = new RwLock<number[]>([]);
      const push = (n: number) => (guard: RwLockWriteGuard<number[]>) => {
        guard.value.push(n);
        guard.unlock();
      };
      const second = lock.write();
      const first = lock.write();
      await first.then(push(1));
      await second.then(push(2));
      expect(lock.tryRead().value).toEqual([1, 2]);
    }));

  test("many tasks that write add up", async () => {
    const barrier = new Barrier(5);
    const lock = new RwLock(0);
    for (const step of [2, 3, 5, 7]) {
      spawn(function* () {
        for (let i = 0; i < 1000; i++) {
          using guard = yield* lock.write();
          const { value } = guard;
          if (i % 100 === 0) yield* yieldNow();
          guard.value = value + step;
        }
        yield* barrier.wait();
      });
    }
    await barrier.wait();
    expect((await lock.read()).value).toBe(17_000);
  });

  test("tryWrite fails while somebody reads", () => {
    const lock = new RwLock(0);
    const reader = lock.tryRead();
    expect(() => lock.tryWrite()).toThrow(TryLockError);
    reader.unlock();
    lock.tryWrite().unlock();
  });

  test("tryRead and tryWrite", () => {
    const lock = new RwLock(15);
    {
      using a = lock.tryRead();
      expect(() => lock.tryWrite()).toThrow(TryLockError);
      using b = lock.tryRead();
      expect([a.value, b.value]).toEqual([15, 15]);
    }
    {
      using guard = lock.tryWrite();
      guard.value = 1515;
      expect(() => lock.tryRead()).toThrow(TryLockError);
      expect(() => lock.tryWrite()).toThrow(TryLockError);
    }
    expect(lock.tryRead().value).toBe(1515);
  });

  test("a write guard becomes a read guard, and waiting readers come in", () => {
    const lock = new RwLock({ n: 0 });
    const writer = lock.tryWrite();
    const reader = task(lock.read());
    expect(reader.poll()).toBe(PENDING);
    const first = writer.downgrade();
    expect(reader.isWoken).toBe(true);
    const second = reader.poll() as RwLockReadGuard<{ n: number }>;
    expect(first.value).toBe(second.value);
    writer.unlock();                                       // does nothing any more
    expect(() => lock.tryWrite()).toThrow(TryLockError);
    first.unlock();
    second.unlock();
    lock.tryWrite().unlock();
  });

  test("no writer comes in between a downgrade", () => {
    const lock = new RwLock(0);
    const guard = lock.tryWrite();
    const writer = task(lock.write());
    const reader = task(lock.read());
    writer.poll();
    reader.poll();
    const read = guard.downgrade();
    expect([writer.isWoken, reader.isWoken]).toEqual([false, false]);   // the writer came first, the reader waits behind it
    read.unlock();
    expect([writer.isWoken, reader.isWoken]).toEqual([true, false]);
    (writer.poll() as Unlockable).unlock();
    expect(reader.isWoken).toBe(true);
  });
});

describe("here", () => {
  test("guards that were given up give no access and unlock nobody else", () => {
    const lock = new RwLock(1);
    const write = lock.tryWrite();
    write.unlock();
    const read = lock.tryRead();
    write.unlock();
    write[Symbol.dispose]();
    expect(() => lock.tryWrite()).toThrow(TryLockError);
    expect(() => write.value).toThrow(ContextError);
    expect(() => (write.value = 2)).toThrow(ContextError);
    expect(() => write.downgrade()).toThrow(expect.objectContaining({ code: "TOKIWA_UNLOCKED" }));
    read.unlock();
    read.unlock();
    expect(() => read.value).toThrow(ContextError);
    expect(lock.tryWrite().value).toBe(1);
  });

  test("the value of a read guard cannot be replaced", () => {
    const guard = new RwLock(1).tryRead();
    expect(() => {
      (guard as { value: number }).value = 2;
    }).toThrow(TypeError);
  });

  test("losing a timeout loses no access", () =>
    run(
      async () => {
        const lock = new RwLock(0, { maxReaders: 2 });
        const reader = await lock.read();
        await expect(timeout(5, lock.write())).rejects.toThrow(TimeoutError);
        (await timeout(5, lock.read())).unlock();
        reader.unlock();
        lock.tryWrite().unlock();
      },
      { startPaused: true },
    ));

  test("blockingRead and blockingWrite outside of tasks, refused inside", async () => {
    using runtime = new Runtime();
    const lock = new RwLock(3);
    runtime.enter(() => {
      const reader = lock.blockingRead();
      expect(() => lock.blockingWrite()).toThrow(DeadlockError);
      expect(lock.blockingRead().value).toBe(3);
      reader.unlock();
    });
    await expect(spawn(async () => lock.blockingRead())).rejects.toThrow(/blockingRead\(\) was called inside a task/);
    await expect(spawn(async () => lock.blockingWrite())).rejects.toThrow(ContextError);
  });

  test("options must be an object", () => {
    expect(() => new RwLock(0, 5 as never)).toThrow(OptionError);
  });
});

// Not here: `into_inner`, `zero_max_readers_const` and the owned and mapped guards (`downgrade_map`, `try_downgrade_map`) are
// about ownership; what they say about who waits is in the tests of `downgrade()`.
