// A join that is dropped, or fails, when one of its parts has got a lock already: it is given back. So is a lock that is the value of a
// task nobody can ask any more.

import { future, type Future, join, JoinSet, lazy, mpsc, Mutex, PENDING, run, RwLock, select, Semaphore, sleep, spawn, timeout, tryJoin, yieldNow } from "tokiwa";
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

  test.each(["before it ends", "after it has ended", "after a select was lost to something else"])("is given back by a handle that is disposed of %s", (when) =>
    run(async () => {
      const { take, isFree } = make();
      const handle = spawn(function* () {
        yield* sleep(5);
        return yield* take();
      });
      if (when === "after it has ended") await sleep(10);
      if (when.startsWith("after a select")) await select({ handle, limit: sleep(1) });
      expect(isFree()).toBe(!handle.isFinished);
      handle[Symbol.dispose]();
      await sleep(10);
      expect(handle.isFinished).toBe(true);
      expect(isFree()).toBe(true);
    }, paused));

  test("is given back by an async task that was detached by its abort", () =>
    run(async () => {
      const { take, isFree } = make();
      let open!: () => void;
      const gate = new Promise<void>((resolve) => {
        open = resolve;
      });
      const handle = spawn(async () => {
        const taken = await take();
        await gate;
        return taken;
      });
      while (isFree()) await yieldNow();
      handle.abort(undefined, { detach: true });
      await handle.result();
      expect(isFree()).toBe(false);
      open();
      await new Promise((resolve) => setTimeout(resolve, 1));
      expect(isFree()).toBe(true);
    }));

  test("stays taken when a handle is disposed of that has given it", () =>
    run(async () => {
      const { take, isFree } = make();
      const handle = spawn(take());
      const value = await handle;
      handle[Symbol.dispose]();
      expect(isFree()).toBe(false);
      for (const one of [value].flat()) (one as Disposable)[Symbol.dispose]();
      expect(isFree()).toBe(true);
    }, paused));

  test.each(["is dropped", "is dropped before they end", "is shut down", "fails in joinAll()", "is dropped in joinAll()", "detaches them"])("is given back by a set of tasks that %s", (how) =>
    run(async () => {
      const { take, isFree } = make();
      const set = new JoinSet<unknown>();
      set.spawn(function* () {
        if (how === "is dropped before they end") yield* sleep(5);
        return yield* take();
      });
      if (how !== "is dropped before they end") await sleep(1);
      if (how === "is shut down") await set.shutdown();
      else if (how === "detaches them") set.detachAll();
      else if (how === "fails in joinAll()") {
        set.spawn(failing());
        await expect(set.joinAll()).rejects.toThrow("no");
      } else if (how === "is dropped in joinAll()") {
        set.spawn(never());
        await expect(timeout(5, set.joinAll())).rejects.toThrow("deadline");
      } else set[Symbol.dispose]();
      await sleep(10);
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
