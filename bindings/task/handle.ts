// What others see of a task, and what a task sees of its scheduler. Types only.

import type { Future, Reactor } from "../future.ts";
import type { AbortHandle, AbortOptions, TaskId } from "./abort-handle.ts";
import type { JoinError } from "../errors.ts";
import type { Task } from "./task.ts";

/** How a task ended. */
export type TaskResult<T> =
  | { readonly status: "fulfilled"; readonly value: T }
  | { readonly status: "rejected"; readonly reason: unknown }
  | { readonly status: "cancelled"; readonly reason: JoinError };

/** A task as its own code sees it, see `currentTask()`. */
export interface CurrentTask {
  readonly id: TaskId;
  readonly name: string | undefined;
  /** Aborted when the task is: hand it to `fetch` and the like. Made at the first use. */
  readonly signal: AbortSignal;
  /**
   * Ties a future to this task. Needed only in pages, in an async function, after an await of something
   * foreign: the host has no async context there, and an abort would not find what is awaited.
   */
  own<T>(future: Future<T>): Future<T>;
}

/** What hooks are told about a task. */
export interface TaskMeta {
  readonly id: TaskId;
  readonly name: string | undefined;
  /** `Instant.ms` of the spawn. */
  readonly spawnedAt: number;
}

/** Callbacks around the life of tasks. An error thrown by one is reported, and changes nothing. */
export interface TaskHooks {
  onTaskSpawn?: ((meta: TaskMeta) => void) | undefined;
  onTaskTerminate?: ((meta: TaskMeta) => void) | undefined;
  onBeforePoll?: ((meta: TaskMeta) => void) | undefined;
  onAfterPoll?: ((meta: TaskMeta) => void) | undefined;
}

/** What a task needs of its scheduler. */
export interface TaskScheduler extends Reactor {
  readonly hooks: TaskHooks | null;
  readonly unhandledFailure: "report" | "ignore" | "shutdown";
  /** The clock that `spawnedAt` is read from. */
  now(): number;
  /** Gives the task a slot and queues it. */
  spawn(task: Task<unknown>): void;
  /** The task is done; its slot is released by the batch, or here when it is not being run. */
  ended(task: Task<unknown>, isRunning: boolean): void;
  /** A task failed while the policy is "shutdown". */
  failed(error: unknown): void;
}

/**
 * The result of a spawned task. Awaiting it gives the task's value or throws the task's own error;
 * a cancelled task throws `JoinError`. It may be awaited again, and by several tasks.
 *
 * Dropping it detaches the task.
 */
export interface JoinHandle<T> extends Future<T> {
  readonly id: TaskId;
  readonly isFinished: boolean;
  /** Cancels the task at its next suspension; nothing happens if it has finished. */
  abort(reason?: unknown, options?: AbortOptions): void;
  /** A handle that can only abort. */
  abortHandle(): AbortHandle;
  /** How the task ended; never rejects. */
  result(): Future<TaskResult<T>>;
  /** As `promise.catch()`. */
  catch<R = never>(onRejected?: ((reason: unknown) => R | PromiseLike<R>) | null): Promise<T | R>;
  /** As `promise.finally()`. */
  finally(onFinally?: (() => void) | null): Promise<T>;
}
