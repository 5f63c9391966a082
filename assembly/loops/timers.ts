// Timers: a heap in memory that all threads share, under one lock. Any thread that looks wakes whose time has come.

import { EINVAL, ENOMEM } from "../codes";
import { loadLong, storeLong } from "../sync";
import { allocate, clock, free, lock, loop, root, running, unlock } from "./here";
import { NIL, TASK_LOOP, TIME_BASE, TIME_SEEN, TIMER_CAPACITY, TIMER_COUNT, TIMER_FREE, TIMER_HEAP, TIMER_LOCK, TIMER_NEXT, TIMER_PLACES } from "./layout";
import { find, SHARED } from "./slab";
import { rouse, wake } from "./state";

/** 2^36 - 1 ms, as everywhere. */
const TIMER_RANGE: f64 = 68719476735.0;
const TIMERS_FIRST: u32 = 64;
const TIMERS_MAX: u32 = 1 << 20;
/** A thread that waits for a timer looks for itself so often, in ns: against a clock that jumps. */
const PATIENCE_MAX: f64 = 60_000_000_000;

let lastTick: f64 = 0;

/** Deadline of what begin() began last. */
export function tickOfBegin(): f64 {
  return lastTick;
}

/**
 * The threads' clocks are some milliseconds apart (a host's threads each read by themselves when they began): a tick that one of them has seen pass has
 * passed for all, or a task that was woken by its timer would find that it has not fired, and wait for ever.
 */
export function now(): f64 {
  return max(clock() - load<f64>(root + TIME_BASE), seen());
}

/** Pairs with the store in fire(): whoever polls a task that a timer has woken sees at least that timer's tick. */
function seen(): f64 {
  return reinterpret<f64>(loadLong(root + TIME_SEEN));
}

/** Infinity: there is none. */
export function nextDeadline(): f64 {
  return reinterpret<f64>(loadLong(root + TIMER_NEXT));
}

/** Nanoseconds to the next timer; negative: there is none. */
export function patience(): i64 {
  const when = nextDeadline();
  if (when == Infinity) return -1;
  return <i64>max(0, min(PATIENCE_MAX, (when - now()) * 1_000_000)) + 1000;
}

function entryPtr(place: u32): usize {
  return <usize>load<u32>(root + TIMER_HEAP) + place * 16;
}

function put(place: u32, when: f64, task: i32, id: u32): void {
  const at = entryPtr(place);
  store<f64>(at, when);
  store<i32>(at + 8, task);
  store<u32>(at + 12, id);
  store<i32>(<usize>load<u32>(root + TIMER_PLACES) + id * 4, place);
}

function up(from: u32, when: f64, task: i32, id: u32): void {
  let place = from;
  while (place > 0) {
    const parent = (place - 1) >>> 1;
    const at = entryPtr(parent);
    if (load<f64>(at) <= when) break;
    put(place, load<f64>(at), load<i32>(at + 8), load<u32>(at + 12));
    place = parent;
  }
  put(place, when, task, id);
}

function down(from: u32, when: f64, task: i32, id: u32): void {
  const count = load<u32>(root + TIMER_COUNT);
  let place = from;
  while (true) {
    let child = place * 2 + 1;
    if (child >= count) break;
    if (child + 1 < count && load<f64>(entryPtr(child + 1)) < load<f64>(entryPtr(child))) child++;
    const at = entryPtr(child);
    if (load<f64>(at) >= when) break;
    put(place, load<f64>(at), load<i32>(at + 8), load<u32>(at + 12));
    place = child;
  }
  put(place, when, task, id);
}

/** Inside the lock. */
function remove(place: u32): void {
  const id = load<u32>(entryPtr(place) + 12);
  store<i32>(<usize>load<u32>(root + TIMER_PLACES) + id * 4, ~<i32>load<u32>(root + TIMER_FREE));
  store<u32>(root + TIMER_FREE, id + 1);
  const last = load<u32>(root + TIMER_COUNT) - 1;
  store<u32>(root + TIMER_COUNT, last);
  if (place != last) {
    const at = entryPtr(last);
    const when = load<f64>(at);
    const task = load<i32>(at + 8);
    const moved = load<u32>(at + 12);
    if (place > 0 && load<f64>(entryPtr((place - 1) >>> 1)) > when) up(place, when, task, moved);
    else down(place, when, task, moved);
  }
  tellNext();
}

function tellNext(): void {
  storeLong(root + TIMER_NEXT, reinterpret<u64>(load<u32>(root + TIMER_COUNT) == 0 ? Infinity : load<f64>(entryPtr(0))));
}

/** Inside the lock. Room for one more. */
function grow(): bool {
  const capacity = load<u32>(root + TIMER_CAPACITY);
  if (load<u32>(root + TIMER_COUNT) < capacity) return true;
  const larger: u32 = capacity == 0 ? TIMERS_FIRST : capacity * 2;
  if (larger > TIMERS_MAX) return false;
  const heap = allocate(larger * 16);
  const places: usize = heap == 0 ? 0 : allocate(larger * 4);
  if (places == 0) {
    if (heap != 0) free(heap, larger * 16);
    return false;
  }
  const oldHeap = load<u32>(root + TIMER_HEAP);
  const oldPlaces = load<u32>(root + TIMER_PLACES);
  memory.copy(heap, oldHeap, capacity * 16);
  memory.copy(places, oldPlaces, capacity * 4);
  store<u32>(root + TIMER_HEAP, <u32>heap);
  store<u32>(root + TIMER_PLACES, <u32>places);
  store<u32>(root + TIMER_CAPACITY, larger);
  for (let id = capacity; id < larger; id++) {
    store<i32>(<usize>places + id * 4, ~<i32>load<u32>(root + TIMER_FREE));
    store<u32>(root + TIMER_FREE, id + 1);
  }
  if (capacity > 0) {
    free(oldHeap, capacity * 16);
    free(oldPlaces, capacity * 4);
  }
  return true;
}

/** Wakes whose time has come. */
export function fire(): void {
  if (nextDeadline() > now()) return;
  while (true) {
    lock(root + TIMER_LOCK);
    let task = NIL;
    if (load<u32>(root + TIMER_COUNT) > 0 && load<f64>(entryPtr(0)) <= now()) {
      task = load<i32>(entryPtr(0) + 8);
      const tick = load<f64>(entryPtr(0));
      if (tick > seen()) storeLong(root + TIME_SEEN, reinterpret<u64>(tick));
      remove(0);
    }
    unlock(root + TIMER_LOCK);
    if (task == NIL) return;
    wake(task);
  }
}

/** @returns an id, NIL for one that never fires, or an error - 1 */
export function beginTimer(task: i32, ms: f64): i32 {
  if (!(ms >= 0) || find(task) == 0) return EINVAL - 1;
  lastTick = Infinity;
  if (ms == Infinity) return NIL;
  if (ms >= TIMER_RANGE) return EINVAL - 1;
  const when = ceil(now() + ms);
  lock(root + TIMER_LOCK);
  let id = NIL;
  let isFirst = false;
  if (grow()) {
    id = <i32>load<u32>(root + TIMER_FREE) - 1;
    store<u32>(root + TIMER_FREE, ~load<i32>(<usize>load<u32>(root + TIMER_PLACES) + id * 4));
    const place = load<u32>(root + TIMER_COUNT);
    store<u32>(root + TIMER_COUNT, place + 1);
    up(place, when, task, id);
    isFirst = load<u32>(entryPtr(0) + 12) == <u32>id;
    tellNext();
  }
  unlock(root + TIMER_LOCK);
  if (id == NIL) return ENOMEM - 1;
  lastTick = when;
  const home = <usize>load<u32>(find(task) + TASK_LOOP);
  if (isFirst && home != 0 && home != loop) rouse(home);    // it may sleep for longer than that
  return <i32>(SHARED | <u32>id);
}

/** Only if it has not fired: its id may be another's by then. */
export function endTimer(timer: i32, tick: f64): void {
  const id = <u32>timer & ~SHARED;
  lock(root + TIMER_LOCK);
  if (id < load<u32>(root + TIMER_CAPACITY)) {
    const place = load<i32>(<usize>load<u32>(root + TIMER_PLACES) + id * 4);
    if (place >= 0 && <u32>place < load<u32>(root + TIMER_COUNT) && isOwn(entryPtr(place), id, tick)) remove(place);
  }
  unlock(root + TIMER_LOCK);
}

function isOwn(at: usize, id: u32, tick: f64): bool {
  return load<f64>(at) == tick && load<u32>(at + 12) == id && (running == NIL || load<i32>(at + 8) == running);
}
