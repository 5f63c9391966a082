// The slots of an arena's units. Owner thread only.
//
//   states  u32  see state.ts; a free slot is COMPLETE and keeps its generation
//   links   u32  next free slot, or next unit of the deferred list: a deferred unit is NOTIFIED, so never free
//   args    u32  a guest's argument, and its result once it ended
//   ring    u32  the run queue, as many places as units
//
// Slots from FRESH on were never used and hold rubbish; no handle names them. The free list is
// last in, first out: the slot released last is the one still in the cache. A slot whose 256 generations have gone round rests in
// a list of its own, until nothing else is left and at least 64 rest: a handle means something else 16 384 units later at the earliest.
//
// Tables only double. Handles are indices, so a table could shrink only when its upper half happens to be free, and what it holds
// (16 bytes for each unit of the peak) is little beside what the units were to JavaScript. Closing the arena gives all of it back.

import {
  ARENA_ARGS, ARENA_CAPACITY, ARENA_FREE, ARENA_FRESH, ARENA_GUESTS, ARENA_HEAD, ARENA_HEAP, ARENA_LINKS, ARENA_LIVE, ARENA_REST, ARENA_REST_COUNT, ARENA_RING,
  ARENA_STATES, ARENA_TAIL, COMPLETE, GENERATION_MASK, GENERATION_SHIFT, GUEST, INBOX_FIRST, INBOX_FIRST_SHIFT, INBOX_SEGMENTS,
  NIL, REST_MIN, UNITS_MAX, UNIT_BYTES,
} from "./layout";
import { giveRegion, takeRegion } from "./region";

// @ts-ignore: decorator
@inline
export function statePtr(arena: usize, index: u32): usize {
  return <usize>load<u32>(arena, ARENA_STATES) + (<usize>index << 2);
}

// @ts-ignore: decorator
@inline
export function linkPtr(arena: usize, index: u32): usize {
  return <usize>load<u32>(arena, ARENA_LINKS) + (<usize>index << 2);
}

// @ts-ignore: decorator
@inline
export function argPtr(arena: usize, index: u32): usize {
  return <usize>load<u32>(arena, ARENA_ARGS) + (<usize>index << 2);
}

/** Takes a slot; its state is `bits` and the slot's generation. @returns the index, or NIL: full. */
export function takeSlot(arena: usize, bits: u32): u32 {
  let index = load<u32>(arena, ARENA_FREE);
  let state = bits;
  if (index != <u32>NIL) {
    store<u32>(arena, load<u32>(linkPtr(arena, index)), ARENA_FREE);
    state |= load<u32>(statePtr(arena, index)) & <u32>GENERATION_MASK;
  } else {
    index = load<u32>(arena, ARENA_FRESH);
    if (index == load<u32>(arena, ARENA_CAPACITY)) return endRest(arena, index) ? takeSlot(arena, bits) : NIL;
    store<u32>(arena, index + 1, ARENA_FRESH);
  }
  store<u32>(statePtr(arena, index), state);
  if (bits & <u32>GUEST) store<u32>(arena, load<u32>(arena, ARENA_GUESTS) + 1, ARENA_GUESTS);
  else store<u32>(arena, load<u32>(arena, ARENA_LIVE) + 1, ARENA_LIVE);
  return index;
}

/** Makes the slots that rest free, if there are enough of them or the table cannot grow. */
function endRest(arena: usize, capacity: u32): bool {
  const count = load<u32>(arena, ARENA_REST_COUNT);
  if (count == 0 || (count < <u32>REST_MIN && capacity != <u32>UNITS_MAX)) return false;
  store<u32>(arena, load<u32>(arena, ARENA_REST), ARENA_FREE);
  store<u32>(arena, NIL, ARENA_REST);
  store<u32>(arena, 0, ARENA_REST_COUNT);
  return true;
}

/** Gives back the slot of a unit that is COMPLETE and in no list; its handles are stale from now on. */
// @ts-ignore: decorator
@inline
export function releaseSlot(arena: usize, index: u32, state: u32): void {
  const generation = (state & <u32>GENERATION_MASK) + (<u32>1 << <u32>GENERATION_SHIFT);
  store<u32>(statePtr(arena, index), generation | <u32>COMPLETE);
  if (generation == 0) {
    rest(arena, index);
    return;
  }
  store<u32>(linkPtr(arena, index), load<u32>(arena, ARENA_FREE));
  store<u32>(arena, index, ARENA_FREE);
}

function rest(arena: usize, index: u32): void {
  store<u32>(linkPtr(arena, index), load<u32>(arena, ARENA_REST));
  store<u32>(arena, index, ARENA_REST);
  store<u32>(arena, load<u32>(arena, ARENA_REST_COUNT) + 1, ARENA_REST_COUNT);
}

/** The first tables. @returns false: out of memory. */
export function initUnits(arena: usize, capacity: u32): bool {
  const region = takeRegion(load<u32>(arena, ARENA_HEAP), capacity * <u32>UNIT_BYTES);
  if (region == 0) return false;
  setTables(arena, region, capacity);
  store<u32>(arena, NIL, ARENA_FREE);
  store<u32>(arena, NIL, ARENA_REST);
  return coverUnits(arena, capacity);
}

/** Doubles the tables. @returns false: out of memory or at the limit; nothing has changed then. */
export function growUnits(arena: usize): bool {
  const heap = <usize>load<u32>(arena, ARENA_HEAP);
  const capacity = load<u32>(arena, ARENA_CAPACITY);
  if (capacity == <u32>UNITS_MAX || !coverUnits(arena, capacity << 1)) return false;
  const region = takeRegion(heap, (capacity << 1) * <u32>UNIT_BYTES);
  if (region == 0) return false;                           // a segment taken before stays, for the next attempt
  const bytes = <usize>capacity << 2;
  const old = <usize>load<u32>(arena, ARENA_STATES);
  memory.copy(region, old, bytes);
  memory.copy(region + (bytes << 1), old + bytes, bytes);
  memory.copy(region + (bytes << 2), old + (bytes << 1), bytes);
  // Positions stay as they are; they fall elsewhere under the new mask.
  const ring = <usize>load<u32>(arena, ARENA_RING);
  const newRing = region + bytes * 6;
  const newMask = (capacity << 1) - 1;
  const tail = load<u32>(arena, ARENA_TAIL);
  for (let at = load<u32>(arena, ARENA_HEAD); at != tail; at++) {
    store<u32>(newRing + (<usize>(at & newMask) << 2), load<u32>(ring + (<usize>(at & (capacity - 1)) << 2)));
  }
  setTables(arena, region, capacity << 1);
  giveRegion(heap, old, capacity * <u32>UNIT_BYTES);
  return true;
}

export function freeUnits(arena: usize): void {
  const heap = <usize>load<u32>(arena, ARENA_HEAP);
  giveRegion(heap, load<u32>(arena, ARENA_STATES), load<u32>(arena, ARENA_CAPACITY) * <u32>UNIT_BYTES);
}

function setTables(arena: usize, region: usize, capacity: u32): void {
  const bytes = <usize>capacity << 2;
  store<u32>(arena, <u32>region, ARENA_STATES);
  store<u32>(arena, <u32>(region + bytes), ARENA_LINKS);
  store<u32>(arena, <u32>(region + bytes * 2), ARENA_ARGS);
  store<u32>(arena, <u32>(region + bytes * 3), ARENA_RING);
  store<u32>(arena, capacity, ARENA_CAPACITY);
}

/** Makes inbox segments for units below `capacity`. Segment 0 is inside the arena. */
function coverUnits(arena: usize, capacity: u32): bool {
  store<u32>(arena, <u32>arena + INBOX_FIRST, INBOX_SEGMENTS);
  for (let segment: u32 = 1; capacity > <u32>1 << (<u32>INBOX_FIRST_SHIFT + segment - 1); segment++) {
    const place = arena + INBOX_SEGMENTS + (<usize>segment << 2);
    if (load<u32>(place) != 0) continue;
    const bytes = segmentBytes(segment);
    const region = takeRegion(load<u32>(arena, ARENA_HEAP), bytes);
    if (region == 0) return false;
    memory.fill(region, 0, bytes);
    store<u32>(place, <u32>region);                        // plain: a handle of this segment reaches another thread only later
  }
  return true;
}

/** Segment n > 0 covers as many units as all before it, one bit each. */
export function segmentBytes(segment: u32): u32 {
  return <u32>1 << (<u32>INBOX_FIRST_SHIFT + segment - 1 - 3);
}
