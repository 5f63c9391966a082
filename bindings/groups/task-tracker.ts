// TaskTracker: counts tasks, and says when the last has ended after the tracker was closed.
//
// Unlike a JoinSet it keeps no results, so one can run for ever. `wait()` is a notification of the moment
// in which the tracker is closed and empty: it stays true for those who waited then, also if the
// tracker is opened or used again before they look.

import { spawnBlocking } from "../blocking.ts";
import { completed, describeFuture, type Future, Operation, PENDING, proceed, type TaskFn, type Waker } from "../future.ts";
import { spawn } from "../runtime.ts";
import { Notify } from "../sync/notify.ts";
import type { Sendable } from "../workers/sendable.ts";
import { operand } from "../task/promise.ts";
import type { JoinHandle, Task } from "../task/task.ts";

/** What a tracker, its waits and its tokens share. */
class Count implements Waker {
  readonly lastExit = new Notify();
  size = 0;
  isClosed = false;

  get isDone(): boolean {
    return this.isClosed && this.size === 0;
  }

  /** One has ended. Also what a task wakes when it ends. */
  wake(): void {
    this.size--;
    if (this.isDone) this.lastExit.notifyWaiters();
  }
}

class Tracked<T> extends Operation<T> {
  readonly #inner: Future<T>;
  readonly #count: Count;
  #isOver = false;

  constructor(inner: Future<T>, count: Count) {
    super();
    this.#inner = inner;
    this.#count = count;
    count.size++;
  }

  poll(waker: Waker): T | typeof PENDING {
    if (this.#isOver) completed();
    let value: T | typeof PENDING;
    try {
      value = this.#inner.poll(waker);
    } catch (error) {
      this.#end();
      throw error;
    }
    if (value !== PENDING) this.#end();
    return value;
  }

  #end(): void {
    this.#isOver = true;
    this.#count.wake();
  }

  override [Symbol.dispose](): void {
    if (this.#isOver) return;
    try {
      this.#inner[Symbol.dispose]?.();
    } finally {
      this.#end();
    }
  }

  override describe(): string {
    return describeFuture(this.#inner);
  }
}

class Wait extends Operation<void> {
  readonly #count: Count;
  readonly #lastExit: Future<void>;
  readonly #wasDone: boolean;

  constructor(count: Count) {
    super();
    this.#count = count;
    this.#lastExit = count.lastExit.notified();
    this.#wasDone = count.isDone;
  }

  override get isRepollable(): boolean {
    return true;
  }

  poll(waker: Waker): void | typeof PENDING {
    if (this.#wasDone) return proceed(waker) ? undefined : PENDING;
    if (this.#lastExit.poll(waker) !== PENDING) return undefined;
    if (!this.#count.isDone) return PENDING;
    this.#lastExit[Symbol.dispose]();
    return undefined;
  }

  override [Symbol.dispose](): void {
    this.#lastExit[Symbol.dispose]();
  }

  override describe(): string {
    return this.#count.isClosed ? `${this.#count.size} tasks of a tracker` : "a tracker that is not closed";
  }
}

/**
 * Knows how many tasks of a kind are alive, and waits for the end of the last: for a graceful shutdown.
 *
 * @example
 * const tracker = new TaskTracker();
 * for await (const socket of listener) tracker.spawn(serve, socket, stop);
 * tracker.close();
 * await tracker.wait();
 */
export class TaskTracker implements AsyncDisposable {
  readonly #count = new Count();

  /** Starts a task on the current runtime, as `spawn()`, and counts it until it has ended. */
  spawn<A extends unknown[], T>(fn: TaskFn<A, T> | Sendable<A, T>, ...args: A): JoinHandle<T>;
  spawn<T>(future: Future<T> | PromiseLike<T>): JoinHandle<T>;
  spawn(body: unknown, ...args: unknown[]): JoinHandle<unknown> {
    return this.#add(spawn(body as TaskFn<unknown[], unknown>, ...args));
  }

  /** Runs a blocking function on a thread, as `spawnBlocking()`, and counts it until it has ended. */
  spawnBlocking<A extends unknown[], T>(fn: TaskFn<A, T> | Sendable<A, T>, ...args: A): JoinHandle<T> {
    return this.#add(spawnBlocking(fn, ...args));
  }

  #add<T>(handle: JoinHandle<T>): JoinHandle<T> {
    this.#count.size++;
    (handle as Task<T>).whenDone(this.#count);
    return handle;
  }

  /** A future that counts from this call until it has completed or is dropped. */
  trackFuture<T>(f: Future<T> | PromiseLike<T>): Future<T> {
    return new Tracked(operand("f", f), this.#count);
  }

  /** Counts as one until it is disposed of, for what is neither a task nor a future. */
  token(): Disposable {
    const count = this.#count;
    let isHeld = true;
    count.size++;
    return {
      [Symbol.dispose]() {
        if (isHeld) count.wake();
        isHeld = false;
      },
    };
  }

  /**
   * Closes the tracker: `wait()` is ready when the last task has ended. More may be spawned.
   *
   * @returns false when it was closed already
   */
  close(): boolean {
    const count = this.#count;
    if (count.isClosed) return false;
    count.isClosed = true;
    if (count.isDone) count.lastExit.notifyWaiters();
    return true;
  }

  /** Opens it again. @returns false when it was open */
  reopen(): boolean {
    const { isClosed } = this.#count;
    this.#count.isClosed = false;
    return isClosed;
  }

  /**
   * Waits until the tracker is closed and empty, once since this call. Cancel safe.
   *
   * @example tracker.close(); await timeout(10_000, tracker.wait());
   */
  wait(): Future<void> {
    return new Wait(this.#count);
  }

  get isClosed(): boolean {
    return this.#count.isClosed;
  }

  get isEmpty(): boolean {
    return this.#count.size === 0;
  }

  /** How many are alive. */
  get size(): number {
    return this.#count.size;
  }

  /** Closes it and waits for the last task: `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.wait();
  }
}
