// tokiwa for guests written in AssemblyScript: tokiwa.h in its words. Compile with
//
//   asc guest.ts --exportTable
//
// Poll style runs everywhere; blocking calls need JSPI and a task started by startBlocking() or guest.run().
// --runtime stub and --runtime incremental. `minimal` collects when it is told to, without knowing what suspended code
// still holds.
//
// What is passed as `arg` is a number to the collector: hold() keeps an object alive until release().

import * as raw from "./raw";
import { park, unpark } from "./park";

if (ASC_RUNTIME == 1) ERROR("tokiwa needs --runtime stub or incremental: minimal cannot know what suspended tasks still hold");

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
export const EBUSY: i32 = -11;
export const EDEADLK: i32 = -12;
export const EAGAIN: i32 = -13;
export const END: i32 = -14;
export const EIO: i32 = -15;

/** Keeps an object alive whose address is a task's `arg`; release() it in the last poll. Objects, not strings in use elsewhere. */
export function hold<T>(object: T): usize {
  return __pin(changetype<usize>(object));
}

/** Gives up what hold() kept. */
export function release(arg: usize): void {
  __unpin(arg);
}

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

  get isSet(): bool {
    return this.tick >= 0;
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
  const place = park();
  const result = raw.tk_sleep(ms);
  unpark(place);
  return result;
}

/** Lets everything else that is ready have a turn. */
export function yieldNow(): i32 {
  const place = park();
  const result = raw.tk_yield();
  unpark(place);
  return result;
}

/** Waits for a task. READY with lastResult(), or an error. */
export function join(task: Task): i32 {
  const place = park();
  const result = raw.tk_join_wait(task);
  unpark(place);
  return result;
}

/** Waits for a promise. READY with lastResult(), EREJECTED, or an error. */
export function awaitPromise(promise: PromiseId): i32 {
  const place = park();
  const result = raw.tk_await_wait(promise);
  unpark(place);
  return result;
}

/** Polls `fn(arg, self)` until it is ready. Its result, or an error. */
export function blockOn(fn: (arg: usize, self: Task) => i32, arg: usize = 0): i32 {
  const index = fn.index;
  const place = park();
  const result = raw.tk_block_on(index, arg);
  unpark(place);
  return result;
}

export function canBlock(): bool {
  return raw.tk_block_supported() == 1;
}

// ---- input and output, with attach(runtime, module, { io: guestIo() }); see tokiwa.h

export const IO_OPEN: i32 = 1;
export const IO_READ: i32 = 2;
export const IO_WRITE: i32 = 4;
/** In answers only: a text message comes. */
export const IO_TEXT: i32 = 8;

/** A connection. close() it before forgetting it. */
export class Io {
  constructor(readonly id: i32) {}

  /** Starts a request; `init` is JSON, as fetch() takes it. */
  static fetch(url: string, init: string | null = null): Io {
    const address = String.UTF8.encode(url, true);
    if (init === null) return new Io(raw.tk_io_fetch(changetype<usize>(address), 0));
    const options = String.UTF8.encode(init, true);
    return new Io(raw.tk_io_fetch(changetype<usize>(address), changetype<usize>(options)));
  }

  static webSocket(url: string): Io {
    return new Io(raw.tk_io_websocket(changetype<usize>(String.UTF8.encode(url, true))));
  }

  static tcp(host: string, port: i32): Io {
    return new Io(raw.tk_io_tcp(changetype<usize>(String.UTF8.encode(host, true)), port));
  }

  static unix(path: string): Io {
    return new Io(raw.tk_io_unix(changetype<usize>(String.UTF8.encode(path, true))));
  }

  /** Poll style: what of `interest` is ready; PENDING, and `self` is woken; or an error. */
  poll(interest: i32, self: Task): i32 {
    return raw.tk_io_poll(this.id, interest, self);
  }

  /** Blocking: waits for that. */
  wait(interest: i32): i32 {
    const id = this.id;
    const place = park();
    const result = raw.tk_io_wait(id, interest);
    unpark(place);
    return result;
  }

  /** Bytes, EAGAIN, END, or an error. */
  read(into: Uint8Array): i32 {
    return raw.tk_io_read(this.id, into.dataStart, into.length);
  }

  /** Bytes of the current message or chunk that are left. */
  get left(): i32 {
    return raw.tk_io_left(this.id);
  }

  /** All of it, or EAGAIN. */
  write(bytes: Uint8Array): i32 {
    return raw.tk_io_write(this.id, bytes.dataStart, bytes.length);
  }

  /** A text message of a WebSocket. */
  writeText(text: string): i32 {
    const bytes = String.UTF8.encode(text);
    return raw.tk_io_write_text(this.id, changetype<usize>(bytes), bytes.byteLength);
  }

  shutdown(): i32 {
    return raw.tk_io_shutdown(this.id);
  }

  get status(): i32 {
    return raw.tk_io_status(this.id);
  }

  /** A header of a response, or null. */
  header(name: string): string | null {
    const key = String.UTF8.encode(name, true);
    const length = raw.tk_io_header(this.id, changetype<usize>(key), 0, 0);
    if (length < 0) return null;
    const buffer = new ArrayBuffer(length + 1);
    raw.tk_io_header(this.id, changetype<usize>(key), changetype<usize>(buffer), length + 1);
    return String.UTF8.decode(buffer, true);
  }

  /** Why it failed. */
  get error(): string {
    const length = raw.tk_io_error(this.id, 0, 0);
    if (length < 0) return "";
    const buffer = new ArrayBuffer(length + 1);
    raw.tk_io_error(this.id, changetype<usize>(buffer), length + 1);
    return String.UTF8.decode(buffer, true);
  }

  close(): void {
    raw.tk_io_close(this.id);
  }
}
