import { describe, expect, test } from "vitest";
import { INDEX_MASK } from "../assembly/layout.ts";
import { Arena, FLAVORS, Random } from "./core_arena.ts";
import { seed } from "./support/lanes.ts";

interface Timer {
  readonly tick: number;
  readonly order: number;
  target: number;
}

/** Random operations against a plain map; every target is a unit of its own, so the run queue shows the firing order. */
function compare(arena: Arena, random: Random, start: number, operations: number): void {
  const { core, a } = arena;
  core.look(a, start);
  const timers = new Map<number, Timer>();
  const idle: number[] = [];
  let now = start;
  let order = 0;

  const distance = (): number => {
    switch (random.below(8)) {
      case 0: return random.below(4);
      case 1: return 1 + random.below(64);
      case 2: return 1 + random.below(4096);
      case 3: return 1 + random.below(2 ** 18);
      case 4: return 1 + random.below(2 ** 32);
      case 5: return 2 ** 32 - 2 + random.below(5);
      case 6: return 2 ** 36 - 1 - random.below(70);
      default: return 64 ** (1 + random.below(5)) - 2 + random.below(5);
    }
  };
  const earliest = (): number => [...timers.values()].reduce((least, { tick }) => Math.min(least, tick), Infinity);

  for (let i = 0; i < operations; i++) {
    const choice = random.below(100);
    if (choice < 45) {
      const target = idle.pop() ?? arena.unitNew();
      // Also ticks that are already past: they fire at the next look.
      const tick = random.chance(40) ? Math.max(0, now - random.below(100)) : now + distance();
      const id = arena.timerInsert(tick, target);
      expect(id).toBeGreaterThanOrEqual(0);
      expect(timers.has(id)).toBe(false);
      timers.set(id, { tick: Math.max(tick, now), order: order++, target });
    } else if (choice < 65 && timers.size > 0) {
      const id = random.pick([...timers.keys()]);
      core.timerCancel(a, id);
      idle.push(timers.get(id)!.target);
      timers.delete(id);
    } else if (choice < 70 && timers.size > 0) {
      const timer = timers.get(random.pick([...timers.keys()]))!;
      const id = [...timers].find(([, other]) => other === timer)![0];
      idle.push(timer.target);
      timer.target = arena.unitNew();
      core.timerTarget(a, id, timer.target);
    } else if (choice < 80) {
      expect(core.timerNext(a)).toBe(earliest());
      expect(core.timerBound(a)).toBeLessThanOrEqual(earliest());
    } else {
      const next = earliest();
      const step = random.below(5);
      if (step === 0 && next !== Infinity) now = Math.max(now, next - 1); // must not fire
      else if (step === 1 && next !== Infinity) now = next;
      else if (step === 2) now += distance();
      else now += random.below(100);
      const due = [...timers].filter(([, { tick }]) => tick <= now).sort(([, x], [, y]) => x.tick - y.tick || x.order - y.order);
      expect(core.look(a, now + (random.chance(2) ? 0.75 : 0))).toBe(due.length);
      expect(arena.elapsed).toBe(now);
      expect(arena.drainRing()).toEqual(due.map(([, { target }]) => target & INDEX_MASK));
      for (const [id, { target }] of due) {
        timers.delete(id);
        idle.push(target);
      }
    }
  }
  for (const id of timers.keys()) core.timerCancel(a, id);
  expect(core.timerNext(a)).toBe(Infinity);
  expect(core.look(a, now + 2 ** 37)).toBe(0);
}

describe(`the timer wheel does what a sorted map does (TOKIWA_SEED=${seed})`, () => {
  const starts = { "at 0": 0, "before 2^32": 2 ** 32 - 300, "before 2^36": 2 ** 36 - 5000, "beyond 2^40": 2 ** 40 + 12345 };
  for (const [title, start] of Object.entries(starts)) {
    test.each(FLAVORS)(`from ${title} (%s)`, (flavor) => {
      for (let round = 0; round < 8; round++) compare(new Arena(flavor), new Random(seed + round * 7919 + start), start, 600);
    });
  }
});

describe("the timer wheel", () => {
  test("fires timers of one tick in the order of their insertion, also across levels", () => {
    const arena = new Arena();
    const units = Array.from({ length: 200 }, () => arena.unitNew());
    units.forEach((unit, i) => {
      if (i === 70) arena.core.look(arena.a, 4000); // now the same tick is on a lower level
      if (i === 140) arena.core.look(arena.a, 4990);
      arena.timerInsert(5000, unit);
    });
    expect(arena.core.look(arena.a, 5000)).toBe(200);
    expect(arena.drainRing()).toEqual(units.map((unit) => unit & INDEX_MASK));
  });

  test("ignores a clock that runs backwards, NaN and infinite times", () => {
    const arena = new Arena();
    const unit = arena.unitNew();
    arena.timerInsert(50, unit);
    arena.core.look(arena.a, 40);
    for (const now of [39, 0, -5, NaN, -Infinity]) expect(arena.core.look(arena.a, now)).toBe(0);
    expect(arena.elapsed).toBe(40);
    expect(arena.core.timerNext(arena.a)).toBe(50);
    expect(arena.core.look(arena.a, Infinity)).toBe(1);
    expect(arena.elapsed).toBe(2 ** 53);
  });

  test("a timer whose target ended wakes nobody, also when the slot has a new unit", () => {
    const arena = new Arena();
    const { core, a } = arena;
    const first = arena.unitNew();
    arena.timerInsert(10, first);
    core.unitFree(a, first);
    const second = arena.unitNew();
    expect(second & INDEX_MASK).toBe(first & INDEX_MASK);
    expect(core.look(a, 10)).toBe(0);
    expect(core.ready(a)).toBe(0);
  });

  test("cancelling twice, or an id that never was, does nothing", () => {
    const arena = new Arena();
    const { core, a } = arena;
    const unit = arena.unitNew();
    core.timerCancel(a, 0);
    const timer = arena.timerInsert(10, unit);
    core.timerCancel(a, timer);
    core.timerCancel(a, timer);
    core.timerCancel(a, 99);
    core.timerCancel(a, -1);
    expect(core.timerNext(a)).toBe(Infinity);
    expect(arena.timerInsert(20, unit)).toBe(timer);
    expect(core.timerNext(a)).toBe(20);
  });

  test("cancelling most of a full wheel and going on reuses the chunks", () => {
    const arena = new Arena();
    const { core, a } = arena;
    const unit = arena.unitNew();
    let pages = 0;
    for (let round = 0; round < 20; round++) {
      const now = round * 1_000_000;
      const ids = Array.from({ length: 20_000 }, (_, i) => arena.timerInsert(now + 1 + i * 40, unit));
      expect(new Set(ids).size).toBe(ids.length);
      ids.forEach((id, i) => {
        if (i % 62 !== 0) core.timerCancel(a, id); // one stays in every chunk
      });
      for (let step = 1; step <= 10; step++) core.look(a, now + step * 100_000);
      expect(core.timerNext(a)).toBe(Infinity);
      if (round === 1) pages = core.pages();
    }
    expect(core.pages()).toBe(pages);
  });

  test("a million timers at random ticks all fire, in order and once", { timeout: 30_000 }, () => {
    const arena = new Arena();
    const { core, a } = arena;
    const random = new Random(seed);
    const count = 1_050_000;
    const ticks = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      const handle = arena.unitNew();
      if (handle !== i) throw new Error(`handle ${handle} instead of ${i}`);
      ticks[i] = 1 + random.below(100_000);
      if (arena.timerInsert(ticks[i]!, handle) < 0) throw new Error("no timer");
    }
    let fired = 0;
    let last = 0;
    let wrong = 0;
    for (let now = 0; now <= 100_000; now += 997) {
      fired += core.look(a, now);
      for (const index of arena.drainRing()) {
        const tick = ticks[index]!;
        if (tick < last || tick > now) wrong++;
        last = tick;
      }
    }
    fired += core.look(a, 100_000);
    expect({ fired, wrong, next: core.timerNext(a) }).toEqual({ fired: count, wrong: 0, next: Infinity });
  });
});
