// One future, two tasks that wait for it: the last one to poll gets the value, and the other does not hang.

import {
  Barrier, broadcast, byRef, CancellationToken, type Future, JoinSet, mpsc, Mutex, Notify, oneshot, PENDING, run, RwLock, select, Semaphore, SetOnce, sleep, spawn, type Suspend, timeout, watch, yieldNow,
} from "tokiwa";
import { describe, expect, test } from "vitest";
import { collectGarbage } from "./support/lanes.ts";

type Case = () => [future: Future<unknown>, serve: () => void];

/** Futures that are pending, and what makes each ready. */
const cases: Record<string, Case> = {
  "a oneshot message": () => {
    const [tx, rx] = oneshot<number>();
    return [byRef(rx), () => tx.send(1)];
  },
  "recv() of mpsc": () => {
    const [tx, rx] = mpsc<number>(1);
    return [rx.recv(), () => tx.trySend(1)];
  },
  "send() of mpsc": () => {
    const [tx, rx] = mpsc<number>(1);
    tx.trySend(0);
    return [tx.send(1), () => rx.tryRecv()];
  },
  "recv() of broadcast": () => {
    const [tx, rx] = broadcast<number>(1);
    return [rx.recv(), () => tx.send(1)];
  },
  "changed() of watch": () => {
    const [tx, rx] = watch(0);
    return [rx.changed(), () => tx.send(1)];
  },
  "lock()": () => {
    const mutex = new Mutex(0);
    const guard = mutex.tryLock();
    return [mutex.lock(), () => guard.unlock()];
  },
  "write()": () => {
    const lock = new RwLock(0);
    const guard = lock.tryRead();
    return [lock.write(), () => guard.unlock()];
  },
  "acquire()": () => {
    const semaphore = new Semaphore(0);
    return [semaphore.acquire(), () => semaphore.addPermits(1)];
  },
  "wait() of a barrier": () => {
    const barrier = new Barrier(2);
    return [barrier.wait(), () => void barrier.wait().poll({ wake() {} })];
  },
  "wait() of a SetOnce": () => {
    const once = new SetOnce<number>();
    return [once.wait(), () => once.set(1)];
  },
  "cancelled()": () => {
    const token = new CancellationToken();
    return [token.cancelled(), () => token.cancel()];
  },
  "joinNext()": () => {
    const set = new JoinSet<number>();
    const [tx, rx] = oneshot<number>();
    set.spawn(rx);
    return [set.joinNext(), () => tx.send(1)];
  },
};

const wait = {
  "async functions": async (future: Future<unknown>) => await future,
  generators: function* (future: Future<unknown>): Generator<Suspend, unknown, unknown> {
    return yield* future;
  },
};
const paused = { startPaused: true };

describe.each(Object.entries(wait))("%s", (_, body) => {
  test.each(Object.entries(cases))("%s: one gets it, the other is told that it is gone", (_name, make) =>
    run(async () => {
      const [future, serve] = make();
      const first = spawn(body, future);
      await sleep(1);
      const second = spawn(body, future);
      await sleep(1);
      serve();
      expect((await timeout(100, second.result())).status).toBe("fulfilled");
      const { status, reason } = (await timeout(100, first.result())) as { status: string; reason?: { code: string } };
      if (status !== "fulfilled") expect(reason?.code).toBe("TOKIWA_COMPLETED");
    }, paused));

  test.each(Object.entries(cases))("%s: aborting the last one wakes the other", (_name, make) =>
    run(async () => {
      const [future, serve] = make();
      const first = spawn(body, future);
      await sleep(1);
      const second = spawn(body, future);
      await sleep(1);
      second.abort();
      await second.result();
      await sleep(1);
      serve();
      await timeout(100, first.result());
    }, paused));

  test("a sleep wakes everybody who waits for it", () =>
    run(async () => {
      const shared = sleep(10);
      const tasks = [spawn(body, shared), spawn(body, shared), spawn(body, shared)];
      await sleep(5);
      tasks.push(spawn(body, shared));
      for (const task of tasks) await timeout(6, task);
      expect(shared.isElapsed).toBe(true);
    }, paused));

  test("a sleep that one of two gives up still wakes the other, and a reset moves it for both", () =>
    run(async () => {
      const shared = sleep(10);
      const first = spawn(body, shared);
      await sleep(1);
      const second = spawn(body, shared);
      await sleep(1);
      second.abort();
      await timeout(20, first);
      const again = sleep(10);
      const both = [spawn(body, again), spawn(body, again)];
      await sleep(1);
      again.reset(again.deadline.add(20));
      const start = again.deadline.sub(30);
      for (const task of both) await task;
      expect(start.elapsed()).toBe(30);
    }, paused));
});

test("a future awaited twice at once does not hang, also outside of any runtime", async () => {
  const [tx, rx] = mpsc<number>(1);
  const message = rx.recv();
  setTimeout(() => tx.trySend(1), 5);
  const settled = await Promise.allSettled([message, message]);
  expect(settled.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  const nap = sleep(5);
  await Promise.all([nap, nap]);
});

test("of wakers of one's own only the last is woken", () => {
  class Counter {
    wakes = 0;
    wake(): void {
      this.wakes++;
    }
  }
  for (const make of Object.values(cases)) {
    const [future, serve] = make();
    const wakers = [new Counter(), new Counter()];
    for (const waker of wakers) expect(future.poll(waker)).toBe(PENDING);
    serve();
    expect(wakers[0]!.wakes).toBe(0);
  }
  const notify = new Notify();
  const wait = notify.notified();
  const wakers = [new Counter(), new Counter()];
  for (const waker of wakers) expect(wait.poll(waker)).toBe(PENDING);
  notify.notifyOne();
  expect(wakers.map(({ wakes }) => wakes)).toEqual([0, 1]);
});

test("who has ended is not kept by a future that goes on", async () => {
  const [, never] = oneshot<void>();
  const deadline = sleep(1e9);
  const refs: WeakRef<object>[] = [];
  await run(function* () {
    for (let i = 0; i < 200; i++) {
      const handle = spawn(function* () {
        yield* select({ never, deadline: byRef(deadline), soon: yieldNow() });
      });
      refs.push(new WeakRef(handle));
      yield* handle;
    }
  });
  await new Promise((resolve) => setTimeout(resolve, 0));
  collectGarbage();
  expect(refs.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(20);
  deadline[Symbol.dispose]();
  never.close();
});
