// tokiwa for guests written in AssemblyScript: tokiwa.h in its words. Compile with
//
//   asc guest.ts --runtime stub --exportTable
//
// Poll style runs everywhere; blocking calls need JSPI and a task started by startBlocking() or guest.run().
// Only `--runtime stub`: the others keep a stack of references in memory, which suspended code would mix up.

import * as raw from "./raw";

if (ASC_RUNTIME != 0) ERROR("tokiwa needs --runtime stub: the garbage collectors keep a stack in memory that suspended tasks would mix up");

// This module keeps no stack in its memory: blocking tasks need none of their own.
raw.tk_no_stack();

/** A task's number; negative: an error. In a poll function: the task is aborted, this is its last poll. */
export type Task = i32;
/** The number of a promise of JavaScript. */
export type PromiseId = i32;

export const PENDING: i32 = 0;
export const READY: i32 = 1;
export const YIELD: i32 = 2;
export const EINVAL: i32 = -1;
export const ENOMEM: i32 = -2;
export const ESTALE: i32 = -3;
export const EWOULDBLOCK: i32 = -4;
export const ECANCELED: i32 = -5;
export const ETRAP: i32 = -6;
export const ECLOSED: i32 = -7;
export const EREJECTED: i32 = -8;
export const ELIMIT: i32 = -9;
export const ENOSYS: i32 = -10;

/** Starts a poll task: `fn` is called again at every wake until it returns a result. */
export function spawn(fn: (arg: usize, self: Task) => i32, arg: usize = 0): Task {
  return raw.tk_spawn(fn.index, arg);
}

/** As spawn(); nobody joins it. */
export function spawnDetached(fn: (arg: usize, self: Task) => i32, arg: usize = 0): Task {
  return raw.tk_spawn_detached(fn.index, arg);
}

/** Starts blocking code. ENOSYS where nothing can suspend. */
export function startBlocking(fn: (arg: usize) => i32, arg: usize = 0): Task {
  return raw.tk_spawn_stack(fn.index, arg);
}

export function wake(task: Task): bool {
  return raw.tk_wake(task) == 1;
}

export function abort(task: Task): i32 {
  return raw.tk_abort(task);
}

export function detach(task: Task): void {
  raw.tk_detach(task);
}

export function isLive(task: Task): bool {
  return raw.tk_is_live(task) == 1;
}

/** Poll style: PENDING and `self` is woken later; READY and the result is in lastResult(); or ESTALE. */
export function joinPoll(task: Task, self: Task): i32 {
  return raw.tk_join_start(task, self);
}

/** What the last join or await gave. */
export function lastResult(): f64 {
  return raw.tk_result();
}

/** Poll style, as joinPoll(). */
export function awaitPoll(promise: PromiseId, self: Task): i32 {
  return raw.tk_await_start(promise, self);
}

export function dropPromise(promise: PromiseId): void {
  raw.tk_promise_drop(promise);
}

/** False: this poll has done 128 operations, return YIELD. */
export function coop(): bool {
  return raw.tk_coop() == 1;
}

/** Milliseconds of the runtime's clock. */
export function now(): f64 {
  return raw.tk_now();
}

/** A timer that wakes a task. Stop it before forgetting it. */
export class Timer {
  private id: i32 = -1;
  private tick: f64 = -1;

  /** READY or an error. */
  start(task: Task, ms: f64): i32 {
    this.stop();
    this.id = raw.tk_timer_begin(task, ms);
    this.tick = raw.tk_timer_tick();
    return this.id < -1 ? this.id + 1 : READY;
  }

  get hasFired(): bool {
    return raw.tk_timer_fired(this.tick) == 1;
  }

  stop(): void {
    raw.tk_timer_end(this.id, this.tick);
    this.id = -1;
  }
}

// ---- blocking

/** Waits. 0, or an error. */
export function sleep(ms: f64): i32 {
  return raw.tk_sleep(ms);
}

/** Lets everything else that is ready have a turn. */
export function yieldNow(): i32 {
  return raw.tk_yield();
}

/** Waits for a task. READY with lastResult(), or an error. */
export function join(task: Task): i32 {
  return raw.tk_join_wait(task);
}

/** Waits for a promise. READY with lastResult(), EREJECTED, or an error. */
export function awaitPromise(promise: PromiseId): i32 {
  return raw.tk_await_wait(promise);
}

export function canBlock(): bool {
  return raw.tk_block_supported() == 1;
}
