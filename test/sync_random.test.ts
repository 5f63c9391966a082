// Random programs: tasks of both kinds over shared channels and locks, waiting inside timeouts, selects and joins, aborted at random.
// At the end no permit, lock, slot or timer is lost, no message came twice, and everybody has ended.
//
// The bug it must find, and found: a join that was dropped kept the locks of the parts that were ready.
//
// A failure names its seed: TOKIWA_SEED=<seed> runs that program first.

import { type Future, join, mpsc, Mutex, Notify, Runtime, RwLock, select, Semaphore, sleep, spawn, timeout, TimeoutError, watch, yieldNow } from "tokiwa";
import { expect, test } from "vitest";
import { seed as firstSeed } from "./support/lanes.ts";
import { asAsync, asGenerator } from "./support/runtimes.ts";

const PROGRAMS = 60;
const TASKS = 8;
const STEPS = 6;
const PERMITS = 2;

type Steps = Generator<Future<unknown> | PromiseLike<unknown>, void, any>;

function randomOf(seed: number): (below: number) => number {
  let state = seed & 0x7fffffff;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
}

async function play(seed: number): Promise<void> {
  const below = randomOf(seed);
  const runtime = new Runtime({ startPaused: true, seed });
  const capacity = 1 + below(3);
  const [tx, rx] = mpsc<number>(capacity);
  const semaphore = new Semaphore(PERMITS);
  const mutex = new Mutex(0);
  const lock = new RwLock(0);
  const notify = new Notify();
  const [state, seen] = watch(0);
  const received: number[] = [];
  let inside = 0;
  let increments = 0;
  let messages = 0;

  /** The future alone, or inside something that may drop it; its value, or undefined when it was dropped. */
  const within = function* <T>(make: () => Future<T>): Generator<Future<unknown>, T | undefined, any> {
    const how = below(4);
    try {
      if (how === 0) return yield timeout(below(3), make());
      if (how === 1) {
        const { name, value } = yield select({ wanted: make(), late: sleep(below(3)) });
        return name === "wanted" ? value : undefined;
      }
      if (how === 2) return (yield timeout(1 + below(2), join(make(), sleep(below(4)))))[0];
      return yield make();
    } catch (error) {
      if (error instanceof TimeoutError) return undefined;
      throw error;
    }
  };

  const steps: (() => Steps)[] = [
    function* () {
      yield timeout(50, tx.send(messages++));
    },
    function* () {
      const permit = yield* within(() => timeout(50, tx.reserve()));
      permit?.send(messages++);
    },
    function* () {
      const message = yield* within(() => timeout(20, rx.recv()));
      if (message !== undefined) received.push(message);
    },
    function* () {
      const permit = yield* within(() => semaphore.acquire());
      if (permit === undefined) return;
      try {
        expect(++inside).toBeLessThanOrEqual(PERMITS);
        yield sleep(below(2));
      } finally {
        inside--;
        permit.release();
      }
    },
    function* () {
      const guard = yield* within(() => mutex.lock());
      if (guard === undefined) return;
      const before = guard.value;
      try {
        yield yieldNow();
        guard.value = before + 1;
        increments++;
      } finally {
        guard.unlock();
      }
    },
    function* () {
      yield mutex.withLock(async (guard) => {
        const before = guard.value;
        await sleep(below(2));
        guard.value = before + 1;
        increments++;
      });
    },
    function* () {
      const guard = yield* within((): Future<Disposable> => (below(2) === 0 ? lock.read() : lock.write()));
      if (guard === undefined) return;
      try {
        yield sleep(below(2));
      } finally {
        guard[Symbol.dispose]();
      }
    },
    function* () {
      yield* within(() => timeout(5, notify.notified()));
    },
    function* () {
      if (below(2) === 0) notify.notifyOne();
      else notify.notifyWaiters();
    },
    function* () {
      state.sendReplace(below(9));
      yield* within(() => timeout(5, seen.clone().changed()));
    },
    function* () {
      yield sleep(below(4));
    },
  ];
  const body = function* (): Steps {
    for (let i = 0; i < STEPS; i++) {
      try {
        yield* steps[below(steps.length)]!();
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error;
      }
    }
  };

  await runtime.run(async () => {
    const handles = Array.from({ length: TASKS }, (_, i) => spawn((i % 2 === 0 ? asAsync : asGenerator)(body)));
    for (let i = 0; i < 5; i++) {
      await sleep(below(5));
      handles[below(TASKS)]!.abort();
    }
    for (const handle of handles) {
      const result = await timeout(100_000, handle.result());
      if (result.status === "rejected") throw result.reason;
    }
    tx.close();
    for (let message = await rx.recv(); message !== undefined; message = await rx.recv()) received.push(message);
    await sleep(10);                                       // an aborted async function may still be on its way out of a withLock()
    expect(new Set(received).size).toBe(received.length);
    expect([semaphore.availablePermits, inside, rx.capacity, rx.length]).toEqual([PERMITS, 0, capacity, 0]);
    expect(mutex.tryLock().value).toBe(increments);
    lock.tryWrite();
  });
  expect(runtime.metrics()).toMatchObject({ tasksAlive: 0, timers: 0, queueDepth: 0 });
  await runtime.shutdown();
}

test("random programs lose nothing, and end", async () => {
  for (let i = 0; i < PROGRAMS; i++) {
    const seed = firstSeed + i * 7919;
    await play(seed).catch((error: unknown) => {
      throw new Error(`the program of seed ${seed} failed`, { cause: error });
    });
  }
}, 60_000);
