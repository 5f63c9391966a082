// The contract's names, shapes and types, line by line: API.md, "Tasks" to "Sync". What does not compile here breaks a user's program.
import { describe, expect, test } from "vitest";
import {
  AbortHandle, AcquireError, Barrier, broadcast, BroadcastReceiver, BroadcastSender, byRef, CancellationToken, ContextError, coop, currentTask, DeadlockError, fromEvent, fromPromise, type Future, future, Instant, Interval, interval, intervalAt, join, JoinError, type JoinHandle, JoinSet, LaggedError, lazy, mpsc, Mutex, Notify, OnceCell, oneshot, OneshotReceiver, OneshotSender, OptionError, PENDING, Permit, Receiver, RecvError, run, Runtime, RwLock, select, Semaphore, SemaphorePermit, SendError, Sender, setDefaultRuntime, SetError, SetOnce, type Sleep, sleep, sleepUntil, spawn, type Suspend, taskBuilder, type TaskFn, type TaskId, taskLocal, type TaskResult, TaskTracker, timeout, timeoutAt, TimeoutError, TokiwaError, TryAcquireError, tryJoin, TryLockError, TryRecvError, TrySendError, unboundedMpsc, UnboundedReceiver, UnboundedSender, type Waker, watch, WatchReceiver, WatchSender, WeakBroadcastSender, WeakSender, WouldBlockError, yieldNow,
} from "tokiwa";
import { advance, pause, resume, task, type TestTask } from "tokiwa/testing";

/** The members that a class or object must have: on it, or on a prototype of it. */
function has(object: object, ...names: PropertyKey[]): void {
  for (const name of names) expect(name in object, String(name)).toBe(true);
}

const paused = { startPaused: true };

describe("tasks", () => {
  test("spawn, handles, results", () => run(async () => {
    const fn: TaskFn<[number, string], string> = function* (n, s): Generator<Suspend, string, unknown> { yield* yieldNow(); return s.repeat(n); };
    const handle: JoinHandle<string> = spawn(fn, 2, "ab");
    const id: TaskId = handle.id;
    const abort: AbortHandle = handle.abortHandle();
    expect([abort.id === id, abort.isFinished, handle.isFinished]).toEqual([true, false, false]);
    const result: TaskResult<string> = await handle.result();
    expect(result).toEqual({ status: "fulfilled", value: "abab" });
    const never = spawn(future<never>(() => PENDING));
    never.abort("reason", { detach: true });
    const cancelled = await never.result();
    expect(cancelled.status === "cancelled" && cancelled.reason instanceof JoinError && cancelled.reason.isCancelled && cancelled.reason.cause).toBe("reason");
    const rejected = await spawn(async () => { throw new RangeError("own"); }).result();
    expect(rejected.status === "rejected" && rejected.reason).toBeInstanceOf(RangeError);
    has(handle, "then", "poll", Symbol.iterator, Symbol.dispose);
  }));

  test("the task as it sees itself", () => run(async () => {
    const controller = new AbortController();
    const handle = taskBuilder({ signal: controller.signal, name: "me" }).spawn(async () => {
      const me = currentTask();
      const signal: AbortSignal = me.signal;
      const own: Future<void> = me.own(sleep(1));
      await own;
      return [me.id, me.name, signal.aborted] as const;
    });
    expect(await handle).toEqual([handle.id, "me", false]);
    const local = taskLocal<number>();
    expect(await local.run(5, () => local.get())).toBe(5);
    expect(await coop.unconstrained(async () => 1)).toBe(1);
    await coop.consumeBudget();
  }, paused));
});

describe("futures", () => {
  test("makers and combinators", () => run(async () => {
    let dropped = 0;
    const own: Future<number> = future<number>((waker: Waker) => (waker.wake(), 4), () => dropped++);
    expect(await own).toBe(4);
    expect(await lazy(function* (n: number) { yield* yieldNow(); return n; }, 3)).toBe(3);
    expect(await fromPromise(Promise.resolve("p"))).toBe("p");
    const target = new EventTarget();
    const event = fromEvent(target, "ping");
    expect(task(event).poll()).toBe(PENDING);
    target.dispatchEvent(new Event("ping"));
    expect((await event).type).toBe("ping");
    const [n, s]: [number, string] = await join(lazy(() => 1), Promise.resolve("s"));
    expect([n, s]).toEqual([1, "s"]);
    expect(await tryJoin(lazy(() => 1))).toEqual([1]);
    const won = await select({ a: lazy(() => 1), b: null, c: undefined }, { biased: true, random: () => 0 });
    if (won.name === "a") expect(won.value satisfies number).toBe(1);
    expect(await timeout(5, lazy(() => "in time"))).toBe("in time");
    await expect(timeoutAt(Instant.now(), byRef(sleep(10)))).rejects.toThrow(TimeoutError);
    expect(dropped).toBe(0);
  }, paused));
});

describe("time", () => {
  test("sleeps, intervals, instants", () => run(async () => {
    const start: Instant = Instant.now();
    const nap: Sleep = sleep(10);
    expect([nap.deadline.durationSince(start), nap.isElapsed]).toEqual([10, false]);
    nap.reset(start.add(20));
    await nap;
    expect([nap.isElapsed, start.elapsed(), sleepUntil(start).isElapsed]).toEqual([true, 20, true]);
    const ticks: Interval = interval(10, { missedTickBehavior: "delay" });
    const due: Instant = await ticks.tick();
    expect([due.ms, ticks.period, ticks.missedTickBehavior]).toEqual([start.ms + 20, 10, "delay"]);
    ticks.missedTickBehavior = "skip";
    ticks.reset();
    ticks.resetImmediately();
    ticks.resetAfter(1);
    ticks.resetAt(Instant.now().add(2));
    for await (const tick of intervalAt(Instant.now(), 5)) if (tick.sub(start.ms).ms > 25) break;
    expect([start.compare(due), due.compare(start), start.compare(start)]).toEqual([-1, 1, 0]);
    const move: Future<void> = advance(5);
    await move;
    resume();
    pause();
    const hand: TestTask<void> = task(yieldNow());
    hand.poll();
    expect(hand.isWoken).toBe(true);
    hand.drop();
  }, paused));
});

describe("channels", () => {
  test("oneshot", () => run(async () => {
    const [tx, rx]: [OneshotSender<number>, OneshotReceiver<number>] = oneshot<number>();
    has(tx, "send", "isClosed", "closed", "close", Symbol.dispose);
    has(rx, "tryRecv", "close", "blockingRecv", "isTerminated", "isEmpty", "poll", "then", Symbol.iterator, Symbol.dispose);
    expect([tx.isClosed, rx.isEmpty, rx.isTerminated]).toEqual([false, true, false]);
    tx.send(1);
    const value: number = await rx;
    expect([value, rx.isTerminated]).toEqual([1, true]);
    await tx.closed();
  }));

  test("mpsc", () => run(async () => {
    const [tx, rx]: [Sender<number>, Receiver<number>] = mpsc<number>(4);
    has(tx, "send", "trySend", "sendTimeout", "blockingSend", "reserve", "tryReserve", "reserveMany", "tryReserveMany", "closed", "clone", "downgrade", "sameChannel", "close", "isClosed", "capacity", "maxCapacity", "strongCount", "weakCount", Symbol.dispose);
    has(rx, "recv", "recvMany", "tryRecv", "blockingRecv", "close", "isClosed", "isEmpty", "length", "capacity", "maxCapacity", "senderStrongCount", "senderWeakCount", Symbol.asyncIterator, Symbol.dispose);
    await tx.send(1);
    tx.trySend(2);
    await tx.sendTimeout(3, 10);
    const permit: Permit<number> = await tx.reserve();
    expect([tx.capacity, tx.maxCapacity, rx.length, rx.capacity]).toEqual([0, 4, 3, 0]);
    permit.send(4);
    const into: number[] = [];
    expect([await rx.recvMany(into, 3), into, rx.tryRecv()]).toEqual([3, [1, 2, 3], 4]);
    const several: Permit<number>[] = [...(await tx.reserveMany(2)), ...tx.tryReserveMany(1), tx.tryReserve()];
    for (const one of several) one.release();
    const weak: WeakSender<number> = tx.downgrade();
    has(weak, "upgrade", "clone", "close", "strongCount", "weakCount", Symbol.dispose);
    const again: Sender<number> | undefined = weak.upgrade();
    expect([again?.sameChannel(tx), weak.strongCount, weak.weakCount, rx.senderStrongCount, rx.senderWeakCount]).toEqual([true, 2, 1, 2, 1]);
    again?.close();
    tx.close();
    expect([await rx.recv(), rx.isClosed, rx.isEmpty]).toEqual([undefined, true, true]);
    const [free, drain]: [UnboundedSender<string>, UnboundedReceiver<string>] = unboundedMpsc<string>();
    has(free, "send", "closed", "clone", "downgrade", "sameChannel", "close", "isClosed", "strongCount", "weakCount");
    free.send("x");
    free.close();
    const all: string[] = [];
    for await (const message of drain) all.push(message);
    expect(all).toEqual(["x"]);
  }, paused));

  test("broadcast", () => run(async () => {
    const [tx, rx]: [BroadcastSender<number>, BroadcastReceiver<number>] = broadcast<number>(3);
    has(tx, "send", "subscribe", "clone", "downgrade", "close", "closed", "sameChannel", "receiverCount", "length", "isEmpty", "strongCount", "weakCount", Symbol.dispose);
    has(rx, "recv", "tryRecv", "blockingRecv", "senderStrongCount", "senderWeakCount", "resubscribe", "close", "sameChannel", "length", "isEmpty", "isClosed", Symbol.asyncIterator, Symbol.dispose);
    const reached: number = tx.send(1);
    expect([reached, tx.length, rx.length, await rx.recv(), tx.isEmpty]).toEqual([1, 1, 1, 1, true]);
    const weak: WeakBroadcastSender<number> = tx.downgrade();
    expect(weak.upgrade()?.sameChannel(tx)).toBe(true);
    expect(new BroadcastSender<number>(4).receiverCount).toBe(0);
  }));

  test("watch", () => run(async () => {
    const [tx, rx]: [WatchSender<number>, WatchReceiver<number>] = watch<number>(1);
    has(tx, "send", "sendModify", "sendIfModified", "sendReplace", "borrow", "subscribe", "clone", "close", "closed", "isClosed", "receiverCount", Symbol.dispose);
    has(rx, "borrow", "borrowAndUpdate", "changed", "hasChanged", "waitFor", "markChanged", "markUnchanged", "clone", "close", "sameChannel", Symbol.asyncIterator, Symbol.dispose);
    tx.send(2);
    tx.sendModify((v) => v + 1);
    expect([tx.sendIfModified(() => false), tx.sendIfModified((v) => ({ value: v + 1 })), tx.sendReplace(5), tx.borrow()]).toEqual([false, true, 4, 5]);
    await rx.changed();
    expect([await rx.waitFor((v) => v === 5), rx.hasChanged, rx.borrowAndUpdate()]).toEqual([5, false, 5]);
  }));
});

describe("locks and groups", () => {
  test("Mutex, RwLock, Semaphore", () => run(async () => {
    const mutex = new Mutex({ n: 1 });
    has(mutex, "lock", "tryLock", "blockingLock", "withLock", "isLocked");
    {
      using guard = await mutex.lock();
      guard.value = { n: guard.value.n + 1 };
      expect(() => mutex.tryLock()).toThrow(TryLockError);
      guard.unlock();
    }
    const sum: number = await mutex.withLock(async (guard) => guard.value.n + 1);
    expect([sum, await mutex.withLock((guard) => guard.value.n), mutex.isLocked]).toEqual([3, 2, false]);
    const lock = new RwLock("a", { maxReaders: 2 });
    has(lock, "read", "write", "tryRead", "tryWrite", "blockingRead", "blockingWrite");
    const write = await lock.write();
    write.value = "b";
    const read = write.downgrade();
    expect([read.value, lock.tryRead().value]).toEqual(["b", "b"]);
    const semaphore = new Semaphore(5);
    has(semaphore, "acquire", "acquireMany", "tryAcquire", "tryAcquireMany", "addPermits", "forgetPermits", "close", "availablePermits", "isClosed");
    const permit: SemaphorePermit = await semaphore.acquireMany(3);
    const part: SemaphorePermit | undefined = permit.split(1);
    permit.merge(semaphore.tryAcquire());
    part?.forget();
    permit.release();
    expect([semaphore.availablePermits, semaphore.forgetPermits(1), Semaphore.MAX_PERMITS > 2 ** 40]).toEqual([4, 1, true]);
  }));

  test("Notify, Barrier, cells, tokens", () => run(async () => {
    const notify = new Notify();
    has(notify, "notified", "notifyOne", "notifyLast", "notifyWaiters");
    const notified = notify.notified();
    expect(notified.enable()).toBe(false);
    notify.notifyLast();
    await notified;
    expect((await new Barrier(1).wait()).isLeader).toBe(true);
    const cell = new OnceCell<number>();
    expect([cell.get(), cell.isInitialized, await cell.getOrInit(async () => 3), cell.get()]).toEqual([undefined, false, 3, 3]);
    expect(() => cell.set(1)).toThrow(SetError);
    const once = new SetOnce<number>();
    once.set(1);
    expect([once.get(), await once.wait()]).toEqual([1, 1]);
    const token = new CancellationToken();
    has(token, "cancel", "isCancelled", "cancelled", "child", "signal", "runUntilCancelled", "dropGuard");
    const child = token.child();
    { using _guard: Disposable = token.dropGuard(); }
    await child.cancelled();
    const cut: number | undefined = await child.runUntilCancelled(lazy(() => 1));
    expect([child.isCancelled, child.signal.aborted, cut]).toEqual([true, true, undefined]);
  }));

  test("JoinSet, TaskTracker", () => run(async () => {
    const set = new JoinSet<number>();
    has(set, "spawn", "spawnBlocking", "joinNext", "tryJoinNext", "joinAll", "abortAll", "shutdown", "detachAll", "size", "isEmpty", Symbol.asyncIterator, Symbol.dispose);
    const abort: AbortHandle = set.spawn(async (n: number) => n, 1);
    const next: (TaskResult<number> & { id: TaskId }) | undefined = await set.joinNext();
    expect([next?.status, next?.id === abort.id, set.tryJoinNext(), set.isEmpty, await set.joinAll()]).toEqual(["fulfilled", true, undefined, true, []]);
    set.spawn(() => sleep(1e9) as never);
    await set.shutdown();
    const tracker = new TaskTracker();
    has(tracker, "spawn", "trackFuture", "close", "reopen", "wait", "isClosed", "isEmpty", "size");
    const handle: JoinHandle<number> = tracker.spawn(async () => 2);
    expect([await tracker.trackFuture(lazy(() => 1)), await handle, tracker.close(), tracker.close(), tracker.reopen()]).toEqual([1, 2, true, false, true]);
    tracker.close();
    await tracker.wait();
  }, paused));
});

test("errors are classes, with the codes of the contract", () => {
  for (const kind of [ContextError, JoinError, TimeoutError, SendError, RecvError, WouldBlockError, DeadlockError, OptionError, TrySendError, TryRecvError, LaggedError, TryLockError, AcquireError, TryAcquireError, SetError]) {
    expect(kind.prototype).toBeInstanceOf(TokiwaError);
  }
  expect(() => setDefaultRuntime(5 as never)).toThrow(OptionError);
  expect(Runtime.current).toBeInstanceOf(Runtime);
});

test("every class of the contract can be asked for by instanceof", () => {
  const [one, answer] = oneshot();
  const [tx, rx] = mpsc(1);
  const [free, drain] = unboundedMpsc();
  const [hub, reader] = broadcast(1);
  const [state, seen] = watch(0);
  const handle = spawn(() => 1);
  const pairs: [object, abstract new (...args: never[]) => unknown][] = [
    [one, OneshotSender], [answer, OneshotReceiver], [tx, Sender], [rx, Receiver], [tx.downgrade(), WeakSender], [tx.tryReserve(), Permit], [free, UnboundedSender], [drain, UnboundedReceiver],
    [hub, BroadcastSender], [reader, BroadcastReceiver], [hub.downgrade(), WeakBroadcastSender], [state, WatchSender], [seen, WatchReceiver], [new Semaphore(1).tryAcquire(), SemaphorePermit],
    [handle.abortHandle(), AbortHandle], [interval(1), Interval], [Instant.now(), Instant],
  ];
  for (const [object, kind] of pairs) expect(object).toBeInstanceOf(kind);
});
