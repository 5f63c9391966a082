// One exchange between the core and the JavaScript that polls: settle the last batch, fill the next.
// Owner thread only.
//
// A batch word is a unit's index; JavaScript writes the result into its top bits. Units in
// the batch are HELD, so a slot is not given to another unit while its index lies here. They keep
// NOTIFIED until just before their poll, which JavaScript clears for every word it takes, also for
// units it then skips because they are COMPLETE.
//
// Order is that of the ring. A guest unit is polled here, so it may run only while no JavaScript
// unit waits in the batch before it; guests that ended do wait there, flagged GUEST_DONE, until settled.
// A guest may call every export but turn() (which does nothing then), so every table address is loaded
// again after it. If it traps, CURRENT keeps its handle and the batch count is right: see guestFailed().

import {
  ARENA_BATCH, ARENA_BATCH_COUNT, ARENA_CURRENT, ARENA_GUEST_POLLS, ARENA_HEAD, ARENA_TAIL, BATCH_MAX, COMPLETE, DONE,
  FN_MAX, FN_SHIFT, GUEST, GUEST_DONE, HELD, INDEX_MASK, NIL, NOTIFIED, POLL_PENDING, POLL_YIELD, YIELD,
} from "./layout";
import { handleOf, indexOf } from "./bits";
import { argPtr, statePtr } from "./slab";
import { complete, letGo } from "./state";
import { pushDeferred, ringPtr } from "./queue";

/** Settles the first `polled` words, then fills up to `max`. @returns how many words are to be polled. */
export function exchange(arena: usize, polled: u32, max: u32): u32 {
  if (load<u32>(arena + ARENA_CURRENT) != <u32>NIL) return 0;
  const count = load<u32>(arena + ARENA_BATCH_COUNT);
  polled = min<u32>(polled, count);
  const batch = arena + ARENA_BATCH;
  const end = batch + (<usize>polled << 2);
  for (let word = batch; word < end; word += 4) settle(arena, load<u32>(word));
  let filled = count - polled;
  if (filled != 0 && polled != 0) memory.copy(batch, end, <usize>filled << 2);
  max = min<u32>(max, BATCH_MAX);
  store<u32>(arena + ARENA_GUEST_POLLS, 0);
  if (filled < max) filled = fill(arena, filled, max);
  store<u32>(arena + ARENA_BATCH_COUNT, filled);
  return min<u32>(filled, max);
}

function settle(arena: usize, word: u32): void {
  const index = word & <u32>INDEX_MASK;
  const place = statePtr(arena, index);
  const state = load<u32>(place) & ~HELD;
  if (!((word & <u32>(YIELD | DONE)) | (state & <u32>COMPLETE))) store<u32>(place, state);       // pending, the usual case
  else if (state & <u32>COMPLETE) letGo(arena, index, state);
  else if (word & <u32>DONE) complete(arena, index, state);
  else requeue(arena, index, state);
}

/** Into the deferred list, unless a wake during the poll was faster. */
function requeue(arena: usize, index: u32, state: u32): void {
  store<u32>(statePtr(arena, index), state | <u32>NOTIFIED);
  if (!(state & <u32>NOTIFIED)) pushDeferred(arena, index);
}

function fill(arena: usize, filled: u32, max: u32): u32 {
  let scripts = false;                                      // whether a unit for JavaScript waits in the batch
  for (let i: u32 = 0; i < filled; i++) scripts |= !(load<u32>(arena + ARENA_BATCH + (<usize>i << 2)) & <u32>GUEST_DONE);
  let left = max - filled;
  let head = load<u32>(arena + ARENA_HEAD);
  while (left != 0 && head != load<u32>(arena + ARENA_TAIL)) {
    const index = load<u32>(ringPtr(arena, head));
    const place = statePtr(arena, index);
    const state = load<u32>(place);
    if (state & <u32>(COMPLETE | GUEST)) {
      if (!(state & <u32>COMPLETE) && scripts) break;
      store<u32>(arena + ARENA_HEAD, ++head);
      if (state & <u32>COMPLETE) {
        letGo(arena, index, state & ~NOTIFIED);
        continue;
      }
      store<u32>(arena + ARENA_BATCH_COUNT, filled);
      if (pollGuest(arena, index, state)) {
        store<u32>(arena + ARENA_BATCH + (<usize>filled << 2), index | <u32>GUEST_DONE);
        filled++;
      }
      head = load<u32>(arena + ARENA_HEAD);                 // growing the tables moves it
    } else {
      head++;
      store<u32>(place, state | <u32>HELD);
      store<u32>(arena + ARENA_BATCH + (<usize>filled << 2), index);
      filled++;
      scripts = true;
    }
    left--;
  }
  store<u32>(arena + ARENA_HEAD, head);
  return filled;
}

/** @returns whether the unit ended, and JavaScript must learn of it. */
function pollGuest(arena: usize, index: u32, state: u32): bool {
  const handle = handleOf(index, state);
  store<u32>(statePtr(arena, index), (state & ~NOTIFIED) | <u32>HELD);
  store<u32>(arena + ARENA_CURRENT, handle);
  store<u32>(arena + ARENA_GUEST_POLLS, load<u32>(arena + ARENA_GUEST_POLLS) + 1);
  const result = call_indirect<i32>((state >> <u32>FN_SHIFT) & <u32>FN_MAX, load<u32>(argPtr(arena, index)), handle);
  store<u32>(arena + ARENA_CURRENT, NIL);
  const after = load<u32>(statePtr(arena, index));
  if (after & <u32>COMPLETE) letGo(arena, index, after & ~HELD);     // freed during its own poll: the caller knows
  else if (result == POLL_PENDING) store<u32>(statePtr(arena, index), after & ~HELD);
  else if (result == POLL_YIELD) requeue(arena, index, after & ~HELD);
  else {
    store<i32>(argPtr(arena, index), result);
    complete(arena, index, after);                          // still HELD: until the batch word is settled
    return true;
  }
  return false;
}

/** After a guest trapped out of exchange(): ends the unit that was being polled. @returns its handle, or -1. */
export function guestFailed(arena: usize): i32 {
  const handle = load<i32>(arena + ARENA_CURRENT);
  if (handle == NIL) return NIL;
  store<u32>(arena + ARENA_CURRENT, NIL);
  const index = indexOf(handle);
  const state = load<u32>(statePtr(arena, index)) & ~HELD;
  if (state & <u32>COMPLETE) letGo(arena, index, state);
  else complete(arena, index, state);
  return handle;
}
