// Waits at shared primitives that nobody can end: they are named, as far as that can be known, and do not hold the process for ever.
import { type DeadlockError, type Future, Runtime, sleep, spawn, spawnBlocking } from "tokiwa";
import { send, SharedBarrier, SharedMutex, SharedNotify, SharedSemaphore, type SharedSender, sharedChannel } from "tokiwa/threads";
import { afterEach, describe, expect, test } from "vitest";
import { thrown } from "./support/runtimes.ts";
import { transports } from "./support/sent.ts";

let runtime = new Runtime();
afterEach(async () => {
  await runtime.shutdown({ timeout: 0 });
  runtime = new Runtime();
});

function lockedMutex(): SharedMutex<number> {
  const mutex = new SharedMutex(0);
  mutex.tryLock();
  return mutex;
}

function fullChannel(): ReturnType<typeof sharedChannel<number>> {
  const ends = sharedChannel<number>(1);
  ends[0].trySend(1);
  return ends;
}

const waits: [string, () => Future<unknown>, RegExp][] = [
  ["acquire()", () => new SharedSemaphore(1).acquireMany(2), /SharedSemaphore/],
  ["lock()", () => lockedMutex().lock(), /SharedMutex/],
  ["notified()", () => new SharedNotify().notified(), /SharedNotify/],
  ["wait()", () => new SharedBarrier(2).wait(), /SharedBarrier/],
  ["recv()", () => sharedChannel(1)[1].recv(), /a message of a shared channel/],
  ["send()", () => fullChannel()[0].send(2), /room in a shared channel/],
  ["reserve()", () => fullChannel()[0].reserve(), /room in a shared channel/],
  ["closed()", () => sharedChannel(1)[0].closed(), /closed\(\)/],
];

describe("a primitive that was passed to nobody", () => {
  test.each(waits)("%s in blockOn() is a DeadlockError that names it, and leaves the queue", (_, make, what) => {
    let dropped = false;
    const error = thrown(() => runtime.blockOn(function* () {
      try {
        yield* make();
      } finally {
        dropped = true;
      }
    })) as DeadlockError;
    expect(error).toMatchObject({ name: "DeadlockError", code: "TOKIWA_DEADLOCK", message: expect.stringMatching(what) });
    expect(dropped).toBe(true);
  });

  test("is handed from task to task in blockOn(), where no other thread has a part in it", () => {
    const gate = new SharedSemaphore(0);
    const got: string[] = [];
    runtime.blockOn(function* () {
      const waiter = spawn(function* () {
        for (const name of ["a", "b"]) {
          (yield* gate.acquire()).forget();
          got.push(name);
        }
      });
      for (let i = 0; i < 2; i++) {
        yield* sleep(1);
        gate.addPermits(1);
      }
      yield* waiter;
    });
    expect(got).toEqual(["a", "b"]);
  });

  const [tx, rx] = sharedChannel<Uint8Array | number>(8);
  const blocking: [string, () => unknown][] = [
    ["blockingAcquire()", () => new SharedSemaphore(1).blockingAcquire(2)],
    ["blockingLock()", () => lockedMutex().blockingLock()],
    ["blockingNotified()", () => new SharedNotify().blockingNotified()],
    ["blockingWait()", () => new SharedBarrier(2).blockingWait()],
    ["blockingRecv()", () => rx.blockingRecv()],
    ["blockingSend()", () => fullChannel()[0].blockingSend(2)],
    ["blockingSend()", () => { for (let i = 0; i < 3; i++) tx.blockingSend(new Uint8Array(1 << 21)); }],
  ];
  test.each(blocking)("%s would hold this thread for ever: a DeadlockError at once", (name, call) => {
    expect(thrown(call)).toMatchObject({ name: "DeadlockError", message: expect.stringContaining(`${name} can never finish`), tasks: [name] });
  });

  test("is as it was after that", () => {
    const gate = new SharedSemaphore(1);
    expect(thrown(() => gate.blockingAcquire(2))).toMatchObject({ code: "TOKIWA_DEADLOCK" });
    gate.blockingAcquire(1).release();
    gate.addPermits(1);
    expect(gate.blockingAcquire(2).count).toBe(2);
    const [sender, receiver] = fullChannel();
    expect(thrown(() => sender.blockingSend(2))).toMatchObject({ code: "TOKIWA_DEADLOCK" });
    expect([receiver.blockingRecv(), sender.trySend(3), receiver.blockingRecv()]).toEqual([1, undefined, 3]);
  });
});

describe("a primitive that was passed to a job of this thread", () => {
  test("is answered by nobody while the thread blocks", () => {
    const [tx, rx] = sharedChannel<number>(1);
    const main = function* () {
      spawn(send(async (tx: SharedSender<number>) => { await new Promise((resolve) => setTimeout(resolve, 1)); tx.trySend(1); }), tx);
      yield* sleep(1);
      return yield* rx.recv();
    };
    expect(thrown(() => runtime.blockOn(main))).toMatchObject({ code: "TOKIWA_WOULD_BLOCK" });
    expect(thrown(() => rx.blockingRecv())).toMatchObject({ code: "TOKIWA_DEADLOCK" });
  });

  test.each(transports)("of a pool is waited for, also while that starts its workers (%s)", (transport) => {
    const pool = new Runtime({ flavor: "multi-thread", workerThreads: 1, transport });
    const [tx, rx] = sharedChannel<number>(1);
    expect(pool.blockOn(function* () {
      spawn(send(async (tx: SharedSender<number>) => { await tokiwa.sleep(1); tx.trySend(1); }), tx);
      return yield* rx.recv();
    })).toBe(1);
    return pool.shutdown();
  });
});

test("more waiters than have a place in the queue are no deadlock", async () => {
  const gate = new SharedSemaphore(0);
  const main = function* () {
    const waiters = Array.from({ length: 1100 }, () => spawn(function* () { (yield* gate.acquire()).release(); }));
    yield* sleep(1);
    gate.addPermits(1);
    for (const waiter of waiters) yield* waiter;
  };
  expect(thrown(() => runtime.blockOn(main))).toMatchObject({ code: "TOKIWA_WOULD_BLOCK" });
  await runtime.run(main);
});

describe("a primitive that is passed on while somebody waits", () => {
  test("is waited for from then on: run() and blockOn()", async () => {
    const give = (gate: SharedSemaphore): void => gate.addPermits(1);
    const [one, other] = [new SharedSemaphore(0), new SharedSemaphore(0)];
    const main = (gate: SharedSemaphore) => function* () {
      const waiter = spawn(function* () { return (yield* gate.acquire()).count; });
      yield* sleep(2);
      spawnBlocking(give, gate);
      return yield* waiter;
    };
    expect(await runtime.run(main(one))).toBe(1);
    expect(runtime.blockOn(main(other))).toBe(1);
  });

  test("can be blocked for", async () => {
    const notify = new SharedNotify();
    const done = spawnBlocking((n: SharedNotify) => n.notifyOne(), notify);
    notify.blockingNotified();
    await done;
  });
});
