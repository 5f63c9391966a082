// Loops that several threads of one guest run (a module built with -pthread): tasks in the guest's own shared memory.
//
// One instance of this for each thread of the guest, over the same memory, with a table of its own that holds the guest's functions.
// Everything is at addresses that the guest's allocator gave; globals belong to the thread. Imports go one way:
//
//   codes, layout -> here -> slab -> queue -> door -> state -> timers -> run -> home, block -> index
//
//   root    one for each guest: slab, timers, mailbox of the main thread; door.ts says how long it has memory
//   loop    injector, and a ring for each thread that runs the loop (queue.ts, home.ts)
//   task    a record whose state word says everything about it (slab.ts, state.ts)
//
// Here is what the guest and JavaScript call: each comes in, checks what it was given, and goes out.

import { EBUSY, ECLOSED, EINVAL, ENOMEM, ENOSYS, READY } from "../codes";
import { loadWord } from "../sync";
import { blockerHere, blockOn, joinBlocked, refusal, sleep } from "./block";
import { comeIn, goOut, shut } from "./door";
import { allocateCleared, clock, isFunction, loop, meet, root, running, setLimit as setFunctionLimit } from "./here";
import { beginFree, endFree, isLoop, make, stop } from "./home";
import { LOOP_LIVE, LOOP_RUNNERS, NIL, ROOT_BYTES, TIME_BASE, TIMER_NEXT } from "./layout";
import { coop, drive as driveLoop, enter as enterLoop, failRunning, leave as leaveLoop, run as runLoop } from "./run";
import { JOINABLE, plain } from "./slab";
import { abort, detach, isLive, join, resultOfJoin, start, takeFromBox, wake } from "./state";
import { beginTimer, endTimer, nextDeadline, now, tickOfBegin } from "./timers";

// ---- called by JavaScript

/** This thread is about to use the guest's memory. */
export function init(address: usize, functions: u32, blocks: i32): void {
  meet(address, functions, blocks != 0);
}

export function setLimit(functions: u32): void {
  setFunctionLimit(functions);
}

/** A root in fresh memory, not yet seen by anybody; 0: there is no memory. */
export function format(): usize {
  const address = allocateCleared(ROOT_BYTES);
  if (address == 0) return 0;
  store<f64>(address + TIMER_NEXT, Infinity);
  store<f64>(address + TIME_BASE, clock());
  return address;
}

export function rootAddress(): usize {
  return root;
}

export function takeMail(): i32 {
  return takeFromBox();
}

/** Nothing of the guest runs any more. */
export function closeAll(): void {
  shut();
}

export function trapped(): i32 {
  return failRunning();
}

/** READY: this thread stays inside until leave(). */
export function enter(address: usize): i32 {
  if (loop != 0) return EBUSY;
  if (!comeIn()) return ECLOSED;
  const result = isLoop(address) ? enterLoop(address) : EINVAL;
  if (result != READY) goOut();
  return result;
}

export function leave(): void {
  leaveLoop();
}

export function run(): i32 {
  return runLoop();
}

export function drive(polls: f64, deadline: f64): i32 {
  return driveLoop(polls, deadline);
}

/** tk_loop_free() begins; READY: finishFree() is to be called until it returns, trapped() after each trap. */
export function claimLoop(address: usize): i32 {
  if (loop != 0) return EBUSY;
  if (!comeIn()) return ECLOSED;
  const result = isLoop(address) ? beginFree(address) : EINVAL;
  if (result != READY) goOut();
  return result;
}

export function finishFree(): i32 {
  return endFree();
}

// ---- loops

export function tk_loop_new(): usize {
  if (!comeIn()) return 0;
  const made = make();
  goOut();
  return made;
}

/** Its tasks stay where they are. */
export function tk_loop_stop(address: usize): i32 {
  if (!comeIn()) return ECLOSED;
  const isOne = isLoop(address);
  if (isOne) stop(address);
  goOut();
  return isOne ? READY : EINVAL;
}

/** Threads that run the loop now. */
export function tk_loop_runners(address: usize): i32 {
  if (!comeIn()) return ECLOSED;
  const result = isLoop(address) ? <i32>loadWord(address + LOOP_RUNNERS) : EINVAL;
  goOut();
  return result;
}

export function tk_loop_main(): u32 {
  return <u32>loop;
}

export function tk_alive(address: usize): i32 {
  if (!comeIn()) return 0;
  const result = isLoop(address) ? <i32>loadWord(address + LOOP_LIVE) : 0;
  goOut();
  return result;
}

export function tk_next_timeout_ms(address: usize): f64 {
  if (!comeIn()) return -1;
  const when = isLoop(address) ? nextDeadline() : Infinity;
  const result = when == Infinity ? -1 : max(0, when - now());
  goOut();
  return result;
}

// ---- tasks

function startOn(home: usize, fn: u32, arg: u32, flags: u32): i32 {
  if (fn == 0 || !isFunction(fn)) return EINVAL;
  const task = start(home, fn, arg, flags);
  return task >= 0 ? task : task == NIL ? ENOMEM : EINVAL;
}

function spawnOn(address: usize, fn: u32, arg: u32, flags: u32): i32 {
  if (!comeIn()) return ECLOSED;
  const task = isLoop(address) ? startOn(address, fn, arg, flags) : EINVAL;
  goOut();
  return task;
}

/** On the loop that this thread runs. */
function spawnHere(fn: u32, arg: u32, flags: u32): i32 {
  if (!comeIn()) return ECLOSED;
  const task = loop == 0 ? ENOSYS : startOn(loop, fn, arg, flags);
  goOut();
  return task;
}

export function tk_spawn_on(address: usize, fn: u32, arg: u32): i32 {
  return spawnOn(address, fn, arg, JOINABLE);
}

export function tk_spawn_detached_on(address: usize, fn: u32, arg: u32): i32 {
  return spawnOn(address, fn, arg, 0);
}

export function tk_spawn(fn: u32, arg: u32): i32 {
  return spawnHere(fn, arg, JOINABLE);
}

export function tk_spawn_detached(fn: u32, arg: u32): i32 {
  return spawnHere(fn, arg, 0);
}

export function tk_wake(task: i32): i32 {
  if (!comeIn()) return ECLOSED;
  const result = wake(plain(task));
  goOut();
  return result;
}

export function tk_abort(task: i32): i32 {
  if (!comeIn()) return ECLOSED;
  const result = abort(plain(task));
  goOut();
  return result;
}

export function tk_join_start(task: i32, waiter: i32): i32 {
  if (!comeIn()) return ECLOSED;
  const result = join(task, plain(waiter));
  goOut();
  return result;
}

export function tk_result(): f64 {
  return <f64>resultOfJoin();
}

export function tk_detach(task: i32): void {
  if (!comeIn()) return;
  detach(task);
  goOut();
}

export function tk_is_live(task: i32): i32 {
  if (!comeIn()) return 0;
  const result = isLive(plain(task));
  goOut();
  return result ? 1 : 0;
}

export function tk_coop(): i32 {
  return coop() ? 1 : 0;
}

export function tk_current(): i32 {
  return running == NIL ? blockerHere() : running;
}

// ---- time

export function tk_timer_begin(self: i32, ms: f64): i32 {
  if (!comeIn()) return ECLOSED - 1;
  const timer = beginTimer(plain(self), ms);
  goOut();
  return timer;
}

export function tk_timer_tick(): f64 {
  return tickOfBegin();
}

export function tk_timer_end(timer: i32, tick: f64): void {
  if (timer < 0 || !comeIn()) return;
  endTimer(timer, tick);
  goOut();
}

export function tk_timer_fired(tick: f64): i32 {
  if (!comeIn()) return 1;
  const isOver = tick <= now();
  goOut();
  return isOver ? 1 : 0;
}

export function tk_now(): f64 {
  if (!comeIn()) return 0;
  const result = now();
  goOut();
  return result;
}

// ---- blocking: a thread that is no page's main thread may really wait

export function tk_block_supported(): i32 {
  if (!comeIn()) return 0;
  const refused = refusal();
  goOut();
  return refused == 0 ? 1 : 0;
}

export function tk_yield(): i32 {
  if (!comeIn()) return ECLOSED;
  const refused = refusal();
  goOut();
  return refused;
}

export function tk_sleep(ms: f64): i32 {
  if (!comeIn()) return ECLOSED;
  const refused = refusal();
  const result = refused == 0 ? sleep(ms) : refused;
  goOut();
  return result;
}

export function tk_join_wait(task: i32): i32 {
  if (!comeIn()) return ECLOSED;
  const refused = refusal();
  const result = refused == 0 ? joinBlocked(task) : refused;
  goOut();
  return result;
}

export function tk_block_on(fn: u32, arg: u32): i32 {
  if (!comeIn()) return ECLOSED;
  const refused = refusal();
  const result = refused == 0 ? blockOn(fn, arg) : refused;
  goOut();
  return result;
}
