// The run queue and the deferred list. Owner thread only.
//
//   ring      first in, first out; head ≤ tail, both wrap at 2^32 and are masked only when they
//             address a place. As many places as units, and NOTIFIED lets a unit in once: it cannot overflow.
//   deferred  units that go behind everything that is ready: yields and spent budgets. A list through
//             the units' links, as long as its count says (the last link is rubbish), in order; look()
//             moves it to the back of the ring.
//
// Functions of the hot paths are inlined by asc, because Node 20 inlines no Wasm calls: 1-2 ns each.

import {
  ARENA_BATCH_COUNT, ARENA_CAPACITY, ARENA_DEFER_COUNT, ARENA_DEFER_HEAD, ARENA_DEFER_TAIL, ARENA_HEAD, ARENA_LINKS,
  ARENA_RING, ARENA_TAIL,
} from "./layout";
import { linkPtr } from "./slab";

/** Appends a unit that was just marked NOTIFIED. */
// @ts-ignore: decorator
@inline
export function push(arena: usize, index: u32): void {
  const tail = load<u32>(arena, ARENA_TAIL);
  store<u32>(ringPtr(arena, tail), index);
  store<u32>(arena, tail + 1, ARENA_TAIL);
}

// @ts-ignore: decorator
@inline
export function ringPtr(arena: usize, position: u32): usize {
  const place = position & (load<u32>(arena, ARENA_CAPACITY) - 1);
  return <usize>load<u32>(arena, ARENA_RING) + (<usize>place << 2);
}

/** Appends a unit that was just marked NOTIFIED to the deferred list. */
// @ts-ignore: decorator
@inline
export function pushDeferred(arena: usize, index: u32): void {
  const count = load<u32>(arena, ARENA_DEFER_COUNT);
  const last = count == 0 ? arena + ARENA_DEFER_HEAD : linkPtr(arena, load<u32>(arena, ARENA_DEFER_TAIL));
  store<u32>(last, index);
  store<u32>(arena, index, ARENA_DEFER_TAIL);
  store<u32>(arena, count + 1, ARENA_DEFER_COUNT);
}

/** Moves the deferred list to the back of the ring. @returns how many units that were. */
export function flushDeferred(arena: usize): u32 {
  const count = load<u32>(arena, ARENA_DEFER_COUNT);
  if (count == 0) return 0;
  const links = <usize>load<u32>(arena, ARENA_LINKS);
  const ring = <usize>load<u32>(arena, ARENA_RING);
  const mask = load<u32>(arena, ARENA_CAPACITY) - 1;
  let tail = load<u32>(arena, ARENA_TAIL);
  let index = load<u32>(arena, ARENA_DEFER_HEAD);
  for (const end = tail + count; tail != end; tail++) {
    store<u32>(ring + (<usize>(tail & mask) << 2), index);
    index = load<u32>(links + (<usize>index << 2));
  }
  store<u32>(arena, tail, ARENA_TAIL);
  store<u32>(arena, 0, ARENA_DEFER_COUNT);
  return count;
}

/** Units in the ring, in the deferred list and in the batch as turn() left it. */
export function readyCount(arena: usize): u32 {
  return load<u32>(arena, ARENA_TAIL) - load<u32>(arena, ARENA_HEAD)
    + load<u32>(arena, ARENA_DEFER_COUNT) + load<u32>(arena, ARENA_BATCH_COUNT);
}
