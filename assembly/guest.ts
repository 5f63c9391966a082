// Guest units from outside of a turn: started, aborted, joined. Owner thread only.
//
// Compiled into the core and into the interface that each guest imports (guest-interface.ts), which
// works on the same tables: a guest's call is then one call between instances and not two.

import {
  ARENA_FRESH, CANCELLED, FN_MAX, FN_SHIFT, GENERATION_MASK, GUEST, JOINABLE, NIL, NOTIFIED,
  WATCHED,
} from "./layout";
import { generationOf, handleOf, indexOf } from "./bits";
import { argPtr, statePtr, takeSlot } from "./slab";
import { isLive, letGo, notify } from "./state";
import { push } from "./queue";

/** @returns its handle, or -1: full, or -2: `fn` is above 65 535 */
export function spawnGuest(arena: usize, fn: u32, arg: u32, flags: u32): i32 {
  if (fn > <u32>FN_MAX) return -2;
  const index = takeSlot(arena, <u32>(NOTIFIED | GUEST) | (flags & <u32>(JOINABLE | WATCHED)) | (fn << <u32>FN_SHIFT));
  if (index == <u32>NIL) return NIL;
  store<u32>(argPtr(arena, index), arg);
  push(arena, index);
  return handleOf(index, load<u32>(statePtr(arena, index)));
}

/** The state word if the handle is that of a guest whose slot is still its own, ended or not; else 0. */
export function guestState(arena: usize, handle: u32): u32 {
  const index = indexOf(handle);
  if (index >= load<u32>(arena, ARENA_FRESH)) return 0;
  const state = load<u32>(statePtr(arena, index));
  if (!(state & <u32>GUEST) || ((state ^ generationOf(handle)) & <u32>GENERATION_MASK)) return 0;
  return state;
}

/** One last poll, with the handle complemented. @returns whether it was alive. */
export function abortGuest(arena: usize, handle: u32): bool {
  if (!isLive(arena, handle)) return false;
  const place = statePtr(arena, indexOf(handle));
  store<u32>(place, load<u32>(place) | <u32>CANCELLED);
  if (notify(arena, handle)) push(arena, indexOf(handle));
  return true;
}

/** The result of a guest that has ended, if nobody has fetched it. The handle is stale from then on. */
export function joinGuest(arena: usize, handle: u32): i32 {
  const result = load<i32>(argPtr(arena, indexOf(handle)));
  detachGuest(arena, handle);
  return result;
}

/** Nobody will fetch the result. */
export function detachGuest(arena: usize, handle: u32): void {
  const state = guestState(arena, handle);
  if (state & <u32>JOINABLE) letGo(arena, indexOf(handle), state & ~JOINABLE);
}

/** JavaScript is told when it ends. Only for a guest that lives. */
export function watchGuest(arena: usize, handle: u32): void {
  const place = statePtr(arena, indexOf(handle));
  store<u32>(place, load<u32>(place) | <u32>WATCHED);
}
