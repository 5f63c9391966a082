// Who sleeps and who searches.
//
//   ABSENT        not started, or dead
//   RUNNING_JOBS  has work, or serves its event loop
//   SEARCHING     looks into the others' queues, or was just woken to do so
//   ASLEEP        looks again only when it is woken
//   ASLEEP_WITH_TASKS  so too, but tasks of its own wait for timers or promises, and one of them may hold its event loop
//                 when the wake comes: it is woken when nobody else sleeps
//   WOKEN_WITH_TASKS   was woken out of that: it looks for work, but does not count as a searcher, for it may be held
//
// Tokio's rules: whoever queues work wakes one sleeper, unless somebody is searching; at most half of the workers search; the last
// searcher that finds work wakes another one; the last one to fall asleep looks into every queue once more.
//
// Tokio keeps two counts in one word. Here they are counted from the words of the workers, because a worker may be killed at
// any instruction, and a count that it left wrong would never be put right: with one searcher too many nobody is woken again.
//
// A worker that was woken and is held by a task searches in name only, so the owner of the pool looks once more after a moment, and
// wakes another one when work still waits: see wakeAnother().
//
// No wake is lost: a thread that queues work makes it visible, then looks for a searcher; a searcher says that it has stopped, then
// looks for work. Both orders are sequentially consistent, so at least one of them sees the other.

import { ABSENT, ASLEEP, ASLEEP_WITH_TASKS, NOBODY_YET, RUNNING_JOBS, SEARCHING, WOKEN_WITH_TASKS } from "./pool-layout";
import { NIL } from "./layout";
import { injectorPtr, mailboxPtr, statePtr, threadCount, threadPtr } from "./pool-map";
import { sizeOf } from "./deque";
import { lengthOf } from "./ring";
import { loadWord, notifyAll, replaceWord, storeWord } from "./sync";

function countSearching(): u32 {
  let count: u32 = 0;
  for (let t: u32 = 1; t < threadCount(); t++) if (loadWord(statePtr(t)) == SEARCHING) count++;
  return count;
}

/** Wakes this thread if it sleeps. Any thread. @returns whether this call did */
export function rouse(thread: u32, into: u32): bool {
  const state = statePtr(thread);
  const seen = loadWord(state);
  if (seen < <u32>ASLEEP || !replaceWord(state, seen, into)) return false;     // whoever falls asleep anew has looked since
  notifyAll(state);
  return true;
}

function wakeAny(): u32 {
  for (let t: u32 = 1; t < threadCount(); t++) if (loadWord(statePtr(t)) == ASLEEP && rouse(t, SEARCHING)) return t;
  for (let t: u32 = 1; t < threadCount(); t++) if (rouse(t, WOKEN_WITH_TASKS)) return t;
  return NIL;
}

/** Work was queued: wakes a sleeper, unless one searches already. @returns its number, NIL, or NOBODY_YET */
export function wakeOne(): u32 {
  if (countSearching() > 0) return NIL;
  const woken = wakeAny();
  return woken == NIL && anyAbsent() ? NOBODY_YET : woken;
}

function anyAbsent(): bool {
  for (let t: u32 = 1; t < threadCount(); t++) if (loadWord(statePtr(t)) == ABSENT) return true;
  return false;
}

/** Work may have waited for a moment: if so, wakes a sleeper although somebody searches. @returns its number, 0 if nobody sleeps, NIL if nothing waits */
export function wakeAnother(): u32 {
  if (!hasWork()) return NIL;
  const woken = wakeAny();
  return woken == NIL ? 0 : woken;
}

/** @returns false when enough others search */
export function startSearching(me: u32): bool {
  if (loadWord(statePtr(me)) == SEARCHING) return true;     // whoever woke it has said so
  if (countSearching() * 2 >= threadCount() - 1) return false;
  storeWord(statePtr(me), SEARCHING);
  return true;
}

/** It has found something. The last searcher wakes another one, for there may be more. */
export function stopSearching(me: u32): void {
  const state = loadWord(statePtr(me));
  if (state != SEARCHING && state != WOKEN_WITH_TASKS) return;
  storeWord(statePtr(me), RUNNING_JOBS);                    // before the looks; pairs with the load in wakeOne()
  if (countSearching() == 0 && hasWork()) wakeOne();
}

/** Whether a job is queued anywhere. */
function hasWork(): bool {
  return lengthOf(injectorPtr()) > 0 || queuedByWorkers() > 0;
}

/** Jobs in the queues of the workers. */
export function queuedByWorkers(): u32 {
  let count: u32 = 0;
  for (let t: u32 = 1; t < threadCount(); t++) count += sizeOf(threadPtr(t));
  return count;
}

/** The thread will sleep, as `how` says. @returns false when there is something to do; it is awake then */
export function fallAsleep(me: u32, how: u32): bool {
  const state = statePtr(me);
  storeWord(state, how);                                    // before the looks; pairs with the loads in wakeOne() and rouse()
  if (lengthOf(mailboxPtr(me)) == 0 && (me == 0 || lengthOf(injectorPtr()) == 0) && (me == 0 || countSearching() > 0 || !hasWork())) return true;
  replaceWord(state, how, RUNNING_JOBS);                    // or it was woken meanwhile, and searches
  return false;
}

/** Awake, whoever woke it. */
export function wakeUp(me: u32): void {
  const state = statePtr(me);
  if (!replaceWord(state, ASLEEP, RUNNING_JOBS)) replaceWord(state, ASLEEP_WITH_TASKS, RUNNING_JOBS);
}

export function setState(thread: u32, state: u32): void {
  storeWord(statePtr(thread), state);
}

export function isAbsent(thread: u32): bool {
  return loadWord(statePtr(thread)) == ABSENT;
}
