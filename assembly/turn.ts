// One exchange between the core and the JavaScript that polls: settle the last batch, fill the next.
// Owner thread only.
//
// A batch word is a unit's index; JavaScript writes the result into its top bits. Units in
// the batch are HELD, so a slot is not given to another unit while its index lies here. They keep
// NOTIFIED until just before their poll, which JavaScript clears for every word it takes, also for
// units it then skips because they are COMPLETE.
//
// Order is that of the ring; a guest that yields goes to its back at once, unless others have yielded before and wait in
// the deferred list: then behind them. A guest unit is polled here, so it may run only while no JavaScript
// unit waits in the batch before it; guests that ended and are WATCHED do wait there, flagged GUEST_DONE, until settled.
// A guest may call every export but turn() (which does nothing then), so every table address is loaded
// again after it. If it traps, CURRENT keeps its handle and the batch count is right: see guestFailed().

import {
  ARENA_BATCH, ARENA_BATCH_COUNT, ARENA_CAPACITY, ARENA_CURRENT, ARENA_DEFER_COUNT, ARENA_GUEST_POLLS, ARENA_GUEST_RUN, ARENA_GUESTS, ARENA_HEAD, ARENA_RING,
  ARENA_STATES, ARENA_TAIL, BATCH_MAX, CANCELLED, COMPLETE, DONE, FN_MAX, FN_SHIFT, GUEST, GUEST_DONE, HELD, INDEX_MASK, JOINABLE, NIL, NOTIFIED, POLL_PENDING,
  POLL_YIELD, RESULT_CANCELLED, RESULT_TRAPPED, WATCHED, YIELD,
} from "./layout";
import { handleOf, indexOf } from "./bits";
import { argPtr, releaseSlot, statePtr } from "./slab";
import { complete, letGo } from "./state";
import { push, pushDeferred, ringPtr } from "./queue";

/** Settles the first `polled` words, then fills up to `max`. @returns how many words are to be polled. */
export function exchange(arena: usize, polled: u32, max: u32): u32 {
  if (load<u32>(arena, ARENA_CURRENT) != <u32>NIL) return 0;
  const count = load<u32>(arena, ARENA_BATCH_COUNT);
  polled = min<u32>(polled, count);
  const batch = arena + ARENA_BATCH;
  const end = batch + (<usize>polled << 2);
  const states = <usize>load<u32>(arena, ARENA_STATES);
  for (let at = batch; at < end; at += 4) {
    const word = load<u32>(at);
    const index = word & <u32>INDEX_MASK;
    const place = states + (<usize>index << 2);
    const state = load<u32>(place) & ~HELD;
    if (!((word & <u32>(YIELD | DONE)) | (state & <u32>COMPLETE))) store<u32>(place, state);
    else if (state & <u32>COMPLETE) letGo(arena, index, state);
    else if (word & <u32>DONE) complete(arena, index, state);
    else requeue(arena, index, place, state);
  }
  let filled = count - polled;
  if (filled != 0 && polled != 0) memory.copy(batch, end, <usize>filled << 2);
  max = min<u32>(max, BATCH_MAX);
  if (filled < max) filled = fill(arena, filled, max);
  store<u32>(arena, filled, ARENA_BATCH_COUNT);
  return min<u32>(filled, max);
}

/** Into the deferred list, unless a wake during the poll was faster. */
// @ts-ignore: decorator
@inline
function requeue(arena: usize, index: u32, place: usize, state: u32): void {
  store<u32>(place, state | <u32>NOTIFIED);
  if (!(state & <u32>NOTIFIED)) pushDeferred(arena, index);
}

function fill(arena: usize, filled: u32, max: u32): u32 {
  let scripts = false;                                      // whether a unit for JavaScript waits in the batch
  for (let i: u32 = 0; i < filled; i++) {
    if (!(load<u32>(arena + (<usize>i << 2), ARENA_BATCH) & <u32>GUEST_DONE)) scripts = true;
  }
  store<u32>(arena, filled, ARENA_BATCH_COUNT);             // right whenever a guest may look, or trap
  let states = <usize>load<u32>(arena, ARENA_STATES);
  let ring = <usize>load<u32>(arena, ARENA_RING);
  let mask = load<u32>(arena, ARENA_CAPACITY) - 1;
  let tail = load<u32>(arena, ARENA_TAIL);
  let head = load<u32>(arena, ARENA_HEAD);
  for (let left = max - filled; left != 0 && head != tail; ) {
    const index = load<u32>(ring + (<usize>(head & mask) << 2));
    const place = states + (<usize>index << 2);
    const state = load<u32>(place);
    if (!(state & <u32>(COMPLETE | GUEST))) {
      head++;
      store<u32>(place, state | <u32>HELD);
      store<u32>(arena + (<usize>filled << 2), index, ARENA_BATCH);
      filled++;
      left--;
      scripts = true;
    } else if (state & <u32>COMPLETE) {
      head++;
      letGo(arena, index, state & ~NOTIFIED);
    } else {
      if (scripts) break;
      left -= pollGuests(arena, head, left);
      filled = load<u32>(arena, ARENA_BATCH_COUNT);
      states = <usize>load<u32>(arena, ARENA_STATES);       // a guest may have made them grow
      ring = <usize>load<u32>(arena, ARENA_RING);
      mask = load<u32>(arena, ARENA_CAPACITY) - 1;
      tail = load<u32>(arena, ARENA_TAIL);
      head = load<u32>(arena, ARENA_HEAD);
    }
  }
  store<u32>(arena, head, ARENA_HEAD);
  return filled;
}

/**
 * Polls guests, at most `limit`, until the queue is empty or something else is at its head.
 *
 * Nothing is kept in a local across the call that can be had from memory: V8 saves every one of them around each call, which
 * costs more than to load it again. State and argument side by side, and free slots as a stack instead of a list, were tried:
 * fewer instructions, the same time.
 *
 * @returns how many were polled
 */
function pollGuests(arena: usize, head: u32, limit: u32): u32 {
  store<u32>(arena, head, ARENA_GUEST_RUN);
  const end = head + limit;
  do {
    if (head == load<u32>(arena, ARENA_TAIL)) break;
    const index = load<u32>(ringPtr(arena, head));
    const place = statePtr(arena, index);
    const state = load<u32>(place);
    if ((state & <u32>(COMPLETE | GUEST | CANCELLED)) != <u32>GUEST) {
      if ((state & <u32>(COMPLETE | GUEST)) != <u32>GUEST) break;
      store<u32>(arena, ++head, ARENA_HEAD);
      pollLast(arena, index, state);
      continue;
    }
    store<u32>(arena, ++head, ARENA_HEAD);
    store<u32>(place, state ^ <u32>(NOTIFIED | HELD));      // it was queued, so NOTIFIED; and not HELD, for that ends with its poll
    const handle = handleOf(index, state);
    store<u32>(arena, handle, ARENA_CURRENT);
    const result = call_indirect<i32>((state >> <u32>FN_SHIFT) & <u32>FN_MAX, load<u32>(argPtr(arena, index)), handle);
    const now = statePtr(arena, index);
    const after = load<u32>(now) ^ <u32>HELD;
    if (after & <u32>COMPLETE) letGo(arena, index, after);  // freed during its own poll: the caller knows
    else if (result == POLL_PENDING) store<u32>(now, after);
    else if (result == POLL_YIELD) {
      store<u32>(now, after | <u32>NOTIFIED);
      if (after & <u32>NOTIFIED) continue;
      if (load<u32>(arena, ARENA_DEFER_COUNT) == 0) push(arena, index); // behind everything: the ring does, and needs no look
      else pushDeferred(arena, index);
    } else if (!(after & <u32>(JOINABLE | WATCHED | NOTIFIED))) { // complete(), for the one that nobody asks about
      store<u32>(arena, load<u32>(arena, ARENA_GUESTS) - 1, ARENA_GUESTS);
      releaseSlot(arena, index, after);
    } else endGuest(arena, index, after, result);
  } while (head != end);
  return endRun(arena);
}

/** The last poll of a guest that was aborted. */
function pollLast(arena: usize, index: u32, state: u32): void {
  const handle = handleOf(index, state);
  store<u32>(statePtr(arena, index), state ^ <u32>(NOTIFIED | HELD));
  store<u32>(arena, handle, ARENA_CURRENT);
  call_indirect<i32>((state >> <u32>FN_SHIFT) & <u32>FN_MAX, load<u32>(argPtr(arena, index)), ~handle);
  const after = load<u32>(statePtr(arena, index)) ^ <u32>HELD;
  if (after & <u32>COMPLETE) letGo(arena, index, after);
  else endGuest(arena, index, after, RESULT_CANCELLED);
}

/** No guest is being polled any more. @returns how many were since the run began */
function endRun(arena: usize): u32 {
  const polls = load<u32>(arena, ARENA_HEAD) - load<u32>(arena, ARENA_GUEST_RUN);
  store<u32>(arena, load<u32>(arena, ARENA_GUEST_POLLS) + polls, ARENA_GUEST_POLLS);
  store<u32>(arena, NIL, ARENA_CURRENT);
  return polls;
}

/** Ends a guest whose state is `state`, without HELD. If it is WATCHED it is HELD again, until the batch word is settled. */
function endGuest(arena: usize, index: u32, state: u32, result: i32): void {
  store<i32>(argPtr(arena, index), result);
  if (!(state & <u32>WATCHED)) {
    complete(arena, index, state);
    return;
  }
  complete(arena, index, state | <u32>HELD);
  const filled = load<u32>(arena, ARENA_BATCH_COUNT);
  store<u32>(arena + (<usize>filled << 2), index | <u32>GUEST_DONE, ARENA_BATCH);
  store<u32>(arena, filled + 1, ARENA_BATCH_COUNT);
}

/**
 * After a guest trapped out of exchange(): ends the unit that was being polled. The batch before it is
 * settled, so the next call is exchange(arena, 0, max); it also delivers the guests that ended before the trap.
 *
 * @returns its handle, or -1
 */
export function guestFailed(arena: usize): i32 {
  const handle = load<i32>(arena, ARENA_CURRENT);
  if (handle == NIL) return NIL;
  endRun(arena);
  const index = indexOf(handle);
  const state = load<u32>(statePtr(arena, index));
  if (state & <u32>COMPLETE) letGo(arena, index, state & ~HELD);
  else endGuest(arena, index, state & ~(HELD | WATCHED), RESULT_TRAPPED);
  return handle;
}
