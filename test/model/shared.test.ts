// Every order of threads at a shared primitive: the code itself, on arrays that the explorer watches.
import { describe, expect, test } from "vitest";
import { AcquireError, SendError } from "../../bindings/errors.ts";
import { Channel, type State } from "../../bindings/threads/channel.ts";
import { NUMBER } from "../../bindings/threads/codec.ts";
import { passedOn } from "../../bindings/threads/hold.ts";
import { Permits, type Kind } from "../../bindings/threads/permits.ts";
import { Rounds } from "../../bindings/threads/rounds.ts";
import "../../bindings/threads/shared-channel.ts"; // they register how they are rebuilt
import "../../bindings/threads/shared-sync.ts";
import type { SharedReceiver } from "../../bindings/threads/shared-receiver.ts";
import type { SharedSender, SharedWeakSender } from "../../bindings/threads/shared-sender.ts";
import type { SharedBarrier } from "../../bindings/threads/shared-sync.ts";
import { be, buryMember, family } from "../../bindings/workers/family.ts";
import { unpackShared } from "../../bindings/workers/sendable.ts";
import { Replay, type ReplayProgram, type Threads } from "./replay.ts";

type Share = <A extends Int32Array | Float64Array>(array: A) => A;
/** The threads, and what must hold in the end; `notes` is a shared array for the test itself. */
type Scene = (share: Share, notes: Int32Array) => { threads: Threads; check?: () => string | undefined };

function program(scene: Scene, options: Partial<ReplayProgram> = {}): ReplayProgram {
  return {
    ...options,
    setup(share) {
      family.inWorker = true;
      family.table = share(new Int32Array(256));
      const { threads, check = () => undefined } = scene(share, share(new Int32Array(16)));
      return {
        threads,
        check: () => {
          be(7);                                           // somebody who lives
          return check();
        },
      };
    },
    become: (name) => be(name.charCodeAt(0) - 96),
  };
}

/** Kills a thread, and marks it as dead. */
const bury = (name: string) => (kill: (name: string) => void): void => {
  kill(name);
  buryMember(name.charCodeAt(0) - 96);
};

/** A scene in which `b` kills `a`, however far it is, and the others go on. */
const killed = (scene: Scene): ReplayProgram => {
  const withKiller: Scene = (share, notes) => {
    const { threads: { a, ...others }, ...rest } = scene(share, notes);
    return { threads: { a: a!, b: bury("a"), ...others }, ...rest };
  };
  return program(withKiller, { mayTimeOut: true, dies: "a" });
};

/** Words of permits as their constructor makes them, small enough to be copied and watched. */
const permits = (share: Share, kind: Kind): Permits => new Permits(share(passedOn(Permits.make(kind))));
const mutex = (share: Share): Permits => permits(share, { permits: 1, overtakes: true });

const takeAndRelease = (lock: Permits, count: number) => (): void => {
  lock.takeBlocking(count, "test");
  lock.release(count);
};

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

/** All enter once. */
const crowd = (names: string, kind: Kind): Scene => (share, notes) => {
  const body = inside(permits(share, kind), notes, kind.permits);
  return { threads: Object.fromEntries(Array.from(names, (name) => [name, body])), check: all(names.length, notes) };
};

/** Words of a barrier; in the EXTRA ones, how many have come and which round it is. */
const gates = (share: Share): Int32Array => share(passedOn(Permits.make({ permits: 0, tracks: false })));
const bell = (share: Share): Rounds => new Rounds(share(passedOn(Permits.make({ permits: 0, tracks: false, keepsOne: true }))));
/** Waits for a notification. */
const hearing = (notify: Rounds, notes: Int32Array) => (): void => {
  notify.takeBlocking(notify.round, "test");
  Atomics.add(notes, 1, 1);
};
const barrier = (words: Int32Array, n = 2): SharedBarrier => unpackShared({ "tokiwa:shared": "barrier", state: [n, words] }) as SharedBarrier;

/** Whether, in this round and the two after it, one who comes to a barrier passes before the last. */
const passesAlone = (words: Int32Array, n: number): string | undefined => {
  const own = new Rounds(words);
  for (let left = 3; left > 0; left--) {
    const cells: [number, number][] = [];
    for (let round = own.arrive(n); round !== undefined; round = own.arrive(n)) {
      const cell = own.request(round, true);
      if (cell < 0 || own.state(cell) !== 1) return `one of ${n} has passed alone`;
      cells.push([cell, round]);
    }
    if (cells.some(([cell]) => own.state(cell) !== 2)) return "one has not passed";
  }
  return own.count() === 0 ? undefined : "there are permits";
};

/** @param sender the thread that has the one sender there is */
const channelState = (share: Share, capacity: number, sender: number): State => {
  const senders = share(passedOn(Permits.make({ permits: 0x3fffffff })));
  be(sender);
  new Permits(senders).request(1, false);
  return {
    id: 1,
    capacity,
    slots: share(passedOn(Permits.make({ permits: capacity }))),
    items: share(passedOn(Permits.make({ permits: 0 }))),
    senders,
    others: share(passedOn(Permits.make({ permits: 0x3fffffff }, { permits: 0 }))),
    from: sender,
    ring: share(new Int32Array(capacity * 4)),
    numbers: share(new Float64Array(capacity * 2)),
    bytes: new Uint8Array(16),
  };
};

interface Ends {
  readonly state: State;
  tx(): SharedSender<number>;
  weak(): SharedWeakSender<number>;
  rx(): SharedReceiver<number>;
}

const channel = (share: Share, capacity: number, sender: number): Ends => {
  const state = channelState(share, capacity, sender);
  const make = (type: string): unknown => unpackShared({ "tokiwa:shared": type, state });
  return { state, tx: () => make("sender") as SharedSender<number>, weak: () => make("weakSender") as SharedWeakSender<number>, rx: () => make("receiver") as SharedReceiver<number> };
};

/** @returns the sender, which is still open */
const sendTwo = (sender: SharedSender<number>): SharedSender<number> => {
  sender.blockingSend(7);
  sender.blockingSend(8);
  return sender;
};

/** Notes how many of the numbers up to `last` were sent before the channel was closed. */
const sendUntilClosed = (sender: SharedSender<number>, last: number, notes: Int32Array): void => {
  try {
    for (let n = 1; n <= last; n++) {
      sender.blockingSend(n);
      Atomics.add(notes, 2, 1);
    }
  } catch (error) {
    if (!(error instanceof SendError)) throw error;
  }
};

/** What is left in a channel. */
const drain = (receiver: SharedReceiver<number>): number => {
  for (let count = 0; ; count++) {
    try {
      receiver.tryRecv();
    } catch {
      return count;
    }
  }
};

const sentIsThere = (rx: () => SharedReceiver<number>, notes: Int32Array) => (): string | undefined => {
  const left = drain(rx());
  return left === notes[2] ? undefined : `${notes[2]} were sent, ${left} are there`;
};

/** Thread `a` closes the channel, and so does `b` when it has killed `a`. */
const closeTwice = (scene: (share: Share, notes: Int32Array) => ReturnType<Scene> & { rx(): SharedReceiver<number> }): ReplayProgram => {
  const withClosers: Scene = (share, notes) => {
    const { threads, rx, ...rest } = scene(share, notes);
    const close = (): void => rx().close();
    const closeAfterDeath = (kill: (name: string) => void): void => {
      bury("a")(kill);
      close();
    };
    return { threads: { a: close, b: closeAfterDeath, ...threads }, ...rest };
  };
  return program(withClosers, { mayTimeOut: true, dies: "a" });
};

/** Title, scene, and how many preemptions if not two. */
const programs: [string, ReplayProgram, number?][] = [
  ["two threads at a mutex, the front is poked", program(crowd("ab", { permits: 1, overtakes: true }))],
  ["three threads at a mutex, the front has its turn each time", program(crowd("abc", { permits: 1, overtakes: true }), { tick: 5 })],
  ["three threads at a mutex, the front is poked", program(crowd("abc", { permits: 1, overtakes: true }))],
  ["three threads at a semaphore of two", program(crowd("abc", { permits: 2 }))],
  [
    "a waiter that leaves as it is served",
    program((share, notes) => {
      const lock = permits(share, { permits: 0 });
      const leave = (): void => {
        const cell = lock.request(1, true);
        if (cell > 0) lock.withdraw(cell, 1);
        else lock.release(1);
      };
      return { threads: { a: leave, b: () => lock.release(1, 0), c: inside(lock, notes, 1) }, check: all(1, notes) };
    }),
  ],
  [
    "a notification that comes before, while or after somebody waits",
    program((share, notes) => {
      const notify = bell(share);
      return { threads: { a: hearing(notify, notes), b: () => notify.begin(), c: () => notify.signal() }, check: all(1, notes) };
    }),
  ],
  [
    "one of two leaves as all are notified: the other is, and nothing is kept",
    program((share, notes) => {
      const notify = bell(share);
      const cells = [1, 2].map((thread) => {
        be(thread);
        return notify.request(notify.round, true);
      });
      const look = (): void => {
        while (Atomics.load(notify.words, cells[1]!) === 1) Atomics.wait(notify.words, cells[1]!, 1);
        notify.withdraw(cells[1]!, 0);
        Atomics.add(notes, 1, 1);
      };
      return {
        threads: { a: () => notify.withdraw(cells[0]!, 0), b: look, c: () => notify.begin() },
        check: () => (notify.count() === 0 ? all(1, notes)() : "a notification is kept"),
      };
    }),
  ],
  [
    "one leaves as one is notified: it is passed on to the other",
    program((share, notes) => {
      const notify = bell(share);
      be(1);
      const cell = notify.request(notify.round, true);
      return {
        threads: { a: () => notify.withdraw(cell, 0), b: hearing(notify, notes), c: () => notify.signal() },
        check: () => (notify.count() === 0 ? all(1, notes)() : "a notification is kept"),
      };
    }),
  ],
  [
    "one leaves a barrier as it opens: those who are left pass, and later nobody does alone",
    program((share) => {
      const words = gates(share);
      const leave = (): void => {
        const own = new Rounds(words);
        const round = own.arrive(3);
        if (round === undefined) return;
        const cell = own.request(round, true);
        if (cell > 0) own.withdraw(cell, round);
      };
      return {
        threads: { a: leave, b: () => void barrier(words, 3).blockingWait(), c: () => void barrier(words, 3).blockingWait() },
        check: () => passesAlone(words, 3),
      };
    }),
  ],
  [
    "two threads at a barrier, two rounds",
    program((share, notes) => {
      const words = gates(share);
      const wait = (): void => {
        const own = barrier(words);
        for (let round = 0; round < 2; round++) if (own.blockingWait().isLeader) Atomics.add(notes, 2 + round, 1);
      };
      return { threads: { a: wait, b: wait }, check: () => (notes[2] === 1 && notes[3] === 1 ? undefined : `leaders: ${notes[2]}, ${notes[3]}`) };
    }),
  ],
  [
    "a channel of one place: two messages, then the end",
    program((share, notes) => {
      const { tx, rx } = channel(share, 1, 1);
      const receive = (): void => {
        const receiver = rx();
        if (receiver.blockingRecv() !== 7 || receiver.blockingRecv() !== 8) throw new Error("wrong order");
        Atomics.add(notes, 1, 1);
      };
      return { threads: { a: () => sendTwo(tx()).close(), b: receive }, check: all(1, notes) };
    }),
  ],
  [
    "a channel is closed while a sender waits for room",
    program((share, notes) => {
      const { tx, rx } = channel(share, 1, 1);
      return {
        threads: { a: () => sendUntilClosed(tx(), 2, notes), b: () => rx().close() },
        check: sentIsThere(rx, notes),
      };
    }),
  ],
  [
    "two receivers: one message, and the end for the other",
    program((share, notes) => {
      const { tx, rx } = channel(share, 2, 1);
      const send = (): void => {
        const sender = tx();
        sender.blockingSend(7);
        sender.close();
      };
      const receive = (): void => void Atomics.add(notes, rx().blockingRecv() === undefined ? 2 : 1, 1);
      return { threads: { a: send, b: receive, c: receive }, check: () => (notes[1] === 1 && notes[2] === 1 ? undefined : `${notes[1]} messages, ${notes[2]} ends`) };
    }),
    1,
  ],
  [
    "two senders wait for one place",
    program((share, notes) => {
      const { tx, rx } = channel(share, 1, 1);
      const receive = (): void => {
        const receiver = rx();
        for (let i = 0; i < 3; i++) Atomics.add(notes, 1, receiver.blockingRecv() as number);
      };
      return { threads: { a: () => void sendTwo(tx()), b: () => tx().blockingSend(1), c: receive }, check: all(16, notes) };
    }),
    1,
  ],
  [
    "a permit outlives its sender",
    program((share, notes) => {
      const { tx, rx } = channel(share, 1, 1);
      const send = (): void => {
        const sender = tx();
        const permit = sender.tryReserve();
        sender.close();
        permit.send(7);
      };
      const receive = (): void => {
        const receiver = rx();
        if (receiver.blockingRecv() === 7 && receiver.blockingRecv() === undefined) Atomics.add(notes, 1, 1);
      };
      return { threads: { a: send, b: receive }, check: all(1, notes) };
    }),
    1,
  ],
  [
    "a channel is closed while places are reserved: the message is received, or refused",
    program((share, notes) => {
      const { tx, rx } = channel(share, 2, 1);
      const send = (): void => {
        try {
          const [one, two] = tx().tryReserveMany(2);
          two!.release();
          one!.send(7);
          Atomics.add(notes, 2, 1);
        } catch (error) {
          if (!(error instanceof SendError)) throw error;
        }
      };
      const sent = sentIsThere(rx, notes);
      return { threads: { a: send, b: () => rx().close() }, check: () => sent() ?? (tx().capacity === 2 ? undefined : "a place is lost") };
    }),
  ],
  [
    "a weak sender is upgraded as the last sender is closed: its message comes before the end, or it gets none",
    program((share, notes) => {
      const { tx, weak, rx } = channel(share, 1, 1);
      const upgrade = (): void => {
        const sender = weak().upgrade();
        if (sender === undefined) return;
        sender.trySend(7);
        Atomics.add(notes, 2, 1);
        sender.close();
      };
      const check = (): string | undefined => {
        const receiver = rx();
        return sentIsThere(rx, notes)() ?? (receiver.isClosed ? undefined : "it is still open");
      };
      return { threads: { a: () => tx().close(), b: upgrade }, check };
    }),
  ],
  [
    "the holder of a mutex dies: the next one has it",
    program((share, notes) => {
      const lock = mutex(share);
      const hold = (): void => {
        lock.takeBlocking(1, "test");
        Atomics.add(notes, 0, 1);
      };
      return { threads: { a: hold, b: inside(lock, notes, 2), c: bury("a") }, check: all(1, notes) };
    }, { mayTimeOut: true }),
  ],
  [
    "a waiter at a mutex dies: the next one has its turn",
    program((share, notes) => {
      const lock = mutex(share);
      return { threads: { a: takeAndRelease(lock, 1), b: inside(lock, notes, 2), c: bury("a"), d: inside(lock, notes, 2) }, check: all(2, notes) };
    }, { mayTimeOut: true }),
    1,
  ],
];

/** Thread `c` waits already as `a` comes to a barrier of `n` and is killed; then `b` comes until they pass. */
const barrierDeath = (n: number): ReplayProgram =>
  program((share, notes) => {
    const words = gates(share);
    const own = new Rounds(words);
    be(3);
    const cell = own.request(own.arrive(n)!, true);
    return {
      threads: {
        a: () => void barrier(words, n).blockingWait(),
        b: (kill) => {
          bury("a")(kill);
          while (own.round === 0) own.arrive(n);
        },
        c: () => {
          for (;;) {
            Atomics.wait(words, cell, 1, 50);
            if (own.state(cell) === 2) break;
            own.reclaim();
          }
          Atomics.add(notes, 1, 1);
        },
      },
      check: () => all(1, notes)() ?? passesAlone(words, n),
    };
  }, { mayTimeOut: true, dies: "a" });

/** What must hold wherever thread `a` was killed. Title, scene, and how many preemptions. */
const deaths: [string, ReplayProgram, number][] = [
  [
    "as it takes permits, or gives them back",
    killed((share, notes) => {
      const gate = permits(share, { permits: 2 });
      return {
        threads: { a: takeAndRelease(gate, 2), c: inside(gate, notes, 2) },
        check: () => (gate.available === 2 ? all(1, notes)() : `${gate.available} of 2 permits are free`),
      };
    }),
    2,
  ],
  [
    "as it hands a permit to one who waits",
    killed((share, notes) => {
      const gate = permits(share, { permits: 0 });
      const look = (): void => {
        const cell = gate.request(1, true);
        if (cell > 0 && gate.state(cell) !== 2) gate.withdraw(cell, 1);
        else gate.release(1);
        Atomics.add(notes, 1, 1);
      };
      return {
        threads: { a: () => gate.release(2, 0), c: look },
        check: () => (gate.available === 0 || gate.available === 2 ? all(1, notes)() : `${gate.available} permits are free, not none or both`),
      };
    }),
    2,
  ],
  [
    "as it unlocks a mutex that another waits for",
    killed((share, notes) => {
      const lock = mutex(share);
      return {
        threads: { a: takeAndRelease(lock, 1), c: inside(lock, notes, 1), d: inside(lock, notes, 1) },
        check: () => (lock.available === 1 ? all(2, notes)() : `${lock.available} of 1 permits are free`),
      };
    }),
    1,
  ],
  [
    "as it notifies",
    killed((share, notes) => {
      const notify = bell(share);
      const signalBoth = (): void => {
        notify.begin();
        notify.signal();
      };
      const wait = (): void => {
        notify.signal();
        hearing(notify, notes)();
      };
      return { threads: { a: signalBoth, c: wait }, check: () => (notify.available > 1 ? `${notify.available} notifications are kept` : all(1, notes)()) };
    }),
    2,
  ],
  [
    "as it comes to a barrier last: it has let the other pass, or has not come",
    barrierDeath(2),
    2,
  ],
  [
    "as it waits at a barrier: it has come, or has not, and the others pass",
    barrierDeath(3),
    2,
  ],
  [
    "as it sends: the message is there whole, or not at all",
    killed((share, notes) => {
      const { tx, rx } = channel(share, 1, 1);
      const receive = (): void => {
        const receiver = rx();
        const first = receiver.blockingRecv();
        const second = first === undefined ? undefined : receiver.blockingRecv();
        const third = second === undefined ? undefined : receiver.blockingRecv();
        if (third !== undefined || (first !== undefined && first !== 7) || (second !== undefined && second !== 8)) throw new Error(`got ${String(first)}, ${String(second)}, ${String(third)}`);
        Atomics.add(notes, 1, 1);
      };
      return { threads: { a: () => void sendTwo(tx()), c: receive }, check: all(1, notes) };
    }),
    1,
  ],
  [
    "as it receives: one message is lost with it at most, and no place",
    program((share, notes) => {
      const { tx, rx } = channel(share, 1, 3);
      const receiveAfterDeath = (kill: (name: string) => void): void => {
        bury("a")(kill);
        if (rx().blockingRecv() !== undefined) Atomics.add(notes, 1, 1);
      };
      return {
        threads: { a: () => void rx().blockingRecv(), b: receiveAfterDeath, c: () => void sendTwo(tx()) },
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
  [
    "as it closes a channel that a receiver waits at",
    closeTwice((share, notes) => {
      const { rx } = channel(share, 1, 3);
      const receive = (): void => {
        if (rx().blockingRecv() === undefined) Atomics.add(notes, 1, 1);
      };
      return { rx, threads: { c: receive }, check: all(1, notes) };
    }),
    1,
  ],
  [
    "as it closes a channel whose end is waited for",
    closeTwice((share, notes) => {
      const { rx, state } = channel(share, 1, 3);
      const wait = (): void => {
        try {
          new Channel(state).closing.takeBlocking(1, "test");
        } catch (error) {
          if (!(error instanceof AcquireError)) throw error;
          Atomics.add(notes, 1, 1);
        }
      };
      return { rx, threads: { c: wait }, check: all(1, notes) };
    }),
    1,
  ],
  [
    "as it closes a channel that a sender waits at",
    closeTwice((share, notes) => {
      const { tx, rx } = channel(share, 1, 3);
      return { rx, threads: { c: () => sendUntilClosed(tx(), 2, notes) }, check: sentIsThere(rx, notes) };
    }),
    1,
  ],
];

describe("a thread is killed at any of its writes,", () => {
  test.each(deaths)("%s", { timeout: 120_000 }, (_, one, preemptions) => {
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

  test("the explorer finds a channel in which nobody looks for waiters after a send", () => {
    const planted = program((share, notes) => {
      const state = channelState(share, 1, 1);
      const send = (): void => {
        const channel = new Channel(state);
        channel.items.serve = () => {};
        channel.put({ kind: NUMBER, number: 7, bytes: new Uint8Array(0) }, false);
      };
      const receive = (): void => {
        const { items } = new Channel(state);
        items.takeBlocking(1, "test");
        Atomics.add(notes, 1, 1);
      };
      return { threads: { a: send, b: receive }, check: all(1, notes) };
    });
    expect(new Replay(planted).explore(1).failure?.problem).toContain("b asleep");
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
