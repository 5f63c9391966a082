// A million operations whose waiters are cancelled leave memory and metrics where they began.

import { expect, test } from "vitest";
import { broadcast, type Future, mpsc, oneshot, Runtime, select, spawn, unboundedMpsc, watch, yieldNow } from "tokiwa";
import { collectGarbage } from "./support/lanes.ts";

const waker = { wake() {} };
/** Above the noise of a collected heap; a leak of one word each would be eight times this. */
const SLACK_BYTES = 1_000_000;

function heap(): number {
  collectGarbage();
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** The least that stays of some rounds: what leaks leaks in each, what the compiler has on its way is in one. */
function least(round: () => void): number {
  let grown = Infinity;
  for (let tries = 4; tries > 0 && grown >= SLACK_BYTES; tries--) {
    const before = heap();
    round();
    grown = Math.min(grown, heap() - before);
  }
  return grown;
}

/** Runs `operation` a million times, and measures what stays. */
function growth(operation: () => void): number {
  for (let i = 0; i < 20_000; i++) operation();
  return least(() => {
    for (let i = 0; i < 1_000_000; i++) operation();
  });
}

/** Polled once, pending, and dropped. */
function cancel(future: Future<unknown>): void {
  future.poll(waker);
  future[Symbol.dispose]();
}

const [full] = mpsc<number>(1);
full.trySend(1);
const [idle, empty] = mpsc<number>(1);
const [news, reader] = broadcast<number>(4);
const [state, seen] = watch(0);
const [, never] = oneshot<number>();

const operations: Record<string, () => void> = {
  "a send to a full channel": () => cancel(full.send(2)),
  "a reservation in a full channel": () => cancel(full.reserveMany(1)),
  "a recv() of an empty channel": () => cancel(empty.recv()),
  "a recvMany() of an empty channel": () => cancel(empty.recvMany([], 10)),
  "closed() of an open channel": () => cancel(idle.closed()),
  "a recv() of a broadcast": () => cancel(reader.recv()),
  "closed() of a broadcast": () => cancel(news.closed()),
  "changed() of a watch": () => cancel(seen.changed()),
  "waitFor() of a watch": () => cancel(seen.waitFor((v) => v > 0)),
  "closed() of a watch": () => cancel(state.closed()),
  "a select that a oneshot loses": () => {
    const ready = oneshot<void>();
    ready[0].send();
    select({ never, ready: ready[1] }, { biased: true }).poll(waker);
  },
  "a subscriber that comes and goes": () => news.subscribe().close(),
  "a clone that comes and goes": () => idle.clone().close(),
  "a weak sender that comes and goes": () => idle.downgrade().close(),
  "a watcher that comes and goes": () => seen.clone().close(),
  "a permit that is released": () => idle.tryReserve().release(),
};

test.each(Object.entries(operations))("%s", (_, operation) => {
  expect(growth(operation)).toBeLessThan(SLACK_BYTES);
}, 60_000);

test("tasks that are aborted while they wait leave the runtime as it was", async () => {
  const runtime = new Runtime();
  await runtime.run(function* () {
    const waits = [() => full.send(3), () => empty.recv(), () => reader.recv(), () => seen.changed(), () => never] as (() => Future<unknown>)[];
    const wait = function* (make: () => Future<unknown>) {
      yield* make();
    };
    const round = function* (count: number) {
      const handles = Array.from({ length: count }, (_, i) => spawn(wait, waits[i % waits.length]!));
      yield* yieldNow();
      for (const handle of handles) handle.abort();
      for (const handle of handles) yield* handle.result();
    };
    for (let i = 0; i < 20; i++) yield* round(1000);
    let grown = Infinity;
    for (let tries = 4; tries > 0 && grown >= SLACK_BYTES; tries--) {
      const before = heap();
      for (let i = 0; i < 200; i++) yield* round(1000);
      grown = Math.min(grown, heap() - before);
    }
    expect(grown).toBeLessThan(SLACK_BYTES);
    expect(runtime.metrics()).toMatchObject({ tasksAlive: 0, timers: 0, queueDepth: 0 });
  });
  await runtime.shutdown();
}, 60_000);

test("a burst does not stay in memory", () => {
  const [tx, rx] = unboundedMpsc<number>();
  const burst = (): void => {
    for (let i = 0; i < 1_000_000; i++) tx.send(i);
    for (let i = 0; i < 1_000_000; i++) rx.tryRecv();
  };
  expect(least(burst)).toBeLessThan(SLACK_BYTES);
});

test("what was received, discarded or overwritten is let go", async () => {
  const gone: WeakRef<object>[] = [];
  const message = (): object => {
    const object = {};
    gone.push(new WeakRef(object));
    return object;
  };
  const [tx, rx] = mpsc<object>(10);
  for (let i = 0; i < 4; i++) tx.trySend(message());
  rx.tryRecv();
  rx[Symbol.dispose]();
  const [hub, slow] = broadcast<object>(2);
  for (let i = 0; i < 4; i++) hub.send(message());
  const other = hub.subscribe();
  hub.send(message());
  slow.close();
  other.tryRecv();
  const [one, answer] = oneshot<object>();
  one.send(message());
  answer[Symbol.dispose]();
  await new Promise((resolve) => setTimeout(resolve, 0));  // a WeakRef holds its target to the end of the job
  collectGarbage();
  expect(gone.filter((ref) => ref.deref() !== undefined).length).toBe(0);
});

test("a message that a yield* has received is the receiver's alone in the next turn of the host", async () => {
  const gone: WeakRef<object>[] = [];
  const message = (): object => {
    const object = {};
    gone.push(new WeakRef(object));
    return object;
  };
  const [tx, rx] = mpsc<object>(1);
  const [hub, reader] = broadcast<object>(1);
  const [one, answer] = oneshot<object>();
  const runtime = new Runtime();
  await runtime.run(function* () {
    const receive = (future: Future<object | undefined>) => spawn(function* () { yield* future; });
    for (const send of [() => tx.trySend(message()), () => hub.send(message()), () => one.send(message())]) send();
    for (const future of [rx.recv(), reader.recv(), answer]) yield* receive(future);
  });
  await new Promise((resolve) => setTimeout(resolve, 0));
  collectGarbage();
  expect(gone.map((ref) => ref.deref())).toEqual([undefined, undefined, undefined]);
  tx.trySend({});                                          // the channels are alive
  expect([rx.isEmpty, reader.isEmpty]).toEqual([false, true]);
  await runtime.shutdown();
});
