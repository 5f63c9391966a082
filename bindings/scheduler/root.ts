// The main of `run()` or `blockOn()`: polled before any task of a tick, and not a task itself.
//
// It has a slot, so that timers can wake it. Its turn in the queue only says that it was
// woken; the scheduler polls it at the start of the next tick, as Tokio's block_on does.

import { context, type Future, PENDING, type Unit } from "../future.ts";
import { COOP_BUDGET, UNIT_PENDING, UNIT_YIELD } from "../limits.ts";
import type { CurrentThread } from "./current-thread.ts";

export class Root implements Unit {
  handle = -1;
  readonly scheduler: CurrentThread;
  readonly main: Future<unknown>;
  /** Woken since it was polled last. */
  isWoken = true;
  isDone = false;
  #isYielding = false;
  isFailed = false;
  outcome: unknown = undefined;
  /** Called once, when it is done. */
  onDone: (() => void) | undefined;

  constructor(scheduler: CurrentThread, main: Future<unknown>) {
    this.scheduler = scheduler;
    this.main = main;
  }

  wake(): void {
    if (this.isDone || this.isWoken) return;
    this.isWoken = true;
    this.scheduler.rootWoken();
  }

  run(): number {
    if (this.#isYielding && !this.isWoken) this.poll();    // its turn behind what was ready when it yielded
    else if (!this.isDone) {
      this.isWoken = true;
      this.scheduler.rootWoken();
    }
    return UNIT_PENDING;
  }

  /** Polls the main. Called by the scheduler between ticks. */
  poll(): void {
    this.isWoken = this.#isYielding = false;
    context.enter(this);
    context.task = null;
    context.budget = COOP_BUDGET;
    context.verdict = UNIT_PENDING;
    try {
      const value = this.main.poll(this);
      if (value !== PENDING) this.#finish(false, value);
      else if (context.verdict === UNIT_YIELD) {
        this.#isYielding = true;
        this.scheduler.defer(this.handle);
      }
    } catch (error) {
      this.#finish(true, error);
    }
    context.verdict = UNIT_PENDING;
  }

  #finish(isFailed: boolean, outcome: unknown): void {
    if (this.isDone) return;
    this.isDone = true;
    this.isFailed = isFailed;
    this.outcome = outcome;
    this.scheduler.removeRoot(this);
    this.onDone?.();
  }

  /** Ends it from outside; the main is dropped, its finally blocks run. */
  fail(error: unknown): void {
    if (this.isDone) return;
    this.isDone = true;                                    // first: what the main does while it is dropped wakes nobody
    this.isFailed = true;
    this.outcome = error;
    this.scheduler.removeRoot(this);
    const outer = context.leave();
    context.enter(this);
    context.task = null;
    context.budget = COOP_BUDGET;
    context.reactor = this.scheduler;
    try {
      this.main[Symbol.dispose]?.();
    } catch (thrown) {
      this.outcome = thrown;
    }
    context.comeBack(outer);
    this.onDone?.();
  }
}
