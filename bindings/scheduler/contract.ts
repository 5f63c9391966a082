// What a scheduler is given, and what it asks of others. Types only.

import type { Future, Unit } from "../future.ts";
import type { TaskHooks } from "../task/handle.ts";

export type Lane = "auto" | "microtask" | "macrotask" | "frame" | "manual";

export interface SchedulerOptions {
  eventInterval: number;
  timeSlice: number;
  lane: Lane;
  capacity: number;
  seed: number | undefined;
  startPaused: boolean;
  unhandledFailure: "report" | "ignore" | "shutdown";
  hooks: TaskHooks | null;
}

/** What one `drive()` leaves behind. */
export interface DriveState {
  /** Something is ready: drive again soon. */
  more: boolean;
  /** Milliseconds until the next timer, or null when there is none. */
  nextTimeout: number | null;
  /** Tasks that have not ended. */
  alive: number;
}

/** The guests of a scheduler (guests.ts). Their poll tasks are run by the core, inside `turn()`. */
export interface GuestSeam {
  /** JavaScript tasks that stand for a guest's task: it would be counted twice. */
  readonly mirrors: number;
  /** Before a drive. */
  enter(): void;
  /** A watched task has ended. */
  ended(index: number): void;
  /** `turn()` threw: ends the task it was at, or throws the error again. */
  trapped(error: unknown): void;
  /** The runtime is closing. */
  close(): void;
}

/** The main of a `run()` or `blockOn()` (root.ts): polled before everything else, in the order of their start. */
export interface MainUnit extends Unit {
  readonly isWoken: boolean;
  readonly isDone: boolean;
  readonly main: Future<unknown>;
  poll(): void;
  /** Ends it with an error. */
  fail(error: unknown): void;
}
