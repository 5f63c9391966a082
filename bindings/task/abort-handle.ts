// A handle that can abort a task, and nothing else: it does not keep the task's result.

import type { AbortOptions, Task, TaskId } from "./task.ts";

/** Aborts a task, without a claim to its result; made by `abortHandle()` and `JoinSet.spawn()`. */
export class AbortHandle {
  readonly #task: Task<unknown>;

  /** @internal */
  constructor(task: Task<unknown>) {
    this.#task = task;
  }

  /** Cancels the task at its next suspension; nothing happens if it has finished. */
  abort(reason?: unknown, options?: AbortOptions): void {
    this.#task.abort(reason, options);
  }

  get isFinished(): boolean {
    return this.#task.isFinished;
  }

  get id(): TaskId {
    return this.#task.id;
  }
}
