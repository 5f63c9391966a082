// A handle that can abort a task, and nothing else: it does not keep the task's result.

/** Identifies a task among all of this thread's; compare with `===`. */
export type TaskId = number;

export interface AbortOptions {
  /** Settle the handle at once, also if an async function cannot be interrupted where it is. Default false. */
  detach?: boolean;
}

/** The task of a handle. */
export interface Abortable {
  abort(reason?: unknown, options?: AbortOptions): void;
  readonly isFinished: boolean;
  readonly id: TaskId;
}

/** Aborts a task, without a claim to its result; made by `abortHandle()` and `JoinSet.spawn()`. */
export class AbortHandle {
  readonly #task: Abortable;

  /** @internal */
  constructor(task: Abortable) {
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
