// Every order of threads at a shared primitive: the code itself, on arrays that the explorer watches.
import { describe, expect, test } from "vitest";
import { EXTRA } from "../../bindings/threads/ledger.ts";
import { Permits } from "../../bindings/threads/permits.ts";
import "../../bindings/threads/shared-channel.ts"; // they register how they are rebuilt
import "../../bindings/threads/shared-sync.ts";
import type { SharedReceiver, SharedSender } from "../../bindings/threads/shared-channel.ts";
import type { SharedBarrier } from "../../bindings/threads/shared-sync.ts";
import { buryMember, family } from "../../bindings/workers/family.ts";
import { unpackShared } from "../../bindings/workers/sendable.ts";
import { Replay, type ReplayProgram, type Threads } from "./replay.ts";

type Share = <A extends Int32Array | Float64Array>(array: A) => A;

/** @param make the threads, and what must hold in the end; `notes` is a shared array for the test itself */
function program(make: (share: Share, notes: Int32Array) => { threads: Threads; check?: () => string | undefined }, options: Partial<ReplayProgram> = {}): ReplayProgram {
  return {
    ...options,
    setup(share) {
      family.inWorker = true;
      family.table = share(new Int32Array(16));
      const { threads, check = () => undefined } = make(share, share(new Int32Array(16)));
      return {
        threads,
        check: () => {
          family.own = 7;                                  // somebody who lives
          return check();
        },
      };
    },
    become: (name) => void (family.own = name.charCodeAt(0) - 96),
  };
}

/** Words of permits as their constructor makes them, small enough to be copied and watched. */
function permits(share: Share, count: number, tracks: boolean, overtakes: boolean): Permits {
  return new Permits(share(Permits.make({ permits: count, tracks, overtakes })));
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

/** @param sender the thread that has the one sender there is */
const channel = (share: Share, capacity: number, sender: number): { tx(): SharedSender<number>; rx(): SharedReceiver<number> } => {
  const senders = share(Permits.make({ permits: 0x3fffffff }));
  family.own = sender;
  new Permits(senders).request(1, false);
  const state = {
    capacity,
    words: share(Permits.make({ permits: capacity }, { permits: 0 })),
    senders,
    from: sender,
    ring: share(new Int32Array(capacity * 3)),
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
      const gate = { permits: 0, tracks: false };
      const state = [2, share(Permits.make(gate, gate))];
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
      const { tx, rx } = channel(share, 1, 1);
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
            buryMember(1);
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
            buryMember(1);
          },
          d: inside(lock, notes, 2),
        },
        check: all(2, notes),
      };
    }, { mayTimeOut: true }),
    1,
  ],
];

/** Marks a thread as dead, once it is. */
const bury = (name: string) => (kill: (name: string) => void): void => {
  kill(name);
  buryMember(name.charCodeAt(0) - 96);
};

/** What must hold however and wherever thread `a` was killed: `b` kills it, `c` and perhaps `d` go on. */
const deaths: [string, ReplayProgram, number?][] = [
  [
    "as it takes permits, or gives them back",
    program((share, notes) => {
      const gate = permits(share, 2, true, false);
      return {
        threads: {
          a: () => {
            gate.takeBlocking(2, "test");
            gate.release(2);
          },
          b: bury("a"),
          c: inside(gate, notes, 2),
        },
        check: () => {
          gate.reclaim();
          return gate.available === 2 ? all(1, notes)() : `${gate.available} of 2 permits are free`;
        },
      };
    }, { mayTimeOut: true, dies: "a" }),
    2,
  ],
  [
    "as it hands a permit to one who waits",
    program((share, notes) => {
      const gate = permits(share, 0, true, false);
      return {
        threads: {
          a: () => gate.release(2, 0),
          b: bury("a"),
          c: () => {
            const cell = gate.request(1, true);
            if (cell > 0 && gate.state(cell) !== 2) gate.withdraw(cell, 1);
            else gate.release(1);
            Atomics.add(notes, 1, 1);
          },
        },
        check: () => {
          gate.reclaim();
          return gate.available === 0 || gate.available === 2 ? all(1, notes)() : `${gate.available} permits are free, not none or both`;
        },
      };
    }, { mayTimeOut: true, dies: "a" }),
    2,
  ],
  [
    "as it unlocks a mutex that another waits for",
    program((share, notes) => {
      const lock = permits(share, 1, true, true);
      return {
        threads: {
          a: () => {
            lock.takeBlocking(1, "test");
            lock.release(1);
          },
          b: bury("a"),
          c: inside(lock, notes, 1),
          d: inside(lock, notes, 1),
        },
        check: () => {
          lock.reclaim();
          return lock.available === 1 ? all(2, notes)() : `${lock.available} of 1 permits are free`;
        },
      };
    }, { mayTimeOut: true, dies: "a" }),
    1,
  ],
  [
    "as it notifies",
    program((share, notes) => {
      const notify = new Permits(share(Permits.make({ permits: 0, tracks: false, keepsOne: true })));
      return {
        threads: {
          a: () => {
            notify.signal(true);
            notify.signal(false);
          },
          b: bury("a"),
          c: () => {
            notify.signal(false);
            notify.takeBlocking(1, "test");
            Atomics.add(notes, 1, 1);
          },
        },
        check: () => (notify.available > 1 ? `${notify.available} notifications are kept` : all(1, notes)()),
      };
    }, { mayTimeOut: true, dies: "a" }),
    2,
  ],
  [
    "as it comes to a barrier last: it has opened the gate, or has not come",
    program((share, notes) => {
      const gate = { permits: 0, tracks: false };
      const words = share(Permits.make(gate, gate));
      const wait = (): void => void (unpackShared({ "tokiwa:shared": "barrier", state: [2, words] }) as SharedBarrier).blockingWait();
      family.own = 3;
      words[EXTRA] = 1;                                    // c has come, and waits
      const first = new Permits(words);
      const cell = first.request(1, true);
      return {
        threads: {
          a: wait,
          b: (kill) => {
            bury("a")(kill);
            const { ledger } = new Permits(words);
            ledger.enter();
            const isOpen = words[EXTRA + 1] === 1;
            ledger.leave();
            if (!isOpen) wait();
          },
          c: () => {
            for (;;) {
              Atomics.wait(words, cell, 1, 50);
              if (first.state(cell) === 2) break;
              first.reclaim();
            }
            Atomics.add(notes, 1, 1);
          },
        },
        check: () => (words[EXTRA] === 0 && first.available === 0 ? all(1, notes)() : `${words[EXTRA]} have come, ${first.available} may go on`),
      };
    }, { mayTimeOut: true, dies: "a" }),
    2,
  ],
  [
    "as it sends: the message is there whole, or not at all",
    program((share, notes) => {
      const { tx, rx } = channel(share, 1, 1);
      return {
        threads: {
          a: () => {
            const sender = tx();
            sender.blockingSend(7);
            sender.blockingSend(8);
          },
          b: bury("a"),
          c: () => {
            const receiver = rx();
            const first = receiver.blockingRecv();
            const second = first === undefined ? undefined : receiver.blockingRecv();
            const third = second === undefined ? undefined : receiver.blockingRecv();
            if (third !== undefined || (first !== undefined && first !== 7) || (second !== undefined && second !== 8)) throw new Error(`got ${String(first)}, ${String(second)}, ${String(third)}`);
            Atomics.add(notes, 1, 1);
          },
        },
        check: all(1, notes),
      };
    }, { mayTimeOut: true, dies: "a" }),
    1,
  ],
  [
    "as it receives: one message is lost with it at most, and no place",
    program((share, notes) => {
      const { tx, rx } = channel(share, 1, 3);
      return {
        threads: {
          a: () => void rx().blockingRecv(),
          b: bury("a"),
          c: () => {
            const sender = tx();
            sender.blockingSend(7);
            sender.blockingSend(8);
          },
          d: () => {
            if (rx().blockingRecv() !== undefined) Atomics.add(notes, 1, 1);
          },
        },
        check: () => {
          const left = rx();
          const sender = tx();
          let count = notes[1]!;
          try {
            for (; ; count++) left.tryRecv();              // it mends what was left in the middle
          } catch {}
          return sender.capacity === 1 && count >= 1 && count <= 2 ? undefined : `${count} of 2 messages, ${sender.capacity} of 1 places`;
        },
      };
    }, { mayTimeOut: true, dies: "a" }),
    1,
  ],
];

describe("a thread is killed at any of its writes,", () => {
  test.each(deaths)("%s", { timeout: 120_000 }, (_, one, preemptions = 1) => {
    const result = new Replay(one).explore(preemptions);
    expect(result.failure).toBe(undefined);
    expect(result.complete).toBe(true);
    expect(result.executions).toBeGreaterThan(20);
  });

  test("the explorer finds a permit that is taken before it is noted who holds it", () => {
    const planted = program((share, notes) => {
      const words = share(new Int32Array(2));
      return {
        threads: {
          a: () => {
            Atomics.store(words, 0, 0);
            words[1] = 1;
          },
          b: bury("a"),
        },
        check: () => (notes[0] === 0 && words[0] === words[1] ? undefined : "nobody holds what is missing"),
      };
    }, { dies: "a" });
    expect(new Replay(planted).explore(1).failure?.problem).toContain("nobody holds");
  });
});

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
