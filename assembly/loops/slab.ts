// Records of tasks: 32 bytes that never move. handle = SHARED | generation << 16 | index.
//
// A task's state word: who may set what
//   NOTIFIED   whoever wakes; the runner clears it as it begins to poll. Set: it is in exactly one queue or about to be, or RUNNING
//   RUNNING    the thread that polls it, nobody else until it is cleared
//   COMPLETE   the runner, once; the result is there before
//   CANCELLED  whoever aborts
//   JOINABLE   at the start; whoever takes the result, or detaches, clears it, and the slot goes back
//   LISTING    a joiner, while it writes TASK_WAITER: one at a time, and the slot does not go back meanwhile
//   WAITING    the joiner instead, when it has. Each time it is set the bits of WAITS change too, so that the runner, which takes
//              waiter and word together, never takes an older one
//   BLOCKER    a thread that waits in tk_block_on(): never queued, woken by notify on the state word itself
// Every change is one compare-and-swap of the whole word, generation included: a stale handle changes nothing.

import { loadWord, storeWord } from "../sync";
import { allocateCleared, linger, lock, root, unlock } from "./here";
import { CHUNK_SHIFT, CHUNK_TASKS, CHUNKS, NIL, SLAB_FREE, SLAB_FRESH, SLAB_LOCK, TASK_ARG, TASK_BYTES, TASK_FN, TASK_LOOP, TASK_NEXT, TASK_STATE, TASK_WAITER, TASKS_MAX } from "./layout";

/** In handles and timer ids, so that they are never those of the main thread's own loop. */
export const SHARED: u32 = 1 << 30;
export const INDEX_MASK: u32 = 0xffff;
const GENERATION_SHIFT: u32 = 16;
const GENERATION_MASK: u32 = 0x3fff0000;

export const NOTIFIED: u32 = 1;
export const RUNNING: u32 = 2;
export const COMPLETE: u32 = 4;
export const CANCELLED: u32 = 8;
export const JOINABLE: u32 = 16;
export const BLOCKER: u32 = 32;
export const WAITING: u32 = 64;
export const WAITS: u32 = 0xff80;
export const ONE_WAIT: u32 = 0x80;
export const LISTING: u32 = 0x80000000;

export function taskPtr(index: u32): usize {
  return <usize>load<u32>(root + CHUNKS + (index >>> CHUNK_SHIFT) * 4) + (index & (CHUNK_TASKS - 1)) * TASK_BYTES;
}

export function handleOf(index: u32, state: u32): i32 {
  return <i32>(SHARED | (state & GENERATION_MASK) | index);
}

/** The record of a handle, or 0. It is current if the state word's generation is the handle's. */
export function find(task: i32): usize {
  const index = <u32>task & INDEX_MASK;
  return task < 0 || !(<u32>task & SHARED) || index >= loadWord(root + SLAB_FRESH) ? 0 : taskPtr(index);
}

export function isCurrent(state: u32, task: i32): bool {
  return ((state ^ <u32>task) & GENERATION_MASK) == 0;
}

/** The handle of a task, also from inside its last poll. */
export function plain(task: i32): i32 {
  return task < 0 ? ~task : task;
}

/** @returns the index of a task with this state, or NIL */
export function takeTask(state: u32, fn: u32, arg: u32, home: usize): i32 {
  lock(root + SLAB_LOCK);
  let index = <i32>load<u32>(root + SLAB_FREE) - 1;
  if (index >= 0) store<u32>(root + SLAB_FREE, load<u32>(taskPtr(index) + TASK_NEXT));
  else index = takeFresh();
  unlock(root + SLAB_LOCK);
  if (index < 0) return NIL;
  const at = taskPtr(index);
  store<u32>(at + TASK_FN, fn);
  store<u32>(at + TASK_ARG, arg);
  storeWord(at + TASK_WAITER, NIL);
  store<u32>(at + TASK_LOOP, <u32>home);
  storeWord(at + TASK_STATE, (load<u32>(at + TASK_STATE) & GENERATION_MASK) | state);
  return index;
}

/** Inside the lock. */
function takeFresh(): i32 {
  const fresh = load<u32>(root + SLAB_FRESH);
  if (fresh >= <u32>TASKS_MAX) return NIL;
  const chunk = root + CHUNKS + (fresh >>> CHUNK_SHIFT) * 4;
  if (load<u32>(chunk) == 0) store<u32>(chunk, <u32>allocateCleared(CHUNK_TASKS * TASK_BYTES));
  if (load<u32>(chunk) == 0) return NIL;
  storeWord(root + SLAB_FRESH, fresh + 1);
  return fresh;
}

/** Whoever has made the word COMPLETE without JOINABLE gives the slot back. */
export function giveTask(index: u32): void {
  const at = taskPtr(index);
  for (let rounds = 0; loadWord(at + TASK_STATE) & LISTING; rounds++) linger(rounds);
  storeWord(at + TASK_STATE, ((loadWord(at + TASK_STATE) + (1 << GENERATION_SHIFT)) & GENERATION_MASK) | COMPLETE);
  lock(root + SLAB_LOCK);
  store<u32>(at + TASK_NEXT, load<u32>(root + SLAB_FREE));
  store<u32>(root + SLAB_FREE, index + 1);
  unlock(root + SLAB_LOCK);
}
