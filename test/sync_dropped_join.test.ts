// A join that is dropped, or fails, when one of its parts has got a lock already: it is given back.

import { future, type Future, join, lazy, mpsc, Mutex, PENDING, run, RwLock, Semaphore, sleep, spawn, timeout, tryJoin, yieldNow } from "tokiwa";
import { describe, expect, test } from "vitest";

const never = (): Future<never> => future<never>(() => PENDING);
const failing = (): Future<never> => lazy(async (): Promise<never> => { await sleep(1); throw new RangeError("no"); });

interface Held {
  readonly take: () => Future<unknown>;
  readonly isFree: () => boolean;
}
const kinds: Record<string, () => Held> = {
  "a mutex": () => {
    const mutex = new Mutex(0);
    return { take: () => mutex.lock(), isFree: () => !mutex.isLocked };
  },
  "a read lock": () => {
    const lock = new RwLock(0, { maxReaders: 1 });
    return { take: () => lock.read(), isFree: () => free(() => lock.tryWrite().unlock()) };
  },
  "a write lock": () => {
    const lock = new RwLock(0);
    return { take: () => lock.write(), isFree: () => free(() => lock.tryRead().unlock()) };
  },
  "permits of a semaphore": () => {
    const semaphore = new Semaphore(3);
    return { take: () => semaphore.acquireMany(2), isFree: () => semaphore.availablePermits === 3 };
  },
  "a place in a channel": () => {
    const [tx] = mpsc(1);
    return { take: () => tx.reserve(), isFree: () => tx.capacity === 1 };
  },
  "places in a channel": () => {
    const [tx] = mpsc(2);
    return { take: () => tx.reserveMany(2), isFree: () => tx.capacity === 2 };
  },
};

function free(fn: () => void): boolean {
  try {
    fn();
    return true;
  } catch {
    return false;
  }
}

const paused = { startPaused: true };

describe.each(Object.entries(kinds))("%s", (_, make) => {
  test.each(["a timeout", "an abort", "a failure", "a failure of tryJoin", "a drop of a join in a join", "an async block"])("is given back by %s", (how) =>
    run(async () => {
      const { take, isFree } = make();
      if (how === "a timeout") await expect(timeout(5, join(take(), never()))).rejects.toThrow("deadline");
      else if (how === "a failure") await expect(join(take(), failing())).rejects.toThrow("no");
      else if (how === "a failure of tryJoin") await expect(tryJoin(take(), failing())).rejects.toThrow("no");
      else if (how === "a drop of a join in a join") await expect(timeout(5, join(never(), join(take(), yieldNow())))).rejects.toThrow("deadline");
      else if (how === "an async block") await expect(timeout(5, join(lazy(async () => take()), never()))).rejects.toThrow("deadline");
      else {
        const handle = spawn(function* () { yield* join(take(), sleep(1000)); });
        await sleep(1);
        expect(isFree()).toBe(false);
        handle.abort();
        await handle.result();
      }
      expect(isFree()).toBe(true);
    }, paused));

  test("stays taken when the join gives it, and when it is the value of a task that can be asked again", () =>
    run(async () => {
      const { take, isFree } = make();
      const [held] = await join(take(), sleep(1));
      expect(isFree()).toBe(false);
      for (const one of [held].flat()) (one as Disposable)[Symbol.dispose]();
      expect(isFree()).toBe(true);
      const handle = spawn(take());
      await expect(timeout(5, join(handle, never()))).rejects.toThrow("deadline");
      expect(isFree()).toBe(false);
      for (const one of [await handle].flat()) (one as Disposable)[Symbol.dispose]();
      expect(isFree()).toBe(true);
    }, paused));
});
