// What may happen to a task: it is queued, woken, aborted, joined, and ends. The bits of its state word: slab.ts.

import { EDEADLK, ESTALE, PENDING, READY } from "../codes";
import { addWord, loadWord, notifyAll, notifyWord, replaceWord, storeWord } from "../sync";
import { linger, lock, loop, ring, root, unlock } from "./here";
import { BOX, BOX_CAPACITY, BOX_HEAD, BOX_LOCK, BOX_OVERFLOW, BOX_SIGNAL, BOX_TAIL, LOOP_EPOCH, LOOP_LIVE, LOOP_SLEEPERS, NIL, TASK_LOOP, TASK_RESULT, TASK_STATE, TASK_WAITER } from "./layout";
import { append, inject } from "./queue";
import { BLOCKER, CANCELLED, COMPLETE, find, giveTask, handleOf, INDEX_MASK, isCurrent, JOINABLE, LISTING, NOTIFIED, ONE_WAIT, plain, RUNNING, SHARED, takeTask, taskPtr, WAITING, WAITS } from "./slab";

// ---- queueing

/** Another thread may have work: a loop's own record outlives the loop, so that this may come late. */
export function rouse(home: usize): void {
  if (loadWord(home + LOOP_SLEEPERS) == 0) return;          // after the queueing; pairs with the second look in park()
  addWord(home + LOOP_EPOCH, 1);
  notifyWord(home + LOOP_EPOCH);
}

/** Its NOTIFIED was set by the caller. */
export function submit(at: usize, index: u32): void {
  const home = <usize>load<u32>(at + TASK_LOOP);
  if (home != loop || ring == 0 || !append(index)) inject(home, index, false);
  rouse(home);
}

/** @returns a handle; NIL: no memory; NIL - 1: the loop is being freed */
export function start(home: usize, fn: u32, arg: u32, flags: u32): i32 {
  const index = takeTask(flags | NOTIFIED, fn, arg, home);
  if (index == NIL) return NIL;
  const at = taskPtr(index);
  const task = handleOf(index, load<u32>(at + TASK_STATE));
  const isOwn = home == loop && ring != 0;                  // then nobody frees it
  if (isOwn) addWord(home + LOOP_LIVE, 1);
  if ((!isOwn || !append(index)) && !inject(home, index, !isOwn)) {
    giveTask(index);
    return NIL - 1;
  }
  rouse(home);
  return task;
}

// ---- waking

function wakeShared(task: i32): i32 {
  const at = find(task);
  if (at == 0) return 0;
  while (true) {
    const state = loadWord(at + TASK_STATE);
    if (!isCurrent(state, task) || state & (COMPLETE | NOTIFIED)) return 0;
    if (!replaceWord(at + TASK_STATE, state, state | NOTIFIED)) continue;
    if (state & BLOCKER) notifyAll(at + TASK_STATE);
    else if (!(state & RUNNING)) submit(at, <u32>task & INDEX_MASK);
    return 1;
  }
}

/** A task of the main thread's own loop: goes into its box. */
function wakeMain(task: i32): i32 {
  lock(root + BOX_LOCK);
  const tail = load<u32>(root + BOX_TAIL);
  if (tail - load<u32>(root + BOX_HEAD) < <u32>BOX_CAPACITY) {
    store<i32>(root + BOX + (tail & (BOX_CAPACITY - 1)) * 4, task);
    store<u32>(root + BOX_TAIL, tail + 1);
  } else storeWord(root + BOX_OVERFLOW, 1);
  unlock(root + BOX_LOCK);
  addWord(root + BOX_SIGNAL, 1);
  notifyWord(root + BOX_SIGNAL);
  return 1;
}

/** The next handle in the main thread's box, NIL: it is empty, NIL - 1: some were lost. */
export function takeFromBox(): i32 {
  if (replaceWord(root + BOX_OVERFLOW, 1, 0)) return NIL - 1;
  lock(root + BOX_LOCK);
  const head = load<u32>(root + BOX_HEAD);
  let task = NIL;
  if (head != load<u32>(root + BOX_TAIL)) {
    task = load<i32>(root + BOX + (head & (BOX_CAPACITY - 1)) * 4);
    store<u32>(root + BOX_HEAD, head + 1);
  }
  unlock(root + BOX_LOCK);
  return task;
}

export function wake(task: i32): i32 {
  return <u32>task & SHARED ? wakeShared(task) : wakeMain(task);
}

// ---- polling

/** The task was taken from a queue. @returns its state before */
export function begin(at: usize): u32 {
  while (true) {
    const state = loadWord(at + TASK_STATE);
    if (replaceWord(at + TASK_STATE, state, (state & ~NOTIFIED) | RUNNING)) return state;
  }
}

/** It goes on later: at once if it was woken meanwhile, or says so. */
export function rest(at: usize, index: u32, yields: bool): void {
  while (true) {
    const state = loadWord(at + TASK_STATE);
    const isReady = yields || (state & NOTIFIED) != 0;
    const next = state & ~RUNNING;
    if (!replaceWord(at + TASK_STATE, state, isReady ? next | NOTIFIED : next)) continue;
    if (isReady) submit(at, index);
    return;
  }
}

/** It has ended, on the thread that ran it. */
export function finish(task: i32, result: i32): void {
  const index = <u32>task & INDEX_MASK;
  const at = taskPtr(index);
  const home = <usize>load<u32>(at + TASK_LOOP);
  store<i32>(at + TASK_RESULT, result);
  let state: u32 = 0;
  let waiter = NIL;
  do {
    state = loadWord(at + TASK_STATE);
    waiter = state & WAITING ? <i32>loadWord(at + TASK_WAITER) : NIL;
  } while (!replaceWord(at + TASK_STATE, state, (state & ~(RUNNING | NOTIFIED | WAITING)) | COMPLETE));
  addWord(home + LOOP_LIVE, -1);
  if (!(state & JOINABLE)) giveTask(index);
  else if (waiter != NIL) wake(waiter);                    // the slot may be another's by now: only what was read above counts
}

// ---- handles

/** @returns 1, or ESTALE */
export function abort(task: i32): i32 {
  const at = find(task);
  if (at == 0) return ESTALE;
  while (true) {
    const state = loadWord(at + TASK_STATE);
    if (!isCurrent(state, task) || state & (COMPLETE | BLOCKER)) return ESTALE;
    if (!replaceWord(at + TASK_STATE, state, state | CANCELLED | NOTIFIED)) continue;
    if (!(state & (NOTIFIED | RUNNING))) submit(at, <u32>task & INDEX_MASK);
    return 1;
  }
}

let lastResult: i32 = 0;

/** Of the last join() that was READY. */
export function resultOfJoin(): i32 {
  return lastResult;
}

/** `waiter` is woken when it ends. Who waited before is woken now: it may ask again. */
export function join(task: i32, waiter: i32): i32 {
  const at = find(task);
  if (at == 0) return ESTALE;
  if (task == waiter) return EDEADLK;
  let rounds = 0;
  while (true) {
    const state = loadWord(at + TASK_STATE);
    if (!isCurrent(state, task) || !(state & JOINABLE)) return ESTALE;
    if (state & COMPLETE) {
      const result = load<i32>(at + TASK_RESULT);
      if (!replaceWord(at + TASK_STATE, state, state & ~JOINABLE)) continue;
      lastResult = result;
      giveTask(<u32>task & INDEX_MASK);
      return READY;
    }
    if (state & LISTING) linger(rounds++);
    else {
      const before = state & WAITING ? <i32>loadWord(at + TASK_WAITER) : NIL;
      if (before == waiter && loadWord(at + TASK_STATE) == state) return PENDING;
      if (!replaceWord(at + TASK_STATE, state, (state & ~WAITING) | LISTING)) continue;
      const isListed = list(at, waiter);
      if (before != NIL) wake(before);
      if (isListed) return PENDING;
    }
  }
}

/** LISTING is this thread's. @returns false: it has ended meanwhile */
function list(at: usize, waiter: i32): bool {
  storeWord(at + TASK_WAITER, waiter);
  while (true) {
    const state = loadWord(at + TASK_STATE);
    const hasEnded = (state & COMPLETE) != 0;
    const next = hasEnded ? state & ~LISTING : (state & ~(WAITS | LISTING)) | ((state + ONE_WAIT) & WAITS) | WAITING;
    if (replaceWord(at + TASK_STATE, state, next)) return !hasEnded;
  }
}

/** Nobody will join it. */
export function detach(task: i32): void {
  const at = find(task);
  if (at == 0) return;
  while (true) {
    const state = loadWord(at + TASK_STATE);
    if (!isCurrent(state, task) || !(state & JOINABLE)) return;
    if (!replaceWord(at + TASK_STATE, state, state & ~JOINABLE)) continue;
    if (state & COMPLETE) giveTask(<u32>task & INDEX_MASK);
    return;
  }
}

export function isLive(task: i32): bool {
  const at = find(task);
  if (at == 0) return false;
  const state = loadWord(at + TASK_STATE);
  return isCurrent(state, task) && !(state & COMPLETE);
}
