// Channels against plain sequential models: random operations with random drops at every suspension, and, for small
// cases, every order in which woken tasks can be polled.
//
// The seed is printed by fast-check when a case fails; TOKIWA_SEED sets it.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { broadcast, type BroadcastReceiver, type Future, mpsc, oneshot, PENDING, type Permit, unboundedMpsc, watch, type WatchReceiver } from "tokiwa";
import { task, type TestTask } from "tokiwa/testing";
import { seed } from "./support/lanes.ts";

const runs = { seed, numRuns: 400 } as const;

/** The value, PENDING, or the code of the error. */
function outcome<T>(fn: () => T): unknown {
  try {
    return fn();
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** A future polled by hand, with what the model knows of it. */
interface Pending<T, M> {
  readonly task: TestTask<T>;
  readonly model: M;
}

const at = <T>(list: T[], index: number): T | undefined => list[index % Math.max(1, list.length)];
function remove<T>(list: T[], item: T): void {
  list.splice(list.indexOf(item), 1);
}

describe("mpsc", () => {
  /** Slots, a line of waiting senders, a queue. Tokio's bounded channel, written as slowly as possible. */
  class Model {
    readonly capacity: number;
    free: number;
    queue: number[] = [];
    line: { count: number; missing: number }[] = [];
    isClosed = false;
    outside = 0;

    constructor(capacity: number) {
      this.capacity = capacity;
      this.free = capacity;
    }

    giveBack(count: number): void {
      for (let i = 0; i < count; i++) {
        const first = this.isClosed ? undefined : this.line.find((waiter) => waiter.missing > 0);
        if (first === undefined) this.free++;
        else first.missing--;
      }
    }

    receive(): unknown {
      if (this.queue.length > 0) {
        const value = this.queue.shift();
        this.giveBack(1);
        return value;
      }
      const held = this.outside + this.line.reduce((sum, waiter) => sum + waiter.count - waiter.missing, 0);
      return this.isClosed && held === 0 ? "TOKIWA_CLOSED" : "TOKIWA_EMPTY";
    }
  }

  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ op: fc.constant("send" as const) }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constant("reserve" as const), n: fc.nat(4) }) },
    { weight: 3, arbitrary: fc.record({ op: fc.constant("trySend" as const) }) },
    { weight: 6, arbitrary: fc.record({ op: fc.constant("tryRecv" as const) }) },
    { weight: 6, arbitrary: fc.record({ op: fc.constant("poll" as const), which: fc.nat(9) }) },
    { weight: 4, arbitrary: fc.record({ op: fc.constant("drop" as const), which: fc.nat(9) }) },
    { weight: 4, arbitrary: fc.record({ op: fc.constant("usePermit" as const), which: fc.nat(9), sends: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("close" as const) }) },
  );

  test("every operation does what a sequential model says, and slots are conserved", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 60 }), (capacity, steps) => {
        const [tx, rx] = mpsc<number>(capacity);
        const model = new Model(capacity);
        type Waiter = Model["line"][number] & { value: number | undefined };
        const waiting: Pending<void | Permit<number>[], Waiter>[] = [];
        const permits: Permit<number>[] = [];
        let value = 0;

        const finished = (result: unknown, waiter: Waiter): void => {
          if (waiter.value !== undefined) model.queue.push(waiter.value);
          else {
            permits.push(...(result as Permit<number>[]));
            model.outside += waiter.count;
          }
        };
        const start = (future: Future<void | Permit<number>[]>, count: number, message: number | undefined): void => {
          const one = task(future);
          const result = outcome(() => one.poll());
          if (model.isClosed || count > capacity) {
            expect(result).toBe("TOKIWA_CLOSED");
            return;
          }
          const taken = Math.min(model.free, count);
          model.free -= taken;
          const waiter: Waiter = { count, missing: count - taken, value: message };
          if (waiter.missing === 0) {
            expect(result).not.toBe(PENDING);
            finished(result, waiter);
          } else {
            expect(result).toBe(PENDING);
            model.line.push(waiter);
            waiting.push({ task: one, model: waiter });
          }
        };

        for (const one of steps) {
          switch (one.op) {
            case "send":
              start(tx.send(++value), 1, value);
              break;
            case "reserve":
              start(tx.reserveMany(one.n), one.n, undefined);
              break;
            case "trySend": {
              const expected = model.isClosed ? "TOKIWA_CLOSED" : model.free === 0 ? "TOKIWA_FULL" : undefined;
              expect(outcome(() => tx.trySend(++value))).toBe(expected);
              if (expected === undefined) {
                model.free--;
                model.queue.push(value);
              }
              break;
            }
            case "tryRecv":
              expect(outcome(() => rx.tryRecv())).toBe(model.receive());
              break;
            case "poll": {
              const pending = at(waiting, one.which);
              if (pending === undefined) break;
              const result = outcome(() => pending.task.poll());
              if (!model.isClosed && pending.model.missing > 0) {
                expect(result).toBe(PENDING);
                break;
              }
              remove(waiting, pending);
              remove(model.line, pending.model);
              if (model.isClosed) {
                expect(result).toBe("TOKIWA_CLOSED");
                model.giveBack(pending.model.count - pending.model.missing);
              } else finished(result, pending.model);
              break;
            }
            case "drop": {
              const pending = at(waiting, one.which);
              if (pending === undefined) break;
              pending.task.drop();
              remove(waiting, pending);
              remove(model.line, pending.model);
              model.giveBack(pending.model.count - pending.model.missing);
              break;
            }
            case "usePermit": {
              const permit = at(permits, one.which);
              if (permit === undefined) break;
              remove(permits, permit);
              model.outside--;
              if (one.sends) {
                permit.send(++value);
                model.queue.push(value);
              } else {
                permit.release();
                model.giveBack(1);
              }
              break;
            }
            case "close":
              rx.close();
              model.isClosed = true;
          }
          expect([tx.capacity, rx.length]).toEqual([model.free, model.queue.length]);
          for (const pending of waiting) if (model.isClosed || pending.model.missing === 0) expect(pending.task.isWoken).toBe(true);
        }
        // to the end: what waits is dropped, what is held is released, and everything is as it was
        for (const pending of waiting) pending.task.drop();
        for (const permit of permits) permit.release();
        while (rx.length > 0) rx.tryRecv();
        expect(tx.capacity).toBe(capacity);
      }),
      runs,
    );
  });

  test("receivers that are dropped at any time lose no message, and the order stays", () => {
    const step = fc.oneof(
      fc.record({ op: fc.constant("send" as const) }),
      fc.record({ op: fc.constant("wait" as const) }),
      fc.record({ op: fc.constant("poll" as const), which: fc.nat(5) }),
      fc.record({ op: fc.constant("drop" as const), which: fc.nat(5) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
        const [tx, rx] = unboundedMpsc<number>();
        const waits: TestTask<number | undefined>[] = [];
        const received: unknown[] = [];
        let sent = 0;
        const poll = (wait: TestTask<number | undefined>): void => {
          const value = wait.poll();
          if (value === PENDING) return;
          received.push(value);
          remove(waits, wait);
        };
        for (const one of steps) {
          const wait = at(waits, "which" in one ? one.which : 0);
          if (one.op === "send") tx.send(sent++);
          else if (one.op === "wait") {
            const fresh = task(rx.recv());
            waits.push(fresh);
            poll(fresh);
          } else if (wait !== undefined && one.op === "poll") poll(wait);
          else if (wait !== undefined) {
            wait.drop();
            remove(waits, wait);
          }
          // nobody is forgotten: as many as there are messages have been woken
          const woken = waits.filter((waiter) => waiter.isWoken).length;
          expect(woken).toBeGreaterThanOrEqual(Math.min(rx.length, waits.length));
        }
        for (const wait of waits.filter((waiter) => waiter.isWoken)) poll(wait);
        while (rx.length > 0) received.push(rx.tryRecv());
        expect(received).toEqual(Array.from({ length: sent }, (_, i) => i));
      }),
      runs,
    );
  });
});

describe("broadcast", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ op: fc.constant("send" as const) }) },
    { weight: 6, arbitrary: fc.record({ op: fc.constant("tryRecv" as const), which: fc.nat(5) }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant("wait" as const), which: fc.nat(5), drops: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("subscribe" as const) }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("unsubscribe" as const), which: fc.nat(5) }) },
  );

  test("every receiver gets what a list of all messages says, lost ones counted", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(step, { maxLength: 80 }), (capacity, steps) => {
        const [tx, first] = broadcast<number>(capacity);
        const slots = 2 ** Math.ceil(Math.log2(capacity));
        const receivers: { rx: BroadcastReceiver<number>; next: number }[] = [{ rx: first, next: 0 }];
        let sent = 0;
        const expected = (receiver: { next: number }): unknown => {
          if (receiver.next === sent) return "TOKIWA_EMPTY";
          if (receiver.next < sent - slots) {
            receiver.next = sent - slots;
            return "TOKIWA_LAGGED";
          }
          return receiver.next++;
        };
        for (const one of steps) {
          const receiver = at(receivers, "which" in one ? one.which : 0);
          if (one.op === "send") expect(outcome(() => tx.send(sent))).toBe(receivers.length === 0 ? "TOKIWA_CLOSED" : (sent++, receivers.length));
          else if (one.op === "subscribe") receivers.push({ rx: tx.subscribe(), next: sent });
          else if (receiver === undefined) continue;
          else if (one.op === "tryRecv") expect(outcome(() => receiver.rx.tryRecv())).toBe(expected(receiver));
          else if (one.op === "unsubscribe") {
            receiver.rx.close();
            remove(receivers, receiver);
          } else {
            const wait = task(receiver.rx.recv());
            if (receiver.next < sent) expect(outcome(() => wait.poll())).toBe(expected(receiver));
            else {
              expect(wait.poll()).toBe(PENDING);
              tx.send(sent++);
              expect(wait.isWoken).toBe(true);
              if (one.drops) wait.drop();
              else expect(wait.poll()).toBe(expected(receiver));
            }
          }
          expect(receivers.map(({ rx }) => rx.length)).toEqual(receivers.map(({ next }) => sent - next));
          expect(tx.length).toBe(Math.min(slots, Math.max(0, ...receivers.map(({ next }) => sent - next))));
        }
      }),
      runs,
    );
  });
});

describe("watch", () => {
  const step = fc.oneof(
    fc.record({ op: fc.constantFrom("send", "clone", "close") }),
    fc.record({ op: fc.constantFrom("changed", "seen", "mark", "unmark"), which: fc.nat(5) }),
  );

  test("a receiver sees a change if and only if there was one since it looked", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const [tx, rx] = watch(0);
        const receivers: { rx: WatchReceiver<number>; seen: boolean }[] = [{ rx, seen: true }];
        let isClosed = false;
        let value = 0;
        for (const one of steps) {
          const receiver = at(receivers, "which" in one ? one.which : 0)!;
          if (one.op === "send" && !isClosed) {
            tx.send(++value);
            for (const each of receivers) each.seen = false;
          } else if (one.op === "close") {
            tx.close();
            isClosed = true;
          } else if (one.op === "clone") receivers.push({ rx: receiver.rx.clone(), seen: receiver.seen });
          else if (one.op === "seen") {
            expect(receiver.rx.borrowAndUpdate()).toBe(value);
            receiver.seen = true;
          } else if (one.op === "mark") {
            receiver.rx.markChanged();
            receiver.seen = false;
          } else if (one.op === "unmark") {
            receiver.rx.markUnchanged();
            receiver.seen = true;
          } else if (one.op === "changed") {
            const changed = task(receiver.rx.changed());
            expect(outcome(() => changed.poll())).toBe(!receiver.seen ? undefined : isClosed ? "TOKIWA_CLOSED" : PENDING);
            changed.drop();
            receiver.seen = true;
          }
          for (const each of receivers) expect(outcome(() => each.rx.hasChanged)).toBe(isClosed ? "TOKIWA_CLOSED" : !each.seen);
        }
      }),
      runs,
    );
  });
});

describe("every order of polls", () => {
  /** Calls `body` with every sequence of choices it can ask for. */
  function everyOrder(body: (choose: (count: number) => number) => void): number {
    let plan: number[] = [];
    for (let runs = 1; ; runs++) {
      const taken: { choice: number; count: number }[] = [];
      body((count) => {
        const choice = plan[taken.length] ?? 0;
        taken.push({ choice, count });
        return choice;
      });
      let last = taken.length - 1;
      while (last >= 0 && taken[last]!.choice === taken[last]!.count - 1) last--;
      if (last < 0) return runs;
      plan = [...taken.slice(0, last).map(({ choice }) => choice), taken[last]!.choice + 1];
    }
  }

  /** Generators that are polled whenever they are woken, in the order that `choose` says; each may be dropped once. */
  function explore(choose: (count: number) => number, bodies: (() => Generator)[], droppable: number): Set<number> {
    const dropped = new Set<number>();
    const running = new Map<number, { step: () => boolean; drop: () => void; isReady: boolean; isStarted: boolean }>();
    bodies.forEach((body, index) => {
      const stack: Future<unknown>[] = [];
      const generator = body();
      let input: unknown;
      const entry = {
        isReady: true,
        isStarted: false,                                  // a generator that was not has no finally blocks to run
        step: (): boolean => {
          entry.isReady = false;
          entry.isStarted = true;
          for (;;) {
            if (stack.length === 0) {
              const step = generator.next(input) as IteratorResult<Future<unknown>>;
              if (step.done === true) return true;
              stack.push(step.value);
            }
            const value = stack[0]!.poll({ wake: () => void (entry.isReady = true) });
            if (value === PENDING) return false;
            stack.pop();
            input = value;
          }
        },
        drop: (): void => {
          stack.pop()?.[Symbol.dispose]();
          generator.return(undefined);
        },
      };
      running.set(index, entry);
    });
    for (;;) {
      const moves: (() => void)[] = [];
      for (const [index, entry] of running) {
        if (entry.isReady) moves.push(() => void (entry.step() && running.delete(index)));
        if (index < droppable && entry.isStarted) {
          moves.push(() => {
            entry.drop();
            dropped.add(index);
            running.delete(index);
          });
        }
      }
      const progress = [...running.values()].some((entry) => entry.isReady);
      if (!progress) break;
      moves[choose(moves.length)]!();
    }
    expect([...running.keys()].filter((index) => index >= droppable)).toEqual([]);   // nobody waits for ever
    return dropped;
  }

  test("two senders, one of which may be dropped, on a channel of one", () => {
    const orders = everyOrder((choose) => {
      const [tx, rx] = mpsc<string>(1);
      const other = tx.clone();
      const received: string[] = [];
      const dropped = explore(
        choose,
        [
          function* () {
            try {
              for (const value of ["a1", "a2", "a3"]) yield tx.send(value);
            } finally {
              tx.close();
            }
          },
          function* () {
            for (const value of ["b1", "b2"]) yield other.send(value);
            other.close();
          },
          function* () {
            for (;;) {
              const value = (yield rx.recv()) as string | undefined;
              if (value === undefined) return;
              received.push(value);
            }
          },
        ],
        1,
      );
      expect(received.filter((value) => value.startsWith("b"))).toEqual(["b1", "b2"]);
      const fromA = received.filter((value) => value.startsWith("a"));
      expect(fromA).toEqual(["a1", "a2", "a3"].slice(0, fromA.length));
      if (dropped.size === 0) expect(fromA.length).toBe(3);
      expect(rx.capacity).toBe(1);
    });
    expect(orders).toBeGreaterThan(50);
  });

  test("a receiver that may be dropped at any wait, beside one that may not", () => {
    const orders = everyOrder((choose) => {
      const [tx, rx] = mpsc<number>(2);
      const received: number[] = [];
      const consume = function* () {
        for (;;) {
          const value = (yield rx.recv()) as number | undefined;
          if (value === undefined) return;
          received.push(value);
        }
      };
      explore(
        choose,
        [
          consume,
          consume,
          function* () {
            for (const value of [1, 2, 3]) yield tx.send(value);
            tx.close();
          },
        ],
        1,
      );
      expect(received).toEqual([1, 2, 3]);
    });
    expect(orders).toBeGreaterThan(100);
  });

  test("a oneshot whose receiver may be dropped: the sender always learns it", () => {
    everyOrder((choose) => {
      const [tx, rx] = oneshot<number>();
      let got: number | undefined;
      const dropped = explore(
        choose,
        [
          function* () {
            try {
              got = (yield rx) as number;
            } finally {
              rx[Symbol.dispose]();
            }
          },
          function* () {
            yield tx.closed();
          },
          function* () {
            yield lazyDone();
            if (!tx.isClosed) tx.send(1);
          },
        ],
        1,
      );
      if (dropped.size === 0) expect(got).toBe(1);
      expect(tx.isClosed).toBe(true);
    });
  });

  /** A future that is pending once. */
  function lazyDone(): Future<void> {
    const [tx, rx] = oneshot<void>();
    tx.send();
    return rx;
  }
});
