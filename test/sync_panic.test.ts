// After tokio/tests/sync_panic.rs, where misuse panics; here it throws. The table is the list of bad input that every
// channel and lock must stand: numbers that are none, use after close, twice, foreign, oneself, functions that throw or come back.
import { describe, expect, test } from "vitest";
import {
  Barrier, broadcast, BroadcastSender, ContextError, mpsc, Mutex, Notify, OnceCell, oneshot, OptionError, PENDING, run, Runtime, RwLock, Semaphore, type SendError, SetOnce, spawn, unboundedMpsc, watch,
} from "tokiwa";
import { task } from "tokiwa/testing";
import { thrown } from "./support/runtimes.ts";

/** What is no count: every type, and every number that is not a small positive integer. */
const noCounts: readonly unknown[] = [-1, -0.5, 0.5, 1.5, NaN, Infinity, -Infinity, 2 ** 53, 1e300, "1", "", null, true, [], {}, 1n, Symbol("1"), () => 1];

describe("numbers that are none", () => {
  const semaphore = new Semaphore(3);
  const [tx, rx] = mpsc<number>(3);
  const permit = semaphore.tryAcquireMany(2);
  const calls: Record<string, (n: never) => unknown> = {
    "mpsc()": (n) => mpsc(n),
    "broadcast()": (n) => broadcast(n),
    "new BroadcastSender()": (n) => new BroadcastSender(n),
    "new Semaphore()": (n) => new Semaphore(n),
    "new Barrier()": (n) => new Barrier(n),
    "new RwLock(, { maxReaders })": (n) => new RwLock(0, { maxReaders: n }),
    "acquireMany()": (n) => semaphore.acquireMany(n),
    "tryAcquireMany()": (n) => semaphore.tryAcquireMany(n),
    "blockingAcquireMany()": (n) => semaphore.blockingAcquireMany(n),
    "addPermits()": (n) => semaphore.addPermits(n),
    "forgetPermits()": (n) => semaphore.forgetPermits(n),
    "split()": (n) => permit.split(n),
    "reserveMany()": (n) => tx.reserveMany(n),
    "tryReserveMany()": (n) => tx.tryReserveMany(n),
    "recvMany()": (n) => rx.recvMany([], n),
    "blockingRecvMany()": (n) => rx.blockingRecvMany([], n),
  };
  test.each(Object.entries(calls))("%s throws OptionError with the value, and changes nothing", (_, call) => {
    for (const n of noCounts) {
      const error = thrown(() => call(n as never));
      expect(error, String(n)).toBeInstanceOf(OptionError);
      expect((error as Error).message).toMatch(/^\w+ must be .*, got /);
    }
    expect([semaphore.availablePermits, permit.count, tx.capacity, rx.length]).toEqual([1, 2, 3, 0]);
  });

  test("a capacity of 0 is none, permits of 0 are", () => {
    for (const make of [() => mpsc(0), () => broadcast(0), () => new RwLock(0, { maxReaders: 0 })]) expect(make).toThrow(OptionError);
    expect([new Semaphore(0).availablePermits, new Semaphore(1).tryAcquireMany(0).count]).toEqual([0, 0]);
  });

  test("huge ones take no memory before they are used", () => {
    const [huge] = mpsc(Number.MAX_SAFE_INTEGER);
    const [hub] = broadcast(2 ** 30);
    huge.trySend(1);
    expect([huge.capacity, hub.send(1), new Semaphore(Semaphore.MAX_PERMITS).availablePermits]).toEqual([Number.MAX_SAFE_INTEGER - 1, 1, Semaphore.MAX_PERMITS]);
  });
});

describe("blocking calls inside a task", () => {
  const [tx, rx] = mpsc<number>(1);
  const [, unbounded] = unboundedMpsc<number>();
  const [, reader] = broadcast<number>(1);
  const [, answer] = oneshot<number>();
  const calls: Record<string, () => unknown> = {
    "blockingSend()": () => tx.blockingSend(1),
    "blockingRecv()": () => rx.blockingRecv(),
    "blockingRecvMany()": () => rx.blockingRecvMany([], 1),
    "blockingRecv() of an unbounded channel": () => unbounded.blockingRecv(),
    "blockingRecv() of a broadcast": () => reader.blockingRecv(),
    "blockingRecv() of a oneshot": () => answer.blockingRecv(),
    "blockingLock()": () => new Mutex(0).blockingLock(),
    "blockingRead()": () => new RwLock(0).blockingRead(),
    "blockingWrite()": () => new RwLock(0).blockingWrite(),
    "blockingAcquire()": () => new Semaphore(1).blockingAcquire(),
    "blockingAcquireMany()": () => new Semaphore(1).blockingAcquireMany(1),
  };
  test.each(Object.entries(calls))("%s throws ContextError in async functions, generators and poll futures", (_, call) =>
    run(async () => {
      const error = { name: "ContextError", code: "TOKIWA_NESTED_RUNTIME" };
      expect(await spawn(async () => thrown(call))).toMatchObject(error);
      expect(await spawn(function* () { return thrown(call); })).toMatchObject(error);
      expect(await spawn(() => thrown(call))).toMatchObject(error);
      expect(thrown(call)).toBeInstanceOf(ContextError);
    }));
});

describe("twice, foreign, and after the end", () => {
  test("giving back twice gives back once", () => {
    const semaphore = new Semaphore(2);
    const permit = semaphore.tryAcquire();
    for (let i = 0; i < 3; i++) permit.release();
    permit[Symbol.dispose]();
    const mutex = new Mutex(0);
    const guard = mutex.tryLock();
    guard.unlock();
    const other = mutex.tryLock();
    guard.unlock();
    guard[Symbol.dispose]();
    expect([semaphore.availablePermits, mutex.isLocked]).toEqual([2, true]);
    other.unlock();
    const lock = new RwLock(0, { maxReaders: 2 });
    const write = lock.tryWrite();
    const read = write.downgrade();
    write.unlock();
    read.unlock();
    read.unlock();
    lock.tryWrite().unlock();
    const [tx] = mpsc<number>(1);
    const place = tx.tryReserve();
    place.release();
    place.release();
    expect([tx.capacity, (thrown(() => place.send(1)) as SendError).value]).toEqual([1, 1]);
  });

  test("closing twice is closing once", () => {
    const [tx, rx] = mpsc<number>(1);
    const clone = tx.clone();
    for (let i = 0; i < 3; i++) tx.close();
    tx[Symbol.dispose]();
    expect([clone.strongCount, rx.isClosed]).toEqual([1, false]);
    const [hub, reader] = broadcast<number>(1);
    const second = hub.subscribe();
    for (let i = 0; i < 3; i++) reader.close();
    expect([hub.receiverCount, hub.send(1)]).toEqual([1, 1]);
    second.close();
    const [state, seen] = watch(0);
    const another = state.subscribe();
    for (let i = 0; i < 3; i++) seen.close();
    expect(state.receiverCount).toBe(1);
    another.close();
    const weak = tx.downgrade();
    for (let i = 0; i < 3; i++) weak.close();
    expect([clone.weakCount, weak.upgrade()]).toEqual([0, undefined]);
  });

  test("a closed handle refuses, with the message", () => {
    const [tx] = mpsc<string>(1);
    tx.close();
    expect(thrown(() => task(tx.send("a")).poll())).toMatchObject({ name: "SendError", value: "a" });
    expect(thrown(() => tx.trySend("b"))).toMatchObject({ name: "TrySendError", value: "b" });
    expect(thrown(() => tx.clone())).toMatchObject({ code: "TOKIWA_CLOSED" });
    expect(thrown(() => task(tx.reserve()).poll())).toMatchObject({ name: "SendError" });
    const [one] = oneshot<string>();
    one.close();
    expect(thrown(() => one.send("c"))).toMatchObject({ name: "SendError", value: "c" });
  });

  test("permits of another semaphore are not taken", () => {
    const [a, b] = [new Semaphore(1), new Semaphore(1)];
    const [mine, foreign] = [a.tryAcquire(), b.tryAcquire()];
    expect(() => mine.merge(foreign)).toThrow(OptionError);
    mine.release();
    foreign.release();
    expect([a.availablePermits, b.availablePermits]).toEqual([1, 1]);
  });

  test("a task may send to itself, and a full channel tells it by a deadlock and not by a hang", async () => {
    await run(function* () {
      const [tx, rx] = mpsc<number>(1);
      yield* tx.send(1);
      expect(yield* rx.recv()).toBe(1);
    });
    using runtime = new Runtime();
    expect(thrown(() => runtime.blockOn(function* () {
      const [tx, rx] = mpsc<number>(1);
      yield* tx.send(1);
      yield* tx.send(2);
      yield* rx.recv();
    }))).toMatchObject({ code: "TOKIWA_DEADLOCK" });
  });
});

describe("functions that throw or come back", () => {
  test("withLock() unlocks when its function throws, in every form of function", () =>
    run(async () => {
      const mutex = new Mutex(0);
      const forms = [
        () => { throw new RangeError("plain"); },
        async () => { throw new RangeError("async"); },
        function* (): Generator<never, void, unknown> { throw new RangeError("generator"); },
        () => Promise.reject(new RangeError("promise")),
      ];
      for (const form of forms) {
        await expect(mutex.withLock(form as () => void)).rejects.toThrow(RangeError);
        expect(mutex.isLocked).toBe(false);
      }
    }));

  test("an initialiser that throws leaves the cell empty, one that asks its own cell is told", () =>
    run(async () => {
      const cell = new OnceCell<number>();
      await expect(cell.getOrInit(() => { throw new RangeError("first"); })).rejects.toThrow("first");
      await expect(cell.getOrInit(async () => cell.getOrInit(() => 1))).rejects.toMatchObject({ code: "TOKIWA_DEADLOCK" });
      expect([cell.isInitialized, await cell.getOrInit(() => 2)]).toEqual([false, 2]);
    }));

  test("a predicate or a change of a watch may throw, or use the watch", async () => {
    await run(async () => {
      const [tx, rx] = watch(1);
      await expect(rx.waitFor(() => { throw new RangeError("predicate"); })).rejects.toThrow("predicate");
      expect(() => tx.sendModify(() => { throw new RangeError("change"); })).toThrow("change");
      expect(() => tx.sendIfModified(() => { throw new RangeError("change"); })).toThrow("change");
      expect([tx.borrow(), rx.hasChanged]).toEqual([1, false]);
      tx.sendModify((value) => {
        tx.send(value + 1);
        return tx.borrow() + 1;
      });
      expect(rx.borrowAndUpdate()).toBe(3);
      expect(await rx.waitFor((value) => { if (value < 5) tx.send(value + 1); return value === 5; })).toBe(5);
    });
  });

  test("a waker that throws is reported, and the others are woken", () => {
    const notify = new Notify();
    const waits = [notify.notified(), notify.notified(), notify.notified()];
    let woken = 0;
    waits[0]!.poll({ wake: () => woken++ });
    waits[1]!.poll({ wake: () => { waits[2]![Symbol.dispose](); woken++; } });
    waits[2]!.poll({ wake: () => woken++ });
    notify.notifyWaiters();
    expect(woken).toBe(2);
  });
});

describe("messages of every value", () => {
  const values = [undefined, null, NaN, 0, "", false, Symbol("s"), () => 1, {}, []];
  test("come out as they went in", () =>
    run(function* () {
      const [tx, rx] = mpsc<unknown>(1);
      const [free, drain] = unboundedMpsc<unknown>();
      const [hub, reader] = broadcast<unknown>(1);
      const [state, seen] = watch<unknown>("none");
      for (const value of [...values, PENDING]) {
        if (value !== PENDING) {
          yield* tx.send(value);
          expect(yield* rx.recv()).toBe(value);
          free.send(value);
          expect(yield* drain.recv()).toBe(value);
          hub.send(value);
          expect(yield* reader.recv()).toBe(value);
          const [one, answer] = oneshot<unknown>();
          one.send(value);
          expect(yield* answer).toBe(value);
          const once = new SetOnce<unknown>();
          once.set(value);
          expect([yield* once.wait(), once.isInitialized]).toEqual([value, true]);
        }
        state.send(value);
        yield* seen.changed();
        expect(seen.borrow()).toBe(value);
        const mutex = new Mutex<unknown>(value);
        const guard = yield* mutex.lock();
        expect(guard.value).toBe(value);
        guard.unlock();
      }
    }));

  test("a rejected promise is a message like others for yield*, and is awaited by await", () =>
    run(async () => {
      const rejected = Promise.reject(new RangeError("inside"));
      rejected.catch(() => {});
      const [tx, rx] = mpsc<Promise<never>>(2);
      tx.trySend(rejected);
      tx.trySend(rejected);
      await spawn(function* () {
        expect(yield* rx.recv()).toBe(rejected);
      });
      await expect(rx.recv()).rejects.toThrow("inside");   // await goes on with what it was given
      expect(rx.isEmpty).toBe(true);
    }));
});

// Without meaning here: the places in the source that a panic names (#[track_caller]); errors have stacks.
