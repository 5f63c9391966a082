// A million operations whose waiters are cancelled leave memory and metrics() where they began.

import { Barrier, CancellationToken, type Future, JoinSet, Mutex, Notify, OnceCell, Runtime, RwLock, Semaphore, SetOnce, sleep, type Suspend, TaskTracker } from "tokiwa";
import { expect, test } from "vitest";
import { collectGarbage } from "./support/lanes.ts";

const OPERATIONS = 1_000_000;
const TIMEOUT_MS = 120_000;
/** What a heap may wander between two collections, and less than 8 bytes an operation. */
const SLACK_BYTES = 4 << 20;
const nobody = { wake() {} };

/** Polls what cannot be ready, and drops it. */
function giveUp(future: Future<unknown>): void {
  future.poll(nobody);
  future[Symbol.dispose]();
}

async function settledHeap(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

test("dropped waiters of every kind leave nothing behind", async () => {
  const semaphore = new Semaphore(1);
  const mutex = new Mutex(0);
  const lock = new RwLock(0);
  const notify = new Notify();
  const barrier = new Barrier(Number.MAX_SAFE_INTEGER);
  const cell = new OnceCell<number>();
  const once = new SetOnce<number>();
  const token = new CancellationToken();
  const tracker = new TaskTracker();
  const set = new JoinSet<void>();
  const runtime = new Runtime({ lane: "manual" });
  runtime.enter(() => set.spawn(sleep(Infinity)));
  const permit = semaphore.tryAcquire();
  const guard = mutex.tryLock();
  const reader = lock.tryRead();
  const initialising = cell.getOrInit(() => new Promise<number>(() => {}));
  initialising.poll(nobody);
  const kinds: (() => Future<unknown>)[] = [
    () => semaphore.acquireMany(2),
    () => mutex.lock(),
    () => lock.write(),
    () => notify.notified(),
    () => barrier.wait(),
    () => cell.getOrInit(() => 1),
    () => once.wait(),
    () => token.child().child().cancelled(),
    () => tracker.trackFuture(tracker.wait()),
    () => set.joinNext(),
    () => mutex.withLock(() => 1),
  ];
  const round = (count: number): void => {
    for (let i = 0; i < count; i++) giveUp((kinds[i % kinds.length] as () => Future<unknown>)());
  };
  round(50_000);
  const before = await settledHeap();
  round(OPERATIONS);
  expect((await settledHeap()) - before).toBeLessThan(SLACK_BYTES);
  expect([semaphore.availablePermits, tracker.size, set.size]).toEqual([0, 0, 1]);
  permit.release();
  guard.unlock();
  reader.unlock();
  initialising[Symbol.dispose]();
  expect([semaphore.availablePermits, mutex.isLocked, cell.isInitialized]).toEqual([1, false, false]);
  lock.tryWrite().unlock();
  cell.set(1);
  runtime[Symbol.dispose]();
}, TIMEOUT_MS);

test("aborted tasks that wait leave nothing behind", async () => {
  const runtime = new Runtime({ lane: "manual" });
  const semaphore = new Semaphore(0);
  const stop = new CancellationToken();
  const tracker = new TaskTracker();
  function* wait(): Generator<Suspend, void, unknown> {
    const child = stop.child();
    yield* child.runUntilCancelled(semaphore.acquire());
  }
  const round = (count: number): void => {
    runtime.enter(() => {
      for (let i = 0; i < count; i += 100) {
        const handles = Array.from({ length: 100 }, () => tracker.spawn(wait));
        runtime.drive({ ms: Infinity });
        for (const handle of handles) handle.abort();
        runtime.drive({ ms: Infinity });
      }
    });
  };
  round(20_000);
  const before = await settledHeap();
  const metrics = runtime.metrics();
  round(OPERATIONS / 5);
  expect((await settledHeap()) - before).toBeLessThan(SLACK_BYTES);
  const { tasksAlive, queueDepth, timers } = runtime.metrics();
  expect({ tasksAlive, queueDepth, timers }).toEqual({ tasksAlive: metrics.tasksAlive, queueDepth: metrics.queueDepth, timers: metrics.timers });
  expect([tasksAlive, tracker.size, semaphore.availablePermits]).toEqual([0, 0, 0]);
  runtime[Symbol.dispose]();
}, TIMEOUT_MS);

test("children of a long-lived token whose signals were used leave nothing behind, also where the host would", async () => {
  const CHILDREN = 30_000;
  const root = new CancellationToken();
  const round = async (): Promise<void> => {
    for (let i = 0; i < CHILDREN; i++) {
      const child = root.child();
      void child.signal;
      if (i % 2 === 0) child.cancel();
      if (i % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  };
  await round();
  let grown = Infinity;                                    // the least of some rounds: what leaks leaks in each
  for (let tries = 4; tries > 0 && grown >= CHILDREN * 35; tries--) {
    const before = await settledHeap();
    await round();
    grown = Math.min(grown, (await settledHeap()) - before);
  }
  expect(grown).toBeLessThan(CHILDREN * 35);   // Node 20 keeps 60 bytes of each without the relays
}, TIMEOUT_MS);
