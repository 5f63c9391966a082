import { describe, expect, test } from "vitest";
import { ARENA_CAPACITY, ARENA_HEAD, ARENA_TAIL, COMPLETE, DONE, INDEX_BITS, INDEX_MASK, NOTIFIED, YIELD } from "../assembly/layout.ts";
import { Arena, FLAVORS, Random } from "./core_arena.ts";
import { seed } from "./support/lanes.ts";

interface Slot {
  generation: number;
  /** Whether a handle of this generation is live. */
  live: boolean;
  notified: boolean;
  held: boolean;
}

/** What the slab, the run queue, the deferred list and the batch are meant to be, in plain arrays. */
class Model {
  readonly slots: Slot[] = [];
  readonly free: number[] = [];
  ring: number[] = [];
  deferred: number[] = [];
  batch: number[] = [];

  handle(index: number): number {
    return (this.slots[index]!.generation << INDEX_BITS) | index;
  }

  find(handle: number): Slot | undefined {
    const slot = this.slots[handle & INDEX_MASK];
    return slot?.live && slot.generation === handle >>> INDEX_BITS ? slot : undefined;
  }

  create(notified: boolean): number {
    let index = this.free.pop();
    if (index === undefined) index = this.slots.push({ generation: 0, live: false, notified: false, held: false }) - 1;
    Object.assign(this.slots[index]!, { live: true, notified, held: false });
    if (notified) this.ring.push(index);
    return this.handle(index);
  }

  wake(handle: number, list: number[]): number {
    const slot = this.find(handle);
    if (!slot || slot.notified) return 0;
    slot.notified = true;
    list.push(handle & INDEX_MASK);
    return 1;
  }

  end(handle: number): void {
    const slot = this.find(handle);
    if (!slot) return;
    slot.live = false;
    this.release(handle & INDEX_MASK);
  }

  /** Gives the slot back if nothing keeps it. */
  release(index: number): void {
    const slot = this.slots[index]!;
    if (slot.live || slot.notified || slot.held) return;
    slot.generation = (slot.generation + 1) & 255;
    if (slot.generation !== 0) this.free.push(index);      // otherwise it rests, for longer than a run here
  }

  settle(results: readonly number[]): void {
    results.forEach((result, place) => {
      const index = this.batch[place]!;
      const slot = this.slots[index]!;
      slot.held = false;
      if (slot.live && result === DONE) slot.live = false;
      if (slot.live && result === YIELD && !slot.notified) {
        slot.notified = true;
        this.deferred.push(index);
      }
      this.release(index);
    });
    this.batch.splice(0, results.length);
  }

  fill(max: number): number {
    while (this.batch.length < max && this.ring.length > 0) {
      const index = this.ring.shift()!;
      const slot = this.slots[index]!;
      if (slot.live) {
        slot.held = true;
        this.batch.push(index);
      } else {
        slot.notified = false;
        this.release(index);
      }
    }
    return Math.min(this.batch.length, max);
  }

  look(): number {
    const count = this.deferred.length;
    this.ring.push(...this.deferred.splice(0));
    return count;
  }
}

function compare(arena: Arena, random: Random, operations: number): void {
  const { core, a } = arena;
  const model = new Model();
  const handles: number[] = [];
  let delivered = 0;

  // Everything that a poll, or the code between polls, may do.
  const act = (): void => {
    const handle = handles.length > 0 && !random.chance(20) ? random.pick(handles) : random.below(2 ** 30);
    switch (random.below(8)) {
      case 0: case 1: {
        const spawned = random.chance(2);
        const made = spawned ? arena.spawn() : arena.unitNew();
        expect(made).toBe(model.create(spawned));
        if (handles.length < 200) handles.push(made); // old handles stay in the list and go stale
        else handles[random.below(200)] = made;
        break;
      }
      case 2: case 3: case 4:
        expect(core.wake(a, handle)).toBe(model.wake(handle, model.ring));
        break;
      case 5:
        expect(core.defer(a, handle)).toBe(model.wake(handle, model.deferred));
        break;
      case 6:
        core.unitFree(a, handle);
        model.end(handle);
        break;
      default:
        expect(core.isLive(a, handle)).toBe(model.find(handle) ? 1 : 0);
    }
  };

  for (let i = 0; i < operations; i++) {
    if (random.chance(3)) act();
    else if (random.chance(6)) expect(core.look(a, i)).toBe(model.look());
    else {
      // Poll a part of the batch, in order, then ask for the next one.
      const results: number[] = [];
      const polls = random.chance(4) ? random.below(delivered + 1) : delivered;
      for (let place = 0; place < polls; place++) {
        const index = model.batch[place]!;
        const before = arena.takeNotified(index);
        const slot = model.slots[index]!;
        expect(!(before & COMPLETE)).toBe(slot.live);
        expect(before & NOTIFIED).toBe(slot.notified ? NOTIFIED : 0);
        slot.notified = false;
        for (let acts = random.below(3); acts > 0; acts--) act();
        if (random.chance(8)) {
          core.unitFree(a, model.handle(index)); // ends itself
          model.end(model.handle(index));
        }
        const result = random.pick([0, 0, YIELD, DONE]);
        arena.setResult(place, result);
        results.push(result);
      }
      const max = random.pick([0, 1, 2, 7, 64, 256, 1000]);
      model.settle(results);
      delivered = model.fill(Math.min(max, 256));
      expect(core.turn(a, polls, max)).toBe(delivered);
      expect(arena.batch(model.batch.length)).toEqual(model.batch);
    }
    expect(core.ready(a)).toBe(model.ring.length + model.deferred.length + model.batch.length);
    expect(core.live(a)).toBe(model.slots.filter((slot) => slot.live).length);
  }
}

describe(`slab, queue and turn do what plain arrays do (TOKIWA_SEED=${seed})`, () => {
  test.each(FLAVORS)("%s", (flavor) => {
    for (let round = 0; round < 30; round++) compare(new Arena(flavor), new Random(seed + round * 104729), 400);
  });
});

describe("the run queue", () => {
  test("keeps its order when it grows while it goes round its end", () => {
    const arena = new Arena();
    const { core, a } = arena;
    const units = Array.from({ length: 64 }, () => arena.unitNew());
    for (const unit of units.slice(0, 40)) core.wake(a, unit);
    arena.drainRing(); // the head is at 40
    const order = [...units.slice(10), ...units.slice(0, 10)];
    for (const unit of order) core.wake(a, unit);
    expect(core.unitNew(a)).toBe(-1);
    expect(core.unitsGrow(a)).toBe(1);
    const last = core.spawn(a);
    expect(arena.drainRing()).toEqual([...order, last]);
  });

  test("a unit freed and replaced by another during its own poll leaves the other alone", () => {
    const arena = new Arena();
    const { core, a } = arena;
    const unit = arena.spawn();
    core.turn(a, 0, 256);
    arena.takeNotified(unit & INDEX_MASK);
    core.unitFree(a, unit);
    const other = arena.spawn();
    expect(other & INDEX_MASK).not.toBe(unit & INDEX_MASK); // the slot is held until the batch is settled
    arena.setResult(0, DONE);
    expect(core.turn(a, 1, 256)).toBe(1);
    expect(arena.batch(1)).toEqual([other]);
    expect(core.isLive(a, other)).toBe(1);
    expect(arena.unitNew()).toBe(unit + (1 << INDEX_BITS));
  });

  test("a handle is stale after its unit ended, and comes again when 64 slots have had 256 units each", () => {
    const arena = new Arena();
    const { core, a } = arena;
    const seen: number[] = [];
    for (let i = 0; i < 256 * 64; i++) {
      const unit = arena.unitNew();
      expect(unit).toBeGreaterThanOrEqual(0);
      seen.push(unit);
      core.unitFree(a, unit);
      expect(core.isLive(a, unit)).toBe(0);
      expect(core.wake(a, unit)).toBe(0);
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toContain(arena.unitNew());
  });

  test("a table that is full of live units grows before it uses one slot for ever", () => {
    const arena = new Arena();
    const { core, a } = arena;
    for (let i = 0; i < 63; i++) arena.unitNew();
    const seen = new Set<number>();
    for (let i = 0; i < 16_384; i++) {
      const unit = arena.unitNew();
      seen.add(unit);
      core.unitFree(a, unit);
    }
    expect(seen.size).toBe(16_384);
    expect(arena.words[(a + ARENA_CAPACITY) >> 2]).toBe(128);
  });

  test("the counters of the ring may go round 2^32", () => {
    const arena = new Arena();
    const words = arena.words;
    words[(arena.a + ARENA_HEAD) >> 2] = -3;
    words[(arena.a + ARENA_TAIL) >> 2] = -3;
    const units = Array.from({ length: 20 }, () => arena.spawn());
    expect(arena.core.ready(arena.a)).toBe(20);
    expect(arena.drainRing()).toEqual(units);
  });

  test("a million and more units are spawned, run and freed", { timeout: 30_000 }, () => {
    const arena = new Arena();
    const { core, a } = arena;
    const count = 1_200_000;
    let wrong = 0;
    for (let i = 0; i < count; i++) if (arena.spawn() !== i) wrong++;
    expect(arena.capacity).toBe(2 ** 21);
    const order = arena.drainRing();
    for (let i = 0; i < count; i++) if (order[i] !== i) wrong++;
    for (let i = 0; i < count; i++) core.unitFree(a, i);
    expect({ wrong, length: order.length, live: core.live(a), ready: core.ready(a) }).toEqual({ wrong: 0, length: count, live: 0, ready: 0 });
    expect(arena.spawn()).toBe((1 << INDEX_BITS) | (count - 1));
  });

  test("stops at 4 194 304 units and says so", { timeout: 30_000 }, () => {
    const arena = new Arena("local", { capacity: 2 ** 22 });
    const { core, a } = arena;
    let made = 0;
    while (core.unitNew(a) >= 0) made++;
    expect(made).toBe(2 ** 22);
    expect(core.unitsGrow(a)).toBe(0);
    expect(core.wake(a, 2 ** 22 - 1)).toBe(1);
    expect(core.wakeRemote(a, 2 ** 22 - 2)).toBe(0);
    expect(core.look(a, 0)).toBe(1);
    expect(arena.drainRing()).toEqual([2 ** 22 - 1, 2 ** 22 - 2]);
    expect(core.arenaNew(2 ** 22 + 1)).toBe(0);
  });
});
