// The exports of the module that threads of a pool share work with. All arguments are 32-bit integers.
//
// Every thread of a pool has an instance of its own on the one memory. A thread's number is its place in the pool: 0 owns it.
// A number of a record in a queue is a hint that its job may be started, and no more: who finds it must still win the record's state
// word. So a hint too many does no harm, and after a death every job that is still QUEUED simply gets a new one.

import {
  ABSENT, ASLEEP, CANCELLED_UNSTARTED, CHUNK_MAX, FREE, QUEUED, RECORD_STATE, RUNNING_JOBS,
  SCRATCH_CAPACITY, STARTED, STATE_SHIFT, THREAD_DEQUE, THREAD_RANDOM, THREAD_TICK,
} from "./pool-layout";
import { NIL } from "./layout";
import * as idle from "./idle";
import {
  injectorCells, injectorMask, injectorPtr, mailboxCells, mailboxMask, mailboxPtr, ownerOf, recordPtr, scratchPtr, setMap, slotCount, threadCount,
  threadPtr,
} from "./pool-map";
import * as deque from "./deque";
import { allowSleep, clear, lengthOf, popSome, pushAll, unlock } from "./ring";
import { loadWord, replaceWord, storeWord, waitWord } from "./sync";

/** One look in so many goes to the injector first, or to the oldest of the own queue: nothing waits for ever. */
const FAIR_INTERVAL: u32 = 31;

let me: u32 = 0;

/**
 * Says where the pool is and who this thread is. Called once in each instance.
 *
 * @param slotBits each thread has 1 << slotBits records
 */
export function join(base: u32, threads: u32, slotBits: u32, thread: u32, maySleep: u32): void {
  setMap(base, threads, slotBits);
  allowSleep(maySleep != 0);
  me = thread;
}

/** Bytes from the base on. */
export function poolBytes(threads: u32, slotBits: u32): u32 {
  setMap(0, threads, slotBits);
  return <u32>recordPtr(threads << slotBits);
}

export function recordAt(record: u32): u32 {
  return <u32>recordPtr(record);
}

export function scratchAt(thread: u32): u32 {
  return <u32>scratchPtr(thread);
}

export function stateAt(thread: u32): u32 {
  return <u32>threadPtr(thread);
}

/** A thread begins, in the place of a dead one perhaps: it does not get its queue, but its mailbox, where its records come back to. */
export function begin(): void {
  const thread = threadPtr(me);
  store<u64>(thread + THREAD_DEQUE, 0);                     // plain: while it is ABSENT nobody looks
  store<u32>(thread + THREAD_RANDOM, me * 0x9e3779b9 + 1);
  idle.setState(me, RUNNING_JOBS);
}

// ---- queueing

/** Queues the `count` records in this thread's scratch for everyone. @returns false when the injector is full, or locked: call again */
export function inject(count: u32): u32 {
  return <u32>pushAll(injectorPtr(), injectorCells(), injectorMask(), scratchPtr(me), count, me);
}

/** Queues a record here, where others can steal it. @returns how many are left in this thread's scratch, in no queue: the injector is full too */
export function push(record: u32): u32 {
  const thread = threadPtr(me);
  if (deque.push(thread, record)) return 0;
  const scratch = scratchPtr(me);
  const count = deque.popOldest(thread, scratch, CHUNK_MAX) + 1;
  store<u32>(scratch + (<usize>(count - 1) << 2), record);
  return pushAll(injectorPtr(), injectorCells(), injectorMask(), scratch, count, me) ? 0 : count;
}

/** After something was queued: wakes a sleeper if need be. @returns its number, -1, or NOBODY_YET */
export function wakeOne(): i32 {
  if (me != 0 && loadWord(threadPtr(me)) >= <u32>ASLEEP) idle.wakeUp(me);     // a task that the host has resumed: others are to be woken, not this one
  return idle.wakeOne();
}

/** Some time after that: wakes another one if work still waits. @returns its number, 0 if nobody sleeps, -1 if nothing waits */
export function wakeAnother(): i32 {
  return idle.wakeAnother();
}

// ---- starting

/** A job to start: its record, which is STARTED by this thread from then on. @returns -1 when there is none */
export function next(): i32 {
  while (true) {
    const record = find();
    if (record == NIL) return NIL;
    if (start(record)) return record;
  }
}

/** Starts the job of a record whose number this thread has. @returns whether it may run here: it was not cancelled, nor started by another */
export function start(record: u32): u32 {
  if (replaceWord(recordPtr(record) + RECORD_STATE, QUEUED, STARTED | (me << STATE_SHIFT))) {
    idle.stopSearching(me);
    return 1;
  }
  if (replaceWord(recordPtr(record) + RECORD_STATE, CANCELLED_UNSTARTED, FREE)) sendBack(record);
  return 0;
}

/** This thread has something else to do than jobs of records, and does not look for those meanwhile. */
export function stopSearching(): void {
  idle.stopSearching(me);
}

/** This thread cannot run it yet, and keeps its number until it can. */
export function putBack(record: u32): void {
  storeWord(recordPtr(record) + RECORD_STATE, QUEUED);
}

/** The number of a cancelled record has come out of the queue: its owner may use it again. */
function sendBack(record: u32): void {
  const scratch = scratchPtr(me);
  store<u32>(scratch, record);
  post(ownerOf(record), 1);
}

function find(): u32 {
  const thread = threadPtr(me);
  const tick = load<u32>(thread + THREAD_TICK) + 1;
  store<u32>(thread + THREAD_TICK, tick);
  const scratch = scratchPtr(me);
  if (tick % FAIR_INTERVAL == 0) {
    if (popSome(injectorPtr(), injectorCells(), injectorMask(), scratch, 1, 1, me) == 1) return load<u32>(scratch);
    if (deque.popOldest(thread, scratch, 1) == 1) return load<u32>(scratch);
  }
  const own = deque.popNewest(thread);
  if (own != NIL) return own;
  const claimed = popSome(injectorPtr(), injectorCells(), injectorMask(), scratch, threadCount() - 1, min<u32>(deque.roomOf(thread), CHUNK_MAX), me);
  if (claimed > 0) {
    if (claimed > 1) deque.pushReversed(thread, scratch + 4, claimed - 1);
    return load<u32>(scratch);
  }
  return steal();
}

function steal(): u32 {
  if (!idle.startSearching(me)) return NIL;
  const mine = threadPtr(me);
  const workers = threadCount() - 1;
  let random = load<u32>(mine + THREAD_RANDOM);
  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  store<u32>(mine + THREAD_RANDOM, random);
  const first = random % workers;
  for (let i: u32 = 0; i < workers; i++) {
    const victim = (first + i) % workers + 1;
    if (victim == me || idle.isAbsent(victim)) continue;
    const record = deque.stealHalf(threadPtr(victim), mine, me);
    if (record != NIL) return record;
  }
  return NIL;
}

/** Takes back a job that nobody has started. @returns whether it will not run; its record comes back by the mailbox */
export function cancel(record: u32): u32 {
  return <u32>replaceWord(recordPtr(record) + RECORD_STATE, QUEUED, CANCELLED_UNSTARTED);
}

// ---- ending

/** Sends the `count` records in this thread's scratch back to their owner. @returns whether the owner slept and was woken */
export function post(owner: u32, count: u32): u32 {
  pushAll(mailboxPtr(owner), mailboxCells(owner), mailboxMask(), scratchPtr(me), count, me);      // there is room: each record is there once
  return <u32>idle.rouse(owner, RUNNING_JOBS);
}

/** Takes records that have come back, to this thread's scratch. @returns how many */
export function collect(): u32 {
  return popSome(mailboxPtr(me), mailboxCells(me), mailboxMask(), scratchPtr(me), 1, SCRATCH_CAPACITY, me);
}

// ---- sleeping

/** The thread is about to sleep on its state word, which is ASLEEP or ASLEEP_WITH_TASKS then. @returns false when there is something to do */
export function fallAsleep(how: u32): u32 {
  return <u32>idle.fallAsleep(me, how);
}

/** Looks `times` whether it was woken. @returns whether it was */
export function look(times: u32): u32 {
  for (let i: u32 = 0; i < times; i++) if (loadWord(stateAt(me)) != ASLEEP) return 1;
  return 0;
}

/** Blocks until it is woken, at most `ms`. @returns whether the time ran out; it is asleep still then */
export function sleep(ms: f64): u32 {
  return <u32>waitWord(stateAt(me), ASLEEP, <i64>(ms * 1.0e6));
}

export function wakeUp(): void {
  idle.wakeUp(me);
}

/** Workers that have nothing to do. */
export function sleepers(): u32 {
  let count: u32 = 0;
  for (let t: u32 = 1; t < threadCount(); t++) if (loadWord(threadPtr(t)) >= <u32>ASLEEP) count++;
  return count;
}

/** Wakes a thread because there is something else than a job for it. */
export function rouse(thread: u32): u32 {
  return <u32>idle.rouse(thread, RUNNING_JOBS);
}

/** Jobs that workers have queued and nobody has started. */
export function queuedByWorkers(): u32 {
  return idle.queuedByWorkers();
}

/** Jobs in the injector. */
export function injected(): u32 {
  return lengthOf(injectorPtr());
}

// ---- deaths: called by the owner of the pool

/**
 * A worker is dead. Its own records are given up, its part in others' queues mended. Once for each death, and before another worker
 * takes its place: what it would do to that one's jobs. requeue() comes next.
 */
export function bury(thread: u32): void {
  idle.setState(thread, ABSENT);
  deque.empty(threadPtr(thread));
  unlock(injectorPtr(), thread);
  for (let t: u32 = 0; t < threadCount(); t++) {
    unlock(mailboxPtr(t), thread);
    if (t != thread) deque.endSteal(threadPtr(t), thread);
  }
  const first = thread << bitsOfSlots();
  for (let record = first; record < first + slotCount(); record++) {
    const state = recordPtr(record) + RECORD_STATE;
    replaceWord(state, QUEUED, CANCELLED_UNSTARTED);
    if (loadWord(state) == (STARTED | (thread << STATE_SHIFT))) storeWord(state, FREE);
  }
}

function bitsOfSlots(): u32 {
  return ctz<u32>(slotCount());
}

/**
 * After a death: queues every job that is QUEUED, for the dead one may have had its number. The injector is emptied first, or it would
 * fill with numbers of the same jobs when one death follows another.
 *
 * @returns false when the injector is full, or locked: call again
 */
export function requeue(): u32 {
  if (!clear(injectorPtr(), me)) return 0;
  const scratch = scratchPtr(me);
  let count: u32 = 0;
  const end = threadCount() << bitsOfSlots();
  for (let record: u32 = 0; record < end; record++) {
    const state = loadWord(recordPtr(record) + RECORD_STATE);
    if (state != QUEUED && state != CANCELLED_UNSTARTED) continue;
    store<u32>(scratch + (<usize>count << 2), record);
    if (++count < <u32>SCRATCH_CAPACITY) continue;
    if (!inject(count)) return 0;
    count = 0;
  }
  if (count > 0 && !inject(count)) return 0;
  return 1;
}
