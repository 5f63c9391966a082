import { ARENA_HEAD, ARENA_TAIL } from "../../assembly/layout";
import { flushDeferred, push, pushDeferred, readyCount, ringPtr } from "../../assembly/queue";
import { newArenaWith } from "./support";

let arena: usize = 0;

function at(position: u32): u32 {
  return load<u32>(ringPtr(arena, load<u32>(arena + ARENA_HEAD) + position));
}

describe("the run queue", () => {
  beforeEach(() => {
    arena = newArenaWith(64);
  });

  it("holds every unit, also across the end of its ring and of its counters", () => {
    store<u32>(arena + ARENA_HEAD, -20);
    store<u32>(arena + ARENA_TAIL, -20);
    for (let i: u32 = 0; i < 64; i++) push(arena, i);
    expect<u32>(readyCount(arena)).toBe(64);
    for (let i: u32 = 0; i < 64; i++) expect<u32>(at(i)).toBe(i);
  });

  it("gets the deferred units in their order, behind what is ready", () => {
    pushDeferred(arena, 9);
    pushDeferred(arena, 3);
    push(arena, 1);
    pushDeferred(arena, 7);
    push(arena, 2);
    expect<u32>(readyCount(arena)).toBe(5);
    expect<u32>(flushDeferred(arena)).toBe(3);
    expect<u32>(flushDeferred(arena)).toBe(0);
    expect<u32>(readyCount(arena)).toBe(5);
    expect<u32>(at(0)).toBe(1);
    expect<u32>(at(1)).toBe(2);
    expect<u32>(at(2)).toBe(9);
    expect<u32>(at(3)).toBe(3);
    expect<u32>(at(4)).toBe(7);
    pushDeferred(arena, 5);
    expect<u32>(flushDeferred(arena)).toBe(1);
    expect<u32>(at(5)).toBe(5);
  });
});
