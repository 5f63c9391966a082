// Every order of threads at a shared primitive: the code itself, on arrays that the explorer watches.
import { describe, expect, test } from "vitest";
import { Permits } from "../../bindings/threads/permits.ts";
import "../../bindings/threads/shared-channel.ts"; // they register how they are rebuilt
import "../../bindings/threads/shared-sync.ts";
import type { SharedReceiver, SharedSender } from "../../bindings/threads/shared-channel.ts";
import type { SharedBarrier } from "../../bindings/threads/shared-sync.ts";
import { family } from "../../bindings/workers/family.ts";
import { unpackShared } from "../../bindings/workers/sendable.ts";
import { Replay, type ReplayProgram, type Threads } from "./replay.ts";

const DEAD = 2;
type Share = <A extends Int32Array | Float64Array>(array: A) => A;

/** @param make the threads, and what must hold in the end; `notes` is a shared array for the test itself */
function program(make: (share: Share, notes: Int32Array) => { threads: Threads; check?: () => string | undefined }, options: Partial<ReplayProgram> = {}): ReplayProgram {
  return {
    ...options,
    setup(share) {
      family.inWorker = true;
      family.table = share(new Int32Array(8));
      const { threads, check = () => undefined } = make(share, share(new Int32Array(16)));
      return { threads, check };
    },
    become: (name) => void (family.own = name.charCodeAt(0) - 96),
  };
}

/** Words of permits as their constructor makes them, small enough to be copied and watched. */
function permits(share: Share, count: number, tracks: boolean, overtakes: boolean): Permits {
  return new Permits(share(new Permits(count, tracks, overtakes).words));
}

/** Enters, notes that it is inside, and leaves. */
const inside = (lock: Permits, notes: Int32Array, most: number) => (): void => {
  lock.takeBlocking(1, "test");
  const now = Atomics.add(notes, 0, 1) + 1;
  if (now > most) throw new Error(`${now} are inside`);
  Atomics.add(notes, 0, -1);
  lock.release(1);
  Atomics.add(notes, 1, 1);
};

const all = (count: number, notes: Int32Array) => (): string | undefined => (notes[1] === count ? undefined : `${notes[1]} of ${count} were inside`);

const channel = (share: Share, capacity: number): { tx(): SharedSender<number>; rx(): SharedReceiver<number> } => {
  const state = {
    capacity,
    slots: share(new Permits(capacity, false).words),
    items: share(new Permits(0, false).words),
    senders: share(new Permits(0x3fffffff).words),
    from: 0,
    ring: share(new Int32Array(4 + capacity * 3)),
    numbers: share(new Float64Array(capacity)),
    bytes: new Uint8Array(16),
  };
  const make = (type: string): unknown => unpackShared({ "tokiwa:shared": type, state });
  return { tx: () => make("sender") as SharedSender<number>, rx: () => make("receiver") as SharedReceiver<number> };
};

const programs: [string, ReplayProgram, number?][] = [
  ["two threads at a mutex, the front is poked", program((share, notes) => { const lock = permits(share, 1, true, true); const body = inside(lock, notes, 1); return { threads: { a: body, b: body }, check: all(2, notes) }; })],
  ["three threads at a mutex, the front has its turn each time", program((share, notes) => { const lock = permits(share, 1, true, true); const body = inside(lock, notes, 1); return { threads: { a: body, b: body, c: body }, check: all(3, notes) }; }, { tick: 5 })],
  ["three threads at a mutex, the front is poked", program((share, notes) => { const lock = permits(share, 1, true, true); const body = inside(lock, notes, 1); return { threads: { a: body, b: body, c: body }, check: all(3, notes) }; })],
  ["three threads at a semaphore of two", program((share, notes) => { const gate = permits(share, 2, true, false); const body = inside(gate, notes, 2); return { threads: { a: body, b: body, c: body }, check: all(3, notes) }; })],
  [
    "a waiter that leaves as it is served",
    program((share, notes) => {
      const lock = permits(share, 0, true, false);
      return {
        threads: {
          a: () => {
            const cell = lock.request(1, true);
            if (cell > 0) lock.withdraw(cell, 1);
            else lock.release(1);
          },
          b: () => lock.release(1, 0),
          c: inside(lock, notes, 1),
        },
        check: all(1, notes),
      };
    }),
  ],
  [
    "a notification that comes before, while or after somebody waits",
    program((share, notes) => {
      const notify = permits(share, 0, false, false);
      return {
        threads: {
          a: () => {
            notify.takeBlocking(1, "test");
            Atomics.add(notes, 1, 1);
          },
          b: () => notify.signal(true),
          c: () => notify.signal(false),
        },
        check: all(1, notes),
      };
    }),
  ],
  [
    "two threads at a barrier, two rounds",
    program((share, notes) => {
      const state = [2, share(new Permits(0, false).words), share(new Permits(0, false).words)];
      const wait = (): void => {
        const barrier = unpackShared({ "tokiwa:shared": "barrier", state }) as SharedBarrier;
        for (let round = 0; round < 2; round++) if (barrier.blockingWait().isLeader) Atomics.add(notes, 2 + round, 1);
      };
      return { threads: { a: wait, b: wait }, check: () => (notes[2] === 1 && notes[3] === 1 ? undefined : `leaders: ${notes[2]}, ${notes[3]}`) };
    }),
  ],
  [
    "a channel of one place: two messages, then the end",
    program((share, notes) => {
      const { tx, rx } = channel(share, 1);
      return {
        threads: {
          a: () => {
            const sender = tx();
            sender.blockingSend(1);
            sender.blockingSend(2);
            sender.close();
          },
          b: () => {
            const receiver = rx();
            if (receiver.blockingRecv() !== 1 || receiver.blockingRecv() !== 2) throw new Error("wrong order");
            Atomics.add(notes, 1, 1);
          },
        },
        check: all(1, notes),
      };
    }),
  ],
  [
    "the holder of a mutex dies: the next one has it",
    program((share, notes) => {
      const lock = permits(share, 1, true, true);
      return {
        threads: {
          a: () => {
            lock.takeBlocking(1, "test");
            Atomics.add(notes, 0, 1);
          },
          b: inside(lock, notes, 2),
          c: (kill) => {
            kill("a");
            Atomics.store(family.table!, 1, DEAD);
          },
        },
        check: all(1, notes),
      };
    }, { mayTimeOut: true }),
  ],
  [
    "a waiter at a mutex dies: the next one has its turn",
    program((share, notes) => {
      const lock = permits(share, 1, true, true);
      return {
        threads: {
          a: () => {
            lock.takeBlocking(1, "test");
            lock.release(1);
          },
          b: inside(lock, notes, 2),
          c: (kill) => {
            kill("a");
            Atomics.store(family.table!, 1, DEAD);
          },
          d: inside(lock, notes, 2),
        },
        check: all(2, notes),
      };
    }, { mayTimeOut: true }),
    1,
  ],
];

describe("shared primitives, in every order with two preemptions, one where a waiter dies", () => {
  test.each(programs)("%s", { timeout: 120_000 }, (_, one, preemptions = 2) => {
    const result = new Replay(one).explore(preemptions);
    expect(result.failure).toBe(undefined);
    expect(result.complete).toBe(true);
    expect(result.executions).toBeGreaterThan(50);
  });

  test("the explorer finds a lock that is looked at before it is taken", () => {
    const planted = program((share, notes) => {
      const words = share(new Int32Array(1));
      const body = (): void => {
        if (Atomics.load(words, 0) !== 0) return;
        Atomics.store(words, 0, 1);
        if (Atomics.add(notes, 0, 1) > 0) throw new Error("two are inside");
        Atomics.add(notes, 0, -1);
        Atomics.store(words, 0, 0);
      };
      return { threads: { a: body, b: body } };
    });
    expect(new Replay(planted).explore(0).complete).toBe(true);
    expect(new Replay(planted).explore(2).failure?.problem).toContain("two are inside");
  });
});
