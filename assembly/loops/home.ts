// Loops themselves: made, stopped and freed.
//
//   GOING -> STOPPED -> FREEING -> FREED -> GOING, another loop
//
// A freed loop gives its rings back, and is the next one made. Its record stays: a wake that has queued the loop's last task looks at the
// sleepers after that, and then the loop may be another, whose threads look once in vain.
//
// Whoever frees runs the loop for the last time, alone: it sees every task end with its last poll. FREEING is set, and RUNNERS and new
// tasks are counted, under the loop's lock; so nobody runs it, and nothing is added to what it has.

import { EBUSY, EINVAL, READY } from "../codes";
import { loadWord, replaceWord, storeWord } from "../sync";
import { goOut, rouseAll } from "./door";
import { allocateCleared, linger, lock, loop, root, settle, unlock } from "./here";
import { FREED, FREEING, GOING, LOOP_LIVE, LOOP_LOCK, LOOP_NEXT, LOOP_NEXT_FREE, LOOP_RUNNERS, LOOP_STATE, LOOPS, LOOPS_FREE, NIL, SLAB_FRESH, SLAB_LOCK, STOPPED, TASK_LOOP, TASK_STATE } from "./layout";
import { freeRings, LOOP_BYTES, takeInjected } from "./queue";
import { poll } from "./run";
import { COMPLETE, handleOf, taskPtr } from "./slab";
import { abort } from "./state";

export function isLoop(address: usize): bool {
  for (let one = <usize>loadWord(root + LOOPS); one != 0; one = load<u32>(one + LOOP_NEXT)) {
    if (one == address) return loadWord(one + LOOP_STATE) < <u32>FREEING;
  }
  return false;
}

/** @returns 0 when there is no memory */
export function make(): usize {
  lock(root + SLAB_LOCK);
  let made = <usize>load<u32>(root + LOOPS_FREE);
  if (made != 0) store<u32>(root + LOOPS_FREE, load<u32>(made + LOOP_NEXT_FREE));
  else {
    made = allocateCleared(LOOP_BYTES);
    if (made != 0) {
      store<u32>(made + LOOP_NEXT, load<u32>(root + LOOPS));
      storeWord(root + LOOPS, <u32>made);
    }
  }
  unlock(root + SLAB_LOCK);
  if (made != 0) storeWord(made + LOOP_STATE, GOING);
  return made;
}

/** Every thread that runs it returns from there. */
export function stop(home: usize): void {
  replaceWord(home + LOOP_STATE, GOING, STOPPED);
  rouseAll(home);
}

/** This thread, which is inside, is going to free it. @returns READY, or why it cannot */
export function beginFree(home: usize): i32 {
  lock(home + LOOP_LOCK);
  const isGone = load<u32>(home + LOOP_STATE) >= <u32>FREEING;
  const isRun = loadWord(home + LOOP_RUNNERS) != 0;
  if (!isGone && !isRun) {
    storeWord(home + LOOP_STATE, FREEING);
    settle(home, 0);
  }
  unlock(home + LOOP_LOCK);
  return isGone ? EINVAL : isRun ? EBUSY : READY;
}

/** Until it is free: again after a trap. */
export function endFree(): i32 {
  abortAll();
  for (let rounds = 0; loadWord(loop + LOOP_LIVE) != 0; rounds++) {
    const index = takeInjected(loop);
    if (index == NIL) linger(rounds);                       // somebody has woken it, and is about to queue it
    else poll(index);
  }
  const home = loop;
  freeRings(home);
  lock(root + SLAB_LOCK);
  storeWord(home + LOOP_STATE, FREED);
  store<u32>(home + LOOP_NEXT_FREE, load<u32>(root + LOOPS_FREE));
  store<u32>(root + LOOPS_FREE, <u32>home);
  unlock(root + SLAB_LOCK);
  settle(0, 0);
  goOut();
  return READY;
}

function abortAll(): void {
  const fresh = loadWord(root + SLAB_FRESH);
  for (let index: u32 = 0; index < fresh; index++) {
    const at = taskPtr(index);
    const state = loadWord(at + TASK_STATE);
    // Whose it is belongs to this generation, and so does what is aborted.
    if (!(state & COMPLETE) && <usize>load<u32>(at + TASK_LOOP) == loop) abort(handleOf(index, state));
  }
}
