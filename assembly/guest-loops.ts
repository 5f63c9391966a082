// Loops that several threads of one guest run (a module built with -pthread): tasks in the guest's own shared memory.
//
// One instance of this for each thread of the guest, over the same memory, with a table of its own that holds the guest's functions.
// Everything below is at addresses that the guest's allocator gave; globals belong to the thread.
//
//   root    one for each guest: slab, timers, mailbox of the main thread
//   loop    injector, and a ring for each thread that runs the loop
//   task    a record of 32 bytes that never moves; handle = SHARED | generation << 16 | index
//
// A task's state word: who may set what
//   NOTIFIED   whoever wakes; the runner clears it as it begins to poll. Set: it is in exactly one queue, or RUNNING
//   RUNNING    the thread that polls it, nobody else until it is cleared
//   COMPLETE   the runner, once; the result is there before
//   CANCELLED  whoever aborts
//   JOINABLE   at the start; whoever takes the result, or detaches, clears it, and the slot goes back
//   WAITING    the joiner, after it has written TASK_WAITER; it clears it first to write another. Each time it is set the bits of
//              WAITS change too, so that the runner, which takes waiter and word together, never takes an older one
//   BLOCKER    a thread that waits in tk_block_on(): never queued, woken by notify on the state word itself
// Every change is one compare-and-swap of the whole word, generation included: a stale handle changes nothing.
//
// A ring: its owner appends (tail), anyone takes from the front by moving head. A taker copies first, and has what it copied only if
// head was still where it looked: slots from head on are not reused before head has moved.
//
// Parking: a thread that found nothing counts itself as a sleeper, reads the loop's epoch, looks everywhere once more, and waits for the epoch to
// change. Whoever queues looks at the sleepers after it has queued, and changes the epoch if there are any. So one of the two sees the other.

// After memory.atomic.wait32 no local is used: V8 11.3 (Node 20) was seen to load from a stale one, in a loop around the wait.

import { loadLong, loadWord, notifyWord, replaceWord, storeWord, waitWord } from "./sync";

import { BOX, BOX_CAPACITY, BOX_HEAD, BOX_LOCK, BOX_OVERFLOW, BOX_SIGNAL, BOX_TAIL, CHUNKS, ROOT_BYTES } from "./loops-layout";

// What tokiwa.h returns.
const PENDING = 0;
const READY = 1;
const YIELD = 2;
const EINVAL = -1;
const ENOMEM = -2;
const ESTALE = -3;
const EWOULDBLOCK = -4;
const ECANCELED = -5;
const ETRAP = -6;
const ECLOSED = -7;
const ENOSYS = -10;
const EBUSY = -11;
const EDEADLK = -12;

const NIL = -1;
/** In handles and timer ids, so that they are never those of the main thread's own loop. */
const SHARED: u32 = 1 << 30;
const INDEX_MASK: u32 = 0xffff;
const GENERATION_SHIFT: u32 = 16;
const GENERATION_MASK: u32 = 0x3fff0000;

const NOTIFIED: u32 = 1;
const RUNNING: u32 = 2;
const COMPLETE: u32 = 4;
const CANCELLED: u32 = 8;
const JOINABLE: u32 = 16;
const BLOCKER: u32 = 32;
const WAITING: u32 = 64;
const WAITS: u32 = 0xff80;
const ONE_WAIT: u32 = 0x80;

// ---- root
const ROOT_CLOSED: usize = 0;
const SLAB_LOCK: usize = 4;
const SLAB_FREE: usize = 8; //       index of a free task + 1, or 0
const SLAB_FRESH: usize = 12; //     indices from here on were never used
const TIMER_LOCK: usize = 20;
const TIMER_COUNT: usize = 24;
const TIMER_CAPACITY: usize = 28;
const TIMER_HEAP: usize = 32; //     entries of { when: f64, task: i32, id: u32 }, the earliest first
const TIMER_PLACES: usize = 36; //   by id: its place in the heap; free ones: the next free id + 1, complemented
const TIMER_FREE: usize = 40; //     a free id + 1, or 0
const TIMER_NEXT: usize = 48; //     f64 bits: the earliest deadline
const LOOPS: usize = 72; //          address of the last loop made
const TIME_BASE: usize = 80; //      f64
const CHUNK_TASKS: u32 = 1024;
const TASKS_MAX: u32 = 65536;

// ---- task
const TASK_STATE: usize = 0;
const TASK_NEXT: usize = 4; //       index + 1
const TASK_FN: usize = 8;
const TASK_ARG: usize = 12;
const TASK_RESULT: usize = 16;
const TASK_WAITER: usize = 20; //    handle to wake at the end, or NIL
const TASK_LOOP: usize = 24;
const TASK_BYTES: u32 = 32;

// ---- loop
const LOOP_STOPPED: usize = 0;
const LOOP_LOCK: usize = 4;
const LOOP_FIRST: usize = 8; //      injector: index + 1
const LOOP_LAST: usize = 12;
const LOOP_QUEUED: usize = 16;
const LOOP_EPOCH: usize = 20;
const LOOP_SLEEPERS: usize = 24;
const LOOP_LIVE: usize = 28;
const LOOP_NEXT: usize = 32; //      the loop made before it
const LOOP_RUNNERS: usize = 36;
const RINGS: usize = 64; //          64 rings
const RINGS_MAX: u32 = 64;
const RING_OWNED: usize = 0;
const RING_HEAD: usize = 4;
const RING_TAIL: usize = 8;
const RING_SLOTS: usize = 64;
const RING_CAPACITY: u32 = 256;
const RING_BYTES: u32 = <u32>RING_SLOTS + RING_CAPACITY * 4;
const LOOP_BYTES: u32 = <u32>RINGS + RINGS_MAX * 4;

const COOP_BUDGET: i32 = 128;
/** Polls between looks at the injector, and at timers. */
const INJECTOR_INTERVAL: u32 = 31;
const TIMER_INTERVAL: u32 = 61;
/** 2^36 - 1 ms, as everywhere. */
const TIMER_RANGE: f64 = 68719476735.0;
/** A parked thread looks for itself so often, in ns: against a clock that jumps. */
const PARK_MAX: i64 = 60_000_000_000;

@external("host", "root") declare function hostRoot(): usize;
@external("host", "allocate") declare function hostAllocate(bytes: u32): usize;
@external("host", "free") declare function hostFree(address: usize, bytes: u32): void;
@external("host", "growTable") declare function hostGrowTable(fn: u32): i32;
@external("host", "nap") declare function hostNap(): void;
@external("host", "now") declare function hostNow(): f64;

let root: usize = 0;
let limit: u32 = 0;
let mayBlock: bool = false;
/** The loop this thread runs, its ring, and the task it polls. */
let loop: usize = 0;
let ring: usize = 0;
let running: i32 = -1;
let budget: i32 = 0;
let ticks: u32 = 0;
/** What stands for this thread while it blocks. */
let blocker: i32 = -1;
let lastTick: f64 = 0;
let lastValue: f64 = 0;

// ---- called by JavaScript

/** This thread is about to use the guest's memory. */
export function init(address: usize, functions: u32, blocks: i32): void {
  root = address;
  limit = functions;
  mayBlock = blocks != 0;
}

export function setLimit(functions: u32): void {
  limit = functions;
}

/** A root in fresh memory, not yet seen by anybody. */
export function format(): usize {
  const address = hostAllocate(ROOT_BYTES);
  if (address == 0) return 0;
  memory.fill(address, 0, ROOT_BYTES);
  store<f64>(address + TIMER_NEXT, Infinity);
  store<f64>(address + TIME_BASE, hostNow());
  return address;
}

export function rootAddress(): usize {
  return root;
}

/** The next handle in the main thread's box, NIL: it is empty, NIL - 1: some were lost. */
export function takeMail(): i32 {
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

/** Nothing of the guest runs any more: every call fails, every thread leaves its loop. */
export function closeAll(): void {
  if (root == 0) return;
  storeWord(root + ROOT_CLOSED, 1);
  for (let one = <usize>load<u32>(root + LOOPS); one != 0; one = load<u32>(one + LOOP_NEXT)) {
    storeWord(one + LOOP_STOPPED, 1);
    rouseAll(one);
  }
}

/** After something unwound through run(): the task that was polled has trapped. */
export function trapped(): i32 {
  const task = running;
  running = NIL;
  if (task != NIL) finish(<u32>task, ETRAP);
  return task;
}

/** What is left of a run() that trapped: the thread leaves its ring. */
export function currentLoop(): u32 {
  return <u32>loop;
}

// ---- small things

function isOpen(): bool {
  if (root == 0) root = hostRoot();
  return root != 0 && loadWord(root + ROOT_CLOSED) == 0;
}

/** Held for a few instructions. Its holder may have been taken off its core: who may wait does, briefly. */
function lock(address: usize): void {
  for (let spins = 0; !replaceWord(address, 0, 1); spins++) if (spins > 100 && mayBlock) hostNap();
}

function unlock(address: usize): void {
  storeWord(address, 0);
}

function add(address: usize, value: i32): i32 {
  return atomic.add<i32>(address, value);
}

function taskPtr(index: u32): usize {
  return <usize>load<u32>(root + CHUNKS + (index >>> 10) * 4) + (index & (CHUNK_TASKS - 1)) * TASK_BYTES;
}

function handleOf(index: u32, state: u32): i32 {
  return <i32>(SHARED | (state & GENERATION_MASK) | index);
}

/** The record of a handle, or 0. It is current if the state word's generation is the handle's. */
function find(task: i32): usize {
  const index = <u32>task & INDEX_MASK;
  return task < 0 || !(<u32>task & SHARED) || index >= loadWord(root + SLAB_FRESH) ? 0 : taskPtr(index);
}

function isCurrent(state: u32, task: i32): bool {
  return ((state ^ <u32>task) & GENERATION_MASK) == 0;
}

/** The handle of a task, also from inside its last poll. */
function plain(task: i32): i32 {
  return task < 0 ? ~task : task;
}

// ---- slab

/** @returns the index of a task with this state, or NIL */
function takeTask(state: u32, fn: u32, arg: u32, home: usize): i32 {
  lock(root + SLAB_LOCK);
  let index = <i32>load<u32>(root + SLAB_FREE) - 1;
  if (index >= 0) store<u32>(root + SLAB_FREE, load<u32>(taskPtr(index) + TASK_NEXT));
  else {
    const fresh = load<u32>(root + SLAB_FRESH);
    if (fresh < TASKS_MAX) {
      const chunk = root + CHUNKS + (fresh >>> 10) * 4;
      if (load<u32>(chunk) == 0) {
        const block = hostAllocate(CHUNK_TASKS * TASK_BYTES);
        if (block != 0) memory.fill(block, 0, CHUNK_TASKS * TASK_BYTES);
        store<u32>(chunk, <u32>block);
      }
      if (load<u32>(chunk) != 0) {
        index = fresh;
        storeWord(root + SLAB_FRESH, fresh + 1);
      }
    }
  }
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

/** Whoever has made the word COMPLETE without JOINABLE gives the slot back. */
function giveTask(index: u32): void {
  const at = taskPtr(index);
  storeWord(at + TASK_STATE, ((loadWord(at + TASK_STATE) + (1 << GENERATION_SHIFT)) & GENERATION_MASK) | COMPLETE);
  lock(root + SLAB_LOCK);
  store<u32>(at + TASK_NEXT, load<u32>(root + SLAB_FREE));
  store<u32>(root + SLAB_FREE, index + 1);
  unlock(root + SLAB_LOCK);
}

// ---- queues

function inject(home: usize, index: u32): void {
  const at = taskPtr(index);
  store<u32>(at + TASK_NEXT, 0);
  lock(home + LOOP_LOCK);
  const last = load<u32>(home + LOOP_LAST);
  if (last == 0) store<u32>(home + LOOP_FIRST, index + 1);
  else store<u32>(taskPtr(last - 1) + TASK_NEXT, index + 1);
  store<u32>(home + LOOP_LAST, index + 1);
  storeWord(home + LOOP_QUEUED, load<u32>(home + LOOP_QUEUED) + 1);
  unlock(home + LOOP_LOCK);
}

function takeInjected(home: usize): i32 {
  if (loadWord(home + LOOP_QUEUED) == 0) return NIL;
  lock(home + LOOP_LOCK);
  const first = load<u32>(home + LOOP_FIRST);
  if (first != 0) {
    const next = load<u32>(taskPtr(first - 1) + TASK_NEXT);
    store<u32>(home + LOOP_FIRST, next);
    if (next == 0) store<u32>(home + LOOP_LAST, 0);
    storeWord(home + LOOP_QUEUED, load<u32>(home + LOOP_QUEUED) - 1);
  }
  unlock(home + LOOP_LOCK);
  return <i32>first - 1;
}

function slotPtr(from: usize, at: u32): usize {
  return from + RING_SLOTS + (at & (RING_CAPACITY - 1)) * 4;
}

/** Owner only. */
function append(index: u32): bool {
  const tail = load<u32>(ring + RING_TAIL);
  if (tail - loadWord(ring + RING_HEAD) >= RING_CAPACITY) return false;
  store<u32>(slotPtr(ring, tail), index);                   // plain: nobody looks past the tail
  storeWord(ring + RING_TAIL, tail + 1);                    // publishes the slot; pairs with the load in takeFirst() and steal()
  return true;
}

function takeFirst(from: usize): i32 {
  while (true) {
    const head = loadWord(from + RING_HEAD);
    if (head == loadWord(from + RING_TAIL)) return NIL;
    const index = load<u32>(slotPtr(from, head));           // plain: it counts only if head has not moved
    if (replaceWord(from + RING_HEAD, head, head + 1)) return index;
  }
}

/** Half of what another thread has, into this thread's empty ring. @returns one of them, or NIL */
function steal(): i32 {
  const own = (<u32>(ring - loop)) ^ ticks;
  for (let i: u32 = 0; i < RINGS_MAX; i++) {
    const other = <usize>loadWord(loop + RINGS + ((own + i) & (RINGS_MAX - 1)) * 4);
    if (other == 0 || other == ring) continue;
    while (true) {
      const head = loadWord(other + RING_HEAD);
      const count = loadWord(other + RING_TAIL) - head;
      if (count == 0 || count > RING_CAPACITY) break;       // more: head has moved meanwhile
      const taken = (count + 1) >>> 1;
      const tail = load<u32>(ring + RING_TAIL);
      for (let j: u32 = 0; j < taken; j++) store<u32>(slotPtr(ring, tail + j), load<u32>(slotPtr(other, head + j)));   // plain, for the same two reasons
      if (!replaceWord(other + RING_HEAD, head, head + taken)) continue;
      storeWord(ring + RING_TAIL, tail + taken);
      return takeFirst(ring);
    }
  }
  return NIL;
}

function rouse(home: usize): void {
  if (loadWord(home + LOOP_SLEEPERS) == 0) return;          // after the queueing; pairs with the second look in park()
  add(home + LOOP_EPOCH, 1);
  notifyWord(home + LOOP_EPOCH);
}

function rouseAll(home: usize): void {
  add(home + LOOP_EPOCH, 1);
  atomic.notify(home + LOOP_EPOCH, -1);
}

/** Its NOTIFIED was set by the caller. */
function submit(at: usize, index: u32): void {
  const home = <usize>load<u32>(at + TASK_LOOP);
  if (home != loop || ring == 0 || !append(index)) inject(home, index);
  rouse(home);
}

// ---- state

function wakeShared(task: i32): i32 {
  const at = find(task);
  if (at == 0) return 0;
  while (true) {
    const state = loadWord(at + TASK_STATE);
    if (!isCurrent(state, task) || state & (COMPLETE | NOTIFIED)) return 0;
    if (!replaceWord(at + TASK_STATE, state, state | NOTIFIED)) continue;
    if (state & BLOCKER) notifyWord(at + TASK_STATE);
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
  add(root + BOX_SIGNAL, 1);
  notifyWord(root + BOX_SIGNAL);
  return 1;
}

function wakeAny(task: i32): i32 {
  return <u32>task & SHARED ? wakeShared(task) : wakeMain(task);
}

/** It has ended, on the thread that ran it. */
function finish(task: u32, result: i32): void {
  const index = task & INDEX_MASK;
  const at = taskPtr(index);
  const home = <usize>load<u32>(at + TASK_LOOP);
  store<i32>(at + TASK_RESULT, result);
  let state: u32 = 0;
  let waiter = NIL;
  do {
    state = loadWord(at + TASK_STATE);
    waiter = state & WAITING ? <i32>loadWord(at + TASK_WAITER) : NIL;
  } while (!replaceWord(at + TASK_STATE, state, (state & ~(RUNNING | NOTIFIED | WAITING)) | COMPLETE));
  if (home != 0) add(home + LOOP_LIVE, -1);
  if (!(state & JOINABLE)) giveTask(index);
  else if (waiter != NIL) wakeAny(waiter);                 // the slot may be another's by now: only what was read above counts
}

/** Polls a task taken from a queue. */
function poll(index: u32): void {
  const at = taskPtr(index);
  let state: u32 = 0;
  do {
    state = loadWord(at + TASK_STATE);
  } while (!replaceWord(at + TASK_STATE, state, (state & ~NOTIFIED) | RUNNING));
  const task = handleOf(index, state);
  const fn = load<u32>(at + TASK_FN);
  const arg = load<u32>(at + TASK_ARG);
  running = task;
  budget = COOP_BUDGET;
  if (fn >= limit && hostGrowTable(fn) == 0) {
    running = NIL;
    finish(<u32>task, ETRAP);
    return;
  }
  if (state & CANCELLED) {
    call_indirect<i32>(fn, arg, ~task);
    running = NIL;
    finish(<u32>task, ECANCELED);
    return;
  }
  const result = call_indirect<i32>(fn, arg, task);
  running = NIL;
  if (result != PENDING && result != YIELD) {
    finish(<u32>task, result);
    return;
  }
  while (true) {
    state = loadWord(at + TASK_STATE);
    const isReady = result == YIELD || (state & NOTIFIED) != 0;
    const next = state & ~RUNNING;
    if (!replaceWord(at + TASK_STATE, state, isReady ? next | NOTIFIED : next)) continue;
    if (isReady) submit(at, index);
    return;
  }
}

// ---- running a loop

function next(): i32 {
  ticks++;
  if (ticks % INJECTOR_INTERVAL == 0) {
    const index = takeInjected(loop);
    if (index != NIL) return index;
  }
  let index = takeFirst(ring);
  if (index == NIL) index = takeInjected(loop);
  if (index == NIL) index = steal();
  return index;
}

/** Nanoseconds to the next timer. */
function patience(): i64 {
  const when = reinterpret<f64>(loadLong(root + TIMER_NEXT));
  if (when == Infinity) return PARK_MAX;
  return <i64>max(0, min(<f64>PARK_MAX, (when - now()) * 1_000_000)) + 1000;
}

/** Nothing was found. @returns a task after all, or NIL after a wait */
function park(): i32 {
  add(loop + LOOP_SLEEPERS, 1);
  const epoch = loadWord(loop + LOOP_EPOCH);
  const index = next();
  if (index != NIL || loadWord(loop + LOOP_STOPPED) != 0) {
    add(loop + LOOP_SLEEPERS, -1);
    return index;
  }
  waitWord(loop + LOOP_EPOCH, epoch, patience());
  add(loop + LOOP_SLEEPERS, -1);
  return NIL;
}

function isLoop(address: usize): bool {
  for (let one = <usize>loadWord(root + LOOPS); one != 0; one = load<u32>(one + LOOP_NEXT)) if (one == address) return true;
  return false;
}

/** A ring that nobody owns. */
function takeRing(from: usize): usize {
  for (let i: u32 = 0; i < RINGS_MAX; i++) {
    const place = from + RINGS + i * 4;
    let found = <usize>loadWord(place);
    if (found == 0) {
      const block = hostAllocate(RING_BYTES);
      if (block == 0) return 0;
      memory.fill(block, 0, RING_BYTES);
      store<u32>(block + RING_OWNED, 1);
      if (replaceWord(place, 0, <u32>block)) return block;
      hostFree(block, RING_BYTES);
      found = <usize>loadWord(place);
    }
    if (replaceWord(found + RING_OWNED, 0, 1)) return found;
  }
  return 0;
}

/** Enters a loop. @returns READY or an error */
export function enter(address: usize): i32 {
  if (!isOpen()) return ECLOSED;
  if (!isLoop(address)) return EINVAL;
  if (loop != 0) return EBUSY;
  const taken = takeRing(address);
  if (taken == 0) return ENOMEM;
  loop = address;
  ring = taken;
  add(loop + LOOP_RUNNERS, 1);
  return READY;
}

/** What is left in this thread's ring goes to the others. */
export function leave(): void {
  for (let index = takeFirst(ring); index != NIL; index = takeFirst(ring)) inject(loop, index);
  storeWord(ring + RING_OWNED, 0);
  add(loop + LOOP_RUNNERS, -1);
  rouse(loop);
  loop = ring = 0;
}

/** Until the loop is stopped. @returns READY, or ECLOSED */
export function run(): i32 {
  while (loadWord(loop + LOOP_STOPPED) == 0) {
    if (ticks % TIMER_INTERVAL == 0) fire();
    let index = next();
    if (index == NIL) {
      fire();
      index = park();
    }
    if (index != NIL) poll(index);
  }
  return loadWord(root + ROOT_CLOSED) ? ECLOSED : READY;
}

/** At most so many polls, and not longer than until `deadline`: for threads that may not block. @returns 1: more is ready */
export function drive(polls: f64, deadline: f64): i32 {
  fire();
  for (let i: f64 = 0; i < polls; i++) {
    const index = next();
    if (index == NIL) return 0;
    poll(index);
    if ((<u32>i & 15) == 15 && hostNow() >= deadline) break;
  }
  return loadWord(loop + LOOP_QUEUED) != 0 || loadWord(ring + RING_HEAD) != loadWord(ring + RING_TAIL) ? 1 : 0;
}

// ---- timers: a heap in memory that all threads share

function now(): f64 {
  return hostNow() - load<f64>(root + TIME_BASE);
}

function entryPtr(place: u32): usize {
  return <usize>load<u32>(root + TIMER_HEAP) + place * 16;
}

function put(place: u32, when: f64, task: i32, id: u32): void {
  const at = entryPtr(place);
  store<f64>(at, when);
  store<i32>(at + 8, task);
  store<u32>(at + 12, id);
  store<i32>(<usize>load<u32>(root + TIMER_PLACES) + id * 4, place);
}

function up(from: u32, when: f64, task: i32, id: u32): void {
  let place = from;
  while (place > 0) {
    const parent = (place - 1) >>> 1;
    const at = entryPtr(parent);
    if (load<f64>(at) <= when) break;
    put(place, load<f64>(at), load<i32>(at + 8), load<u32>(at + 12));
    place = parent;
  }
  put(place, when, task, id);
}

function down(from: u32, when: f64, task: i32, id: u32): void {
  const count = load<u32>(root + TIMER_COUNT);
  let place = from;
  while (true) {
    let child = place * 2 + 1;
    if (child >= count) break;
    if (child + 1 < count && load<f64>(entryPtr(child + 1)) < load<f64>(entryPtr(child))) child++;
    const at = entryPtr(child);
    if (load<f64>(at) >= when) break;
    put(place, load<f64>(at), load<i32>(at + 8), load<u32>(at + 12));
    place = child;
  }
  put(place, when, task, id);
}

/** Inside the lock. */
function remove(place: u32): void {
  const id = load<u32>(entryPtr(place) + 12);
  store<i32>(<usize>load<u32>(root + TIMER_PLACES) + id * 4, ~<i32>load<u32>(root + TIMER_FREE));
  store<u32>(root + TIMER_FREE, id + 1);
  const last = load<u32>(root + TIMER_COUNT) - 1;
  store<u32>(root + TIMER_COUNT, last);
  if (place != last) {
    const at = entryPtr(last);
    const when = load<f64>(at);
    const task = load<i32>(at + 8);
    const moved = load<u32>(at + 12);
    if (place > 0 && load<f64>(entryPtr((place - 1) >>> 1)) > when) up(place, when, task, moved);
    else down(place, when, task, moved);
  }
  tellNext();
}

function tellNext(): void {
  atomic.store<u64>(root + TIMER_NEXT, reinterpret<u64>(load<u32>(root + TIMER_COUNT) == 0 ? Infinity : load<f64>(entryPtr(0))));
}

/** Inside the lock. Room for one more. */
function growTimers(): bool {
  const capacity = load<u32>(root + TIMER_CAPACITY);
  if (load<u32>(root + TIMER_COUNT) < capacity) return true;
  const larger: u32 = capacity == 0 ? 64 : capacity * 2;
  if (larger > 1 << 20) return false;
  const heap = hostAllocate(larger * 16);
  const places: usize = heap == 0 ? 0 : hostAllocate(larger * 4);
  if (places == 0) {
    if (heap != 0) hostFree(heap, larger * 16);
    return false;
  }
  const oldHeap = load<u32>(root + TIMER_HEAP);
  const oldPlaces = load<u32>(root + TIMER_PLACES);
  memory.copy(heap, oldHeap, capacity * 16);
  memory.copy(places, oldPlaces, capacity * 4);
  store<u32>(root + TIMER_HEAP, <u32>heap);
  store<u32>(root + TIMER_PLACES, <u32>places);
  store<u32>(root + TIMER_CAPACITY, larger);
  for (let id = capacity; id < larger; id++) {
    store<i32>(<usize>places + id * 4, ~<i32>load<u32>(root + TIMER_FREE));
    store<u32>(root + TIMER_FREE, id + 1);
  }
  if (capacity > 0) {
    hostFree(oldHeap, capacity * 16);
    hostFree(oldPlaces, capacity * 4);
  }
  return true;
}

/** Wakes whose time has come. */
function fire(): void {
  if (reinterpret<f64>(loadLong(root + TIMER_NEXT)) > now()) return;
  while (true) {
    lock(root + TIMER_LOCK);
    let task = NIL;
    if (load<u32>(root + TIMER_COUNT) > 0 && load<f64>(entryPtr(0)) <= now()) {
      task = load<i32>(entryPtr(0) + 8);
      remove(0);
    }
    unlock(root + TIMER_LOCK);
    if (task == NIL) return;
    wakeShared(task);
  }
}

export function tk_timer_begin(self: i32, ms: f64): i32 {
  if (!isOpen()) return ECLOSED - 1;
  const task = plain(self);
  if (!(ms >= 0) || find(task) == 0) return EINVAL - 1;
  lastTick = Infinity;
  if (ms == Infinity) return NIL;
  if (ms >= TIMER_RANGE) return EINVAL - 1;
  const when = ceil(now() + ms);
  lock(root + TIMER_LOCK);
  let id = NIL;
  let isFirst = false;
  if (growTimers()) {
    id = <i32>load<u32>(root + TIMER_FREE) - 1;
    store<u32>(root + TIMER_FREE, ~load<i32>(<usize>load<u32>(root + TIMER_PLACES) + id * 4));
    const place = load<u32>(root + TIMER_COUNT);
    store<u32>(root + TIMER_COUNT, place + 1);
    up(place, when, task, id);
    isFirst = load<u32>(entryPtr(0) + 12) == <u32>id;
    tellNext();
  }
  unlock(root + TIMER_LOCK);
  if (id == NIL) return ENOMEM - 1;
  lastTick = when;
  const home = <usize>load<u32>(find(task) + TASK_LOOP);
  if (isFirst && home != 0 && home != loop) rouse(home);    // it may sleep for longer than that
  return <i32>(SHARED | <u32>id);
}

export function tk_timer_tick(): f64 {
  return lastTick;
}

/** Only if it has not fired: its id may be another's by then. */
export function tk_timer_end(timer: i32, tick: f64): void {
  if (timer < 0 || !isOpen()) return;
  const id = <u32>timer & ~SHARED;
  lock(root + TIMER_LOCK);
  if (id < load<u32>(root + TIMER_CAPACITY)) {
    const place = load<i32>(<usize>load<u32>(root + TIMER_PLACES) + id * 4);
    if (place >= 0 && <u32>place < load<u32>(root + TIMER_COUNT) && load<f64>(entryPtr(place)) == tick && load<i32>(entryPtr(place) + 12) == <i32>id && (running == NIL || load<i32>(entryPtr(place) + 8) == running)) remove(place);
  }
  unlock(root + TIMER_LOCK);
}

export function tk_timer_fired(tick: f64): i32 {
  return !isOpen() || tick <= now() ? 1 : 0;
}

export function tk_now(): f64 {
  return isOpen() ? now() : 0;
}

// ---- tasks

export function tk_loop_new(): usize {
  if (!isOpen()) return 0;
  const made = hostAllocate(LOOP_BYTES);
  if (made == 0) return 0;
  memory.fill(made, 0, LOOP_BYTES);
  lock(root + SLAB_LOCK);
  store<u32>(made + LOOP_NEXT, load<u32>(root + LOOPS));
  storeWord(root + LOOPS, <u32>made);
  unlock(root + SLAB_LOCK);
  return made;
}

/** Every thread that runs it returns from there. Its tasks stay where they are. */
export function tk_loop_stop(address: usize): i32 {
  if (!isOpen()) return ECLOSED;
  if (!isLoop(address)) return EINVAL;
  storeWord(address + LOOP_STOPPED, 1);
  rouseAll(address);
  return READY;
}

/** Threads that run the loop now. */
export function tk_loop_runners(address: usize): i32 {
  if (!isOpen()) return ECLOSED;
  return isLoop(address) ? <i32>loadWord(address + LOOP_RUNNERS) : EINVAL;
}

function start(home: usize, fn: u32, arg: u32, flags: u32): i32 {
  if (!isOpen()) return ECLOSED;
  if (home == 0) return ENOSYS;
  if (fn == 0 || (fn >= limit && hostGrowTable(fn) == 0)) return EINVAL;
  const index = takeTask(flags | NOTIFIED, fn, arg, home);
  if (index == NIL) return ENOMEM;
  const at = taskPtr(index);
  const task = handleOf(index, load<u32>(at + TASK_STATE));
  add(home + LOOP_LIVE, 1);
  submit(at, index);
  return task;
}

export function tk_spawn_on(address: usize, fn: u32, arg: u32): i32 {
  if (!isOpen()) return ECLOSED;
  return isLoop(address) ? start(address, fn, arg, JOINABLE) : EINVAL;
}

export function tk_spawn_detached_on(address: usize, fn: u32, arg: u32): i32 {
  if (!isOpen()) return ECLOSED;
  return isLoop(address) ? start(address, fn, arg, 0) : EINVAL;
}

export function tk_spawn(fn: u32, arg: u32): i32 {
  return start(loop, fn, arg, JOINABLE);
}

export function tk_spawn_detached(fn: u32, arg: u32): i32 {
  return start(loop, fn, arg, 0);
}

export function tk_wake(task: i32): i32 {
  return isOpen() ? wakeAny(plain(task)) : ECLOSED;
}

export function tk_abort(task: i32): i32 {
  if (!isOpen()) return ECLOSED;
  const handle = plain(task);
  const at = find(handle);
  if (at == 0) return ESTALE;
  while (true) {
    const state = loadWord(at + TASK_STATE);
    if (!isCurrent(state, handle) || state & (COMPLETE | BLOCKER)) return ESTALE;
    if (!replaceWord(at + TASK_STATE, state, state | CANCELLED | NOTIFIED)) continue;
    if (!(state & (NOTIFIED | RUNNING))) submit(at, <u32>handle & INDEX_MASK);
    return 1;
  }
}

export function tk_join_start(task: i32, waiter: i32): i32 {
  if (!isOpen()) return ECLOSED;
  const at = find(task);
  const self = plain(waiter);
  if (at == 0) return ESTALE;
  if (task == self) return EDEADLK;
  while (true) {
    const state = loadWord(at + TASK_STATE);
    if (!isCurrent(state, task) || !(state & JOINABLE)) return ESTALE;
    if (state & COMPLETE) {
      const result = load<i32>(at + TASK_RESULT);
      if (!replaceWord(at + TASK_STATE, state, state & ~JOINABLE)) continue;
      lastValue = <f64>result;
      giveTask(<u32>task & INDEX_MASK);
      return READY;
    }
    if (state & WAITING) {
      if (<i32>loadWord(at + TASK_WAITER) == self && loadWord(at + TASK_STATE) == state) return PENDING;
      replaceWord(at + TASK_STATE, state, state & ~WAITING);
      continue;
    }
    storeWord(at + TASK_WAITER, self);
    if (replaceWord(at + TASK_STATE, state, (state & ~WAITS) | ((state + ONE_WAIT) & WAITS) | WAITING)) return PENDING;
  }
}

export function tk_result(): f64 {
  return lastValue;
}

export function tk_detach(task: i32): void {
  if (!isOpen()) return;
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

export function tk_is_live(task: i32): i32 {
  if (!isOpen()) return 0;
  const at = find(plain(task));
  if (at == 0) return 0;
  const state = loadWord(at + TASK_STATE);
  return isCurrent(state, plain(task)) && !(state & COMPLETE) ? 1 : 0;
}

export function tk_coop(): i32 {
  return budget-- > 0 ? 1 : 0;
}

export function tk_loop_main(): u32 {
  return <u32>loop;
}

export function tk_alive(address: usize): i32 {
  return isOpen() && isLoop(address) ? <i32>loadWord(address + LOOP_LIVE) : 0;
}

export function tk_next_timeout_ms(address: usize): f64 {
  if (!isOpen() || !isLoop(address)) return -1;
  const when = reinterpret<f64>(loadLong(root + TIMER_NEXT));
  return when == Infinity ? -1 : max(0, when - now());
}

export function tk_current(): i32 {
  return NIL;
}

// ---- blocking: a thread that is no page's main thread may really wait

/** A record that stands for this thread. */
function takeBlocker(): i32 {
  const index = takeTask(BLOCKER | RUNNING, 0, 0, 0);
  return index == NIL ? NIL : handleOf(index, loadWord(taskPtr(index) + TASK_STATE));
}

function giveBlocker(task: i32): void {
  const at = find(task);
  let state: u32 = 0;
  do {
    state = loadWord(at + TASK_STATE);
  } while (!replaceWord(at + TASK_STATE, state, (state | COMPLETE) & ~(RUNNING | NOTIFIED | BLOCKER)));
  giveTask(<u32>task & INDEX_MASK);
}

/** Until the blocker is woken. False: the guest was detached. */
function waitBlocked(task: i32): bool {
  blocker = task;
  while (true) {
    const at = find(blocker);
    const state = loadWord(at + TASK_STATE);
    if (state & NOTIFIED) {
      if (replaceWord(at + TASK_STATE, state, state & ~NOTIFIED)) return true;
      continue;
    }
    if (loadWord(root + ROOT_CLOSED) != 0) return false;
    waitWord(at + TASK_STATE, state, min(patience(), 1_000_000_000));
    fire();
  }
}

/** Inside of a task there is a loop to be held up, in pages a main thread: neither waits. */
function refusal(): i32 {
  if (!isOpen()) return ECLOSED;
  return running != NIL || !mayBlock ? EWOULDBLOCK : 0;
}

export function tk_block_supported(): i32 {
  return refusal() == 0 ? 1 : 0;
}

export function tk_sleep(ms: f64): i32 {
  const refused = refusal();
  if (refused != 0) return refused;
  if (!(ms >= 0)) return EINVAL;
  const self = takeBlocker();
  if (self == NIL) return ENOMEM;
  const timer = tk_timer_begin(self, ms);
  const tick = lastTick;
  let result = timer < NIL ? timer + 1 : 0;
  while (result == 0 && now() < tick) if (!waitBlocked(self)) result = ECLOSED;
  tk_timer_end(timer, tick);
  giveBlocker(self);
  return result;
}

export function tk_yield(): i32 {
  return refusal();
}

export function tk_join_wait(task: i32): i32 {
  const refused = refusal();
  if (refused != 0) return refused;
  const self = takeBlocker();
  if (self == NIL) return ENOMEM;
  let state = tk_join_start(task, self);
  while (state == PENDING) state = waitBlocked(self) ? tk_join_start(task, self) : ECLOSED;
  giveBlocker(self);
  return state;
}

export function tk_block_on(fn: u32, arg: u32): i32 {
  const refused = refusal();
  if (refused != 0) return refused;
  if (fn == 0 || (fn >= limit && hostGrowTable(fn) == 0)) return EINVAL;
  const self = takeBlocker();
  if (self == NIL) return ENOMEM;
  budget = COOP_BUDGET;
  let result = call_indirect<i32>(fn, arg, self);
  while (result == PENDING || result == YIELD) {
    if (result == PENDING && !waitBlocked(self)) {
      call_indirect<i32>(fn, arg, ~self);
      result = ECLOSED;
      break;
    }
    budget = COOP_BUDGET;
    result = call_indirect<i32>(fn, arg, self);
  }
  giveBlocker(self);
  return result;
}
