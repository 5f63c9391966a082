// Parking: how an owner goes to sleep without missing a wake.
//
//   RUNNING  the owner looks at its inbox by itself
//   PARKED   the owner sleeps or is about to: wakers must rouse it
//   WOKEN    one waker did; the others need not
//
// The owner writes PARKED, then looks at the inbox; a waker posts to the inbox, then looks at the
// parked word. Both orders are sequentially consistent, so at least one of them sees the other. Only the
// owner writes RUNNING and PARKED, only PARKED -> WOKEN is a waker's, and one waker wins it.
// The owner never sleeps unless the word is PARKED at that moment (waitWord), so WOKEN is not missed.

import { ARENA_BATCH_COUNT, ARENA_DEFER_COUNT, ARENA_HEAD, ARENA_PARKED, ARENA_TAIL, PARKED, RUNNING, WOKEN } from "./layout";
import { loadWord, notifyWord, replaceWord, storeWord, waitWord } from "./sync";
import { hasMail, post } from "./inbox";
import { readyCount } from "./queue";

/** Announces that the owner will sleep. @returns false if there is work; the owner is running then. */
export function prepare(arena: usize): bool {
  storeWord(arena + ARENA_PARKED, PARKED);                  // before hasMail(); pairs with the load in rouse()
  if (readyCount(arena) == 0 && !hasMail(arena)) return true;
  storeWord(arena + ARENA_PARKED, RUNNING);
  return false;
}

/** Sleeps until roused, at most `timeoutMs`. @returns whether the time ran out. */
export function sleep(arena: usize, timeoutMs: f64): bool {
  const timeoutNs: i64 = timeoutMs < 9.0e12 ? max<i64>(<i64>(timeoutMs * 1.0e6), 0) : -1;
  return waitWord(arena + ARENA_PARKED, PARKED, timeoutNs);
}

/** Back to work, roused or not. Then the inbox must be looked at. */
export function resume(arena: usize): void {
  storeWord(arena + ARENA_PARKED, RUNNING);
}

/** Wakes the owner if it is parked. Any thread. @returns whether this call did. */
export function rouse(arena: usize): bool {
  if (loadWord(arena + ARENA_PARKED) != PARKED) return false;       // after post(); pairs with the store in prepare()
  if (!replaceWord(arena + ARENA_PARKED, PARKED, WOKEN)) return false;
  notifyWord(arena + ARENA_PARKED);
  return true;
}

/** Wakes a unit from any thread. @returns whether the owner was parked and this call roused it. */
export function wakeFromAnywhere(arena: usize, handle: u32): bool {
  return post(arena, handle) && rouse(arena);
}
