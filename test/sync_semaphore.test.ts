// After tokio/tests/sync_semaphore.rs and sync_semaphore_owned.rs, then what is JavaScript's own.

import { AcquireError, ContextError, DeadlockError, join, OptionError, PENDING, run, Runtime, select, Semaphore, SemaphorePermit, sleep, spawn, timeout, TryAcquireError, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { describe, expect, test } from "vitest";
import { thrown } from "./support/runtimes.ts";

describe("as in Tokio", () => {
  test("a semaphore may have no permits", () => {
    expect(new Semaphore(0).availablePermits).toBe(0);
  });

  test("tryAcquire takes a permit, fails without one, and works again after the release", () => {
    const semaphore = new Semaphore(1);
    {
      using permit = semaphore.tryAcquire();
      expect(permit.count).toBe(1);
      expect(thrown(() => semaphore.tryAcquire())).toMatchObject({ name: "TryAcquireError", code: "TOKIWA_NO_PERMITS" });
    }
    expect(semaphore.tryAcquire()).toBeInstanceOf(SemaphorePermit);
  });

  test("a task that waits gets the permit that is released", async () => {
    const semaphore = new Semaphore(1);
    const held = semaphore.tryAcquire();
    const waiting = spawn(async () => {
      using _permit = await semaphore.acquire();
    });
    held.release();
    await waiting;
    expect(semaphore.availablePermits).toBe(1);
  });

  test("a task that waits gets a permit that is added", async () => {
    const semaphore = new Semaphore(0);
    const waiting = spawn(function* () {
      using _permit = yield* semaphore.acquire();
    });
    semaphore.addPermits(1);
    await waiting;
    expect(semaphore.availablePermits).toBe(1);
  });

  test.each([false, true])("adding and forgetting permits counts, closed: %s", (isClosed) => {
    for (let size = 0; size < 4; size++) {
      for (let n = 0; n < 4; n++) {
        const added = new Semaphore(size);
        if (isClosed) added.close();
        added.addPermits(n);
        expect(added.availablePermits).toBe(size + n);
        expect(added.isClosed).toBe(isClosed);

        const forgotten = new Semaphore(size);
        if (isClosed) forgotten.close();
        const count = forgotten.forgetPermits(n);
        expect(forgotten.availablePermits).toBe(Math.max(0, size - n));
        expect(count).toBe(Math.min(size, n));
        expect(forgotten.isClosed).toBe(isClosed);
      }
    }
  });

  test("a forgotten permit does not come back", () => {
    const semaphore = new Semaphore(1);
    {
      using permit = semaphore.tryAcquire();
      permit.forget();
      expect(semaphore.availablePermits).toBe(0);
    }
    expect(semaphore.availablePermits).toBe(0);
    expect(() => semaphore.tryAcquire()).toThrow(TryAcquireError);
  });

  test("merged permits are released together", () => {
    const semaphore = new Semaphore(3);
    {
      using first = semaphore.tryAcquire();
      const second = semaphore.tryAcquireMany(2);
      first.merge(second);
      expect(semaphore.availablePermits).toBe(0);
      expect([first.count, second.count]).toEqual([3, 0]);
      second.release();
      expect(semaphore.availablePermits).toBe(0);
    }
    expect(semaphore.availablePermits).toBe(3);
  });

  test("permits of another semaphore cannot be merged", () => {
    const mine = new Semaphore(3).tryAcquire();
    const foreign = new Semaphore(3).tryAcquire();
    expect(thrown(() => mine.merge(foreign))).toMatchObject({ code: "TOKIWA_BAD_OPTION", message: expect.stringContaining("same semaphore") });
    expect([mine.count, foreign.count]).toEqual([1, 1]);
  });

  test("a permit can be split, down to nothing", () => {
    const semaphore = new Semaphore(5);
    const p1 = semaphore.tryAcquireMany(3);
    const p2 = p1.split(1) as SemaphorePermit;
    expect([semaphore.availablePermits, p1.count, p2.count]).toEqual([2, 2, 1]);
    const p3 = p1.split(0) as SemaphorePermit;
    expect(p3.count).toBe(0);
    p1.release();
    expect(semaphore.availablePermits).toBe(4);
    const p4 = p2.split(1) as SemaphorePermit;
    expect([p2.count, p4.count]).toEqual([0, 1]);
    expect(p2.split(1)).toBeUndefined();
    p2.release();
    p3.release();
    expect(semaphore.availablePermits).toBe(4);
    p4.release();
    expect(semaphore.availablePermits).toBe(5);
  });

  test("a thousand tasks on five permits leave five permits", async () => {
    const semaphore = new Semaphore(5);
    let inside = 0;
    let most = 0;
    const handles = Array.from({ length: 1000 }, () =>
      spawn(async () => {
        using _permit = await semaphore.acquire();
        most = Math.max(most, ++inside);
        await yieldNow();
        inside--;
      }),
    );
    for (const handle of handles) await handle;
    expect(most).toBe(5);
    expect(semaphore.tryAcquireMany(5).count).toBe(5);
    expect(() => semaphore.tryAcquire()).toThrow(TryAcquireError);
  });

  test("there can be MAX_PERMITS and no more", () => {
    const { MAX_PERMITS } = Semaphore;
    const semaphore = new Semaphore(0);
    semaphore.addPermits(MAX_PERMITS);
    expect(semaphore.availablePermits).toBe(MAX_PERMITS);
    expect(() => new Semaphore(1).addPermits(MAX_PERMITS)).toThrow(OptionError);
    const almost = new Semaphore(MAX_PERMITS - 1);
    almost.addPermits(1);
    expect(() => almost.addPermits(1)).toThrow(OptionError);
    expect(almost.availablePermits).toBe(MAX_PERMITS);
    expect(() => new Semaphore(MAX_PERMITS + 1)).toThrow(OptionError);
    expect(new Semaphore(MAX_PERMITS).availablePermits).toBe(MAX_PERMITS);
  });

  test("blockingAcquire outside of tasks takes permits, or fails once closed", () => {
    const semaphore = new Semaphore(5);
    const permit = semaphore.blockingAcquireMany(3);
    const other = semaphore.blockingAcquire();
    expect(semaphore.availablePermits).toBe(1);
    permit.release();
    other.release();
    expect(semaphore.availablePermits).toBe(5);
    semaphore.close();
    expect(() => semaphore.blockingAcquire()).toThrow(AcquireError);
    expect(() => semaphore.blockingAcquireMany(2)).toThrow(AcquireError);
  });

  test("blockingAcquire runs the tasks that bring the permit", () => {
    using runtime = new Runtime();
    const semaphore = new Semaphore(0);
    const permit = runtime.enter(() => {
      runtime.spawn(function* () {
        yield* yieldNow();
        semaphore.addPermits(1);
      });
      return semaphore.blockingAcquire();
    });
    expect(permit.count).toBe(1);
    runtime.enter(() => expect(() => semaphore.blockingAcquire()).toThrow(DeadlockError));
    expect(semaphore.availablePermits).toBe(0);
  });

  test("blockingAcquire inside a task is refused", async () => {
    const semaphore = new Semaphore(1);
    const inside = async (): Promise<unknown> => thrown(() => semaphore.blockingAcquire());
    expect(await spawn(inside)).toMatchObject({ name: "ContextError", code: "TOKIWA_NESTED_RUNTIME", message: expect.stringContaining("blockingAcquire()") });
    await expect(spawn(async () => semaphore.blockingAcquireMany(1))).rejects.toThrow(ContextError);
    expect(semaphore.availablePermits).toBe(1);
  });
});

describe("as Tokio documents", () => {
  test("nothing is taken before the first poll", () => {
    const semaphore = new Semaphore(1);
    const acquire = task(semaphore.acquire());
    expect(semaphore.availablePermits).toBe(1);
    acquire.poll();
    expect(semaphore.availablePermits).toBe(0);
  });

  test("waiters are served first come, first served, and a large request is not overtaken", () => {
    const semaphore = new Semaphore(0);
    const large = task(semaphore.acquireMany(3));
    const small = task(semaphore.acquire());
    expect([large.poll(), small.poll()]).toEqual([PENDING, PENDING]);
    semaphore.addPermits(2);
    expect([large.isWoken, small.isWoken]).toEqual([false, false]);
    expect(thrown(() => semaphore.tryAcquire())).toMatchObject({ code: "TOKIWA_NO_PERMITS" });   // nobody barges in
    semaphore.addPermits(1);
    expect([large.isWoken, small.isWoken]).toEqual([true, false]);
    semaphore.addPermits(1);
    expect(small.isWoken).toBe(true);
    expect((large.poll() as SemaphorePermit).count).toBe(3);
    expect((small.poll() as SemaphorePermit).count).toBe(1);
  });

  test("a request that has to wait takes what is there, and gives it back when it is dropped", () => {
    const semaphore = new Semaphore(3);
    const large = task(semaphore.acquireMany(5));
    expect(large.poll()).toBe(PENDING);
    expect(semaphore.availablePermits).toBe(0);
    semaphore.addPermits(1);
    expect(semaphore.availablePermits).toBe(0);
    large.drop();
    expect(semaphore.availablePermits).toBe(4);
  });

  test("what a dropped waiter had collected goes to the next ones", () => {
    const semaphore = new Semaphore(2);
    const large = task(semaphore.acquireMany(3));
    const small = [task(semaphore.acquire()), task(semaphore.acquire()), task(semaphore.acquire())];
    large.poll();
    for (const waiter of small) waiter.poll();
    large.drop();
    expect(small.map((waiter) => waiter.isWoken)).toEqual([true, true, false]);
  });

  test("a permit handed to a waiter that is dropped before it looks goes to the next", () => {
    const semaphore = new Semaphore(1);
    const held = semaphore.tryAcquire();
    const first = task(semaphore.acquire());
    const second = task(semaphore.acquire());
    first.poll();
    second.poll();
    held.release();
    expect([first.isWoken, second.isWoken]).toEqual([true, false]);
    first.drop();
    expect(second.isWoken).toBe(true);
    expect(second.poll()).toBeInstanceOf(SemaphorePermit);
  });

  test("closing fails those who wait and those who come, and permits can still be released", () => {
    const semaphore = new Semaphore(2);
    const held = semaphore.tryAcquire();
    const waiting = task(semaphore.acquireMany(3));
    waiting.poll();
    semaphore.close();
    semaphore.close();
    expect(waiting.isWoken).toBe(true);
    expect(thrown(() => waiting.poll())).toMatchObject({ name: "AcquireError", code: "TOKIWA_CLOSED", message: "semaphore closed" });
    expect(semaphore.availablePermits).toBe(1);            // what it had collected
    held.release();
    expect(semaphore.availablePermits).toBe(2);
    expect(() => task(semaphore.acquire()).poll()).toThrow(AcquireError);
    expect(thrown(() => semaphore.tryAcquire())).toMatchObject({ code: "TOKIWA_CLOSED" });
  });

  test("closed counts before granted", () => {
    const semaphore = new Semaphore(0);
    const waiting = task(semaphore.acquire());
    waiting.poll();
    semaphore.addPermits(1);
    semaphore.close();
    expect(() => waiting.poll()).toThrow(AcquireError);
    expect(semaphore.availablePermits).toBe(1);
  });

  test("acquiring no permits is ready at once, also behind others", () => {
    const semaphore = new Semaphore(0);
    task(semaphore.acquire()).poll();
    const none = task(semaphore.acquireMany(0)).poll() as SemaphorePermit;
    expect(none.count).toBe(0);
    none.release();
    expect(semaphore.availablePermits).toBe(0);
    expect(semaphore.tryAcquireMany(0).count).toBe(0);
  });

  test("forgetPermits takes only what is free", () => {
    const semaphore = new Semaphore(3);
    const held = semaphore.tryAcquireMany(2);
    expect(semaphore.forgetPermits(5)).toBe(1);
    held.release();
    expect(semaphore.availablePermits).toBe(2);
  });
});

describe("here", () => {
  test("losing a timeout or a select loses no permit", async () => {
    await run(
      async () => {
        const semaphore = new Semaphore(1);
        const held = await semaphore.acquire();
        await expect(timeout(5, semaphore.acquire())).rejects.toThrow("deadline");
        const { name } = await select({ never: semaphore.acquireMany(4), soon: sleep(5) });
        expect(name).toBe("soon");
        held.release();
        expect(semaphore.availablePermits).toBe(1);
        const [a, b] = await join(semaphore.acquire(), semaphore.acquireMany(0));
        expect([a.count, b.count]).toEqual([1, 0]);
      },
      { startPaused: true },
    );
  });

  test("aborting a task that waits loses no permit", async () => {
    const semaphore = new Semaphore(0);
    const handles = [spawn(async () => semaphore.acquire()), spawn(function* () { return yield* semaphore.acquire(); }), spawn(semaphore.acquire())];
    await yieldNow();
    for (const handle of handles) handle.abort();
    for (const handle of handles) expect((await handle.result()).status).toBe("cancelled");
    semaphore.addPermits(3);
    expect(semaphore.availablePermits).toBe(3);
  });

  test("a loop over ready permits lets other tasks have turns", async () => {
    const semaphore = new Semaphore(1);
    let turns = 0;
    let isDone = false;
    const counter = spawn(function* () {
      for (; !isDone; turns++) yield* yieldNow();
    });
    await spawn(function* () {
      for (let i = 0; i < 1280; i++) (yield* semaphore.acquire()).release();
      isDone = true;
    });
    await counter;
    expect(turns).toBeGreaterThanOrEqual(9);
  });

  test("failing spends budget, too", async () => {
    const semaphore = new Semaphore(0);
    semaphore.close();
    let turns = 0;
    let isDone = false;
    const counter = spawn(function* () {
      for (; !isDone; turns++) yield* yieldNow();
    });
    await spawn(async () => {
      for (let i = 0; i < 1280; i++) await expect(semaphore.acquire()).rejects.toThrow(AcquireError);
      isDone = true;
    });
    await counter;
    expect(turns).toBeGreaterThanOrEqual(9);
  });

  test("a second release gives nothing back", () => {
    const semaphore = new Semaphore(1);
    const permit = semaphore.tryAcquire();
    permit.release();
    permit.release();
    permit[Symbol.dispose]();
    permit.forget();
    expect([semaphore.availablePermits, permit.count]).toEqual([1, 0]);
  });

  test("a permit cannot be merged with itself", () => {
    const semaphore = new Semaphore(2);
    const permit = semaphore.tryAcquireMany(2);
    expect(() => permit.merge(permit)).toThrow(OptionError);
    permit.release();
    expect(semaphore.availablePermits).toBe(2);
  });

  test("a future is single use", () => {
    const acquire = task(new Semaphore(2).acquire());
    acquire.poll();
    expect(thrown(() => acquire.poll())).toMatchObject({ code: "TOKIWA_COMPLETED" });
  });

  test("disposing of a future that has completed takes nothing back", () => {
    const semaphore = new Semaphore(1);
    const acquire = semaphore.acquire();
    const permit = task(acquire).poll() as SemaphorePermit;
    acquire[Symbol.dispose]();
    expect(semaphore.availablePermits).toBe(0);
    permit.release();
    expect(semaphore.availablePermits).toBe(1);
  });

  test("polled from two tasks, the last waker is woken", () => {
    const semaphore = new Semaphore(0);
    const acquire = semaphore.acquire();
    const first = task(acquire);
    const second = task(acquire);
    first.poll();
    second.poll();
    semaphore.addPermits(1);
    expect([first.isWoken, second.isWoken]).toEqual([false, true]);
  });

  const bad: unknown[] = [-1, 0.5, NaN, Infinity, 2 ** 53, "1", null, undefined, 1n, {}];
  test.each(bad)("a bad count is refused: %s", (value) => {
    const semaphore = new Semaphore(1);
    const n = value as number;
    const calls = [
      () => new Semaphore(n),
      () => semaphore.acquireMany(n),
      () => semaphore.tryAcquireMany(n),
      () => semaphore.blockingAcquireMany(n),
      () => semaphore.addPermits(n),
      () => semaphore.forgetPermits(n),
      () => semaphore.tryAcquireMany(0).split(n),
    ];
    for (const call of calls) expect(thrown(call)).toMatchObject({ name: "OptionError", message: expect.stringMatching(/^(permits|n) must be an integer from 0 to 9007199254740991, got /) });
    expect(() => semaphore.tryAcquire().merge(value as SemaphorePermit)).toThrow(OptionError);
  });

  test("errors print their class, code and reason", () => {
    const semaphore = new Semaphore(1);
    const error = thrown(() => semaphore.tryAcquireMany(2)) as Error;
    expect(String(error)).toBe("TryAcquireError: no permits available: 2 wanted, 1 free");
  });
});

// Not here: `blocking_acquire_waits_for_permit` waits for another thread (SharedSemaphore is for those);
// the owned variants are the same as the borrowed ones where there are no lifetimes.
