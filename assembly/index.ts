// The exports. All arguments are 32-bit integers or f64: an i64 would be a BigInt.
//
// `a` is the address of an arena: the state of one runtime. Exports marked "any thread" may be called
// by every thread of the memory, the others by the arena's owner only. None keeps state in
// the instance but the address of the heap, which is the same for all threads of a memory.

import {
  ARENA_BYTES, ARENA_CURRENT, ARENA_GUESTS, ARENA_HEAP, ARENA_LIVE, ARENA_VERSION, INBOX_SEGMENTS,
  INBOX_SEGMENT_COUNT, LAYOUT_VERSION, NIL, NOTIFIED, UNITS_MAX, UNITS_MIN,
} from "./layout";
import { exponentOf, handleOf, indexOf } from "./bits";
import { formatHeap, formatHeapWithin, giveRegion, takeRegion } from "./region";
import { freeUnits, growUnits, initUnits, segmentBytes, statePtr, takeSlot } from "./slab";
import { complete, isLive as isUnitLive, notify } from "./state";
import { flushDeferred, push, pushDeferred, readyCount } from "./queue";
import * as wheel from "./wheel";
import { drain } from "./inbox";
import * as parking from "./park";
import { spawnGuest } from "./guest";
import { exchange, guestFailed as failGuest } from "./turn";

let heap: usize = 0;

// ---- memory and arenas

/** Makes everything from `base` to the end of the memory, and what it grows by, the core's. Once per memory. */
export function heapInit(base: u32): void {
  formatHeap(base);
  heap = base;
}

/** As heapInit(), for `bytes` bytes that the memory's owner allocated: the core never grows that memory. */
export function heapInitWithin(base: u32, bytes: u32): void {
  formatHeapWithin(base, bytes);
  heap = base;
}

/** For the other instances on a memory whose heap is at `base`. */
export function heapAttach(base: u32): void {
  heap = base;
}

/** Any thread, which is then the owner. @returns an address, or 0: out of memory. */
export function arenaNew(capacity: u32): u32 {
  if (capacity > <u32>UNITS_MAX) return 0;
  const exponent = exponentOf(max<u32>(capacity, UNITS_MIN));
  const arena = takeRegion(heap, ARENA_BYTES);
  if (arena == 0) return 0;
  memory.fill(arena, 0, ARENA_BYTES);
  store<u32>(arena, LAYOUT_VERSION, ARENA_VERSION);
  store<u32>(arena, <u32>heap, ARENA_HEAP);
  store<u32>(arena, NIL, ARENA_CURRENT);
  wheel.initWheel(arena);
  if (!initUnits(arena, <u32>1 << exponent)) {
    freeInbox(arena);
    giveRegion(heap, arena, ARENA_BYTES);
    return 0;
  }
  return <u32>arena;
}

/** No other thread may know the arena any more. */
export function arenaFree(a: u32): void {
  wheel.freeWheel(a);
  freeUnits(a);
  freeInbox(a);
  giveRegion(load<u32>(a, ARENA_HEAP), a, ARENA_BYTES);
}

function freeInbox(arena: usize): void {
  for (let segment: u32 = 1; segment < <u32>INBOX_SEGMENT_COUNT; segment++) {
    const region = <usize>load<u32>(arena + INBOX_SEGMENTS + (<usize>segment << 2));
    if (region != 0) giveRegion(load<u32>(arena, ARENA_HEAP), region, segmentBytes(segment));
  }
}

export function pages(): u32 {
  return memory.size();
}

// ---- units

/** @returns 1, or 0: out of memory or at 4 194 304 units; nothing has changed then. */
export function unitsGrow(a: u32): u32 {
  return <u32>growUnits(a);
}

/** A unit that is idle. @returns its handle, or -1: full. */
export function unitNew(a: u32): i32 {
  return newUnit(a, 0);
}

/** A unit at the back of the queue. @returns its handle, or -1: full. */
export function spawn(a: u32): i32 {
  const handle = newUnit(a, NOTIFIED);
  if (handle >= 0) push(a, indexOf(handle));
  return handle;
}

/**
 * A unit at the back of the queue that the core polls itself, with `fn(arg, handle)` from its table.
 *
 * @param flags JOINABLE and WATCHED
 * @returns its handle, or -1: full, or -2: `fn` is above 65 535
 */
export function guestNew(a: u32, fn: u32, arg: u32, flags: u32): i32 {
  return spawnGuest(a, fn, arg, flags);
}

function newUnit(arena: usize, bits: u32): i32 {
  const index = takeSlot(arena, bits);
  return index == <u32>NIL ? NIL : handleOf(index, load<u32>(statePtr(arena, index)));
}

/** Ends a unit. A stale handle is ignored. */
export function unitFree(a: u32, handle: u32): void {
  if (!isUnitLive(a, handle)) return;
  const index = indexOf(handle);
  complete(a, index, load<u32>(statePtr(a, index)));
}

export function isLive(a: u32, handle: u32): u32 {
  return <u32>isUnitLive(a, handle);
}

/** Units that have not ended. */
export function live(a: u32): u32 {
  return load<u32>(a, ARENA_LIVE) + load<u32>(a, ARENA_GUESTS);
}

/** @returns 1: it is now queued; 0: it already was, or has ended. */
export function wake(a: u32, handle: u32): u32 {
  if (!notify(a, handle)) return 0;
  push(a, indexOf(handle));
  return 1;
}

/** As wake(), behind everything that becomes ready before the next look(). */
export function defer(a: u32, handle: u32): u32 {
  if (!notify(a, handle)) return 0;
  pushDeferred(a, indexOf(handle));
  return 1;
}

// ---- the loop

/** Settles `polled` words of the last batch and fills the next. @returns how many words there are to poll. */
export function turn(a: u32, polled: u32, max: u32): u32 {
  return exchange(a, polled, max);
}

/** After a guest's trap came out of turn(): ends that guest; go on with turn(a, 0, max). @returns its handle, or -1 if no guest was running. */
export function guestFailed(a: u32): i32 {
  return failGuest(a);
}

/** Queues what was woken from outside, whose time has come, and what was deferred. @returns how many units that were. */
export function look(a: u32, nowMs: f64): u32 {
  const woken = drain(a);
  const fired = wheel.advance(a, nowMs);
  return woken + fired + flushDeferred(a);
}

/** Units in queue, deferred list and batch. */
export function ready(a: u32): u32 {
  return readyCount(a);
}

// ---- timers

/** @returns 1, or 0: out of memory; nothing is lost then. */
export function timersGrow(a: u32): u32 {
  return <u32>wheel.growTimers(a);
}

/** @param tick whole milliseconds, less than ELAPSED + 2^36. @returns an id, or -1: timersGrow() and try again. */
export function timerInsert(a: u32, tick: f64, handle: u32): i32 {
  return wheel.insert(a, tick, handle);
}

export function timerCancel(a: u32, timer: u32): void {
  wheel.cancel(a, timer);
}

export function timerTarget(a: u32, timer: u32, handle: u32): void {
  wheel.retarget(a, timer, handle);
}

/** @returns the exact tick of the earliest timer, or Infinity. */
export function timerNext(a: u32): f64 {
  return wheel.next(a);
}

/** @returns a tick not after the earliest timer's, or Infinity. Never looks through a slot. */
export function timerBound(a: u32): f64 {
  return wheel.bound(a);
}

// ---- other threads

/** Any thread. @returns 1: the owner was parked, and this call roused it. */
export function wakeRemote(a: u32, handle: u32): u32 {
  return <u32>parking.wakeFromAnywhere(a, handle);
}

/** @returns 0: there is work; 1: the owner may sleep. */
export function parkPrepare(a: u32): u32 {
  return <u32>parking.prepare(a);
}

/** @returns 0: roused, 1: the time ran out. */
export function park(a: u32, timeoutMs: f64): u32 {
  return <u32>parking.sleep(a, timeoutMs);
}

/** Any thread. @returns 1: the owner was parked. */
export function unpark(a: u32): u32 {
  return <u32>parking.rouse(a);
}

export function parkDone(a: u32): void {
  parking.resume(a);
}
