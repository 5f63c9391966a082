// A thread that runs a loop: it takes a task, polls it, and parks when there is none.
//
// Parking: a thread that found nothing counts itself as a sleeper, reads the loop's epoch, looks everywhere once more, and waits for the epoch to
// change. Whoever queues looks at the sleepers after it has queued, and changes the epoch if there are any. So one of the two sees the other.

// After memory.atomic.wait32 no local is used: V8 11.3 (Node 20) was seen to load from a stale one, in a loop around the wait.

import { ECANCELED, ECLOSED, EINVAL, ENOMEM, ETRAP, PENDING, READY, YIELD } from "../codes";
import { addWord, loadWord, waitWord } from "../sync";
import { goOut, isOpen } from "./door";
import { clock, isFunction, lock, loop, ring, running, setRunning, settle, tick, ticks, unlock } from "./here";
import { FREEING, GOING, LOOP_EPOCH, LOOP_LOCK, LOOP_QUEUED, LOOP_RUNNERS, LOOP_SLEEPERS, LOOP_STATE, NIL, TASK_ARG, TASK_FN } from "./layout";
import { inject, isEmpty, giveRing, steal, takeFirst, takeInjected, takeRing } from "./queue";
import { CANCELLED, handleOf, taskPtr } from "./slab";
import { begin, finish, rest, rouse } from "./state";
import { fire, patience } from "./timers";

const COOP_BUDGET: i32 = 128;
/** Polls between looks at the injector, and at timers. */
const INJECTOR_INTERVAL: u32 = 31;
const TIMER_INTERVAL: u32 = 61;
/** Polls of drive() between looks at the clock, less one; a mask. */
const CLOCK_MASK: u32 = 15;

let budget: i32 = 0;

export function renewBudget(): void {
  budget = COOP_BUDGET;
}

export function coop(): bool {
  return budget-- > 0;
}

/** Polls a task taken from a queue. */
export function poll(index: i32): void {
  const at = taskPtr(index);
  const state = begin(at);
  const task = handleOf(index, state);
  const fn = load<u32>(at + TASK_FN);
  const arg = load<u32>(at + TASK_ARG);
  let result = ETRAP;
  if (isFunction(fn)) {
    setRunning(task);
    renewBudget();
    if (state & CANCELLED) {
      call_indirect<i32>(fn, arg, ~task);
      result = ECANCELED;
    } else result = call_indirect<i32>(fn, arg, task);
    setRunning(NIL);
  }
  if (result == PENDING || result == YIELD) rest(at, index, result == YIELD);
  else finish(task, result);
}

/** After something unwound through run(), drive() or free(): the task that was polled has trapped. */
export function failRunning(): i32 {
  const task = running;
  setRunning(NIL);
  if (task != NIL) finish(task, ETRAP);
  return task;
}

function next(): i32 {
  if (tick() % INJECTOR_INTERVAL == 0) {
    const index = takeInjected(loop);
    if (index != NIL) return index;
  }
  let index = takeFirst(ring);
  if (index == NIL) index = takeInjected(loop);
  if (index == NIL) index = steal();
  return index;
}

/** Nothing was found. @returns a task after all, or NIL after a wait */
function park(): i32 {
  addWord(loop + LOOP_SLEEPERS, 1);
  const epoch = loadWord(loop + LOOP_EPOCH);
  const index = next();
  if (index != NIL || loadWord(loop + LOOP_STATE) != GOING) {
    addWord(loop + LOOP_SLEEPERS, -1);
    return index;
  }
  waitWord(loop + LOOP_EPOCH, epoch, patience());
  addWord(loop + LOOP_SLEEPERS, -1);
  return NIL;
}

/** This thread, which is inside, runs the loop from now on. @returns READY, or why not */
export function enter(home: usize): i32 {
  lock(home + LOOP_LOCK);
  const isGoing = load<u32>(home + LOOP_STATE) < <u32>FREEING;
  if (isGoing) addWord(home + LOOP_RUNNERS, 1);             // under the lock: whoever frees the loop looks at it there
  unlock(home + LOOP_LOCK);
  if (!isGoing) return EINVAL;
  const own = takeRing(home);
  if (own != 0) settle(home, own);
  else addWord(home + LOOP_RUNNERS, -1);
  return own == 0 ? ENOMEM : READY;
}

/** What is left in this thread's ring goes to the others. */
export function leave(): void {
  for (let index = takeFirst(ring); index != NIL; index = takeFirst(ring)) inject(loop, index, false);
  giveRing(ring);
  rouse(loop);
  addWord(loop + LOOP_RUNNERS, -1);
  settle(0, 0);
  goOut();
}

/** Until the loop is stopped. @returns READY, or ECLOSED */
export function run(): i32 {
  while (loadWord(loop + LOOP_STATE) == GOING) {
    if (ticks % TIMER_INTERVAL == 0) fire();
    let index = next();
    if (index == NIL) {
      fire();
      index = park();
    }
    if (index != NIL) poll(index);
  }
  return isOpen() ? READY : ECLOSED;
}

/** At most so many polls, and not longer than until `deadline`: for threads that may not block. @returns 1: more is ready */
export function drive(polls: f64, deadline: f64): i32 {
  fire();
  for (let i: f64 = 0; i < polls; i++) {
    const index = next();
    if (index == NIL) return 0;
    poll(index);
    if ((<u32>i & CLOCK_MASK) == CLOCK_MASK && clock() >= deadline) break;
  }
  return loadWord(loop + LOOP_QUEUED) != 0 || !isEmpty(ring) ? 1 : 0;
}
