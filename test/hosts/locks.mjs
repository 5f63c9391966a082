// Locks, cells, sets and tokens, where there is async context and where there is none.
import { CancellationToken, JoinSet, Mutex, Notify, OnceCell, run, Semaphore, sleep, spawn, TaskTracker, taskLocal, timeout, yieldNow } from "../../dist/index.js";
import { equal } from "./check.mjs";

export default {
  "a mutex keeps async functions, generators and others apart, in order": async () => {
    const mutex = new Mutex([]);
    const first = await mutex.lock();
    const waits = [0, 1].map(() => new Notify());            // one begins to wait when the one before it does: timers may all be due at once
    const handles = [
      spawn(async () => {
        const waiting = mutex.lock();
        waits[0].notifyOne();
        const guard = await waiting;
        await sleep(1);
        guard.value.push("async");
        guard.unlock();
      }),
      spawn(function* () {
        yield* waits[0].notified();
        yield* sleep(2);
        waits[1].notifyOne();
        const guard = yield* mutex.lock();
        yield* yieldNow();
        guard.value.push("generator");
        guard.unlock();
      }),
      waits[1].notified().then(() => sleep(2)).then(() => {
        const all = mutex.withLock(async (guard) => {
          await sleep(1);
          guard.value.push("withLock");
        });
        setTimeout(() => first.unlock(), 10);
        return all;
      }),
    ];
    for (const handle of handles) await handle;
    equal(mutex.tryLock().value.join(" "), "async generator withLock");
  },

  "a waiter that times out, and one that is aborted, lose no permit": async () => {
    const semaphore = new Semaphore(1);
    const held = semaphore.tryAcquire();
    const late = await timeout(1, semaphore.acquire()).then(() => "acquired", (error) => error.code);
    equal(late, "TOKIWA_ELAPSED");
    const waiter = spawn(async () => semaphore.acquire());
    await sleep(1);
    waiter.abort();
    equal((await waiter.result()).status, "cancelled");
    held.release();
    equal(semaphore.availablePermits, 1);
  },

  "a cell is initialised once, and says so when it asks itself": async () => {
    const cell = new OnceCell();
    let calls = 0;
    const init = async () => {
      await sleep(1);
      return ++calls;
    };
    const [a, b] = await run(async () => {
      const handles = [spawn(cell.getOrInit(init)), spawn(cell.getOrInit(init))];
      return [await handles[0], await handles[1]];
    });
    equal(a + b + calls, 3);
    const again = new OnceCell();
    const failed = await again.getOrInit(() => again.getOrInit(() => 1)).then(() => "value", (error) => error.code);
    equal(failed, "TOKIWA_DEADLOCK");
  },

  "a task-local is seen after a wait": async () => {
    const key = taskLocal();
    equal(await run(() => key.run(7, async () => (await sleep(1), key.get()))), 7);
    equal(await run(() => key.run(8, function* () { yield* sleep(1); return key.get(); })), 8);
  },

  "a token stops tasks and signals, a tracker waits for them, a set joins them": async () => {
    await run(async () => {
      const stop = new CancellationToken();
      const tracker = new TaskTracker();
      tracker.spawn(async () => stop.cancelled());
      tracker.spawn(function* () { yield* stop.child().cancelled(); });
      const { signal } = stop.child();
      await sleep(1);
      equal(tracker.size, 2);
      stop.cancel("enough");
      tracker.close();
      await tracker.wait();
      equal(signal.reason, "enough");

      const set = new JoinSet();
      const gates = [0, 1, 2].map(() => new Notify());
      for (const n of [2, 0, 1]) set.spawn(async () => (await gates[n].notified(), n));
      spawn(async () => { for (const gate of gates) { gate.notifyOne(); await sleep(1); } });
      equal((await set.joinAll()).join(" "), "0 1 2");
    });
  },

  "a notification wakes one, or all": async () => {
    const notify = new Notify();
    let woken = 0;
    for (let i = 0; i < 3; i++) spawn(async () => (await notify.notified(), woken++));
    await sleep(1);
    notify.notifyOne();
    await sleep(1);
    equal(woken, 1);
    notify.notifyWaiters();
    await sleep(1);
    equal(woken, 3);
  },
};
