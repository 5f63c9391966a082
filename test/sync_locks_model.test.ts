// Locks against plain sequential models, under random operations with drops at every suspension.
// fast-check prints the seed and the shrunk list of operations; TOKIWA_SEED repeats a run.

import {
  CancellationToken,
  type Future,
  JoinSet,
  Mutex,
  Notify,
  type Notified,
  OnceCell,
  PENDING,
  run,
  RwLock,
  select,
  Semaphore,
  type SemaphorePermit,
  sleep,
  spawn,
  yieldNow,
} from "tokiwa";
import { task, type TestTask } from "tokiwa/testing";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { seed } from "./support/lanes.ts";

vi.setConfig({ testTimeout: 120_000 });                   // properties shrink, and machines are busy
const runs = { seed, numRuns: 1000 };
const small = fc.nat({ max: 4 });
const pick = fc.nat({ max: 1000 });

/** A future that waits or has not been polled, and what the model says about it. */
interface Waiting<T> {
  polled: TestTask<T>;
  count: number;
  needed: number;
  isQueued: boolean;
  isWoken: boolean;
}

function waiting<T>(future: Future<T>, count: number): Waiting<T> {
  return { polled: task(future), count, needed: count, isQueued: false, isWoken: false };
}

/** The rules of a fair semaphore, in a plain list. */
class FairModel {
  available: number;
  isClosed = false;
  queue: Waiting<unknown>[] = [];

  constructor(available: number) {
    this.available = available;
  }

  /** What a poll must give. */
  poll(waiter: Waiting<unknown>): "ready" | "pending" | "closed" {
    waiter.isWoken = false;
    if (this.isClosed) {
      this.drop(waiter);
      return "closed";
    }
    const taken = Math.min(this.available, this.queue.includes(waiter) || waiter.isQueued ? 0 : waiter.needed);
    waiter.needed -= taken;
    this.available -= taken;
    if (waiter.needed === 0) return "ready";
    if (!waiter.isQueued) this.queue.push(waiter);
    waiter.isQueued = true;
    return "pending";
  }

  give(count: number): void {
    while (count > 0 && this.queue.length > 0) {
      const first = this.queue[0] as Waiting<unknown>;
      const part = Math.min(count, first.needed);
      first.needed -= part;
      count -= part;
      if (first.needed > 0) break;
      first.isWoken = true;
      this.queue.shift();
    }
    this.available += count;
  }

  drop(waiter: Waiting<unknown>): void {
    this.queue = this.queue.filter((other) => other !== waiter);
    if (waiter.isQueued) this.give(waiter.count - waiter.needed);
  }

  close(): void {
    this.isClosed = true;
    for (const waiter of this.queue) waiter.isWoken = true;
    this.queue = [];
  }
}

function pollOf<T>(polled: TestTask<T>): { how: "ready"; value: T } | { how: "pending" | "closed" } {
  try {
    const value = polled.poll();
    return value === PENDING ? { how: "pending" } : { how: "ready", value: value as T };
  } catch (error) {
    expect(error).toMatchObject({ code: "TOKIWA_CLOSED" });
    return { how: "closed" };
  }
}

describe("against a model", () => {
  test("a semaphore does what a plain list does", () => {
    const op = fc.oneof(
      { weight: 40, arbitrary: fc.record({ do: fc.constant("acquire" as const), n: small }) },
      { weight: 40, arbitrary: fc.record({ do: fc.constant("poll" as const), n: pick }) },
      { weight: 20, arbitrary: fc.record({ do: fc.constant("drop" as const), n: pick }) },
      { weight: 40, arbitrary: fc.record({ do: fc.constant("release" as const), n: pick }) },
      { weight: 10, arbitrary: fc.record({ do: fc.constantFrom("add" as const, "forget" as const, "try" as const), n: small }) },
      { weight: 10, arbitrary: fc.record({ do: fc.constantFrom("split" as const, "merge" as const, "lose" as const), n: pick }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("close" as const), n: small }) },
    );
    fc.assert(
      fc.property(small, fc.array(op, { maxLength: 60 }), (permits, ops) => {
        const semaphore = new Semaphore(permits);
        const model = new FairModel(permits);
        const open: Waiting<SemaphorePermit>[] = [];
        const held: SemaphorePermit[] = [];
        let total = permits;
        for (const { do: what, n } of ops) {
          if (what === "acquire") open.push(waiting(semaphore.acquireMany(n), n));
          else if (what === "poll" || what === "drop") {
            const waiter = open[n % open.length];
            if (waiter === undefined) continue;
            if (what === "drop") {
              waiter.polled.drop();
              model.drop(waiter);
              open.splice(open.indexOf(waiter), 1);
            } else {
              const expected = model.poll(waiter);
              const got = pollOf(waiter.polled);
              expect(got.how).toBe(expected);
              if (got.how === "ready") {
                expect(got.value.count).toBe(waiter.count);
                held.push(got.value);
              }
              if (expected !== "pending") open.splice(open.indexOf(waiter), 1);
            }
          } else if (what === "release" && held.length > 0) {
            const [permit] = held.splice(n % held.length, 1) as [SemaphorePermit];
            model.give(permit.count);
            permit.release();
          } else if (what === "lose" && held.length > 0) {
            const [permit] = held.splice(n % held.length, 1) as [SemaphorePermit];
            total -= permit.count;
            permit.forget();
          } else if (what === "split" && held.length > 0) {
            const permit = held[n % held.length] as SemaphorePermit;
            const { count } = permit;
            const part = permit.split(n % (count + 2));
            expect(part === undefined).toBe(n % (count + 2) > count);
            if (part !== undefined) held.push(part);
          } else if (what === "merge" && held.length > 1) {
            const [other] = held.splice(n % held.length, 1) as [SemaphorePermit];
            held[0]?.merge(other);
          } else if (what === "add") {
            total += n;
            model.give(n);
            semaphore.addPermits(n);
          } else if (what === "forget") {
            const count = Math.min(n, model.available);
            model.available -= count;
            total -= count;
            expect(semaphore.forgetPermits(n)).toBe(count);
          } else if (what === "try") {
            if (!model.isClosed && n <= model.available) {
              model.available -= n;
              held.push(semaphore.tryAcquireMany(n));
            } else expect(() => semaphore.tryAcquireMany(n)).toThrow();
          } else if (what === "close") {
            model.close();
            semaphore.close();
          }
          expect(semaphore.availablePermits).toBe(model.available);
          for (const waiter of open) expect(waiter.polled.isWoken).toBe(waiter.isWoken);
        }
        for (const waiter of open) waiter.polled.drop();
        for (const permit of held) permit.release();
        expect(semaphore.availablePermits).toBe(total);    // none lost, none made
      }),
      runs,
    );
  });

  test("a read-write lock never mixes readers and a writer, and forgets nobody", () => {
    const op = fc.record({ do: fc.constantFrom("read", "write", "poll", "poll", "poll", "drop", "unlock", "unlock", "downgrade"), n: pick });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), fc.array(op, { maxLength: 80 }), (maxReaders, ops) => {
        type Guard = { unlock(): void; downgrade?(): Guard };
        const lock = new RwLock(0, { maxReaders });
        const model = new FairModel(maxReaders);
        const open: (Waiting<Guard> & { count: number })[] = [];
        const held: { guard: Guard; count: number }[] = [];
        const isWrite = (entry: { guard: Guard }): boolean => entry.guard.downgrade !== undefined;
        for (const { do: what, n } of ops) {
          if (what === "read") open.push(waiting<Guard>(lock.read(), 1));
          else if (what === "write") open.push(waiting<Guard>(lock.write(), maxReaders));
          else if (what === "unlock" && held.length > 0) {
            const [entry] = held.splice(n % held.length, 1) as [(typeof held)[0]];
            model.give(entry.count);
            entry.guard.unlock();
          } else if (what === "downgrade") {
            const entry = held.find(isWrite);
            if (entry === undefined) continue;
            model.give(entry.count - 1);
            entry.count = 1;
            entry.guard = entry.guard.downgrade?.() as Guard;
          } else if (what === "poll" || what === "drop") {
            const waiter = open[n % open.length];
            if (waiter === undefined) continue;
            if (what === "drop") {
              waiter.polled.drop();
              model.drop(waiter);
            } else {
              const expected = model.poll(waiter);
              const got = pollOf(waiter.polled);
              expect(got.how).toBe(expected);
              if (got.how === "pending") continue;
              if (got.how === "ready") held.push({ guard: got.value, count: waiter.count });
            }
            open.splice(open.indexOf(waiter), 1);
          }
          if (held.some(isWrite)) expect(held.length).toBe(1);
          expect(held.length).toBeLessThanOrEqual(maxReaders);
          for (const waiter of open) expect(waiter.polled.isWoken).toBe(waiter.isWoken);
        }
        for (const { guard } of held) guard.unlock();
        for (let progress = true; progress; ) {            // whoever is left gets in, one after the other
          progress = false;
          for (const waiter of [...open]) {
            const got = pollOf(waiter.polled);
            if (got.how !== "ready") continue;
            got.value.unlock();
            open.splice(open.indexOf(waiter), 1);
            progress = true;
          }
        }
        expect(open.length).toBe(0);
        lock.tryWrite().unlock();
      }),
      runs,
    );
  });

  test("a notify does what a permit and a list do", () => {
    const op = fc.record({ do: fc.constantFrom("wait", "wait", "poll", "poll", "enable", "drop", "one", "last", "all"), n: pick });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
        interface Wait {
          future: Notified;
          polled: TestTask<void>;
          state: "new" | "queued" | "one" | "last" | "all" | "done";
        }
        const notify = new Notify();
        const waits: Wait[] = [];
        let queue: Wait[] = [];
        let hasPermit = false;
        const ring = (order: "one" | "last"): void => {
          const wait = order === "one" ? queue.shift() : queue.pop();
          if (wait === undefined) hasPermit = true;
          else wait.state = order;
        };
        const check = (wait: Wait): boolean => {
          if (wait.state === "new" && hasPermit) {
            hasPermit = false;
            wait.state = "done";
          } else if (wait.state === "new") {
            wait.state = "queued";
            queue.push(wait);
          } else if (wait.state !== "queued") wait.state = "done";
          return wait.state === "done";
        };
        for (const { do: what, n } of ops) {
          const wait = waits[n % waits.length];
          if (what === "wait") {
            const future = notify.notified();
            waits.push({ future, polled: task(future), state: "new" });
          } else if (what === "one") {
            ring("one");
            notify.notifyOne();
          } else if (what === "last") {
            ring("last");
            notify.notifyLast();
          } else if (what === "all") {
            for (const other of waits) if (other.state === "new" || other.state === "queued") other.state = "all";
            queue = [];
            notify.notifyWaiters();
          } else if (wait !== undefined) {
            if (what === "enable") expect(wait.future.enable()).toBe(check(wait));
            else if (what === "poll") expect(wait.polled.poll() !== PENDING).toBe(check(wait));
            else {
              const { state } = wait;
              queue = queue.filter((other) => other !== wait);
              waits.splice(waits.indexOf(wait), 1);
              if (state === "one" || state === "last") ring(state);
              wait.polled.drop();
            }
          }
        }
        const probe = notify.notified();
        expect(probe.enable()).toBe(hasPermit);
      }),
      runs,
    );
  });

  test("a tree of tokens does what a tree of flags does", () => {
    const op = fc.record({ do: fc.constantFrom("child", "child", "wait", "wait", "poll", "drop", "cancel", "signal", "dispose"), n: pick });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
        interface Node {
          token: CancellationToken;
          parent: Node | null;
          isCancelled: boolean;
          signal: AbortSignal | null;
        }
        const nodes: Node[] = [{ token: new CancellationToken(), parent: null, isCancelled: false, signal: null }];
        const waits: { node: Node; polled: TestTask<void>; isPending: boolean }[] = [];
        const below = (node: Node | null, root: Node): boolean => node !== null && (node === root || below(node.parent, root));
        for (const { do: what, n } of ops) {
          const node = nodes[n % nodes.length] as Node;
          if (what === "child") nodes.push({ token: node.token.child(), parent: node, isCancelled: node.isCancelled, signal: null });
          else if (what === "wait") waits.push({ node, polled: task(node.token.cancelled()), isPending: false });
          else if (what === "signal") node.signal = node.token.signal;
          else if (what === "dispose") {
            if (!node.isCancelled) node.signal = null;     // no longer followed
            node.token[Symbol.dispose]();
          } else if (what === "cancel") {
            for (const other of nodes) if (below(other, node)) other.isCancelled = true;
            node.token.cancel(n);
          } else if (waits.length > 0) {
            const [wait] = waits.splice(n % waits.length, 1) as [(typeof waits)[0]];
            if (what === "drop") wait.polled.drop();
            else if (wait.polled.poll() === PENDING) {
              expect(wait.node.isCancelled).toBe(false);
              waits.push({ ...wait, isPending: true });
            } else expect(wait.node.isCancelled).toBe(true);
          }
          for (const other of nodes) {
            expect(other.token.isCancelled).toBe(other.isCancelled);
            if (other.signal !== null) expect(other.signal.aborted).toBe(other.isCancelled);
          }
          for (const wait of waits) expect(wait.polled.isWoken).toBe(wait.isPending && wait.node.isCancelled);
        }
      }),
      runs,
    );
  });
});

/** Every order of a list. */
function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, at) => permutations(items.filter((_, i) => i !== at)).map((rest) => [item, ...rest]));
}

describe("every order", () => {
  test("of polling and dropping three waiters leaves no permit behind", () => {
    for (const counts of [[1, 1, 1], [2, 1, 1], [1, 2, 3], [3, 1, 2]]) {
      const total = 3;
      for (let dropped = 0; dropped < 8; dropped++) {
        for (const order of permutations([0, 1, 2])) {
          for (const releases of permutations([1, 2])) {
            const semaphore = new Semaphore(0);
            const waiters = counts.map((n) => task(semaphore.acquireMany(n)));
            for (const waiter of waiters) waiter.poll();
            for (const n of releases) {
              semaphore.addPermits(n);
              for (const at of order) {
                const waiter = waiters[at] as TestTask<SemaphorePermit>;
                if (!waiter.isWoken) continue;
                if ((dropped & (1 << at)) !== 0) waiter.drop();
                else (waiter.poll() as SemaphorePermit).release();
              }
            }
            for (let progress = true; progress; ) {
              progress = false;
              for (const waiter of waiters) {
                if (!waiter.isWoken) continue;
                try {
                  (waiter.poll() as SemaphorePermit).release();
                  progress = true;
                } catch {
                  // it was dropped above
                }
              }
            }
            expect(semaphore.availablePermits).toBe(total);
          }
        }
      }
    }
  });

  test("of waking mutex waiters keeps the lock with one of them at a time, first come, first served", () => {
    for (const order of permutations([0, 1, 2, 3])) {
      const mutex = new Mutex<number[]>([]);
      const guard = mutex.tryLock();
      const waiters = order.map(() => task(mutex.lock()));
      for (const at of order) waiters[at]?.poll();
      guard.unlock();
      for (const at of order) {
        expect(waiters.map((waiter) => waiter.isWoken)).toEqual(waiters.map((_, i) => i === at));
        const next = waiters[at]?.poll();
        if (next !== PENDING && next !== undefined) {
          next.value.push(at);
          next.unlock();
        }
      }
      expect(mutex.tryLock().value).toEqual(order);
    }
  });
});

describe("random tasks", () => {
  const plan = fc.array(fc.record({ kind: fc.constantFrom("async", "generator"), steps: fc.array(fc.record({ n: fc.integer({ min: 1, max: 3 }), hold: fc.nat({ max: 3 }), patience: fc.nat({ max: 4 }) }), { minLength: 1, maxLength: 4 }), abortAt: fc.option(fc.nat({ max: 8 })) }), { minLength: 1, maxLength: 12 });

  test("that give up, or are aborted anywhere, lose no permit and hang nobody", async () => {
    await fc.assert(
      fc.asyncProperty(plan, fc.nat(), async (tasks, runtimeSeed) => {
        await run(
          async () => {
            const semaphore = new Semaphore(3);
            const mutex = new Mutex(0);
            const lock = new RwLock(0);
            let inside = 0;
            const handles = tasks.map(({ kind, steps }) =>
              kind === "async"
                ? spawn(async () => {
                    for (const { n, hold, patience } of steps) {
                      const won = await select({ permit: semaphore.acquireMany(n), impatient: sleep(patience) });
                      if (won.name !== "permit") continue;
                      using _permit = won.value;
                      inside += n;
                      expect(inside).toBeLessThanOrEqual(3);
                      try {
                        using guard = await mutex.lock();
                        const { value } = guard;
                        await sleep(hold);
                        expect(guard.value).toBe(value);
                        guard.value++;
                        using _read = await lock.read();
                        await yieldNow();
                      } finally {
                        inside -= n;
                      }
                    }
                  })
                : spawn(function* () {
                    for (const { n, hold, patience } of steps) {
                      const won = yield* select({ permit: semaphore.acquireMany(n), impatient: sleep(patience) });
                      if (won.name !== "permit") continue;
                      using _permit = won.value;
                      inside += n;
                      expect(inside).toBeLessThanOrEqual(3);
                      try {
                        using guard = yield* mutex.lock();
                        const { value } = guard;
                        yield* sleep(hold);
                        expect(guard.value).toBe(value);
                        guard.value++;
                        using write = yield* lock.write();
                        write.value++;
                        yield* yieldNow();
                      } finally {
                        inside -= n;
                      }
                    }
                  }),
            );
            for (const [at, { abortAt }] of tasks.entries()) {
              if (abortAt === null) continue;
              spawn(async () => {
                await sleep(abortAt);
                handles[at]?.abort();
              });
            }
            for (const handle of handles) {
              const result = await handle.result();
              if (result.status === "rejected") throw result.reason;
            }
            expect([semaphore.availablePermits, inside, mutex.isLocked]).toEqual([3, 0, false]);
            lock.tryWrite().unlock();
          },
          { startPaused: true, seed: runtimeSeed },
        );
      }),
      { seed, numRuns: 60 },
    );
  });

  test("that initialise a cell agree on one value, whoever fails or gives up", async () => {
    const part = fc.record({ ms: fc.nat({ max: 3 }), fails: fc.boolean(), patience: fc.nat({ max: 6 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 8 }), async (parts) => {
        await run(
          async () => {
            const cell = new OnceCell<number>();
            let running = 0;
            const handles = parts.map(({ ms, fails, patience }, id) =>
              spawn(function* () {
                const won = yield* select({
                  value: cell.getOrInit(function* () {
                    expect(++running).toBe(1);
                    try {
                      yield* sleep(ms);
                    } finally {
                      running--;
                    }
                    if (fails) throw new RangeError("as planned");
                    return id;
                  }),
                  impatient: sleep(patience),
                });
                return won.name === "value" ? won.value : undefined;
              }),
            );
            const seen = new Set<number>();
            for (const handle of handles) {
              const result = await handle.result();
              if (result.status === "rejected") expect(result.reason).toBeInstanceOf(RangeError);
              else if (result.status === "fulfilled" && result.value !== undefined) seen.add(result.value);
            }
            expect(seen.size).toBe(cell.isInitialized ? 1 : 0);
            if (!cell.isInitialized) expect(await cell.getOrInit(() => -1)).toBe(-1);
            else expect(seen.has(cell.get() as number)).toBe(true);
          },
          { startPaused: true },
        );
      }),
      { seed, numRuns: 100 },
    );
  });

  test("of a set are each joined once, whoever joins and gives up", async () => {
    const part = fc.record({ ms: fc.nat({ max: 5 }), end: fc.constantFrom("value", "failure", "abort") });
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 10 }), fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 6 }), async (parts, patience) => {
        await run(
          async () => {
            const set = new JoinSet<number>();
            const ids = parts.map(({ ms, end }, i) => {
              const handle = set.spawn(function* () {
                yield* sleep(ms);
                if (end === "failure") throw new RangeError("as planned");
                return i;
              });
              if (end === "abort") handle.abort();
              return handle.id;
            });
            const joined: number[] = [];
            const joiners = patience.map((ms) =>
              spawn(function* () {
                for (;;) {
                  const won = yield* select({ joined: set.joinNext(), impatient: sleep(ms) });
                  if (won.name === "impatient") yield* yieldNow();
                  else if (won.value === undefined) return;
                  else joined.push(won.value.id);
                  if (ms === 0) return;
                }
              }),
            );
            for (const joiner of joiners) await joiner;
            for await (const { id } of set) joined.push(id);
            expect(joined.sort((a, b) => a - b)).toEqual(ids.sort((a, b) => a - b));
            expect(set.size).toBe(0);
          },
          { startPaused: true },
        );
      }),
      { seed, numRuns: 100 },
    );
  });
});
