// A paused clock jumps to the next timer when nothing is ready: but only after the microtasks and immediates that are pending
// have run (async functions finish their turn in them), and not while an async function waits for something foreign or a
// thread works.

import { hasAsyncContext, macrotask, monotonicNow, startTimer } from "../host.ts";
import type { CurrentThread } from "./current-thread.ts";

/** How long it waits for promises of the host, in ms of the host's time. */
const FOREIGN_PATIENCE_MS = 250;

export class PausedClock {
  readonly #scheduler: CurrentThread;
  readonly #drive: () => void;
  #isAdvancing = false;
  #waitsFor = -1;
  #waitsSince = 0;
  #waitedInVain = -1;

  constructor(scheduler: CurrentThread, drive: () => void) {
    this.#scheduler = scheduler;
    this.#drive = drive;
  }

  /** A drive has left nothing ready. Something ran in it: patience begins anew. */
  rest(): void {
    this.#waitsFor = -1;
    this.#jumpWhenIdle();
  }

  #jumpWhenIdle(): void {
    const scheduler = this.#scheduler;
    if (this.#isAdvancing || scheduler.nextTick === Infinity) return;
    this.#isAdvancing = true;
    macrotask(() =>
      macrotask(() => {
        this.#isAdvancing = false;
        if (scheduler.isClosed || !scheduler.clock.isPaused || scheduler.isReady || scheduler.isScheduled) return;
        if (this.#waitsForForeign() && this.#mayWait()) {
          startTimer(() => this.#jumpWhenIdle(), 1);       // looks again: nothing tells when a foreign promise is through
          return;
        }
        scheduler.jump();
        this.#drive();
      }),
    );
  }

  /**
   * How long it stands still for something foreign: for threads always, for promises a moment only.
   * A promise may be one that a sleeping task fulfils, and then waiting for it would never end. Once it was in
   * vain, the clock jumps at once until the number of foreign waits changes.
   */
  #mayWait(): boolean {
    const { busyElsewhere, hostPending } = this.#scheduler;
    if (busyElsewhere > 0) return true;
    if (hostPending === this.#waitedInVain) return false;
    const now = monotonicNow();
    if (hostPending !== this.#waitsFor) {
      this.#waitsFor = hostPending;
      this.#waitsSince = now;
    }
    if (now - this.#waitsSince < FOREIGN_PATIENCE_MS) return true;
    this.#waitedInVain = hostPending;
    this.#waitsFor = -1;
    return false;
  }

  #waitsForForeign(): boolean {
    if (this.#scheduler.busyElsewhere > 0) return true;
    if (!hasAsyncContext) return false;                    // awaits may be unowned there: cannot be told
    for (const task of this.#scheduler.tasks()) if (task.waitsForHost) return true;
    return false;
  }
}
