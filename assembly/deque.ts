// The queue of one worker: it pushes and pops, any other worker steals half.
//
//   word  u64  [ thief : u16 | steal : u16 | real : u16 | tail : u16 ]   compare-and-swap only
//
//   steal ≤ real ≤ tail, tail - steal ≤ 256. steal == real means nobody is stealing.
//
// Indices wrap at 2^16 and are masked only when they address a place, so full and empty differ. A thief claims the older
// half by moving real, copies it, then moves steal: the owner never reuses a place that is still being copied.
//
// Tokio's queue has the tail in a word of its own, and its owner pops the oldest. Here everything is one word, so that the owner
// can pop the newest: a tree of nested spawns is walked depth first and needs no more memory than its depth, and what is
// stolen is the oldest and biggest. One compare-and-swap decides each change.
//
// A thief that dies while it copies leaves its number in the word, see endSteal().

import { DEQUE_CAPACITY, THREAD_DEQUE, THREAD_PLACES } from "./pool-layout";
import { NIL } from "./layout";
import { loadLong, replaceLong, storeLong } from "./sync";

// @ts-ignore: the name exists only with --use
const CAPACITY: u32 = isDefined(TOKIWA_MODEL) ? 4 : DEQUE_CAPACITY;

// @ts-ignore: decorator
@inline
function tailOf(word: u64): u32 {
  return <u32>word & 0xffff;
}

// @ts-ignore: decorator
@inline
function realOf(word: u64): u32 {
  return <u32>(word >> 16) & 0xffff;
}

// @ts-ignore: decorator
@inline
function stealOf(word: u64): u32 {
  return <u32>(word >> 32) & 0xffff;
}

// @ts-ignore: decorator
@inline
function thiefOf(word: u64): u32 {
  return <u32>(word >> 48);
}

function wordOf(thief: u32, steal: u32, real: u32, tail: u32): u64 {
  return (<u64>thief << 48) | (<u64>(steal & 0xffff) << 32) | (<u64>(real & 0xffff) << 16) | <u64>(tail & 0xffff);
}

function placePtr(thread: usize, index: u32): usize {
  return thread + THREAD_PLACES + (<usize>(index & (CAPACITY - 1)) << 2);
}

/** Items nobody has claimed. Any thread. */
export function sizeOf(thread: usize): u32 {
  const word = loadLong(thread + THREAD_DEQUE);
  return (tailOf(word) - realOf(word)) & 0xffff;
}

/** Places the owner may fill. Owner only; others can only make it more. */
export function roomOf(thread: usize): u32 {
  const word = loadLong(thread + THREAD_DEQUE);
  return CAPACITY - ((tailOf(word) - stealOf(word)) & 0xffff);
}

/** Makes `count` places behind the tail items. Owner only, which has filled them and knows that there is room. */
function publish(thread: usize, count: u32): void {
  while (true) {
    const word = loadLong(thread + THREAD_DEQUE);
    if (replaceLong(thread + THREAD_DEQUE, word, wordOf(thiefOf(word), stealOf(word), realOf(word), tailOf(word) + count))) return;
  }
}

/** Owner only. @returns false when it is full */
export function push(thread: usize, item: u32): bool {
  const word = loadLong(thread + THREAD_DEQUE);
  if (((tailOf(word) - stealOf(word)) & 0xffff) >= CAPACITY) return false;
  store<u32>(placePtr(thread, tailOf(word)), item);         // nobody looks past the tail
  publish(thread, 1);
  return true;
}

/** Puts items in so that the first one is popped first. Owner only, which knows that there is room. */
export function pushReversed(thread: usize, from: usize, count: u32): void {
  const tail = tailOf(loadLong(thread + THREAD_DEQUE));      // only this thread moves it
  for (let i: u32 = 0; i < count; i++) store<u32>(placePtr(thread, tail + count - 1 - i), load<u32>(from + (<usize>i << 2)));
  publish(thread, count);
}

/** Owner only. @returns NIL when there is none */
export function popNewest(thread: usize): u32 {
  while (true) {
    const word = loadLong(thread + THREAD_DEQUE);
    const tail = tailOf(word);
    if (tail == realOf(word)) return NIL;
    const item = load<u32>(placePtr(thread, tail - 1));     // only this thread writes places
    if (replaceLong(thread + THREAD_DEQUE, word, wordOf(thiefOf(word), stealOf(word), realOf(word), tail - 1))) return item;
  }
}

/** Takes the oldest `count`, or what there is, to `to`. Owner only. @returns how many */
export function popOldest(thread: usize, to: usize, count: u32): u32 {
  while (true) {
    const word = loadLong(thread + THREAD_DEQUE);
    const real = realOf(word);
    const taken = min<u32>(count, (tailOf(word) - real) & 0xffff);
    if (taken == 0) return 0;
    for (let i: u32 = 0; i < taken; i++) store<u32>(to + (<usize>i << 2), load<u32>(placePtr(thread, real + i)));
    const steal = stealOf(word) == real ? real + taken : stealOf(word);      // while somebody copies, that place stays taken
    if (replaceLong(thread + THREAD_DEQUE, word, wordOf(thiefOf(word), steal, real + taken, tailOf(word)))) return taken;
  }
}

/**
 * Steals the older half of `victim`: the newest of it is returned, the others go to the thief's own queue, which is empty.
 *
 * @param me the thief's number, not 0
 * @returns NIL when there is nothing, or when somebody else is stealing there
 */
export function stealHalf(victim: usize, mine: usize, me: u32): u32 {
  let word = loadLong(victim + THREAD_DEQUE);
  let count: u32;
  let first: u32;
  while (true) {
    first = realOf(word);
    if (stealOf(word) != first) return NIL;
    count = (tailOf(word) - first) & 0xffff;
    count -= count >> 1;
    if (count == 0 || count > roomOf(mine) + 1) return NIL;
    if (replaceLong(victim + THREAD_DEQUE, word, wordOf(me, first, first + count, tailOf(word)))) break;
    word = loadLong(victim + THREAD_DEQUE);
  }
  const tail = tailOf(loadLong(mine + THREAD_DEQUE));
  for (let i: u32 = 0; i < count - 1; i++) store<u32>(placePtr(mine, tail + i), load<u32>(placePtr(victim, first + i)));
  const item = load<u32>(placePtr(victim, first + count - 1));
  if (count > 1) publish(mine, count - 1);
  endSteal(victim, me);                                     // after the copy is whole: a death before it queues them again
  return item;
}

/** Drops what a dead worker had. A thief that is copying goes on: what it copies are hints. */
export function empty(thread: usize): void {
  storeLong(thread + THREAD_DEQUE, 0);
}

/** Frees the places that `thief` was copying. After its death too: what it was copying is queued again by whoever noticed. */
export function endSteal(victim: usize, thief: u32): void {
  while (true) {
    const word = loadLong(victim + THREAD_DEQUE);
    if (thiefOf(word) != thief || stealOf(word) == realOf(word)) return;
    if (replaceLong(victim + THREAD_DEQUE, word, wordOf(0, realOf(word), realOf(word), tailOf(word)))) return;
  }
}
