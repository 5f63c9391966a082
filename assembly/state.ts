// The life of a unit. Owner thread only. Every change of a state word in the core is in this file
// or in turn.ts; JavaScript clears NOTIFIED just before it polls, and has bits 8-23 to itself.
//
//   NOTIFIED  set when the unit is put into ring or deferred list; cleared just before a poll, so a
//             wake during the poll queues it again. While set, wakes are absorbed.
//   HELD      set from delivery into the batch (or the call of a guest's poll function) until the
//             result is settled. May be set with and without NOTIFIED.
//   JOINABLE  a guest whose result will be fetched, set at its start and cleared by joinGuest() or
//             detachGuest() (guest.ts). CANCELLED and WATCHED are a guest's too, and only ever set.
//   COMPLETE  set once. The slot is released when none of NOTIFIED, HELD and JOINABLE remains: whoever
//             clears the last of them, or sets COMPLETE without them, releases it.
//
// A handle is live if its generation is the state's and COMPLETE is not set, which is one
// comparison. Free slots are COMPLETE. Eight bits of generation go round after 256 uses of one slot, which then rests (slab.ts).

import { ARENA_FRESH, ARENA_GUESTS, ARENA_LIVE, COMPLETE, GENERATION_MASK, GUEST, HELD, JOINABLE, NOTIFIED } from "./layout";
import { generationOf, indexOf } from "./bits";
import { releaseSlot, statePtr } from "./slab";

/** Marks a unit as queued. @returns whether the caller must now put it into a list. */
// @ts-ignore: decorator
@inline
export function notify(arena: usize, handle: u32): bool {
  const index = indexOf(handle);
  if (index >= load<u32>(arena, ARENA_FRESH)) return false;
  const place = statePtr(arena, index);
  const state = load<u32>(place);
  if ((state ^ generationOf(handle)) & <u32>(GENERATION_MASK | NOTIFIED | COMPLETE)) return false;
  store<u32>(place, state | <u32>NOTIFIED);
  return true;
}

/** As notify(), for whoever uses the slot now. */
export function notifyIndex(arena: usize, index: u32): bool {
  if (index >= load<u32>(arena, ARENA_FRESH)) return false;
  const place = statePtr(arena, index);
  const state = load<u32>(place);
  if (state & <u32>(NOTIFIED | COMPLETE)) return false;
  store<u32>(place, state | <u32>NOTIFIED);
  return true;
}

export function isLive(arena: usize, handle: u32): bool {
  const index = indexOf(handle);
  if (index >= load<u32>(arena, ARENA_FRESH)) return false;
  return !((load<u32>(statePtr(arena, index)) ^ generationOf(handle)) & <u32>(GENERATION_MASK | COMPLETE));
}

/** Ends a live unit whose state is `state` (with changes the caller wants stored). */
export function complete(arena: usize, index: u32, state: u32): void {
  if (state & <u32>GUEST) store<u32>(arena, load<u32>(arena, ARENA_GUESTS) - 1, ARENA_GUESTS);
  else store<u32>(arena, load<u32>(arena, ARENA_LIVE) - 1, ARENA_LIVE);
  letGo(arena, index, state | <u32>COMPLETE);
}

/** Stores a state from which NOTIFIED, HELD or JOINABLE was cleared, or releases the slot if that was all that kept it. */
export function letGo(arena: usize, index: u32, state: u32): void {
  if ((state & <u32>(COMPLETE | NOTIFIED | HELD | JOINABLE)) == <u32>COMPLETE) releaseSlot(arena, index, state);
  else store<u32>(statePtr(arena, index), state);
}
