// What a guest module imports: tk_* of tokiwa.h, one instance of this for each guest.
//
// It works directly on the arena of the guest's runtime, in the core's memory and with the core's own
// source, so spawning or waking from a guest is one call between instances and no JavaScript. JavaScript
// is called ("host") only where it must act: tables that grow, a drive to be scheduled, clocks, promises.
//
//   fn      a guest's function pointer; + base is its place in the core's table
//   self    handle of a task, complemented (negative) in the last poll of an aborted one
//
// Stacks. `running` is the handle of the stackful task whose code is on the thread's stack, or NIL. A
// suspension keeps the guest's stack pointer in a Wasm local, gives back the idle one, and restores it after:
// whatever else runs meanwhile, and in whatever order several are resumed, each finds its own.
// A collector's stack of references (AssemblyScript, incremental) stays one for all: the guest itself takes its part
// away before it suspends and puts it back after, wherever the pointer is then.
// Globals belong to the instance, that is, to one guest on one thread.

import {
  ARENA_CURRENT, ARENA_DRIVING, ARENA_ELAPSED, ARENA_FREE, ARENA_GUESTS, ARENA_HEAD, COMPLETE,
  DRIVING, FN_SHIFT, GENERATION_MASK, GUEST, JOINABLE, NIL, NOTIFIED, POLL_PENDING, POLL_READY, POLL_YIELD, RESULT_CANCELLED,
} from "./layout";
import { EBUSY, ECLOSED, EDEADLK, EINVAL, ENOMEM, ENOSYS, ESTALE, EWOULDBLOCK } from "./codes";
import { handleOf, indexOf } from "./bits";
import { argPtr, linkPtr, statePtr, takeSlot } from "./slab";
import { complete, isLive, notify } from "./state";
import { push, readyCount } from "./queue";
import { abortGuest, detachGuest, guestState, joinGuest, spawnGuest, watchGuest } from "./guest";
import * as wheel from "./wheel";

const COOP_BUDGET: u32 = 128;
const WHEEL_RANGE: f64 = 68719476735.0; //  2^36 - 1 ms

@external("host", "schedule") declare function hostSchedule(): void;
@external("host", "timerStarted") declare function hostTimerStarted(tick: f64): void;
@external("host", "growUnits") declare function hostGrowUnits(): i32;
@external("host", "growTimers") declare function hostGrowTimers(): i32;
@external("host", "grew") declare function hostGrew(): void;
@external("host", "growTable") declare function hostGrowTable(fn: u32): i32;
@external("host", "now") declare function hostNow(): f64;
@external("host", "watch") declare function hostWatch(task: i32, waiter: i32): void;
@external("host", "drive") declare function hostDrive(polls: f64, ms: f64): i32;
@external("host", "next") declare function hostNext(): f64;
@external("host", "alive") declare function hostAlive(): i32;
@external("host", "joinStack") declare function hostJoinStack(task: i32, waiter: i32): i32;
@external("host", "abortStack") declare function hostAbortStack(task: i32): i32;
@external("host", "detachStack") declare function hostDetachStack(task: i32): void;
@external("host", "wakeElsewhere") declare function hostWakeElsewhere(task: i32): i32;
@external("host", "isLiveElsewhere") declare function hostIsLiveElsewhere(task: i32): i32;
@external("host", "awaitPromise") declare function hostAwaitPromise(promise: i32, waiter: i32): i32;
@external("host", "dropPromise") declare function hostDropPromise(promise: i32): void;
@external("host", "promiseOfTask") declare function hostPromiseOfTask(task: i32): i32;
@external("host", "spawnStack") declare function hostSpawnStack(fn: u32, arg: u32): i32;
@external("host", "pollIo") declare function hostPollIo(io: i32, interest: i32, waiter: i32): i32;
@external("host", "suspend") declare function hostSuspend(task: i32): i32;
@external("host", "hop") declare function hostHop(task: i32): i32;

let arena: usize = 0;
let base: u32 = 0;
let limit: u32 = 0;
/** limit - 1 while the guest is attached, else 0: a function pointer less 1 is below it. */
let span: u32 = 0;
let canSuspend: bool = false;
let running: i32 = -1;
let idle: u32 = 0;
let getStack: u32 = 0;
let setStack: u32 = 0;
/** It needs no memory of its own for a stack (AssemblyScript). */
let stackless: bool = false;
/** Places in the guest's table of what reads and writes the pointer of its stack of references, or 0. */
let getShadow: u32 = 0;
let setShadow: u32 = 0;
/** The guest's own next results, too wide for a return value. */
let lastTick: f64 = 0;
let lastValue: f64 = 0;
let coopPoll: u32 = 0;
let coopLeft: u32 = 0;

// ---- called by JavaScript (bindings/guest/)

export function bind(runtimeArena: u32, suspends: bool): void {
  arena = runtimeArena;
  canSuspend = suspends;
}

/** The guest's functions are at `first` of the core's table, `count` of them. */
export function setTable(first: u32, count: u32): void {
  base = first;
  limit = count;
  span = count == 0 ? 0 : count - 1;
  if (getShadow != 0) setStackAccess(first + getShadow, first + setShadow);
}

/** Places of two functions in the core's table that read and write the guest's stack pointer. */
export function setStackAccess(get: u32, set: u32): void {
  getStack = get;
  setStack = set;
}

/** Every call fails from now on; the arena may be gone. */
export function close(): void {
  arena = 0;
  span = 0;
}

export function setValue(value: f64): void {
  lastValue = value;
}

/** The guest's stack pointer, 0 if it does not tell. */
export function stackPointer(): u32 {
  return getStack == 0 ? 0 : call_indirect<u32>(getStack);
}

export function restoreStack(pointer: u32): void {
  if (setStack != 0) call_indirect<void>(setStack, pointer);
}

/** After something unwound through here by a trap: nothing runs. */
export function reset(): void {
  running = NIL;
}

/** Blocking code that JavaScript enters itself (asyncify.ts). */
export function setRunning(task: i32): void {
  running = task;
}

export function abortFromHost(task: i32): i32 {
  return <i32>abortGuest(arena, task);
}

export function watchFromHost(task: i32): i32 {
  if (!(guestState(arena, task) & <u32>COMPLETE) && isLive(arena, task)) {
    watchGuest(arena, task);
    return 1;
  }
  return 0;
}

/** Runs a stackful task, from WebAssembly.promising: `fn` with `count` arguments on the stack that ends at `top`. */
export function enter(task: i32, fn: u32, count: u32, first: u32, second: u32, top: u32): i32 {
  running = task;
  idle = stackPointer();
  if (!stackless) restoreStack(top);
  const result = count == 0 ? call_indirect<i32>(base + fn)
    : count == 1 ? call_indirect<i32>(base + fn, first)
    : call_indirect<i32>(base + fn, first, second);
  restoreStack(idle);
  running = NIL;
  return result;
}

// ---- tasks

export function tk_spawn(fn: u32, arg: u32): i32 {
  return quickStart(fn, arg, JOINABLE);
}

export function tk_spawn_detached(fn: u32, arg: u32): i32 {
  return quickStart(fn, arg, 0);
}

/** start() without a call, for a slot that was used before: spawnGuest(), takeSlot() and push() in one. */
// @ts-ignore: decorator
@inline
function quickStart(fn: u32, arg: u32, flags: u32): i32 {
  const a = arena;                                          // a global is loaded again after every store
  const index = fn - 1 < span ? load<u32>(a, ARENA_FREE) : <u32>NIL;
  if (index == <u32>NIL) return start(fn, arg, flags);
  const place = statePtr(a, index);
  const generation = load<u32>(place) & <u32>GENERATION_MASK;
  store<u32>(a, load<u32>(linkPtr(a, index)), ARENA_FREE);
  store<u32>(place, generation | <u32>(NOTIFIED | GUEST) | flags | ((base + fn) << <u32>FN_SHIFT));
  store<u32>(argPtr(a, index), arg);
  store<u32>(a, load<u32>(a, ARENA_GUESTS) + 1, ARENA_GUESTS);
  push(a, index);
  if (load<u32>(a, ARENA_DRIVING) == 0) hostSchedule();
  return handleOf(index, generation);
}

export function start(fn: u32, arg: u32, flags: u32): i32 {
  if (arena == 0) return ECLOSED;
  if (fn == 0) return EINVAL;
  if (fn >= limit && hostGrowTable(fn) == 0) return EINVAL;
  let handle = spawnGuest(arena, base + fn, arg, flags);
  if (handle < 0) {
    if (hostGrowUnits() == 0) return ENOMEM;
    handle = spawnGuest(arena, base + fn, arg, flags);
  }
  if (load<u32>(arena, ARENA_DRIVING) == 0) hostSchedule();
  return handle;
}

/** The handle of a task, also from inside its last poll. */
// @ts-ignore: decorator
@inline
function plain(task: i32): i32 {
  return task < 0 ? ~task : task;
}

/** A task of a loop that other threads run (loops/): handles of this one have thirty bits. */
function isElsewhere(task: i32): bool {
  return task >>> 30 == 1;
}

export function tk_wake(task: i32): i32 {
  if (arena == 0) return ECLOSED;
  const handle = plain(task);
  if (isElsewhere(handle)) return hostWakeElsewhere(handle);
  if (!notify(arena, handle)) return 0;
  push(arena, indexOf(handle));
  if (load<u32>(arena, ARENA_DRIVING) == 0) hostSchedule();
  return 1;
}

export function tk_abort(task: i32): i32 {
  if (arena == 0) return ECLOSED;
  const handle = plain(task);
  if (isElsewhere(handle) || guestState(arena, handle) == 0) return hostAbortStack(handle);
  if (!abortGuest(arena, handle)) return ESTALE;
  if (load<u32>(arena, ARENA_DRIVING) == 0) hostSchedule();
  return 1;
}

/** @returns PENDING, `waiter` is woken then; READY with the result in tk_result(); or ESTALE */
export function tk_join_start(task: i32, waiter: i32): i32 {
  if (arena == 0) return ECLOSED;
  const state = isElsewhere(task) ? 0 : guestState(arena, task);
  if (state == 0) return hostJoinStack(task, plain(waiter));
  if (!(state & <u32>JOINABLE)) return ESTALE;
  if (task == waiter) return EDEADLK;
  if (!(state & <u32>COMPLETE)) {
    hostWatch(task, plain(waiter));
    return POLL_PENDING;
  }
  lastValue = <f64>joinGuest(arena, task);
  return POLL_READY;
}

/** What the last join or await of this guest gave. */
export function tk_result(): f64 {
  return lastValue;
}

export function tk_detach(task: i32): void {
  if (arena == 0) return;
  if (!isElsewhere(task) && guestState(arena, task) != 0) detachGuest(arena, task);
  else hostDetachStack(task);
}

export function tk_is_live(task: i32): i32 {
  if (arena == 0) return 0;
  const handle = plain(task);
  return isElsewhere(handle) ? hostIsLiveElsewhere(handle) : <i32>isLive(arena, handle);
}

/** Spends one unit of the budget of this poll. @returns 0: it is spent, return YIELD */
export function tk_coop(): i32 {
  if (arena == 0) return 0;
  const poll = load<u32>(arena, ARENA_HEAD);                // what is being polled was taken from there
  if (poll != coopPoll) {
    coopPoll = poll;
    coopLeft = COOP_BUDGET;
  }
  if (coopLeft == 0) return 0;
  coopLeft--;
  return 1;
}

// ---- time

export function tk_now(): f64 {
  return arena == 0 ? 0 : hostNow();
}

/** @returns a timer's id; its tick is tk_timer_tick(). Without an end (Infinity): NIL, which is no error */
export function tk_timer_begin(task: i32, ms: f64): i32 {
  if (arena == 0) return ECLOSED - 1;
  if (!(ms >= 0)) return EINVAL - 1;
  lastTick = Infinity;
  if (ms == Infinity) return NIL;
  if (ms >= WHEEL_RANGE) return EINVAL - 1;
  const handle = plain(task);
  const elapsed = load<f64>(arena, ARENA_ELAPSED);
  const tick = max(ceil(hostNow() + ms), elapsed + 1);
  const pages = memory.size();
  let timer = wheel.insert(arena, tick, handle);
  if (timer < 0) {
    if (hostGrowTimers() == 0) return ENOMEM - 1;
    timer = wheel.insert(arena, tick, handle);
  }
  if (memory.size() != pages) hostGrew();
  if (timer < 0) return ENOMEM - 1;
  lastTick = tick;
  if (load<u32>(arena, ARENA_DRIVING) == 0) hostTimerStarted(tick);
  return timer;
}

export function tk_timer_tick(): f64 {
  return lastTick;
}

export function tk_timer_end(timer: i32, tick: f64): void {
  if (arena != 0 && timer >= 0 && tick > load<f64>(arena, ARENA_ELAPSED)) wheel.cancel(arena, timer);
}

export function tk_timer_fired(tick: f64): i32 {
  return arena == 0 || tick <= load<f64>(arena, ARENA_ELAPSED) ? 1 : 0;
}

// ---- loops

export function tk_loop_main(): u32 {
  return <u32>arena;
}

/** @returns 1: more is ready, 0: nothing is, or an error */
export function tk_drive(loop: u32, polls: f64, ms: f64): i32 {
  if (arena == 0) return ECLOSED;
  if (loop != <u32>arena || !(polls >= 0) || !(ms >= 0)) return EINVAL;
  if (load<u32>(arena, ARENA_DRIVING) & <u32>DRIVING) return EBUSY;
  const task = running;
  running = NIL;                                            // JavaScript is on the stack now: nothing may suspend
  const more = hostDrive(polls, ms);
  running = task;
  return more;
}

export function tk_next_timeout_ms(loop: u32): f64 {
  return arena == 0 || loop != <u32>arena ? -1 : hostNext();
}

export function tk_alive(loop: u32): i32 {
  return arena == 0 || loop != <u32>arena ? 0 : hostAlive();
}

// ---- promises of JavaScript

/** @returns PENDING, `waiter` is woken then; READY or EREJECTED with a number in tk_result(); or ESTALE */
export function tk_await_start(promise: i32, waiter: i32): i32 {
  return arena == 0 ? ECLOSED : hostAwaitPromise(promise, plain(waiter));
}

export function tk_promise_drop(promise: i32): void {
  if (arena != 0) hostDropPromise(promise);
}

export function tk_promise_from_task(task: i32): i32 {
  return arena == 0 ? ECLOSED : hostPromiseOfTask(task);
}

// ---- input and output

/** @returns what is ready, PENDING (`waiter` is woken then), or an error */
export function tk_io_poll(io: i32, interest: i32, waiter: i32): i32 {
  return arena == 0 ? ECLOSED : hostPollIo(io, interest, plain(waiter));
}

// ---- stackful tasks

export function tk_block_supported(): i32 {
  return canSuspend ? 1 : 0;
}

export function tk_spawn_stack(fn: u32, arg: u32): i32 {
  if (arena == 0) return ECLOSED;
  if (!canSuspend) return ENOSYS;
  if (fn == 0) return EINVAL;
  if (fn >= limit && hostGrowTable(fn) == 0) return EINVAL;
  return hostSpawnStack(fn, arg);
}

/** A guest says so before it is linked. */
export function tk_no_stack(): void {
  stackless = true;
}

/** As tk_no_stack(), with a stack of references whose pointer these functions read and write. */
export function tk_shadow_stack(get: u32, set: u32): void {
  stackless = true;
  getShadow = get;
  setShadow = set;
}

/** Where the stack pointer was when the running task was entered or resumed. */
export function tk_idle_stack(): u32 {
  return idle;
}

export function isStackless(): i32 {
  return stackless ? 1 : 0;
}

/** The stackful task that runs, or NIL. */
export function tk_current(): i32 {
  return running;
}

/** Until the task is woken, or (`hops`) as hostHop() says. @returns 0, or RESULT_CANCELLED */
function park(hops: bool = false): i32 {
  const task = running;
  running = NIL;
  if (stackless) {
    const result = hops ? hostHop(task) : hostSuspend(task);
    idle = stackPointer();
    running = task;
    return result;
  }
  const pointer = stackPointer();
  restoreStack(idle);
  const result = hops ? hostHop(task) : hostSuspend(task);
  idle = stackPointer();                                    // of whoever resumed this task
  restoreStack(pointer);
  running = task;
  return result;
}

/**
 * Gives everything else a turn. If the runtime has nothing to do there are only the host's own microtasks: one of them then, without
 * queue and drive, which would cost eight times as much. hostHop() sees to it that timers and frames get their turn too.
 */
function pause(): i32 {
  if (!isLive(arena, running)) return RESULT_CANCELLED;
  if (load<u32>(arena, ARENA_DRIVING) == 0 && readyCount(arena) == 0) {
    const result = park(true);
    return result == 0 && !isLive(arena, running) ? RESULT_CANCELLED : result; // an abort has ended the task already
  }
  tk_wake(running);
  return park();
}

/** Where nothing can suspend: runs what is ready. */
function refuse(): i32 {
  if (!(load<u32>(arena, ARENA_DRIVING) & <u32>DRIVING)) hostDrive(Infinity, Infinity);
  return EWOULDBLOCK;
}

export function tk_sleep(ms: f64): i32 {
  if (arena == 0) return ECLOSED;
  if (!(ms >= 0)) return EINVAL;
  if (running == NIL) return refuse();
  const timer = tk_timer_begin(running, ms);
  if (timer < NIL) return timer + 1;
  const tick = lastTick;
  let result = 0;
  while (result == 0 && !tk_timer_fired(tick)) result = park();
  tk_timer_end(timer, tick);
  return result;
}

export function tk_yield(): i32 {
  if (arena == 0) return ECLOSED;
  return running == NIL ? refuse() : pause();
}

export function tk_join_wait(task: i32): i32 {
  if (running == NIL && arena != 0) return refuse();
  let state = tk_join_start(task, running);
  while (state == POLL_PENDING) {
    const result = park();
    if (result != 0) return result;
    state = tk_join_start(task, running);
  }
  return state;
}

export function tk_await_wait(promise: i32): i32 {
  if (running == NIL && arena != 0) return refuse();
  let state = tk_await_start(promise, running);
  while (state == POLL_PENDING) {
    const result = park();
    if (result != 0) return result;
    state = tk_await_start(promise, running);
  }
  return state;
}

export function tk_io_wait(io: i32, interest: i32): i32 {
  if (running == NIL && arena != 0) return refuse();
  let state = tk_io_poll(io, interest, running);
  while (state == POLL_PENDING) {
    const result = park();
    if (result != 0) return result;
    state = tk_io_poll(io, interest, running);
  }
  return state;
}

/** Polls `fn(arg, self)` until it is ready, suspended in between. @returns its result */
export function tk_block_on(fn: u32, arg: u32): i32 {
  if (arena == 0) return ECLOSED;
  if (fn == 0) return EINVAL;
  if (fn >= limit && hostGrowTable(fn) == 0) return EINVAL;
  if (running == NIL) return blockByDriving(fn, arg);
  const self = running;
  let result = call_indirect<i32>(base + fn, arg, self);
  while (result == POLL_PENDING || result == POLL_YIELD) {
    if ((result == POLL_YIELD ? pause() : park()) != 0) {
      call_indirect<i32>(base + fn, arg, ~self);            // its last poll: aborted
      return RESULT_CANCELLED;
    }
    result = call_indirect<i32>(base + fn, arg, self);
  }
  return result;
}

/** Without suspending: as far as what is ready carries. Inside a drive that is one poll. */
function blockByDriving(fn: u32, arg: u32): i32 {
  let index = takeSlot(arena, 0);
  if (index == <u32>NIL) {
    if (hostGrowUnits() == 0) return ENOMEM;
    index = takeSlot(arena, 0);
  }
  const self = handleOf(index, load<u32>(statePtr(arena, index)));
  let result = call_indirect<i32>(base + fn, arg, self);
  while ((result == POLL_PENDING || result == POLL_YIELD) && !(load<u32>(arena, ARENA_DRIVING) & <u32>DRIVING)) {
    if (result == POLL_PENDING && readyCount(arena) == 0) break;
    hostDrive(Infinity, Infinity);
    result = call_indirect<i32>(base + fn, arg, self);
  }
  if (result == POLL_PENDING || result == POLL_YIELD) {
    call_indirect<i32>(base + fn, arg, ~self);              // it waits for something: that must be given up
    result = EWOULDBLOCK;
  }
  const state = load<u32>(statePtr(arena, index));
  if (!(state & <u32>COMPLETE)) complete(arena, index, state);
  return result;
}
