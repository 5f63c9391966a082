// A ring of numbers between threads: many producers, many consumers, a lock for each side.
//
//   push lock, tail   producers        head ≤ tail, both wrap at 2^32 and are masked only when they address a cell
//   pop lock, head    consumers
//
// A lock is held for a few instructions. At every instruction the ring is whole, so when a thread dies inside, the lock is simply
// opened, by the pool's owner. The owner itself never waits long, for only its event loop tells it of a death: it gives up and tries again.
// A producer writes cells that nobody reads yet, then moves the tail, in one store; a consumer reads cells, then moves the head. What a
// consumer took and could not pass on when it died is queued again by whoever notices the death.

import { RING_HEAD, RING_POP_LOCK, RING_PUSH_LOCK, RING_TAIL } from "./pool-layout";
import { loadWord, relax, replaceWord, storeWord, waitWord } from "./sync";

/** Looks at a lock before the thread sleeps for a moment, where it may. */
const SPINS: u32 = 200;
/** The owner gives up after so many more. */
const PATIENCE: u32 = 20;
const NAP_NS: i64 = 50_000;

/** Whether this thread may sleep: a page may not. */
let maySleep: bool = false;

export function allowSleep(allowed: bool): void {
  maySleep = allowed;
}

/** @returns whether this thread has the lock; only the owner ever gives up */
function enter(lock: usize, me: u32): bool {
  let spins: u32 = 0;
  while (!replaceWord(lock, 0, me + 1)) {                   // pairs with the store in leave()
    if (me == 0 && spins > SPINS + PATIENCE) return false;
    const holder = loadWord(lock);
    if (holder == 0) continue;
    if (++spins > SPINS && maySleep) waitWord(lock, holder, NAP_NS);
    else relax();
  }
  return true;
}

/** Opens the locks of a ring that a dead thread held. */
export function unlock(ring: usize, dead: u32): void {
  replaceWord(ring + RING_PUSH_LOCK, dead + 1, 0);
  replaceWord(ring + RING_POP_LOCK, dead + 1, 0);
}

// @ts-ignore: decorator
@inline
function leave(lock: usize): void {
  storeWord(lock, 0);
}

/** How many numbers there are. Any thread; may be out of date when it returns. */
export function lengthOf(ring: usize): u32 {
  const head = loadWord(ring + RING_HEAD);                  // before the tail: the difference is never negative
  return loadWord(ring + RING_TAIL) - head;
}

/** Appends `count` numbers. @returns false when there is no room for all of them, or the owner has given up; none is appended then */
export function pushAll(ring: usize, cells: usize, mask: u32, from: usize, count: u32, me: u32): bool {
  if (!enter(ring + RING_PUSH_LOCK, me)) return false;
  const tail = load<u32>(ring + RING_TAIL);                 // plain: only holders of the lock store it
  const hasRoom = tail + count - loadWord(ring + RING_HEAD) <= mask + 1;     // pairs with the store in popSome(): those cells were read
  if (hasRoom) {
    for (let i: u32 = 0; i < count; i++) store<u32>(cells + (<usize>((tail + i) & mask) << 2), load<u32>(from + (<usize>i << 2)));
    storeWord(ring + RING_TAIL, tail + count);              // publishes the cells; pairs with the load in popSome()
  }
  leave(ring + RING_PUSH_LOCK);
  return hasRoom;
}

/** Takes the oldest: one in `share` of what is there, rounded up, at most `max`. @returns how many */
export function popSome(ring: usize, cells: usize, mask: u32, to: usize, share: u32, max: u32, me: u32): u32 {
  if (lengthOf(ring) == 0 || !enter(ring + RING_POP_LOCK, me)) return 0;
  const head = load<u32>(ring + RING_HEAD);                 // plain: only holders of the lock store it
  const length = loadWord(ring + RING_TAIL) - head;         // pairs with the store in pushAll()
  const count = min<u32>((length + share - 1) / share, max);
  for (let i: u32 = 0; i < count; i++) store<u32>(to + (<usize>i << 2), load<u32>(cells + (<usize>((head + i) & mask) << 2)));
  storeWord(ring + RING_HEAD, head + count);                // frees the cells; pairs with the load in pushAll()
  leave(ring + RING_POP_LOCK);
  return count;
}

/** Drops all numbers. @returns false when the owner has given up */
export function clear(ring: usize, me: u32): bool {
  if (!enter(ring + RING_POP_LOCK, me)) return false;
  storeWord(ring + RING_HEAD, loadWord(ring + RING_TAIL));
  leave(ring + RING_POP_LOCK);
  return true;
}
