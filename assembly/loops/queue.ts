// Where tasks that are ready wait: a loop's injector, which anyone appends to under a lock, and a ring for each thread that runs the loop.
//
// A ring: its owner appends (tail), anyone takes from the front by moving head. A taker copies first, and has what it copied only if
// head was still where it looked: slots from head on are not reused before head has moved. Rings belong to whoever owns them, and
// are kept for the next thread until the loop is freed.

import { addWord, loadWord, MODEL, replaceWord, storeWord } from "../sync";
import { allocateCleared, free, lock, loop, ring, ticks, unlock } from "./here";
import { FREEING, LOOP_FIRST, LOOP_LAST, LOOP_LIVE, LOOP_LOCK, LOOP_QUEUED, LOOP_STATE, NIL, RING_HEAD, RING_OWNED, RING_SLOTS, RING_TAIL, RINGS, TASK_NEXT } from "./layout";
import { taskPtr } from "./slab";

/** The explorer's are small, so that they are full, and looked through, in few steps. */
const RINGS_MAX: u32 = MODEL ? 3 : 64;
const RING_CAPACITY: u32 = MODEL ? 4 : 256;
const RING_BYTES: u32 = <u32>RING_SLOTS + RING_CAPACITY * 4;
export const LOOP_BYTES: u32 = <u32>RINGS + RINGS_MAX * 4;

/**
 * @param isNew it counts as one that lives from now on
 * @returns false: the loop is being freed, and takes no new ones. Those that it has come in until they have ended.
 */
export function inject(home: usize, index: u32, isNew: bool): bool {
  const at = taskPtr(index);
  store<u32>(at + TASK_NEXT, 0);
  lock(home + LOOP_LOCK);
  const isRefused = isNew && load<u32>(home + LOOP_STATE) >= <u32>FREEING;
  if (!isRefused) {
    if (isNew) addWord(home + LOOP_LIVE, 1);
    const last = load<u32>(home + LOOP_LAST);
    if (last == 0) store<u32>(home + LOOP_FIRST, index + 1);
    else store<u32>(taskPtr(last - 1) + TASK_NEXT, index + 1);
    store<u32>(home + LOOP_LAST, index + 1);
    storeWord(home + LOOP_QUEUED, load<u32>(home + LOOP_QUEUED) + 1);
  }
  unlock(home + LOOP_LOCK);
  return !isRefused;
}

export function takeInjected(home: usize): i32 {
  if (loadWord(home + LOOP_QUEUED) == 0) return NIL;
  lock(home + LOOP_LOCK);
  const first = load<u32>(home + LOOP_FIRST);
  if (first != 0) {
    const next = load<u32>(taskPtr(first - 1) + TASK_NEXT);
    store<u32>(home + LOOP_FIRST, next);
    if (next == 0) store<u32>(home + LOOP_LAST, 0);
    storeWord(home + LOOP_QUEUED, load<u32>(home + LOOP_QUEUED) - 1);
  }
  unlock(home + LOOP_LOCK);
  return <i32>first - 1;
}

function slotPtr(from: usize, at: u32): usize {
  return from + RING_SLOTS + (at & (RING_CAPACITY - 1)) * 4;
}

/** To this thread's own ring. */
export function append(index: u32): bool {
  const tail = load<u32>(ring + RING_TAIL);
  if (tail - loadWord(ring + RING_HEAD) >= RING_CAPACITY) return false;
  store<u32>(slotPtr(ring, tail), index);                   // plain: nobody looks past the tail
  storeWord(ring + RING_TAIL, tail + 1);                    // publishes the slot; pairs with the load in takeFirst() and steal()
  return true;
}

export function takeFirst(from: usize): i32 {
  while (true) {
    const head = loadWord(from + RING_HEAD);
    if (head == loadWord(from + RING_TAIL)) return NIL;
    const index = load<u32>(slotPtr(from, head));           // plain: it counts only if head has not moved
    if (replaceWord(from + RING_HEAD, head, head + 1)) return index;
  }
}

export function isEmpty(from: usize): bool {
  return loadWord(from + RING_HEAD) == loadWord(from + RING_TAIL);
}

/** Half of what another thread has, into this thread's empty ring. @returns one of them, or NIL */
export function steal(): i32 {
  const own = (<u32>(ring - loop)) ^ ticks;
  for (let i: u32 = 0; i < RINGS_MAX; i++) {
    const other = <usize>loadWord(ringPlace(loop, (own + i) % RINGS_MAX));
    if (other == 0 || other == ring) continue;
    while (true) {
      const head = loadWord(other + RING_HEAD);
      const count = loadWord(other + RING_TAIL) - head;
      if (count == 0 || count > RING_CAPACITY) break;       // more: head has moved meanwhile
      const taken = (count + 1) >>> 1;
      const tail = load<u32>(ring + RING_TAIL);
      for (let j: u32 = 0; j < taken; j++) store<u32>(slotPtr(ring, tail + j), load<u32>(slotPtr(other, head + j)));   // plain, for the same two reasons
      if (!replaceWord(other + RING_HEAD, head, head + taken)) continue;
      storeWord(ring + RING_TAIL, tail + taken);
      return takeFirst(ring);
    }
  }
  return NIL;
}

function ringPlace(home: usize, i: u32): usize {
  return home + RINGS + i * 4;
}

/** A ring that nobody owns; 0: there are 64, or there is no memory. */
export function takeRing(home: usize): usize {
  for (let i: u32 = 0; i < RINGS_MAX; i++) {
    const place = ringPlace(home, i);
    let found = <usize>loadWord(place);
    if (found == 0) {
      const made = allocateCleared(RING_BYTES);
      if (made == 0) return 0;
      store<u32>(made + RING_OWNED, 1);
      if (replaceWord(place, 0, <u32>made)) return made;
      free(made, RING_BYTES);
      found = <usize>loadWord(place);
    }
    if (replaceWord(found + RING_OWNED, 0, 1)) return found;
  }
  return 0;
}

/** It must be empty. */
export function giveRing(own: usize): void {
  storeWord(own + RING_OWNED, 0);
}

/** Nobody runs the loop, and nobody will. */
export function freeRings(home: usize): void {
  for (let i: u32 = 0; i < RINGS_MAX; i++) {
    const place = ringPlace(home, i);
    const found = load<u32>(place);
    if (found != 0) free(found, RING_BYTES);
    store<u32>(place, 0);
  }
}
