// After tokio/tests/task_join_set.rs, then what is JavaScript's own.

import { future, type Joined, JoinSet, PENDING, run, Runtime, select, Semaphore, sleep, spawn, timeout, TimeoutError, yieldNow } from "tokiwa";
import { task } from "tokiwa/testing";
import { describe, expect, test } from "vitest";

/** The statuses of everything that is left in a set. */
async function drain(set: JoinSet<unknown>): Promise<string[]> {
  const found: string[] = [];
  for await (const joined of set) found.push(joined.status === "fulfilled" ? `value ${String(joined.value)}` : joined.status);
  return found;
}

describe("as in Tokio", () => {
  test("counts, detaches, and gives results as tasks end", () =>
    run(
      async () => {
        const set = new JoinSet<number>();
        for (let i = 0; i < 10; i++) {
          set.spawn(async (n) => n, i);
          expect(set.size).toBe(1 + i);
        }
        set.detachAll();
        expect(set.size).toBe(0);
        expect(await set.joinNext()).toBeUndefined();
        for (let round = 0; round < 2; round++) {
          for (let i = 9; i >= 0; i--) {
            set.spawn(async (n) => {
              await sleep(n * 1000);
              return n;
            }, i);
          }
          expect(await drain(set)).toEqual(Array.from({ length: 10 }, (_, i) => `value ${i}`));
          expect(await set.joinNext()).toBeUndefined();
        }
      },
      { startPaused: true },
    ));

  test("disposing of the set aborts its tasks", () =>
    run(async () => {
      let dropped = 0;
      {
        using set = new JoinSet<void>();
        for (let i = 0; i < 16; i++) set.spawn(future<void>(() => PENDING, () => dropped++));
        await yieldNow();
      }
      await yieldNow();
      expect(dropped).toBe(16);
    }));

  test("joining and spawning in turns", () =>
    run(async () => {
      const set = new JoinSet<void>();
      set.spawn(async () => {});
      set.spawn(async () => {});
      for (let i = 0; i < 16; i++) {
        expect(await set.joinNext()).toMatchObject({ status: "fulfilled" });
        expect(set.size).toBe(1);
        set.spawn(async () => {});
        expect(set.size).toBe(2);
      }
    }));

  test("single tasks can be aborted", () =>
    run(
      async () => {
        const set = new JoinSet<number>();
        for (let i = 0; i < 16; i++) {
          const handle = set.spawn(async (n) => {
            await sleep(n * 1000);
            return n;
          }, i);
          if (i % 2 !== 0) handle.abort();
        }
        const found = await drain(set);
        expect(found.filter((status) => status === "cancelled").length).toBe(8);
        expect(found.filter((status) => status !== "cancelled")).toEqual([0, 2, 4, 6, 8, 10, 12, 14].map((n) => `value ${n}`));
      },
      { startPaused: true },
    ));

  test("tasks of a runtime that is gone are cancelled", async () => {
    const set = new JoinSet<number>();
    const gone = new Runtime();
    gone.enter(() => set.spawn(async () => 1));
    await gone.shutdown({ timeout: 0 });
    gone.enter(() => expect(() => set.spawn(async () => 2)).toThrow("has shut down"));
    expect(await run(() => set.joinNext())).toMatchObject({ status: "cancelled", reason: { code: "TOKIWA_SHUT_DOWN" } });
    expect(set.isEmpty).toBe(true);
  });

  test("joinAll gives every value, in the order in which the tasks end", () =>
    run(
      async () => {
        const set = new JoinSet<number>();
        for (const ms of [3, 1, 2]) {
          set.spawn(function* () {
            yield* sleep(ms);
            return ms;
          });
        }
        expect(await set.joinAll()).toEqual([1, 2, 3]);
        expect([set.size, await set.joinAll()]).toEqual([0, []]);
      },
      { startPaused: true },
    ));

  test("joinAll throws the first failure and aborts the rest", () =>
    run(
      async () => {
        const set = new JoinSet<string>();
        let isSent = false;
        set.spawn(async () => {
          await sleep(2000);
          isSent = true;
          return "late";
        });
        set.spawn(async () => {
          await sleep(1000);
          throw new Error("boom");
        });
        await expect(spawn(set.joinAll())).rejects.toThrow("boom");
        await sleep(5000);
        expect([isSent, set.size]).toEqual([false, 0]);
      },
      { startPaused: true },
    ));

  test("abortAll leaves every result to be taken", () =>
    run(
      async () => {
        const set = new JoinSet<void>();
        for (let i = 0; i < 5; i++) set.spawn(sleep(Infinity));
        for (let i = 0; i < 5; i++) set.spawn(sleep(1000));
        await sleep(2000);
        set.abortAll();
        expect(set.size).toBe(10);
        const found = await drain(set);
        expect(found.length).toBe(10);
        expect(found.filter((status) => status === "cancelled").length).toBe(5);
        expect(set.size).toBe(0);
      },
      { startPaused: true },
    ));

  test("joinNext goes on when the coop budget is spent", () =>
    run(async () => {
      const semaphore = new Semaphore(0);
      const set = new JoinSet<void>();
      for (let i = 0; i < 1000; i++) set.spawn(() => semaphore.addPermits(1));
      await semaphore.acquireMany(1000);
      await yieldNow();
      let turns = 0;
      let isDone = false;
      spawn(function* () {
        for (; !isDone; turns++) yield* yieldNow();
      });
      const count = await spawn(function* () {
        let n = 0;
        for (; (yield* set.joinNext()) !== undefined; n++);
        isDone = true;
        return n;
      });
      expect(count).toBe(1000);
      expect(turns).toBeGreaterThanOrEqual(1);
    }));

  test("tryJoinNext takes what has ended, with the ids, and needs no budget", () =>
    run(
      async () => {
        const semaphore = new Semaphore(0);
        const set = new JoinSet<void>();
        const ids = new Set<number>();
        for (let i = 0; i < 1000; i++) {
          ids.add(
            set.spawn(function* () {
              yield* semaphore.acquire();
            }).id,
          );
        }
        expect(set.tryJoinNext()).toBeUndefined();
        await sleep(1);                                      // paused time: everything else has its turn first
        semaphore.addPermits(1000);
        await sleep(1);
        let count = 0;
        for (let joined = set.tryJoinNext(); joined !== undefined; joined = set.tryJoinNext(), count++) {
          expect(joined.status).toBe("fulfilled");
          expect(ids.delete(joined.id)).toBe(true);
        }
        expect([count, ids.size, set.size]).toEqual([1000, 0, 0]);
      },
      { startPaused: true },
    ));

  test("shutdown aborts all and waits for their end", () =>
    run(async () => {
      const set = new JoinSet<void>();
      let cleaned = 0;
      for (let i = 0; i < 8; i++) {
        set.spawn(function* () {
          try {
            yield* sleep(Infinity);
          } finally {
            yield* yieldNow();
            cleaned++;
          }
        });
      }
      await yieldNow();
      expect(set.tryJoinNext()).toBeUndefined();
      await set.shutdown();
      expect([set.isEmpty, cleaned]).toEqual([true, 8]);
    }));
});

describe("here", () => {
  test("each result says which task it is of", () =>
    run(async () => {
      const set = new JoinSet<string>();
      const good = set.spawn(async () => "value");
      const bad = set.spawn(() => { throw new RangeError("bad"); });
      const stopped = set.spawn(future<string>(() => PENDING));
      stopped.abort("enough");
      const found = new Map<number, Joined<string>>();
      for await (const joined of set) found.set(joined.id, joined);
      expect(found.get(good.id)).toEqual({ status: "fulfilled", value: "value", id: good.id });
      expect(found.get(bad.id)).toMatchObject({ status: "rejected", reason: { name: "RangeError" } });
      expect(found.get(stopped.id)).toMatchObject({ status: "cancelled", reason: { name: "JoinError", cause: "enough" } });
    }));

  test("losing a timeout or a select loses no result", () =>
    run(
      async () => {
        const set = new JoinSet<number>();
        set.spawn(async () => {
          await sleep(10);
          return 1;
        });
        await expect(timeout(5, set.joinNext())).rejects.toThrow(TimeoutError);
        const { name } = await select({ sleep: sleep(5), joined: set.joinNext() }, { biased: true });
        expect(name).toBe("sleep");
        expect(await set.joinNext()).toMatchObject({ value: 1 });
      },
      { startPaused: true },
    ));

  test("a result handed to a joinNext that is dropped goes to the next one, or back to the front", () =>
    run(async () => {
      const set = new JoinSet<number>();
      const gate = new Semaphore(0);
      for (let i = 0; i < 3; i++) {
        set.spawn(function* (n) {
          yield* gate.acquire();
          return n;
        }, i);
      }
      const waits = [1, 2].map(() => task(set.joinNext()));
      for (const wait of waits) wait.poll();
      await yieldNow();
      gate.addPermits(1);
      await sleep(1);
      expect(waits.map((wait) => wait.isWoken)).toEqual([true, false]);
      waits[0]?.drop();
      expect(waits[1]?.isWoken).toBe(true);
      gate.addPermits(2);
      await sleep(1);
      waits[1]?.drop();
      expect(set.size).toBe(3);
      expect([1, 2, 3].map(() => (set.tryJoinNext() as { value: number }).value)).toEqual([0, 1, 2]);
    }));

  test("everybody who waits hears that the set is empty", () =>
    run(async () => {
      const set = new JoinSet<number>();
      set.spawn(async () => 1);
      const waits = [spawn(set.joinNext()), spawn(set.joinNext()), spawn(set.joinNext())];
      const results = [];
      for (const wait of waits) results.push(await wait);
      expect(results.map((joined) => joined?.status)).toEqual(["fulfilled", undefined, undefined]);
      set.spawn(sleep(Infinity) as never);
      const last = spawn(set.joinNext());
      await yieldNow();
      set.detachAll();
      expect(await last).toBeUndefined();
    }));

  test("await using aborts all and waits for them", () =>
    run(async () => {
      let cleaned = 0;
      {
        await using set = new JoinSet<void>();
        set.spawn(async () => {
          try {
            await sleep(Infinity);
          } finally {
            cleaned++;
          }
        });
        await yieldNow();
      }
      expect(cleaned).toBe(1);
    }));

  test("dropping joinAll aborts the tasks", () =>
    run(
      async () => {
        const set = new JoinSet<void>();
        const handle = set.spawn(sleep(1000));
        await expect(timeout(5, set.joinAll())).rejects.toThrow(TimeoutError);
        await yieldNow();
        expect([handle.isFinished, set.size]).toEqual([true, 0]);
      },
      { startPaused: true },
    ));

  test("failures that nobody takes are reported when the set lets go of them, those of joinAll are not", async () => {
    const reported: unknown[] = [];
    const listener = (error: unknown): void => void reported.push(error);
    const others = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", listener);
    try {
      await run(async () => {
        const asked = new JoinSet<void>();
        asked.spawn(() => { throw new Error("first"); });
        asked.spawn(() => { throw new Error("second"); });
        await expect(asked.joinAll()).rejects.toThrow("first");
        const taken = new JoinSet<void>();
        taken.spawn(() => { throw new Error("taken"); });
        await taken.joinNext();
        taken.detachAll();
        const left = new JoinSet<void>();
        left.spawn(() => { throw new Error("left"); });
        await yieldNow();
        left.detachAll();
        await new Promise((resolve) => setTimeout(resolve, 5));
      });
    } finally {
      process.removeListener("unhandledRejection", listener);
      for (const other of others) process.on("unhandledRejection", other);
    }
    expect(reported.map(String)).toEqual(["Error: left"]);
  });

  test("blocking functions run in the set, on threads", () =>
    run(async () => {
      await using set = new JoinSet<number>();
      const handle = set.spawnBlocking((n) => n * 2, 21);
      set.spawnBlocking(() => { throw new RangeError("no"); });
      const found = new Map<number, Joined<number>>();
      for await (const joined of set) found.set(joined.id, joined);
      expect(found.get(handle.id)).toMatchObject({ status: "fulfilled", value: 42 });
      expect([...found.values()].find((joined) => joined.status === "rejected")).toMatchObject({ reason: { name: "RangeError", message: "no" } });
    }));

  test("with the policy shutdown a failure in a set is the set's", () =>
    run(
      async () => {
        const set = new JoinSet<void>();
        set.spawn(() => { throw new Error("boom"); });
        await yieldNow();
        expect(await set.joinNext()).toMatchObject({ status: "rejected" });
      },
      { unhandledFailure: "shutdown" },
    ));
});

// Not here: spawn_local and LocalSet, since every task stays on its thread; `extend` and FromIterator are a loop; spawn_on is
// `runtime.enter(() => set.spawn(...))`.
