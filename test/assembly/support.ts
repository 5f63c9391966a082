// An arena for a spec. as-pect's own runtime has the low addresses, so the heap begins where the memory ended.

import { ARENA_BATCH, INDEX_MASK, NOTIFIED } from "../../assembly/layout";
import { arenaNew, heapInit, turn, unitNew } from "../../assembly/index";
import { statePtr } from "../../assembly/slab";

export function newHeap(pages: i32 = 4): usize {
  return <usize>memory.grow(pages) << 16;
}

/** An arena in a new heap. */
export function newArena(capacity: u32 = 64): u32 {
  heapInit(<u32>newHeap());
  const arena = arenaNew(capacity);
  assert(arena != 0);
  return arena;
}

/** An arena with idle units 0 to count - 1. */
export function newArenaWith(count: u32): u32 {
  const arena = newArena(count);
  for (let i: u32 = 0; i < count; i++) assert(unitNew(arena) == i);
  return arena;
}

export function batchWord(arena: u32, place: u32): u32 {
  return load<u32>(<usize>arena + ARENA_BATCH + (<usize>place << 2));
}

/** Writes a poll's result as JavaScript does. */
export function setResult(arena: u32, place: u32, result: u32): void {
  const at = <usize>arena + ARENA_BATCH + (<usize>place << 2);
  store<u32>(at, load<u32>(at) | result);
}

/** Clears NOTIFIED as JavaScript does before a poll. */
export function beginPoll(arena: u32, place: u32): u32 {
  const index = batchWord(arena, place) & <u32>INDEX_MASK;
  const at = statePtr(arena, index);
  store<u32>(at, load<u32>(at) & ~NOTIFIED);
  return index;
}

/** Polls everything that is ready; all are pending. @returns the indices as digits of base 100, the first one highest. */
export function pollAll(arena: u32): u64 {
  let trace: u64 = 0;
  for (let count = turn(arena, 0, 256); count > 0; count = turn(arena, count, 256)) {
    for (let i: u32 = 0; i < count; i++) trace = trace * 100 + beginPoll(arena, i);
  }
  return trace;
}
