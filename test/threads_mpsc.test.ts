// A shared channel has the methods of mpsc: the same program on both, and what only threads can show.
import * as fc from "fast-check";
import { type Future, mpsc, type Permit, type Receiver, Runtime, type Sender, sleep, timeout, TimeoutError, type WeakSender } from "tokiwa";
import { type SharedReceiver, type SharedSender, type SharedSendPermit, type SharedWeakSender, sharedChannel, Thread, ThreadPool } from "tokiwa/threads";
import { afterAll, describe, expect, test } from "vitest";
import { seed } from "./support/lanes.ts";
import "./support/sent.ts";

const pool = new ThreadPool({ size: 2 });
afterAll(() => pool.shutdown());

type AnySender = Sender<number> | SharedSender<number>;
type AnyReceiver = Receiver<number> | SharedReceiver<number>;
type AnyPermit = Permit<number> | SharedSendPermit<number>;
type AnyWeak = WeakSender<number> | SharedWeakSender<number>;

/** A channel with everything that was made of it. */
class Play {
  readonly senders: AnySender[];
  readonly rx: AnyReceiver;
  readonly permits: AnyPermit[] = [];
  readonly weaks: AnyWeak[] = [];

  constructor([tx, rx]: [AnySender, AnyReceiver]) {
    this.senders = [tx];
    this.rx = rx;
  }

  state(): unknown {
    const { senders, rx, weaks } = this;
    const [tx] = senders;
    return {
      receiver: [rx.length, rx.isEmpty, rx.isClosed, rx.capacity, rx.maxCapacity, rx.senderStrongCount, rx.senderWeakCount],
      senders: senders.map((s) => [s.isClosed, s.capacity, s.maxCapacity, s.strongCount, s.weakCount, s.sameChannel(tx as never)]),
      weaks: weaks.map((w) => [w.strongCount, w.weakCount]),
    };
  }
}

const at = <T>(list: T[], which: number): T | undefined => list[which % Math.max(1, list.length)];

/** Steps that say at once what came of them. */
const steps: ((play: Play, which: number, n: number) => unknown)[] = [
  ({ senders }, which, n) => at(senders, which)!.trySend(n),
  ({ senders }, which, n) => at(senders, which)!.trySend(n),
  ({ rx }) => rx.tryRecv(),
  ({ rx }) => rx.tryRecv(),
  ({ senders, permits }, which, n) => permits.push(...at<AnySender>(senders, which)!.tryReserveMany(n % 4)),
  ({ senders, permits }, which) => permits.push(at(senders, which)!.tryReserve()),
  ({ permits }, which, n) => at(permits, which)?.send(n),
  ({ permits }, which) => at(permits, which)?.release(),
  ({ senders }, which) => senders.push(at(senders, which)!.clone()),
  ({ senders }, which) => at(senders, which)!.close(),
  ({ senders, weaks }, which) => weaks.push(at(senders, which)!.downgrade()),
  ({ senders, weaks }, which) => {
    const sender = at(weaks, which)?.upgrade();
    if (sender !== undefined) senders.push(sender);
    return sender !== undefined;
  },
  ({ weaks }, which) => weaks.push(...[at(weaks, which)?.clone()].filter((w) => w !== undefined)),
  ({ weaks }, which) => at(weaks, which)?.close(),
];

function outcome(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    const { name, code, value } = error as { name: string; code: string; value?: unknown };
    return [name, code, value];
  }
}

test(`any steps do what they do to a channel of mpsc (TOKIWA_SEED=${seed})`, () => {
  const step = fc.tuple(fc.nat(1000), fc.nat(10), fc.nat(100));
  const property = fc.property(fc.integer({ min: 1, max: 5 }), fc.array(step, { maxLength: 60, size: "max" }), (capacity, list) => {
    const plays = [new Play(mpsc<number>(capacity)), new Play(sharedChannel<number>(capacity))] as const;
    const both = (run: (play: Play) => unknown): void => expect(outcome(() => run(plays[1]))).toEqual(outcome(() => run(plays[0])));
    for (const [kind, which, n] of list) {
      both((play) => steps[kind % steps.length]!(play, which, n));
      both((play) => play.state());
    }
    both(({ permits }) => permits.forEach((permit) => permit.release()));
    both(({ rx }) => rx.close());
    both((play) => play.state());
    both(({ senders }) => senders[0]!.tryReserve());
    both(({ rx }) => Array.from({ length: rx.length }, () => rx.tryRecv()));
    both(({ rx }) => rx.tryRecv());
  });
  fc.assert(property, { seed, numRuns: 300 });
}, 60_000);

/** Both kinds of channel, for what waits. */
const channels: [string, (capacity: number) => [AnySender, AnyReceiver]][] = [
  ["mpsc", (capacity) => mpsc<number>(capacity)],
  ["sharedChannel", (capacity) => sharedChannel<number>(capacity)],
];

async function codeOf(future: unknown): Promise<unknown> {
  try {
    return await future;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

describe.each(channels)("%s", (_, make) => {
  test("a reserved place is kept for its permit, and its sender counts until then", async () => {
    const [tx, rx] = make(2);
    const [one, two] = await (tx.reserveMany(2) as Promise<AnyPermit[]> | Future<AnyPermit[]>);
    expect([tx.capacity, outcome(() => tx.trySend(0))]).toEqual([0, ["TrySendError", "TOKIWA_FULL", 0]]);
    tx.close();
    expect([tx.isClosed, rx.isClosed, outcome(() => rx.tryRecv())]).toEqual([true, false, ["TryRecvError", "TOKIWA_EMPTY", undefined]]);
    one!.send(1);
    expect(outcome(() => one!.send(3))).toEqual(["SendError", "TOKIWA_COMPLETED", 3]);
    expect([await rx.recv(), rx.isClosed]).toEqual([1, false]);
    two!.release();
    two!.release();
    expect([rx.isClosed, await rx.recv()]).toEqual([true, undefined]);
  });

  test("reserve() waits in line, gives its place to the next when it is dropped, and fails when the channel is closed", async () => {
    const [tx, rx] = make(1);
    tx.trySend(1);
    const runtime = new Runtime();
    await runtime.run(async () => {
      expect(await codeOf(timeout(1, tx.reserve() as Future<AnyPermit>))).toBe("TOKIWA_ELAPSED");
      const waits = runtime.spawn(tx.reserve() as Future<AnyPermit>);
      await sleep(1);
      expect([await rx.recv(), tx.capacity]).toEqual([1, 0]);
      (await waits).send(2);
      const refused = codeOf(runtime.spawn(tx.reserve() as Future<AnyPermit>));
      const many = codeOf(runtime.spawn(tx.reserveMany(2) as Future<AnyPermit[]>));
      expect(await many).toBe("TOKIWA_CLOSED");              // more than the capacity
      await sleep(1);
      rx.close();
      expect(await refused).toBe("TOKIWA_CLOSED");
    });
    expect([await rx.recv(), await rx.recv(), await codeOf(tx.reserveMany(0)), await codeOf(tx.reserve())]).toEqual([2, undefined, "TOKIWA_CLOSED", "TOKIWA_CLOSED"]);
    await runtime.shutdown();
  });

  test("a send that waits keeps its sender, whatever becomes of it", async () => {
    const [tx, rx] = make(1);
    tx.trySend(1);
    const runtime = new Runtime();
    const waits = runtime.spawn(tx.send(2) as Future<void>);
    const late = runtime.spawn(tx.sendTimeout(3, 1) as Future<void>);
    await sleep(20);
    const unpolled = tx.send(4);
    tx.close();
    expect(await late.result()).toMatchObject({ status: "rejected", reason: { code: "TOKIWA_ELAPSED", value: 3 } });
    expect((await late.result() as { reason: unknown }).reason).toBeInstanceOf(TimeoutError);
    expect(await codeOf(unpolled)).toBe("TOKIWA_CLOSED");
    expect([await rx.recv(), await rx.recv(), await waits, await rx.recv()]).toEqual([1, 2, undefined, undefined]);
    await runtime.shutdown();
  });

  test("recvMany() takes what is there, at most the limit, and 0 at the end", async () => {
    const [tx, rx] = make(8);
    for (let n = 0; n < 5; n++) tx.trySend(n);
    const into: number[] = [-1];
    expect(await rx.recvMany(into, 0)).toBe(0);
    expect(await rx.recvMany(into, 3)).toBe(3);
    expect(await rx.recvMany(into, 100)).toBe(2);
    expect(into).toEqual([-1, 0, 1, 2, 3, 4]);
    const runtime = new Runtime();
    const waits = runtime.spawn(rx.recvMany(into, 2) as Future<number>);
    const dropped = runtime.spawn(rx.recvMany(into, 2) as Future<number>);
    await sleep(1);
    dropped.abort();
    await dropped.result();
    tx.trySend(5);
    expect(await waits).toBe(1);
    tx.close();
    expect([await rx.recvMany(into, 1), into.at(-1)]).toEqual([0, 5]);
    expect(() => rx.recvMany("no" as never, 1)).toThrow("into must be an array, got \"no\"");
    expect(() => rx.recvMany([], -1)).toThrow("limit must be an integer from 0");
    await runtime.shutdown();
  });

  test("closed() waits for the receiver, or is over at once", async () => {
    const [tx, rx] = make(1);
    const runtime = new Runtime();
    const waits = Array.from({ length: 3 }, () => runtime.spawn(tx.closed() as Future<void>));
    await sleep(1);
    waits[0]!.abort();
    expect(waits.map((handle) => handle.isFinished)).toEqual([false, false, false]);
    rx.close();
    expect([await waits[1], await waits[2], await (tx.closed() as Future<void>)]).toEqual([undefined, undefined, undefined]);
    expect((await waits[0]!.result()).status).toBe("cancelled");
    await runtime.shutdown();
  });
});

describe("across threads", () => {
  test("permits, weak senders and closed() work in other threads, and their counts are one", async () => {
    const [tx, rx] = sharedChannel<number>(4);
    const weak = tx.downgrade();
    const inside = pool.exec(async (s: SharedSender<number>, w: SharedWeakSender<number>) => {
      const permits = await s.reserveMany(2);
      const counts = [s.strongCount, s.weakCount, s.capacity, s.sameChannel(s.clone())];
      s.close();
      permits[0]!.send(1);
      permits[1]!.release();
      const own = w.upgrade()!;
      await own.sendTimeout(2, 60_000);
      const over = own.closed();
      own.trySend(3);
      await over;
      return counts;
    }, tx, weak);
    const into: number[] = [];
    while (into.length < 3) await rx.recvMany(into, 3);
    expect(into).toEqual([1, 2, 3]);
    rx.close();
    expect(await inside).toEqual([2, 2, 2, true]);
    expect([tx.isClosed, await tx.closed()]).toEqual([true, undefined]);
  });

  test("what a thread had reserved, counted and waited for is given up when it dies", async () => {
    const [tx, rx] = sharedChannel<number>(2);
    const thread = new Thread();
    await thread.exec(async (s: SharedSender<number>) => {
      Object.assign(globalThis, { kept: [await s.reserveMany(2), s.downgrade(), tokiwa.spawn(s.closed())] });
    }, tx);
    expect([tx.capacity, tx.strongCount, tx.weakCount]).toEqual([0, 2, 1]);
    const waits = Promise.resolve(tx.send(1));
    thread.terminate();
    await waits;
    tx.close();
    expect([await rx.recv(), await rx.recv(), rx.senderStrongCount, rx.senderWeakCount]).toEqual([1, undefined, 0, 0]);
  });

  test("places for bytes: a permit that finds none keeps its place", async () => {
    const [tx, rx] = sharedChannel<Uint8Array | number>(4);
    const large = new Uint8Array(3 << 20);
    const [first, second] = await tx.reserveMany(2);
    first!.send(large);
    expect(() => second!.send(large)).toThrow(expect.objectContaining({ name: "TrySendError", code: "TOKIWA_FULL" }));
    expect(outcome(() => second!.send((() => 0) as never))).toMatchObject([expect.anything(), "TOKIWA_NOT_CLONEABLE", undefined]);
    expect((await rx.recv() as Uint8Array).length).toBe(3 << 20);
    second!.send(large);
    expect((await rx.recv() as Uint8Array).length).toBe(3 << 20);
    const third = tx.tryReserve();
    rx.close();
    expect(outcome(() => third.send(1))).toEqual(["SendError", "TOKIWA_CLOSED", 1]);
    expect([tx.capacity, await rx.recv()]).toEqual([4, undefined]);
  });

  test("a sender that was closed is no argument, no result and no message, and others that go with it are not counted", async () => {
    const [tx, rx] = sharedChannel<unknown>(2);
    const closed = tx.clone();
    closed.close();
    await expect(pool.exec((...all: unknown[]) => all.length, tx, closed)).rejects.toThrow(expect.objectContaining({ code: "TOKIWA_CLOSED" }));
    await expect(pool.exec((s: SharedSender<unknown>) => {
      s.close();
      return s;
    }, tx)).rejects.toThrow("this sender was closed");
    expect(() => tx.trySend([closed])).toThrow("as an argument");
    expect(() => closed.clone()).toThrow("this sender was closed");
    expect(tx.strongCount).toBe(1);
    tx.close();
    expect(await rx.recv()).toBe(undefined);
  });
});
