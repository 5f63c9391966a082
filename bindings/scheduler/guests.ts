// The guests of one scheduler: whose task has trapped, and who wants to learn that one has ended. Made when the first guest is
// attached, so that a bundle without guests does not hold it.

import { ARENA_ARGS, ARENA_CURRENT, ARENA_STATES, FN_MAX, FN_SHIFT, INDEX_MASK } from "../../assembly/layout.ts";
import { reportUnhandled } from "../host.ts";
import type { GuestSeam } from "./contract.ts";
import type { CurrentThread } from "./current-thread.ts";

/** A guest module as its scheduler sees it (guest/). */
export interface GuestHost {
  /** Before a drive: what the guest's stack pointer has to be after a trap. */
  enter(): void;
  /** Whether the task that trapped is this guest's; if so, it deals with it. */
  trapped(handle: number, fn: number, error: unknown): boolean;
  /** The runtime is closing: ends all tasks of the guest. */
  close(): void;
}

export class Guests implements GuestSeam {
  readonly hosts = new Set<GuestHost>();
  /** Who wants to learn that a guest's task ended, by the task's index. */
  readonly watchers = new Map<number, (result: number) => void>();
  mirrors = 0;
  readonly #scheduler: CurrentThread;

  constructor(scheduler: CurrentThread) {
    this.#scheduler = scheduler;
  }

  enter(): void {
    for (const host of this.hosts) host.enter();
  }

  close(): void {
    for (const host of [...this.hosts]) host.close();
  }

  ended(index: number): void {
    const watcher = this.watchers.get(index);
    if (watcher === undefined) return;
    this.watchers.delete(index);
    watcher(this.#wordOf(ARENA_ARGS, index));
  }

  trapped(error: unknown): void {
    const { core, arena } = this.#scheduler;
    const index = (core.i32[(arena + ARENA_CURRENT) >> 2] as number) & INDEX_MASK;
    const state = this.#wordOf(ARENA_STATES, index);
    const handle = core.exports.guestFailed(arena);
    if (handle < 0) throw error;
    for (const host of this.hosts) if (host.trapped(handle, (state >> FN_SHIFT) & FN_MAX, error)) return;
    reportUnhandled(error);
  }

  /** What one of the arena's tables has for a unit. */
  #wordOf(table: number, index: number): number {
    const { core, arena } = this.#scheduler;
    return core.i32[((core.i32[(arena + table) >> 2] as number) >>> 2) + index] as number;
  }
}

/** The guests of a scheduler, made if need be. */
export function guestsOf(scheduler: CurrentThread): Guests {
  scheduler.guests ??= new Guests(scheduler);
  return scheduler.guests as Guests;
}
