import { Worker } from "node:worker_threads";
import { type Future, fromPromise, future, join, PENDING, Runtime, select, sleep, type Suspend, timeout } from "tokiwa";
import { send, SharedBarrier, SharedMutex, SharedNotify, SharedSemaphore, sharedChannel, type SharedReceiver, type SharedSender, Thread, ThreadPool } from "tokiwa/threads";
import { afterAll, describe, expect, test } from "vitest";
import { transports } from "./support/sent.ts";

const pool = new ThreadPool({ size: 4 });
afterAll(() => pool.shutdown());

describe("SharedMutex", () => {
  test("a counter incremented 100 000 times from each of 4 threads is exactly 400 000", async () => {
    const counter = new SharedMutex(0);
    const count = (m: SharedMutex<number>): void => {
      for (let i = 0; i < 100_000; i++) {
        const guard = m.blockingLock();
        guard.value++;
        guard.unlock();
      }
    };
    await Promise.all([1, 2, 3, 4].map(() => pool.exec(count, counter)));
    expect((await counter.lock()).value).toBe(400_000);
  }, 60_000);

  test("32 tasks on several threads add to one value", async () => {
    const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 4 });
    const ids = new SharedMutex<number[]>([]);
    const add = send(async (m: SharedMutex<number[]>, n: number) => {
      const guard = await m.lock();
      await tokiwa.sleep(1);
      guard.value.push(n);
      guard.unlock();
    });
    await Promise.all(Array.from({ length: 32 }, (_, n) => runtime.spawn(add, ids, n)));
    const { value } = ids.tryLock();
    expect([...value].sort((a, b) => a - b)).toEqual(Array.from({ length: 32 }, (_, n) => n));
    await runtime.shutdown();
  });

  test("values of every kind travel with the lock", async () => {
    const values = [undefined, null, true, 1.5, Number.NaN, "text", { a: [1, { b: new Map([[1, "x"]]) }] }, new Uint8Array([1, 2]), "x".repeat(200_000)];
    for (const value of values) {
      const mutex = new SharedMutex<unknown>(value);
      expect(await pool.exec((m: SharedMutex<unknown>) => m.tryLock().value, mutex)).toEqual(value);
    }
  });

  test("tryLock() fails while it is locked, and withLock() unlocks after a failure", async () => {
    const mutex = new SharedMutex();
    const guard = mutex.tryLock();
    expect(mutex.isLocked).toBe(true);
    expect(() => mutex.tryLock()).toThrow(expect.objectContaining({ code: "TOKIWA_LOCKED" }));
    guard.unlock();
    guard.unlock();
    await expect(
      mutex.withLock(() => {
        throw new Error("inside");
      }),
    ).rejects.toThrow("inside");
    expect(mutex.isLocked).toBe(false);
  });

  test("is released when its holder's thread dies, with the value it was taken with", async () => {
    const mutex = new SharedMutex("before");
    const thread = new Thread();
    await thread.exec((m: SharedMutex<string>) => {
      (globalThis as unknown as { kept: unknown }).kept = m.tryLock();
    }, mutex);
    const waiting = mutex.lock();
    const both = Promise.all([waiting.then((guard) => (guard.unlock(), guard.value)), pool.exec((m: SharedMutex<string>) => m.blockingLock().unlock(), mutex)]);
    await sleep(20);
    thread.terminate();
    expect((await both)[0]).toBe("before");
  });

  test("a join that is dropped gives back the lock it has got, and the permit", async () => {
    const mutex = new SharedMutex(1);
    const gate = new SharedSemaphore(1);
    await expect(timeout(5, join(mutex.lock(), gate.acquire(), new SharedNotify().notified()))).rejects.toThrow();
    expect([mutex.isLocked, gate.availablePermits]).toEqual([false, 1]);
  });

  test("a dropped wait leaves the queue", async () => {
    const mutex = new SharedMutex(1);
    const guard = mutex.tryLock();
    const result = await new Promise((resolve) => {
      const waiter = mutex.lock();
      const probe = { wake() {} };
      waiter.poll(probe);
      waiter[Symbol.dispose]();
      guard.unlock();
      resolve(mutex.tryLock().value);
    });
    expect(result).toBe(1);
  });
});

describe("SharedSemaphore, SharedNotify, SharedBarrier", () => {
  test("no more than the permits are out, and waiters are served in order", async () => {
    const gate = new SharedSemaphore(2);
    const peak = await Promise.all(
      Array.from({ length: 8 }, () =>
        pool.exec(async (s: SharedSemaphore) => {
          const permit = await s.acquire();
          const left = s.availablePermits;
          await tokiwa.sleep(2);
          permit.release();
          return left;
        }, gate),
      ),
    );
    expect(Math.min(...peak)).toBeGreaterThanOrEqual(0);
    expect(gate.availablePermits).toBe(2);
    const trace: number[] = [];
    const held = gate.tryAcquireMany(2);
    const waits = [1, 2, 3].map((n) => gate.acquire().then((permit) => (trace.push(n), permit.release())));
    await sleep(5);
    expect(() => gate.tryAcquire()).toThrow(expect.objectContaining({ code: "TOKIWA_NO_PERMITS" }));
    held.release();
    await Promise.all(waits);
    expect(trace).toEqual([1, 2, 3]);
    gate.close();
    await expect(gate.acquireMany(3)).rejects.toMatchObject({ code: "TOKIWA_CLOSED" });
  });

  test("a closed semaphore has no permits for anybody, however many are free", async () => {
    const gate = new SharedSemaphore(2);
    const held = gate.tryAcquire();
    gate.close();
    const closed = expect.objectContaining({ code: "TOKIWA_CLOSED" });
    await expect(Promise.resolve(gate.acquire())).rejects.toThrow(closed);
    await expect(pool.exec(async (s: SharedSemaphore) => void (await s.acquireMany(0)), gate)).rejects.toThrow(closed);
    await expect(pool.exec((s: SharedSemaphore) => void s.blockingAcquire(), gate)).rejects.toThrow(closed);
    expect(() => gate.tryAcquire()).toThrow(closed);
    held.release();
    expect(gate.availablePermits).toBe(2);
  });

  test("a notification wakes one, is kept for the next, or wakes all who wait", async () => {
    const notify = new SharedNotify();
    notify.notifyOne();
    notify.notifyOne();
    await notify.notified();
    const waiting = new Int32Array(new SharedArrayBuffer(4));
    const waits = [1, 2, 3].map(() =>
      pool.exec(
        async (n: SharedNotify, cells: Int32Array) => {
          const told = n.notified().then(() => {});
          await new Promise((resolve) => setTimeout(resolve, 1));   // it waits by now
          Atomics.add(cells, 0, 1);
          await told;
        },
        notify,
        waiting,
      ),
    );
    while (Atomics.load(waiting, 0) < 3) await sleep(1);
    notify.notifyWaiters();
    await Promise.all(waits);
    await pool.exec((n: SharedNotify) => n.notifyOne(), notify);
    await notify.notified();
  });

  test("a barrier lets rounds of threads through, with one leader each", async () => {
    const barrier = new SharedBarrier(3);
    const rounds = await Promise.all(
      [1, 2, 3].map(() =>
        pool.exec(async (b: SharedBarrier) => {
          const led: boolean[] = [];
          for (let k = 0; k < 20; k++) led.push((await b.wait()).isLeader);
          return led;
        }, barrier),
      ),
    );
    for (let k = 0; k < 20; k++) expect(rounds.filter((led) => led[k]).length).toBe(1);
  });
});

/** Polls a future once: it waits, or is ready. */
function isReady(future: Future<unknown>): boolean {
  return future.poll({ wake() {} }) !== PENDING;
}

describe("one who leaves", () => {
  test("a barrier, or dies there, is counted in its round, and nobody passes alone in later ones", async () => {
    const thread = new Thread();
    const leave = [
      (b: SharedBarrier): void => {                        // waiting
        const wait = b.wait();
        expect(isReady(wait)).toBe(false);
        wait[Symbol.dispose]();
      },
      async (b: SharedBarrier): Promise<void> => {
        const came = new SharedNotify();
        const waits = thread.exec((inner: SharedBarrier, n: SharedNotify) => {
          (globalThis as unknown as { kept: unknown }).kept = inner.wait().then(() => {});
          n.notifyOne();
          inner.blockingWait();
        }, b, came);
        await came.notified();
        thread.terminate();
        await waits.result();
      },
    ];
    for (const [n, come] of leave.entries()) {
      const barrier = new SharedBarrier(2 + n);
      await come(barrier);
      for (let passed = false, others = 0; !passed; others++) {                   // the second thread may have died before it came
        expect(others).toBeLessThan(3);
        const wait = barrier.wait();
        passed = isReady(wait);
        if (!passed) wait[Symbol.dispose]();
      }
      for (let round = 0; round < 4; round++) {
        const waits = Array.from({ length: 1 + n }, () => barrier.wait());
        expect(waits.map(isReady)).toEqual(waits.map(() => false));
        expect(await barrier.wait()).toEqual({ isLeader: true });
        expect(await Promise.all(waits)).toEqual(waits.map(() => ({ isLeader: false })));
      }
    }
  });

  test("as the barrier opens leaves nothing behind", async () => {
    const barrier = new SharedBarrier(2);
    for (let round = 0; round < 4; round++) {
      const wait = barrier.wait();
      expect(isReady(wait)).toBe(false);
      expect(await barrier.wait()).toEqual({ isLeader: true });
      wait[Symbol.dispose]();
    }
  });

  test("passes on what notifyOne() gave it, and nothing of notifyWaiters()", async () => {
    const notify = new SharedNotify();
    const [first, second, third, early] = [1, 2, 3, 4].map(() => notify.notified());
    expect([first!, second!].map(isReady)).toEqual([false, false]);
    notify.notifyOne();
    first![Symbol.dispose]();
    expect([second!, third!].map(isReady)).toEqual([true, false]);
    notify.notifyWaiters();
    third![Symbol.dispose]();
    expect(isReady(early!)).toBe(true);                    // it was called before
    const late = notify.notified();
    expect(isReady(late)).toBe(false);
    notify.notifyOne();
    notify.notifyWaiters();
    late[Symbol.dispose]();
    expect(isReady(notify.notified())).toBe(true);         // it was notifyOne() that had woken it
  });
});

test("notifyWaiters() wakes those, too, for whom there was no place in the queue", async () => {
  const notify = new SharedNotify();
  const waits = Array.from({ length: 1500 }, () => notify.notified());
  for (const wait of waits) expect(isReady(wait)).toBe(false);
  notify.notifyWaiters();
  const late = notify.notified();
  await Promise.all(waits);
  expect(isReady(late)).toBe(false);
  late[Symbol.dispose]();
});

describe("blockOn()", () => {
  test("waits for a lock, a notification and messages of other threads", async () => {
    const runtime = new Runtime();
    const mutex = new SharedMutex(1);
    const notify = new SharedNotify();
    const [tx, rx] = sharedChannel<number>(2);
    const holds = (m: SharedMutex<number>, n: SharedNotify, s: SharedSender<number>): Promise<void> => {
      const guard = m.tryLock();
      return new Promise((resolve) => {
        setTimeout(() => {
          guard.value = 2;
          guard.unlock();
          n.notifyOne();
          for (let i = 0; i < 5; i++) s.blockingSend(i);
          s.close();
          resolve();
        }, 50);
      });
    };
    const held = pool.exec(holds, mutex, notify, tx);
    tx.close();
    while (!mutex.isLocked) await sleep(1);
    const main = function* (m: SharedMutex<number>, n: SharedNotify, r: SharedReceiver<number>): Generator<Suspend, number[]> {
      const all = [0];
      const guard = yield* m.lock();
      all.push(guard.value);
      guard.unlock();
      yield* n.notified();
      for (let i = yield* r.recv(); i !== undefined; i = yield* r.recv()) all.push(i);
      return all;
    };
    expect(runtime.blockOn(() => main(mutex, notify, rx))).toEqual([0, 2, 0, 1, 2, 3, 4]);
    await held;
    await runtime.shutdown();
  });

  test.each(transports)("waits for room for the bytes of a message (%s)", async (transport) => {
    const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 1, transport });
    const [tx, rx] = sharedChannel<Uint8Array>(4);
    const begun = new SharedNotify();
    const received = runtime.spawn(send(async (r: SharedReceiver<Uint8Array>, n: SharedNotify) => {
      n.notifyOne();
      let sum = 0;
      for (let i = 0; i < 3; i++) {
        await tokiwa.sleep(20);
        sum += (await r.recv())![0]!;
      }
      return sum;
    }), rx, begun);
    await begun.notified();
    for (let n = 1; n <= 3; n++) runtime.blockOn(tx.send(new Uint8Array(3 << 20).fill(n)));
    expect(await received).toBe(6);
    await runtime.shutdown();
  });

  test("in a worker of the program's own waits for what its threads hold and do", async () => {
    const dist = new URL("../dist/", import.meta.url).href;
    const worker = new Worker(
      `(async () => {
        const { Runtime, join, sleep } = await import("${dist}index.js");
        const { send, SharedMutex, Thread } = await import("${dist}threads.js");
        const runtime = new Runtime();
        const multi = new Runtime({ flavor: "multi-thread", workerThreads: 2 });
        const mutex = new SharedMutex("before");
        const thread = new Thread();
        await thread.exec((m) => { const guard = m.tryLock(); setTimeout(() => { guard.value = "after"; guard.unlock(); }, 50); }, mutex);
        const all = [
          runtime.blockOn(function* () { const guard = yield* mutex.lock(); guard.unlock(); yield* sleep(1); return guard.value; }),
          runtime.blockOn(function* () { return yield* thread.exec((n) => n * 2, 4); }),
          runtime.blockOn(function* () { return yield* runtime.spawnBlocking((n) => n * 3, 4); }),
          multi.blockOn(function* () { return (yield* join(...[1, 2, 3, 4].map((n) => multi.spawn(send((k) => k * 4), n)))).join(); }),
        ];
        thread.terminate();
        await Promise.all([runtime.shutdown(), multi.shutdown()]);
        require("node:worker_threads").parentPort.postMessage(all);
      })();`,
      { eval: true },
    );
    const all = await new Promise((resolve, reject) => {
      worker.on("message", resolve);
      worker.on("error", reject);
    });
    expect(all).toEqual(["after", 8, 12, "4,8,12,16"]);
    await worker.terminate();
  }, 60_000);

  test("misses no answer that comes as it begins to wait", () => {
    const runtime = new Runtime({ flavor: "multi-thread", workerThreads: 2 });
    const next = send((n: number) => n + 1);
    for (let n = 0; n < 30_000; n++) expect(runtime.blockOn(runtime.spawn(next, n))).toBe(n + 1);
    void runtime.shutdown({ timeout: 0 });
  }, 60_000);

  test("does not wait for a lock on its own when nothing but the host could bring it on, and says deadlock where nobody can", () => {
    const runtime = new Runtime();
    expect(() => runtime.blockOn(function* () { yield* fromPromise(new Promise(() => {})); })).toThrow(expect.objectContaining({ code: "TOKIWA_WOULD_BLOCK" }));
    expect(() => runtime.blockOn(function* () { yield* future(() => PENDING); })).toThrow(expect.objectContaining({ code: "TOKIWA_DEADLOCK" }));
  });
});

describe("sharedChannel", () => {
  test("two senders, two receivers: every message arrives once", async () => {
    const [tx, rx] = sharedChannel<number>(16);
    const produce = (s: SharedSender<number>, from: number): void => {
      for (let n = from; n < from + 20_000; n++) s.blockingSend(n);
      s.close();
    };
    const consume = async (r: SharedReceiver<number>): Promise<[number, number]> => {
      let sum = 0;
      let count = 0;
      for await (const n of r) {
        sum += n;
        count++;
      }
      return [sum, count];
    };
    const done = [pool.exec(produce, tx, 0), pool.exec(produce, tx, 20_000)];
    tx.close();
    const sums = await Promise.all([pool.exec(consume, rx), consume(rx)]);
    await Promise.all(done);
    expect([sums[0][0] + sums[1][0], sums[0][1] + sums[1][1]]).toEqual([(39_999 * 40_000) / 2, 40_000]);
  }, 60_000);

  test("messages of every kind, in order, and undefined at the end", async () => {
    const [tx, rx] = sharedChannel<unknown>(3);
    const values = [1, "two", { three: [3] }, new Uint8Array(100_000).fill(4), null, true];
    const sending = pool.exec(
      async (s: SharedSender<unknown>, all: unknown[]) => {
        for (const value of all) await s.send(value);
        s.close();
      },
      tx,
      values,
    );
    tx.close();
    const got: unknown[] = [];
    for await (const value of rx) got.push(value);
    await sending;
    expect(got).toEqual(values);
    expect(() => rx.tryRecv()).toThrow(expect.objectContaining({ code: "TOKIWA_CLOSED" }));
  });

  test("full, empty and closed are told apart", () => {
    const [tx, rx] = sharedChannel<number>(1);
    expect(() => rx.tryRecv()).toThrow(expect.objectContaining({ code: "TOKIWA_EMPTY" }));
    tx.trySend(1);
    expect(() => tx.trySend(2)).toThrow(expect.objectContaining({ code: "TOKIWA_FULL", value: 2 }));
    rx.close();
    expect(() => tx.trySend(3)).toThrow(expect.objectContaining({ code: "TOKIWA_CLOSED" }));
    expect(rx.tryRecv()).toBe(1);
  });

  test("messages that are there let the host have turns, and leaving a loop over them loses none", async () => {
    const [tx, rx] = sharedChannel<number>(1000);
    for (let n = 0; n < 1000; n++) tx.trySend(n);
    let turns = 0;
    const count = (): void => {
      turns++;
      if (rx.length > 0) setImmediate(count);
    };
    setImmediate(count);
    let next = 0;
    for await (const n of rx) {
      expect(n).toBe(next++);
      if (n === 499) break;
    }
    expect(turns).toBeGreaterThan(2);
    expect([rx.length, await rx.recv()]).toEqual([500, 500]);
    tx.close();
    next = 501;
    for await (const n of rx) expect(n).toBe(next++);
    expect(next).toBe(1000);
  });

  test("a step of a loop that is dropped in a task takes no message", async () => {
    const [tx, rx] = sharedChannel<number>(1);
    const steps = rx[Symbol.asyncIterator]();
    const next = (): Future<IteratorResult<number>> => steps.next() as unknown as Future<IteratorResult<number>>;
    const runtime = new Runtime();
    await runtime.run(function* () {
      const kept = next();
      next()[Symbol.dispose]();
      expect((yield* select({ first: next(), late: sleep(1) })).name).toBe("late");
      tx.trySend(1);
      next()[Symbol.dispose]();
      expect(rx.length).toBe(1);
      expect(yield* kept).toEqual({ done: false, value: 1 });
    });
    await runtime.shutdown();
  });

  test("a send that waits while the channel is closed fails, and sends nothing", async () => {
    const [tx, rx] = sharedChannel<number>(1);
    tx.trySend(1);
    const sent = Promise.resolve(tx.send(2));
    await sleep(1);
    expect(rx.tryRecv()).toBe(1);                          // grants the place
    rx.close();
    await expect(sent).rejects.toThrow(expect.objectContaining({ code: "TOKIWA_CLOSED", value: 2 }));
    expect([await rx.recv(), tx.capacity]).toEqual([undefined, 1]);
  });

  test("a receiver does not wait for the sender of a thread that has died", async () => {
    const [tx, rx] = sharedChannel<number>(4);
    const thread = new Thread();
    await thread.exec(async (s: SharedSender<number>) => {
      (globalThis as unknown as { kept: unknown }).kept = s;
      await s.send(1);
    }, tx);
    tx.close();
    expect(await rx.recv()).toBe(1);
    const last = rx.recv();
    setTimeout(() => thread.terminate(), 20);
    expect(await last).toBe(undefined);
  });

  test("tryRecv() says closed once the last sender's thread has died", async () => {
    const [tx, rx] = sharedChannel<number>(4);
    const thread = new Thread();
    await thread.exec(async (s: SharedSender<number>) => {
      (globalThis as unknown as { kept: unknown }).kept = s;
      await s.send(1);
    }, tx);
    tx.close();
    thread.terminate();
    expect(rx.tryRecv()).toBe(1);
    for (let code = "TOKIWA_EMPTY"; code === "TOKIWA_EMPTY"; ) {                  // until its parent has noticed the death
      await sleep(5);
      try {
        rx.tryRecv();
      } catch (error) {
        ({ code } = error as { code: string });
        expect(["TOKIWA_EMPTY", "TOKIWA_CLOSED"]).toContain(code);
      }
    }
    expect(rx.isClosed).toBe(true);
  });

  test("a sender does not count that was for a job which never began", async () => {
    const [tx, rx] = sharedChannel<number>(4);
    const thread = new ThreadPool({ size: 1 });
    const busy = thread.exec(() => tokiwa.sleep(10));
    const waiting = thread.exec((s: SharedSender<number>) => s.send(1), tx);
    waiting.abort();
    expect((await waiting.result()).status).toBe("cancelled");
    await expect(thread.exec((...all: unknown[]) => all, tx, { no: () => 0 })).rejects.toThrow("cannot be sent");
    await busy;
    const held = thread.exec(() => tokiwa.sleep(600_000));
    const never = thread.exec((s: SharedSender<number>) => s.send(2), tx);
    await thread.shutdown();
    expect([(await held.result()).status, (await never.result()).status]).toEqual(["cancelled", "cancelled"]);
    tx.close();
    expect(await rx.recv()).toBe(undefined);
  });
});

describe("what is shared cannot be copied:", () => {
  const words = (): Int32Array => new Int32Array(new SharedArrayBuffer(4));
  const refused = expect.objectContaining({ code: "TOKIWA_NOT_CLONEABLE", message: expect.stringContaining("as an argument") });
  const ring: { self?: unknown; semaphore?: unknown } = {};
  Object.assign(ring, { self: ring, semaphore: new SharedSemaphore(1) });
  const values: [string, () => unknown][] = [
    ["a semaphore", () => new SharedSemaphore(1)],
    ["a mutex in an object", () => ({ inside: [new SharedMutex(0)] })],
    ["a notification in a map", () => new Map([["it", new SharedNotify()]])],
    ["a barrier in a set, deep down", () => [[[[[[[[new Set([new SharedBarrier(2)])]]]]]]]]],
    ["a receiver", () => sharedChannel(1)[1]],
    ["a weak sender", () => sharedChannel(1)[0].downgrade()],
    ["a semaphore in a ring of objects", () => ring],
    ["shared memory", () => new SharedArrayBuffer(4)],
    ["words in shared memory", words],
    ["bytes in shared memory, in an object", () => ({ bytes: new Uint8Array(new SharedArrayBuffer(4)) })],
    ["a view of shared memory as a key", () => new Map([[new DataView(new SharedArrayBuffer(4)), 1]])],
  ];

  test.each(values)("%s is in no message of a channel, and in no value of a mutex", async (_, make) => {
    const [tx, rx] = sharedChannel<unknown>(1);
    expect(() => tx.trySend(make())).toThrow(refused);
    expect(() => tx.blockingSend(make())).toThrow(refused);
    await expect(tx.send(make())).rejects.toThrow(refused);
    const permit = tx.tryReserve();
    expect(() => permit.send(make())).toThrow(refused);
    permit.send("its place is still there");
    expect(rx.tryRecv()).toBe("its place is still there");
    expect([tx.capacity, rx.length]).toEqual([1, 0]);
    expect(() => new SharedMutex(make())).toThrow(refused);
    const mutex = new SharedMutex<unknown>("as it was");
    const guard = mutex.tryLock();
    guard.value = make();
    expect(() => guard.unlock()).toThrow(refused);
    expect(mutex.tryLock().value).toBe("as it was");
  });

  test("a sender that was refused is not counted", async () => {
    const [tx] = sharedChannel<unknown>(1);
    const [inner, end] = sharedChannel<number>(1);
    for (const value of [inner, { inner }]) expect(() => tx.trySend(value)).toThrow(refused);
    expect(end.senderStrongCount).toBe(1);
    inner.close();
    expect(await end.recv()).toBe(undefined);
  });

  test("a message of bytes has those of a view of shared memory, and what looks like a shared primitive is a message", async () => {
    const [tx, rx] = sharedChannel<unknown>(2);
    const bytes = new Uint8Array(new SharedArrayBuffer(2));
    bytes.set([1, 2]);
    const lookalike = { "tokiwa:shared": "semaphore", state: 1 };
    tx.trySend(bytes);
    tx.trySend(lookalike);
    bytes.fill(0);
    expect([rx.tryRecv(), await rx.recv()]).toEqual([new Uint8Array([1, 2]), lookalike]);
  });
});
