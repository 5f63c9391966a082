import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { ARENA_PARKED, INDEX_BITS, PARKED, RUNNING, WOKEN } from "../assembly/layout.ts";
import { Arena, coreBytes, FLAVORS, HEAP_BASE, Random } from "./core_arena.ts";
import { seed } from "./support/lanes.ts";

describe(`the inbox does what a set does (TOKIWA_SEED=${seed})`, () => {
  test.each(FLAVORS)("%s", (flavor) => {
    for (const count of [1, 64, 65, 5000, 16_384, 16_385, 70_000, 300_000]) {
      const random = new Random(seed + count);
      const arena = new Arena(flavor);
      const { core, a } = arena;
      for (let i = 0; i < count; i++) if (arena.unitNew() !== i) throw new Error("unexpected handle");
      for (let round = 0; round < 20; round++) {
        const expected = new Set<number>();
        const queued: number[] = [];
        for (let i = 0; i < 5; i++) {
          const unit = random.below(count);
          if (core.wake(a, unit) === 1) queued.push(unit);
        }
        for (let i = random.below(200); i > 0; i--) {
          const unit = random.below(count);
          expect(core.wakeRemote(a, unit)).toBe(0); // the owner is not parked
          if (!queued.includes(unit)) expected.add(unit);
        }
        expect(core.look(a, 0)).toBe(expected.size);
        // Behind what was queued, lowest index first.
        expect(arena.drainRing()).toEqual([...queued, ...[...expected].sort((x, y) => x - y)]);
        expect(core.look(a, 0)).toBe(0);
      }
    }
  });
});

describe("the inbox", () => {
  test("ignores handles that never were", () => {
    const arena = new Arena();
    const { core, a } = arena;
    for (const handle of [0, 63, 64, 16_383, 16_384, 100_000, 2 ** 22 - 1, 2 ** 30 - 1, -1]) expect(core.wakeRemote(a, handle)).toBe(0);
    expect(core.look(a, 0)).toBe(0);
    expect(arena.spawn()).toBe(0);
    expect(arena.drainRing()).toEqual([0]);
  });

  test("a wake for a unit that ended reaches at most the slot's next unit", () => {
    const arena = new Arena();
    const { core, a } = arena;
    const first = arena.unitNew();
    core.wakeRemote(a, first);
    core.unitFree(a, first);
    expect(core.look(a, 0)).toBe(0);
    core.wakeRemote(a, first);
    const second = arena.unitNew();
    expect(second >>> INDEX_BITS).toBe(1);
    expect(core.look(a, 0)).toBe(1);
  });
});

describe("parking", () => {
  test("only the first wake of a parked owner asks for it to be roused", () => {
    const arena = new Arena();
    const { core, a } = arena;
    const units = [arena.unitNew(), arena.unitNew(), arena.unitNew()];
    expect(core.unpark(a)).toBe(0);
    expect(core.parkPrepare(a)).toBe(1);
    expect(arena.word(ARENA_PARKED)).toBe(PARKED);
    expect(core.wakeRemote(a, units[0]!)).toBe(1);
    expect(arena.word(ARENA_PARKED)).toBe(WOKEN);
    expect(core.wakeRemote(a, units[1]!)).toBe(0);
    expect(core.unpark(a)).toBe(0);
    core.parkDone(a);
    expect(arena.word(ARENA_PARKED)).toBe(RUNNING);
    expect(core.look(a, 0)).toBe(2);
  });

  test("an owner with work is told not to park", () => {
    const arena = new Arena();
    const { core, a } = arena;
    const unit = arena.spawn();
    expect(core.parkPrepare(a)).toBe(0);
    arena.drainRing();
    expect(core.parkPrepare(a)).toBe(1);
    core.parkDone(a);
    core.defer(a, unit);
    expect(core.parkPrepare(a)).toBe(0);
    core.look(a, 0);
    arena.drainRing();
    core.wakeRemote(a, unit);
    expect(core.parkPrepare(a)).toBe(0);
    expect(arena.word(ARENA_PARKED)).toBe(RUNNING);
  });

  test("park() returns when its time is up, and at once when it was roused before", () => {
    const arena = new Arena("shared");
    const { core, a } = arena;
    const unit = arena.unitNew();
    core.parkPrepare(a);
    expect(core.park(a, 2)).toBe(1);
    core.wakeRemote(a, unit);
    expect(core.park(a, Infinity)).toBe(0);
    core.parkDone(a);
  });
});

// Wakers in threads of their own post wakes of random units; before each, they count it in a ticket of that unit.
// The owner parks whenever it has nothing to do. After a poll has read a ticket, every later one must
// lead to another poll: a lost wake leaves a difference, and the owner asleep.
describe("with real threads", () => {
  test.each([1, 2, 3])("no wake is lost with %i wakers", { timeout: 60_000 }, async (wakerCount) => {
    let parks = 0;
    for (let tries = 20; tries > 0 && parks === 0; tries--) parks = await round(wakerCount);   // an owner that the host holds has no time to park
    expect(parks).toBeGreaterThan(0);
  });

  /** @returns how often the owner has parked */
  async function round(wakerCount: number): Promise<number> {
    const units = 200;
    const wakes = 30_000;
    const arena = new Arena("shared");
    const { core, a, memory } = arena;
    for (let i = 0; i < units; i++) arena.unitNew();
    const tickets = new Int32Array(new SharedArrayBuffer(units * 4));
    const done = new Int32Array(new SharedArrayBuffer(4));
    const workers = Array.from(
      { length: wakerCount },
      (_, i) =>
        new Worker(fileURLToPath(new URL("./core_waker.mjs", import.meta.url)), {
          workerData: { bytes: coreBytes("shared"), memory, heap: HEAP_BASE, a, units, wakes, tickets, done, seed: seed + i },
          execArgv: [],
        }),
    );
    const failures: unknown[] = [];
    const ends = workers.map((worker) => new Promise<void>((resolve) => worker.on("error", (error) => failures.push(error)).on("exit", () => resolve())));
    await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("message", resolve))));
    for (const worker of workers) worker.postMessage("go");

    const seen = new Int32Array(units);
    let parks = 0;
    let late = 0;
    for (;;) {
      core.look(a, 0);
      for (const index of arena.drainRing()) seen[index] = Atomics.load(tickets, index);
      if (Atomics.load(done, 0) === wakerCount && core.look(a, 0) === 0) break;
      if (core.parkPrepare(a) === 1) {
        parks++;
        // The last waker to end unparks as well, so there is always somebody who will.
        late += core.park(a, 5_000);
        core.parkDone(a);
      }
    }
    for (const index of arena.drainRing()) seen[index] = Atomics.load(tickets, index);
    await Promise.all(ends);
    expect(failures).toEqual([]);
    expect(late).toBe(0);
    expect([...seen]).toEqual([...tickets]);
    expect(seen.reduce((sum, n) => sum + n, 0)).toBe(wakes * wakerCount);
    return parks;
  }
});
