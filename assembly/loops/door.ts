// When the guest's memory gets back what its loops have taken: once the guest is detached and the last thread is out.
//
// A thread is inside during each of its calls, and as long as it runs a loop. Whoever comes in counts itself first and looks at the door then;
// whoever goes out looks at the door first, and for others inside after that. So who came in before it was shut is counted, and who
// came later sees it, and touches nothing but the root, which alone is never given back.

import { addWord, loadWord, notifyAll, replaceWord, storeWord } from "../sync";
import { free, isKnown, loop, root } from "./here";
import { CHUNK_TASKS, CHUNKS, EMPTIED, GOING, LOOP_EPOCH, LOOP_NEXT, LOOP_STATE, LOOPS, OPEN, ROOT_INSIDE, ROOT_STATE, SHUT, SLAB_FRESH, STOPPED, TASK_BYTES, TASK_STATE, TIMER_CAPACITY, TIMER_HEAP, TIMER_PLACES } from "./layout";
import { freeRings, LOOP_BYTES } from "./queue";
import { BLOCKER, NOTIFIED, taskPtr } from "./slab";

export function isOpen(): bool {
  return loadWord(root + ROOT_STATE) == OPEN;
}

/** Until goOut() nothing is given back. @returns false: this thread is not inside, and must touch nothing */
export function comeIn(): bool {
  if (loop != 0) return isOpen();                           // it is inside all the time
  if (!isKnown()) return false;
  addWord(root + ROOT_INSIDE, 1);
  if (isOpen()) return true;
  goOut();
  return false;
}

export function goOut(): void {
  if (loop != 0 || addWord(root + ROOT_INSIDE, -1) != 1) return;
  if (loadWord(root + ROOT_STATE) != SHUT || loadWord(root + ROOT_INSIDE) != 0) return;   // somebody may have come in, and shut it, since
  if (replaceWord(root + ROOT_STATE, SHUT, EMPTIED)) giveAllBack();
}

/** Every call fails from now on, every thread leaves its loop, every thread that waits goes on. */
export function shut(): void {
  if (root == 0 || !comeIn()) return;
  storeWord(root + ROOT_STATE, SHUT);
  for (let one = <usize>loadWord(root + LOOPS); one != 0; one = load<u32>(one + LOOP_NEXT)) {
    replaceWord(one + LOOP_STATE, GOING, STOPPED);
    rouseAll(one);
  }
  const fresh = loadWord(root + SLAB_FRESH);
  for (let index: u32 = 0; index < fresh; index++) wakeBlocker(taskPtr(index) + TASK_STATE);
  goOut();
}

/** Its wait sees the changed word, or the door. */
function wakeBlocker(place: usize): void {
  while (true) {
    const state = loadWord(place);
    if (!(state & BLOCKER) || state & NOTIFIED) return;
    if (!replaceWord(place, state, state | NOTIFIED)) continue;
    notifyAll(place);
    return;
  }
}

export function rouseAll(home: usize): void {
  addWord(home + LOOP_EPOCH, 1);
  notifyAll(home + LOOP_EPOCH);
}

/** Nobody is inside, and nobody comes in any more. */
function giveAllBack(): void {
  for (let place = root + CHUNKS; place < root + CHUNKS + 64 * 4; place += 4) {
    const chunk = load<u32>(place);
    if (chunk != 0) free(chunk, CHUNK_TASKS * TASK_BYTES);
  }
  const capacity = load<u32>(root + TIMER_CAPACITY);
  if (capacity != 0) {
    free(load<u32>(root + TIMER_HEAP), capacity * 16);
    free(load<u32>(root + TIMER_PLACES), capacity * 4);
  }
  let one = <usize>load<u32>(root + LOOPS);
  while (one != 0) {
    const next = <usize>load<u32>(one + LOOP_NEXT);
    freeRings(one);
    free(one, LOOP_BYTES);
    one = next;
  }
}
