import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import {
  ARENA_BYTES, ARENA_CAPACITY, ARENA_CHUNK_REGIONS, ARENA_STATES, ARENA_TIMERS, ARENA_TIMER_CAPACITY, INBOX_FIRST_SHIFT,
  INBOX_SEGMENTS, INBOX_SEGMENT_COUNT, REGION_MIN, TIMER_BYTES, UNIT_BYTES,
} from "../assembly/layout.ts";
import { Arena, coreBytes, type Exports, FLAVORS, HEAP_BASE, instantiate, makeMemory, Random } from "./core_arena.ts";
import { seed } from "./support/lanes.ts";

/** Every region an arena holds, as [start, end]. */
function regionsOf(memory: WebAssembly.Memory, a: number): [number, number][] {
  const words = new Uint32Array(memory.buffer);
  const at = (offset: number): number => words[(a + offset) >>> 2]!;
  const round = (bytes: number): number => Math.max(REGION_MIN, 2 ** Math.ceil(Math.log2(bytes)));
  const regions: [number, number][] = [[a, round(ARENA_BYTES)], [at(ARENA_STATES), at(ARENA_CAPACITY) * UNIT_BYTES]];
  if (at(ARENA_TIMERS) !== 0) regions.push([at(ARENA_TIMERS), at(ARENA_TIMER_CAPACITY) * TIMER_BYTES]);
  for (let segment = 1; segment < INBOX_SEGMENT_COUNT; segment++) {
    const region = at(INBOX_SEGMENTS + segment * 4);
    if (region !== 0) regions.push([region, 2 ** (INBOX_FIRST_SHIFT + segment - 1 - 3)]);
  }
  for (let region = at(ARENA_CHUNK_REGIONS); region !== 0; region = words[region >>> 2]!) regions.push([region, words[(region >>> 2) + 1]!]);
  return regions.map(([start, bytes]) => [start, start + bytes]);
}

function expectDisjoint(memory: WebAssembly.Memory, arenas: readonly number[]): void {
  const regions = arenas.flatMap((a) => regionsOf(memory, a)).sort(([x], [y]) => x - y);
  let end = HEAP_BASE;
  for (const [start, stop] of regions) {
    expect(start).toBeGreaterThanOrEqual(end);
    expect(start % REGION_MIN).toBe(0);
    end = stop;
  }
  expect(end).toBeLessThanOrEqual(memory.buffer.byteLength);
}

/** Does something to an arena. @returns false if there was no memory for it */
function act(core: Exports, a: number, random: Random, now: number): boolean {
  switch (random.below(4)) {
    case 0: return core.unitsGrow(a) === 1;
    case 1: return core.timersGrow(a) === 1;
    case 2:
      for (let i = 0; i < 100; i++) {
        const unit = core.unitNew(a);
        if (unit < 0) return core.unitsGrow(a) === 1;
        if (core.timerInsert(a, now + 1 + random.below(100_000), unit) < 0) return core.timersGrow(a) === 1;
      }
      return true;
    default:
      core.look(a, now);
      return true;
  }
}

describe(`regions (TOKIWA_SEED=${seed})`, () => {
  test.each(FLAVORS)("never overlap, and a steady load stops growing the memory (%s)", (flavor) => {
    const memory = makeMemory(flavor);
    const core = instantiate(flavor, memory);
    core.heapInit(HEAP_BASE);
    const arenas: number[] = [];
    let pages = 0;
    for (let round = 0; round < 30; round++) {
      const random = new Random(seed); // every round does the same
      for (let i = 0; i < 120; i++) {
        const choice = random.below(10);
        if (arenas.length === 0 || choice === 0) {
          const a = core.arenaNew(random.below(300));
          expect(a).not.toBe(0);
          arenas.push(a);
        } else if (choice === 1) core.arenaFree(arenas.splice(random.below(arenas.length), 1)[0]!);
        else act(core, random.pick(arenas), random, i * 100);
        if (i % 40 === 0) expectDisjoint(memory, arenas);
      }
      expectDisjoint(memory, arenas);
      for (const a of arenas.splice(0)) core.arenaFree(a);
      if (round === 2) pages = core.pages();
    }
    expect(core.pages()).toBe(pages);
  });

  test("memory grown by someone else is left alone", () => {
    const memory = makeMemory("local");
    const core = instantiate("local", memory);
    core.heapInit(HEAP_BASE);
    const arenas = [core.arenaNew(64), core.arenaNew(64)];
    const theirs = memory.grow(3) * 65536;
    new Uint8Array(memory.buffer).fill(0xa5, theirs, theirs + 3 * 65536);
    for (let i = 0; i < 30; i++) arenas.push(core.arenaNew(64 << i % 8));
    expectDisjoint(memory, arenas);
    expect(new Uint8Array(memory.buffer, theirs, 3 * 65536).every((byte) => byte === 0xa5)).toBe(true);
  });
});

describe("with real threads", () => {
  test("arenas made and freed at once by three threads never share a region", { timeout: 30_000 }, async () => {
    const memory = makeMemory("shared");
    instantiate("shared", memory).heapInit(HEAP_BASE);
    const next = (worker: Worker): Promise<number[]> =>
      new Promise((resolve, reject) => void worker.once("message", resolve).once("error", reject));
    const workers = Array.from(
      { length: 3 },
      () =>
        new Worker(fileURLToPath(new URL("./core_allocator.mjs", import.meta.url)), {
          workerData: { bytes: coreBytes("shared"), memory, heap: HEAP_BASE, rounds: 2_000 },
          execArgv: [],
        }),
    );
    await Promise.all(workers.map(next));
    for (const worker of workers) worker.postMessage("go");
    expectDisjoint(memory, (await Promise.all(workers.map(next))).flat());
  });
});

describe("out of memory", () => {
  test.each([2, 3, 5, 9, 20, 40])("in %i pages, every call that fails leaves the arena usable", (maximumPages) => {
    const arena = new Arena("local", { maximumPages });
    const { core, a } = arena;
    const random = new Random(seed + maximumPages);
    const ticks: number[] = [];
    const timers: number[] = [];
    let refused = 0;
    while (refused < 20) {
      const unit = arena.unitNew();
      if (unit < 0) {
        refused++;
        expect(core.unitsGrow(a)).toBe(0);
        expect(core.spawn(a)).toBe(-1);
        if (ticks.length > 0) break;
      }
      const tick = 1 + random.below(2 ** 33);
      const timer = arena.timerInsert(tick, unit);
      if (timer < 0) {
        refused++;
        expect(core.timersGrow(a)).toBe(0);
      } else {
        ticks[unit] = tick;
        timers[unit] = timer;
      }
    }
    expectDisjoint(arena.memory, [a]);
    // Some are cancelled, the others still fire, each at its tick, through all levels.
    const left = ticks.map((tick, unit) => ({ tick, unit })).filter(({ unit }) => {
      if (!random.chance(3)) return true;
      core.timerCancel(a, timers[unit]!);
      return false;
    });
    left.sort((x, y) => x.tick - y.tick || x.unit - y.unit);
    const fired: number[] = [];
    while (core.timerNext(a) !== Infinity) {
      core.look(a, core.timerNext(a));
      fired.push(...arena.drainRing());
    }
    expect(fired).toEqual(left.map(({ unit }) => unit));
    // And there is room again.
    expect(core.timerInsert(a, 2 ** 34, 0)).toBeGreaterThanOrEqual(0);
  });

  test("an arena that does not fit is not made, and what it took comes back", () => {
    const memory = makeMemory("local", 4);
    const core = instantiate("local", memory);
    core.heapInit(HEAP_BASE);
    for (let i = 0; i < 50; i++) expect(core.arenaNew(65536)).toBe(0);
    const made: number[] = [];
    for (let a = core.arenaNew(64); a !== 0; a = core.arenaNew(64)) made.push(a);
    expect(made.length).toBeGreaterThan(8);
    expectDisjoint(memory, made);
    core.arenaFree(made.pop()!);
    expect(core.arenaNew(64)).not.toBe(0);
  });

  test("the address space may be used up to its last page", { timeout: 30_000 }, () => {
    const memory = makeMemory("local");
    const core = instantiate("local", memory);
    core.heapInit(HEAP_BASE);
    const made: number[] = [];
    // An address above 2 GiB comes out of Wasm as a negative number.
    for (let a = core.arenaNew(2 ** 22); a !== 0; a = core.arenaNew(2 ** 22)) made.push(a >>> 0);
    expect(made.length).toBeGreaterThan(55);
    for (let a = core.arenaNew(64); a !== 0 && made.length < 10_000; a = core.arenaNew(2 ** 18)) made.push(a >>> 0);
    expectDisjoint(memory, made);
    for (const a of made) expect(core.spawn(a)).toBe(0);
  });
});
