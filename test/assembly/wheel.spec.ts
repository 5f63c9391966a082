import { ARENA_CHUNK_ROOM, ARENA_CHUNK_TOTAL, ARENA_ELAPSED, WHEEL_OCCUPIED } from "../../assembly/layout";
import { advance, bound, cancel, growTimers, insert, next, retarget } from "../../assembly/wheel";
import { newArenaWith, pollAll } from "./support";

let arena: u32 = 0;

function timer(tick: f64, target: u32): i32 {
  let id = insert(arena, tick, target);
  if (id < 0 && growTimers(arena)) id = insert(arena, tick, target);
  return id;
}

describe("the timer wheel", () => {
  beforeEach(() => {
    arena = newArenaWith(64);
  });

  it("asks for memory first, and then gives out ids in order", () => {
    expect<i32>(insert(arena, 5, 0)).toBe(-1);
    expect(growTimers(arena)).toBe(true);
    expect<i32>(insert(arena, 5, 0)).toBe(0);
    expect<i32>(insert(arena, 5, 0)).toBe(1);
    cancel(arena, 0);
    expect<i32>(insert(arena, 5, 0)).toBe(0);
  });

  it("fires at the tick and not before it, from every level", () => {
    for (let level = 0; level < 6; level++) {
      const tick = <f64>((<u64>1 << (6 * level)) + 1000) + load<f64>(arena + ARENA_ELAPSED);
      timer(tick, level);
      expect<f64>(next(arena)).toBe(tick);
      expect<u32>(advance(arena, tick - 1)).toBe(0);
      expect<f64>(next(arena)).toBe(tick);
      expect<u32>(advance(arena, tick)).toBe(1);
      expect<u64>(pollAll(arena)).toBe(level);
    }
    expect<f64>(next(arena)).toBe(Infinity);
    expect<f64>(bound(arena)).toBe(Infinity);
  });

  it("fires in the order of ticks in one jump, and of insertion within a tick", () => {
    timer(70_000, 4);
    timer(5, 1);
    timer(300, 2);
    timer(70_000, 5);
    timer(301, 3);
    expect<u32>(advance(arena, 1_000_000)).toBe(5);
    expect<u64>(pollAll(arena)).toBe(102030405);
  });

  it("knows the exact next tick, and a bound when the earliest was cancelled", () => {
    const first = timer(5_000, 1);
    timer(5_100, 2);
    expect<f64>(next(arena)).toBe(5_000);
    cancel(arena, first);
    expect<f64>(bound(arena)).toBe(4_096); // the start of their slot
    expect<f64>(next(arena)).toBe(5_100);
    expect<f64>(bound(arena)).toBe(5_100);
  });

  it("fires late timers at the next look, before everything else", () => {
    advance(arena, 100);
    timer(101, 2);
    timer(3, 1);
    expect<f64>(next(arena)).toBe(100);
    expect<u32>(advance(arena, 100)).toBe(1);
    expect<u64>(pollAll(arena)).toBe(1);
    expect<u32>(advance(arena, 101)).toBe(1);
  });

  it("goes once around the top level for ticks beyond a multiple of 2^36", () => {
    const start: f64 = 68_719_476_736.0 - 10.0;
    advance(arena, start);
    timer(start + 5, 1);
    timer(start + 20, 2);
    timer(start + 68_719_476_735.0, 3);
    expect<f64>(next(arena)).toBe(start + 5);
    expect<u32>(advance(arena, start + 19)).toBe(1);
    expect<f64>(next(arena)).toBe(start + 20);
    expect<u32>(advance(arena, start + 68_719_476_734.0)).toBe(1);
    expect<f64>(next(arena)).toBe(start + 68_719_476_735.0);
    expect<u32>(advance(arena, start + 68_719_476_735.0)).toBe(1);
    expect<u64>(pollAll(arena)).toBe(10203);
  });

  it("wakes another unit after retarget()", () => {
    const id = timer(10, 1);
    retarget(arena, id, 2);
    expect<u32>(advance(arena, 10)).toBe(1);
    expect<u64>(pollAll(arena)).toBe(2);
  });

  it("gives chunks back, and leaves no slot occupied", () => {
    const ids = new StaticArray<i32>(1000);
    for (let i = 0; i < 1000; i++) ids[i] = timer(1 + i * 37, 0);
    for (let i = 0; i < 1000; i += 2) cancel(arena, ids[i]);
    advance(arena, 20_000);
    for (let i = 541; i < 1000; i += 2) cancel(arena, ids[i]);
    expect<f64>(next(arena)).toBe(Infinity);
    for (let level = 0; level < 6; level++) expect<u64>(load<u64>(<usize>arena + WHEEL_OCCUPIED + level * 8)).toBe(0);
    expect<u32>(load<u32>(<usize>arena + ARENA_CHUNK_ROOM)).toBe(load<u32>(<usize>arena + ARENA_CHUNK_TOTAL));
  });
});
