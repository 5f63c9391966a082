// Threads that really wait: pthreads outside of a loop. A record of the slab stands for the thread while it does.

import { ECLOSED, EINVAL, ENOMEM, EWOULDBLOCK, PENDING, YIELD } from "../codes";
import { loadWord, replaceWord, waitWord } from "../sync";
import { isOpen } from "./door";
import { isFunction, mayBlock, running } from "./here";
import { NIL, TASK_STATE } from "./layout";
import { renewBudget } from "./run";
import { BLOCKER, COMPLETE, find, giveTask, handleOf, INDEX_MASK, NOTIFIED, RUNNING, takeTask, taskPtr } from "./slab";
import { join } from "./state";
import { beginTimer, endTimer, fire, now, patience, tickOfBegin } from "./timers";

/** What stands for this thread, or NIL (written out). Global: see what run.ts says of locals. */
let blocker: i32 = -1;

export function blockerHere(): i32 {
  return blocker;
}

/** Inside of a task there is a loop to be held up, in pages a main thread: neither waits. */
export function refusal(): i32 {
  return running != NIL || !mayBlock ? EWOULDBLOCK : 0;
}

/** @returns what stood for it before */
function takeBlocker(): i32 {
  const outer = blocker;
  const index = takeTask(BLOCKER | RUNNING, 0, 0, 0);
  blocker = index == NIL ? NIL : handleOf(index, loadWord(taskPtr(index) + TASK_STATE));
  return outer;
}

function giveBlocker(task: i32, outer: i32): void {
  blocker = outer;
  const at = find(task);
  let state: u32 = 0;
  do {
    state = loadWord(at + TASK_STATE);
  } while (!replaceWord(at + TASK_STATE, state, (state | COMPLETE) & ~(RUNNING | NOTIFIED | BLOCKER)));
  giveTask(<u32>task & INDEX_MASK);
}

/** Until the blocker is woken. False: the guest was detached. */
function waitBlocked(): bool {
  while (true) {
    const at = find(blocker);
    const state = loadWord(at + TASK_STATE);
    if (!isOpen()) return false;
    if (state & NOTIFIED) {
      if (replaceWord(at + TASK_STATE, state, state & ~NOTIFIED)) return true;
      continue;
    }
    waitWord(at + TASK_STATE, state, patience());
    fire();
  }
}

export function sleep(ms: f64): i32 {
  if (!(ms >= 0)) return EINVAL;
  const outer = takeBlocker();
  const self = blocker;
  if (self == NIL) {
    blocker = outer;
    return ENOMEM;
  }
  const timer = beginTimer(self, ms);
  const tick = tickOfBegin();
  let result = timer < NIL ? timer + 1 : 0;
  while (result == 0 && now() < tick) if (!waitBlocked()) result = ECLOSED;
  if (timer >= 0) endTimer(timer, tick);
  giveBlocker(self, outer);
  return result;
}

export function joinBlocked(task: i32): i32 {
  const outer = takeBlocker();
  const self = blocker;
  if (self == NIL) {
    blocker = outer;
    return ENOMEM;
  }
  let state = join(task, self);
  while (state == PENDING) state = waitBlocked() ? join(task, self) : ECLOSED;
  giveBlocker(self, outer);
  return state;
}

export function blockOn(fn: u32, arg: u32): i32 {
  if (fn == 0 || !isFunction(fn)) return EINVAL;
  const outer = takeBlocker();
  const self = blocker;
  if (self == NIL) {
    blocker = outer;
    return ENOMEM;
  }
  let result = PENDING;
  while (true) {
    renewBudget();
    result = call_indirect<i32>(fn, arg, self);
    if (result == YIELD || (result == PENDING && waitBlocked())) continue;
    if (result != PENDING) break;
    call_indirect<i32>(fn, arg, ~self);
    result = ECLOSED;
    break;
  }
  giveBlocker(self, outer);
  return result;
}
