// Waits for a task: each forgets its own waker when it loses, and leaves the task and its handle alone.

import { Operation, PENDING, proceed, restore, type Waker } from "../future.ts";
import type { TaskResult } from "./handle.ts";
import type { Task } from "./task.ts";

/** One wait for a task: what combinators and `await` hold, so that losing forgets the waker only. */
export class JoinWait<T> extends Operation<T> {
  readonly #task: Task<T>;
  #waker: Waker | undefined;

  constructor(task: Task<T>) {
    super();
    this.#task = task;
  }

  poll(waker: Waker): T | typeof PENDING {
    this.#waker = waker;
    return this.#task.poll(waker);
  }

  override [Symbol.dispose](): void {
    if (this.#waker !== undefined) this.#task.forget(this.#waker);
  }

  override get keepsValue(): boolean {
    return true;
  }

  override describe(): string {
    return this.#task.describe();
  }
}

/** `handle.result()`. */
export class ResultFuture<T> extends Operation<TaskResult<T>> {
  readonly #task: Task<T>;
  #waker: Waker | undefined;

  constructor(task: Task<T>) {
    super();
    this.#task = task;
  }

  poll(waker: Waker): TaskResult<T> | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    this.#waker = waker;
    const ending = this.#task.ending(waker);
    if (ending === PENDING) restore();
    return ending;
  }

  override [Symbol.dispose](): void {
    if (this.#waker !== undefined) this.#task.forget(this.#waker);
  }

  override describe(): string {
    return this.#task.describe();
  }
}
