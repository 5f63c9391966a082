// The timer wheel: 6 levels of 64 slots, a tick is 1 ms. Owner thread only.
//
//   occupied  u64 per level, a bit per slot that has chunks
//   slots     { first, last } chunk
//   chunk     { next, previous, fill, slot } and 41 entries { timer, low half of when, target }
//   timers    address of the entry per timer id, and a stack of free ids
//
// Entries lie in arrays of 512 bytes, not in linked lists: inserting and firing read memory in order only (of the table of ids,
// which is in no order, they write a word and wait for nothing; with the target in that table, and free ids in a list through it, a
// million timers cost a cache miss more each, at both), and a cancel finds its entry through the timer and leaves a NIL. A chunk without live entries leaves
// its slot at once, so an occupied slot always has a live entry. Chunks are aligned to their size.
// The price: one timer that stays while its neighbours are cancelled keeps 512 bytes until its slot is emptied.
//
// TICK ≤ when of every entry. An entry is on the level of the highest six bits in which its tick
// differs from TICK (levelOf), hence: levels are in order of time; when a slot is emptied downwards all
// lower levels are empty; timers of one tick fire in the order of their insertion.
// The slot of TICK itself is used on level 0 only, by timers that were late when they were inserted.
// The half of `when` that is not stored follows from the slot: its range is at most 2^30 ticks.
//
// Emptying a slot never runs out of chunks. Chunks that are not the last of their slot are full or
// were, so emptying does not make more of them, and there are at most as many last ones as slots and as
// timers. ROOM = all chunks - those that are not last; an insert keeps ROOM > min(timers, slots).
//
// NEXT is the tick of the earliest timer, 0 when it has to be looked for, all ones without timers.

import {
  ARENA_CHUNK_END, ARENA_CHUNK_FREE, ARENA_CHUNK_NEXT, ARENA_CHUNK_REGIONS, ARENA_CHUNK_ROOM, ARENA_CHUNK_TOTAL,
  ARENA_ELAPSED, ARENA_HEAP, ARENA_NEXT, ARENA_TICK, ARENA_TIMERS, ARENA_TIMER_CAPACITY, ARENA_TIMER_COUNT,
  ARENA_TIMER_FREE, ARENA_TIMER_FRESH, CHUNK_BYTES, CHUNK_CAPACITY, CHUNK_ENTRIES, CHUNK_FILL, CHUNK_NEXT,
  CHUNK_PREVIOUS, CHUNK_REGION_MAX, CHUNK_REGION_MIN, CHUNK_SHIFT, CHUNK_SLOT, ENTRY_BYTES, ENTRY_TARGET, ENTRY_TIMER, ENTRY_WHEN,
  FREE_TIMER, NIL, ONE_LIVE, ONE_WRITTEN, SLOT_FIRST, SLOT_LAST, TIMERS_MAX, TIMERS_MIN, TIMER_BYTES,
  WHEEL_LEVELS, WHEEL_OCCUPIED, WHEEL_SLOTS, WHEEL_SLOT_COUNT,
} from "./layout";
import { indexOf, levelOf } from "./bits";
import { giveRegion, takeRegion } from "./region";
import { notify } from "./state";
import { push } from "./queue";

const NEVER: u64 = u64.MAX_VALUE;
/** Ticks are exact as f64 up to here; a clock beyond it stands still. */
const TICK_MAX: u64 = 1 << 53;

export function initWheel(arena: usize): void {
  store<u64>(arena, NEVER, ARENA_NEXT);
}

export function freeWheel(arena: usize): void {
  const heap = <usize>load<u32>(arena, ARENA_HEAP);
  const timers = <usize>load<u32>(arena, ARENA_TIMERS);
  if (timers != 0) giveRegion(heap, timers, load<u32>(arena, ARENA_TIMER_CAPACITY) * <u32>TIMER_BYTES);
  let region = <usize>load<u32>(arena, ARENA_CHUNK_REGIONS);
  while (region != 0) {
    const before = <usize>load<u32>(region);
    giveRegion(heap, region, load<u32>(region + 4));
    region = before;
  }
}

/**
 * Doubles what a failed insert lacked: timer ids, chunks, or both. Without such a lack, the ids.
 *
 * @returns false: out of memory; everything still works as before.
 */
export function growTimers(arena: usize): bool {
  const full = load<u32>(arena, ARENA_TIMER_FREE) == 0
    && load<u32>(arena, ARENA_TIMER_FRESH) == load<u32>(arena, ARENA_TIMER_CAPACITY);
  const short = isShort(arena, load<u32>(arena, ARENA_TIMER_COUNT));
  if (short && !growChunks(arena)) return false;
  return (short && !full) || growTable(arena);
}

/** @returns the timer's id, or -1: growTimers() and try again. */
export function insert(arena: usize, tick: f64, target: u32): i32 {
  const count = load<u32>(arena, ARENA_TIMER_COUNT);
  if (isShort(arena, count)) return -1;
  const timers = <usize>load<u32>(arena, ARENA_TIMERS);
  const free = load<u32>(arena, ARENA_TIMER_FREE);
  let timer = load<u32>(arena, ARENA_TIMER_FRESH);
  if (free != 0) {
    store<u32>(arena, free - 1, ARENA_TIMER_FREE);
    timer = load<u32>(freePtr(arena, timers, free - 1));
  } else {
    if (timer == load<u32>(arena, ARENA_TIMER_CAPACITY)) return -1;
    store<u32>(arena, timer + 1, ARENA_TIMER_FRESH);
  }
  store<u32>(arena, count + 1, ARENA_TIMER_COUNT);
  const elapsed = load<u64>(arena, ARENA_TICK);
  const asked = <i64>tick;
  const when = asked > <i64>elapsed ? <u64>asked : elapsed;
  if (when < load<u64>(arena, ARENA_NEXT)) store<u64>(arena, when, ARENA_NEXT);
  place(arena, timers, timer, when, target, elapsed);
  return timer;
}

/** Takes out a timer that has not fired. */
export function cancel(arena: usize, timer: u32): void {
  if (timer >= load<u32>(arena, ARENA_TIMER_FRESH)) return;
  const timers = <usize>load<u32>(arena, ARENA_TIMERS);
  const entry = <usize>load<u32>(timers + (<usize>timer << 2));
  if (entry & FREE_TIMER) return;
  if (load<u32>(entry, ENTRY_WHEN) == <u32>load<u64>(arena, ARENA_NEXT)) store<u64>(arena, 0, ARENA_NEXT);
  release(arena, timers, timer);
  const chunk = entry & ~<usize>(CHUNK_BYTES - 1);
  let fill = load<u32>(chunk, CHUNK_FILL) - <u32>ONE_LIVE;
  if (fill < <u32>ONE_LIVE) {
    unlink(arena, chunk);
    return;
  }
  // The last entry's place is used again, which keeps the pair insert and cancel in one place.
  if (entry == chunk + CHUNK_ENTRIES + (<usize>(fill & 0xffff) - 1) * ENTRY_BYTES) fill -= ONE_WRITTEN;
  else store<u32>(entry, NIL, ENTRY_TIMER);
  store<u32>(chunk, fill, CHUNK_FILL);
}

export function retarget(arena: usize, timer: u32, target: u32): void {
  if (timer >= load<u32>(arena, ARENA_TIMER_FRESH)) return;
  const entry = <usize>load<u32>(<usize>load<u32>(arena, ARENA_TIMERS) + (<usize>timer << 2));
  if (!(entry & FREE_TIMER)) store<u32>(entry, target, ENTRY_TARGET);
}

/** The exact tick of the earliest timer, or Infinity. Looks through one slot if it is not known. */
export function next(arena: usize): f64 {
  if (load<u32>(arena, ARENA_TIMER_COUNT) == 0) return Infinity;
  let earliest = load<u64>(arena, ARENA_NEXT);
  if (earliest == 0) {
    earliest = findNext(arena);
    store<u64>(arena, earliest, ARENA_NEXT);
  }
  return <f64><i64>earliest;
}

/** A tick at or before the earliest timer's, without looking for it: the start of its slot. */
export function bound(arena: usize): f64 {
  const earliest = load<u64>(arena, ARENA_NEXT);
  if (load<u32>(arena, ARENA_TIMER_COUNT) == 0) return Infinity;
  if (earliest != 0) return <f64><i64>earliest;
  const elapsed = load<u64>(arena, ARENA_TICK);
  return <f64><i64>startOf(elapsed, firstSlot(arena, elapsed));
}

/** Moves the wheel to `nowMs`, rounded down, and queues the targets of all timers up to it. @returns how many. */
export function advance(arena: usize, nowMs: f64): u32 {
  let elapsed = load<u64>(arena, ARENA_TICK);
  const asked = <i64>nowMs;
  const now = asked > <i64>elapsed ? min<u64>(<u64>asked, TICK_MAX) : elapsed;
  let fired: u32 = 0;
  if (load<u32>(arena, ARENA_TIMER_COUNT) != 0) {           // also when none is due: slots on the way are emptied downwards
    for (let slot = firstSlot(arena, elapsed); slot < <u32>WHEEL_SLOT_COUNT; slot = firstSlot(arena, elapsed)) {
      const start = startOf(elapsed, slot);
      if (start > now) break;
      elapsed = start;
      fired += empty(arena, slot, elapsed);
    }
    if (load<u64>(arena, ARENA_NEXT) <= now) store<u64>(arena, 0, ARENA_NEXT);
    if (load<u32>(arena, ARENA_TIMER_COUNT) == 0) store<u64>(arena, NEVER, ARENA_NEXT);
  }
  if (now != load<u64>(arena, ARENA_TICK)) {
    store<u64>(arena, now, ARENA_TICK);
    store<f64>(arena, <f64><i64>now, ARENA_ELAPSED);       // signed: an unsigned conversion takes several instructions
  }
  return fired;
}

// ---- slots

/** The occupied slot that comes first, or WHEEL_SLOT_COUNT. */
function firstSlot(arena: usize, elapsed: u64): u32 {
  for (let level: u32 = 0; level < <u32>WHEEL_LEVELS; level++) {
    const occupied = load<u64>(arena + WHEEL_OCCUPIED + (<usize>level << 3));
    if (occupied == 0) continue;
    // On level 0 the present slot comes first (late timers); above, it can only mean the next round.
    const from = (elapsed >> (level * 6)) + (level == 0 ? 0 : 1);
    return (level << 6) | (<u32>(ctz<u64>(rotr<u64>(occupied, from & 63)) + from) & 63);
  }
  return WHEEL_SLOT_COUNT;
}

/** The first tick of a slot, at or after `elapsed`. */
function startOf(elapsed: u64, slot: u32): u64 {
  const shift = <u64>(slot >> 6) * 6;
  const round = (<u64>64 << shift) - 1;
  const start = (elapsed & ~round) | (<u64>(slot & 63) << shift);
  return start < elapsed ? start + round + 1 : start;       // only on the top level
}

/** Fires or moves down everything in a slot whose start is `elapsed`. @returns how many units were queued. */
function empty(arena: usize, slot: u32, elapsed: u64): u32 {
  const timers = <usize>load<u32>(arena, ARENA_TIMERS);
  const place_ = arena + WHEEL_SLOTS + (<usize>slot << 3);
  let chunk = <usize>load<u32>(place_, SLOT_FIRST);
  store<u64>(place_, 0);
  vacate(arena, slot);
  const before = load<u32>(arena, ARENA_TIMER_FREE);
  const first = freePtr(arena, timers, before);
  let free = first;
  let fired: u32 = 0;
  while (chunk != 0) {
    const end = chunk + CHUNK_ENTRIES + <usize>(load<u32>(chunk, CHUNK_FILL) & 0xffff) * ENTRY_BYTES;
    for (let entry = chunk + CHUNK_ENTRIES; entry < end; entry += ENTRY_BYTES) {
      const timer = load<u32>(entry, ENTRY_TIMER);
      if (timer == <u32>NIL) continue;
      const ahead = load<u32>(entry, ENTRY_WHEN) - <u32>elapsed;
      const target = load<u32>(entry, ENTRY_TARGET);
      if (ahead != 0) {
        place(arena, timers, timer, elapsed + ahead, target, elapsed);
        continue;
      }
      store<u32>(timers + (<usize>timer << 2), FREE_TIMER);
      store<u32>(free, timer);
      free += 4;
      if (notify(arena, target)) {
        push(arena, indexOf(target));
        fired++;
      }
    }
    const following = <usize>load<u32>(chunk, CHUNK_NEXT);
    if (following != 0) addRoom(arena, 1);                  // it was not the last of its slot
    freeChunk(arena, chunk);
    chunk = following;
  }
  const released = <u32>(free - first) >> 2;
  store<u32>(arena, before + released, ARENA_TIMER_FREE);
  store<u32>(arena, load<u32>(arena, ARENA_TIMER_COUNT) - released, ARENA_TIMER_COUNT);
  return fired;
}

// @ts-ignore: decorator
@inline
function place(arena: usize, timers: usize, timer: u32, when: u64, target: u32, elapsed: u64): void {
  const level = levelOf(elapsed, when);
  const slot = (level << 6) | (<u32>(when >> (level * 6)) & 63);
  let chunk = <usize>load<u32>(arena + WHEEL_SLOTS + (<usize>slot << 3) + SLOT_LAST);
  if (chunk == 0 || (load<u32>(chunk, CHUNK_FILL) & 0xffff) == CHUNK_CAPACITY) chunk = append(arena, slot, chunk);
  const fill = load<u32>(chunk, CHUNK_FILL);
  const entry = chunk + CHUNK_ENTRIES + <usize>(fill & 0xffff) * ENTRY_BYTES;
  store<u32>(chunk, fill + <u32>(ONE_LIVE + ONE_WRITTEN), CHUNK_FILL);
  store<u32>(entry, timer, ENTRY_TIMER);
  store<u32>(entry, <u32>when, ENTRY_WHEN);
  store<u32>(entry, target, ENTRY_TARGET);
  store<u32>(timers + (<usize>timer << 2), <u32>entry);
}

// @ts-ignore: decorator
@inline
function vacate(arena: usize, slot: u32): void {
  const occupied = arena + WHEEL_OCCUPIED + (<usize>(slot >> 6) << 3);
  store<u64>(occupied, load<u64>(occupied) & ~(<u64>1 << (slot & 63)));
}

function findNext(arena: usize): u64 {
  const elapsed = load<u64>(arena, ARENA_TICK);
  const slot = firstSlot(arena, elapsed);
  const start = startOf(elapsed, slot);
  if (slot < 64) return start;
  let least = u32.MAX_VALUE;
  let chunk = <usize>load<u32>(arena + WHEEL_SLOTS + (<usize>slot << 3) + SLOT_FIRST);
  while (chunk != 0) {
    const end = chunk + CHUNK_ENTRIES + <usize>(load<u32>(chunk, CHUNK_FILL) & 0xffff) * ENTRY_BYTES;
    for (let entry = chunk + CHUNK_ENTRIES; entry < end; entry += ENTRY_BYTES) {
      if (load<u32>(entry, ENTRY_TIMER) != <u32>NIL) least = min<u32>(least, load<u32>(entry, ENTRY_WHEN) - <u32>start);
    }
    chunk = <usize>load<u32>(chunk, CHUNK_NEXT);
  }
  return start + least;
}

// ---- timer ids

/** The place above `count` ids in the stack of free ones. */
// @ts-ignore: decorator
@inline
function freePtr(arena: usize, timers: usize, count: u32): usize {
  return timers + (<usize>(load<u32>(arena, ARENA_TIMER_CAPACITY) + count) << 2);
}

// @ts-ignore: decorator
@inline
function release(arena: usize, timers: usize, timer: u32): void {
  const free = load<u32>(arena, ARENA_TIMER_FREE);
  store<u32>(timers + (<usize>timer << 2), FREE_TIMER);
  store<u32>(freePtr(arena, timers, free), timer);
  store<u32>(arena, free + 1, ARENA_TIMER_FREE);
  store<u32>(arena, load<u32>(arena, ARENA_TIMER_COUNT) - 1, ARENA_TIMER_COUNT);
}

function growTable(arena: usize): bool {
  const heap = <usize>load<u32>(arena, ARENA_HEAP);
  const old = <usize>load<u32>(arena, ARENA_TIMERS);
  const before = load<u32>(arena, ARENA_TIMER_CAPACITY);
  const capacity = before == 0 ? <u32>TIMERS_MIN : before << 1;
  if (capacity > <u32>TIMERS_MAX) return false;
  const region = takeRegion(heap, capacity * <u32>TIMER_BYTES);
  if (region == 0) return false;
  if (before != 0) {
    const bytes = <usize>before << 2;
    memory.copy(region, old, bytes);
    memory.copy(region + (<usize>capacity << 2), old + bytes, <usize>load<u32>(arena, ARENA_TIMER_FREE) << 2);
    giveRegion(heap, old, before * <u32>TIMER_BYTES);
  }
  store<u32>(arena, <u32>region, ARENA_TIMERS);
  store<u32>(arena, capacity, ARENA_TIMER_CAPACITY);
  return true;
}

// ---- chunks

/** Whether one more timer could leave too few chunks for emptying slots; it may itself need one, and leave a full one behind. */
// @ts-ignore: decorator
@inline
function isShort(arena: usize, count: u32): bool {
  return load<u32>(arena, ARENA_CHUNK_ROOM) < min<u32>(count, WHEEL_SLOT_COUNT) + 3;
}

function growChunks(arena: usize): bool {
  const heap = <usize>load<u32>(arena, ARENA_HEAP);
  const total = load<u32>(arena, ARENA_CHUNK_TOTAL);
  const bytes = min<u32>(max<u32>(total << <u32>CHUNK_SHIFT, CHUNK_REGION_MIN), CHUNK_REGION_MAX);
  const size = <u32>1 << (31 - clz<u32>(bytes));
  // What the last region has left joins the free list; it has been bumped through almost always.
  while (load<u32>(arena, ARENA_CHUNK_NEXT) != load<u32>(arena, ARENA_CHUNK_END)) freeChunk(arena, bumpChunk(arena));
  const region = takeRegion(heap, size);
  if (region == 0) return false;
  store<u32>(region, load<u32>(arena, ARENA_CHUNK_REGIONS));
  store<u32>(region + 4, size);
  store<u32>(arena, <u32>region, ARENA_CHUNK_REGIONS);
  store<u32>(arena, <u32>region + CHUNK_BYTES, ARENA_CHUNK_NEXT);
  store<u32>(arena, <u32>region + size, ARENA_CHUNK_END);
  const chunks = (size >> <u32>CHUNK_SHIFT) - 1;
  store<u32>(arena, total + chunks, ARENA_CHUNK_TOTAL);
  addRoom(arena, chunks);
  return true;
}

// @ts-ignore: decorator
@inline
function addRoom(arena: usize, chunks: u32): void {
  store<u32>(arena, load<u32>(arena, ARENA_CHUNK_ROOM) + chunks, ARENA_CHUNK_ROOM);
}

function bumpChunk(arena: usize): usize {
  const chunk = load<u32>(arena, ARENA_CHUNK_NEXT);
  store<u32>(arena, chunk + CHUNK_BYTES, ARENA_CHUNK_NEXT);
  return chunk;
}

// @ts-ignore: decorator
@inline
function freeChunk(arena: usize, chunk: usize): void {
  store<u32>(chunk, load<u32>(arena, ARENA_CHUNK_FREE), CHUNK_NEXT);
  store<u32>(arena, <u32>chunk, ARENA_CHUNK_FREE);
}

/** Adds an empty chunk behind `last`, the slot's last one or 0. */
function append(arena: usize, slot: u32, last: usize): usize {
  let chunk = <usize>load<u32>(arena, ARENA_CHUNK_FREE);
  if (chunk != 0) store<u32>(arena, load<u32>(chunk, CHUNK_NEXT), ARENA_CHUNK_FREE);
  else chunk = bumpChunk(arena);
  store<u32>(chunk, 0, CHUNK_NEXT);
  store<u32>(chunk, <u32>last, CHUNK_PREVIOUS);
  store<u32>(chunk, 0, CHUNK_FILL);
  store<u32>(chunk, slot, CHUNK_SLOT);
  const ends = arena + WHEEL_SLOTS + (<usize>slot << 3);
  store<u32>(ends, <u32>chunk, SLOT_LAST);
  if (last != 0) {
    store<u32>(last, <u32>chunk, CHUNK_NEXT);
    addRoom(arena, -1);
  } else {
    store<u32>(ends, <u32>chunk, SLOT_FIRST);
    const occupied = arena + WHEEL_OCCUPIED + (<usize>(slot >> 6) << 3);
    store<u64>(occupied, load<u64>(occupied) | (<u64>1 << (slot & 63)));
  }
  return chunk;
}

/** Takes a chunk without live entries out of its slot. */
function unlink(arena: usize, chunk: usize): void {
  const slot = load<u32>(chunk, CHUNK_SLOT);
  const following = <usize>load<u32>(chunk, CHUNK_NEXT);
  const previous = <usize>load<u32>(chunk, CHUNK_PREVIOUS);
  const ends = arena + WHEEL_SLOTS + (<usize>slot << 3);
  store<u32>(following != 0 ? following + CHUNK_PREVIOUS : ends + SLOT_LAST, <u32>previous);
  store<u32>(previous != 0 ? previous + CHUNK_NEXT : ends + SLOT_FIRST, <u32>following);
  if ((following | previous) != 0) addRoom(arena, 1);       // one fewer that is not the last
  else vacate(arena, slot);
  freeChunk(arena, chunk);
}
