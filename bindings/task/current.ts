// A task as its own code sees it: what `currentTask()` returns.

import { OptionError } from "../errors.ts";
import { type Future, isFuture } from "../future.ts";
import { show } from "../options.ts";
import type { TaskId } from "./abort-handle.ts";
import { ownFuture } from "./await.ts";
import type { CurrentTask } from "./handle.ts";
import type { Task } from "./task.ts";

class TaskView implements CurrentTask {
  readonly #task: Task<unknown>;

  constructor(task: Task<unknown>) {
    this.#task = task;
  }

  get id(): TaskId {
    return this.#task.id;
  }

  get name(): string | undefined {
    return this.#task.name;
  }

  get signal(): AbortSignal {
    return this.#task.signal;
  }

  own<T>(future: Future<T>): Future<T> {
    if (!isFuture(future)) throw new OptionError(`own() takes a future, got ${show(future)}`);
    const scope = this.#task.scope;
    return scope === null ? future : ownFuture(future, scope);
  }
}

/** The same view for a task each time. */
export function viewOf(task: Task<unknown>): CurrentTask {
  const extra = task.rare();
  extra.view ??= new TaskView(task);
  return extra.view;
}
