// Sleep: a timer of the wheel as a future.
//
// A timer's tick is its deadline rounded up to a whole millisecond, and the wheel's tick is
// the clock rounded down, so none fires early. A timer has fired exactly when the wheel has
// passed its tick: a Sleep needs no flag for that, and knows by itself whether there is
// something to cancel.

import { ContextError } from "../errors.ts";
import { context, type Future, Operation, PENDING, proceed, restore, type Suspend, SUSPENDED, FINISHED, type Waker } from "../future.ts";
import { checkDuration } from "../options.ts";
import { currentScheduler } from "../engine.ts";
import type { CurrentThread } from "../scheduler/current-thread.ts";
import { WakerProxy } from "../scheduler/proxy.ts";
import { handOver, letGo } from "../sync/hand-over.ts";
import { checkInstant, Instant } from "./instant.ts";

/** The wheel reaches 2^36 ms (about 2 years) ahead: six levels of 64 slots. Longer sleeps re-arm. */
const WHEEL_RANGE = 2 ** 36 - 1;
const NO_TIMER = -1;

/** Waits until a moment; may be reset, also after it fired, and awaited again. Several tasks may wait for one: it wakes all of them. */
export interface Sleep extends Future<void> {
  readonly deadline: Instant;
  /** Whether the deadline has passed. */
  readonly isElapsed: boolean;
  /** Another deadline; whoever waits now goes on waiting. */
  reset(deadline: Instant): void;
}

class Timer extends Operation<void> implements Sleep {
  #scheduler: CurrentThread;
  #deadlineMs: number;
  /** The tick the wheel holds, or that has fired. */
  #tick = 0;
  #timer = NO_TIMER;
  #waker: Waker | undefined = undefined;
  #proxy: WakerProxy | undefined = undefined;
  /** Not polled since it was made or reset: a later runtime may still take it over. */
  #isFresh = true;

  constructor(scheduler: CurrentThread, deadlineMs: number) {
    super();
    this.#scheduler = scheduler;
    this.#deadlineMs = deadlineMs;
  }

  get deadline(): Instant {
    return new Instant(this.#deadlineMs);
  }

  get isElapsed(): boolean {
    const scheduler = this.#scheduler;
    return scheduler.isClosed || Math.ceil(this.#deadlineMs) <= scheduler.elapsed || scheduler.clock.now() >= this.#deadlineMs;
  }

  poll(waker: Waker): void | typeof PENDING {
    if (!proceed(waker)) return PENDING;
    if (this.#check(waker)) return undefined;
    restore();
    return PENDING;
  }

  override next(): IteratorResult<Suspend, void> {
    const { waker } = context;
    if (waker === null || context.budget <= 0) return super.next();
    if (!this.#check(waker)) return SUSPENDED;
    context.budget--;
    return FINISHED;
  }

  /** Whether the deadline has passed; if not, the waker is registered. */
  #check(waker: Waker): boolean {
    if (this.#isFresh) return this.#firstCheck(waker);
    const scheduler = this.#scheduler;
    if (scheduler.isClosed) throw new ContextError("TOKIWA_SHUT_DOWN", "the runtime of this sleep has shut down");
    if (scheduler.elapsed >= this.#tick) {
      this.#timer = NO_TIMER;
      this.#dropProxy();
      if (this.#deadlineMs <= scheduler.elapsed) return true;
      this.#arm(waker);                                    // past the wheel's range: the next stretch
    } else if (waker !== this.#waker) this.#retarget(waker);
    return false;
  }

  #firstCheck(waker: Waker): boolean {
    const here = context.reactor as CurrentThread | null;
    if (here !== null && !here.isClosed) this.#scheduler = here;
    const scheduler = this.#scheduler;
    if (scheduler.isClosed) throw new ContextError("TOKIWA_SHUT_DOWN", "the runtime of this sleep has shut down");
    this.#isFresh = false;
    const deadlineMs = this.#deadlineMs;
    if (deadlineMs < scheduler.elapsed + 1 && scheduler.clock.now() >= deadlineMs) {
      this.#tick = 0;                                      // past, whatever the wheel says: never armed
      return true;
    }
    this.#arm(waker);
    return false;
  }

  #arm(waker: Waker): void {
    const scheduler = this.#scheduler;
    const { elapsed } = scheduler;
    const tick = Math.min(Math.max(Math.ceil(this.#deadlineMs), elapsed + 1), elapsed + WHEEL_RANGE);
    this.#waker = waker;
    this.#tick = this.#deadlineMs === Infinity ? Infinity : tick;
    if (this.#deadlineMs === Infinity) return;
    let target = waker;
    if (!scheduler.hosts(waker)) target = this.#proxy = new WakerProxy(scheduler, waker);
    this.#timer = scheduler.startTimerAt(tick, target);
  }

  #retarget(waker: Waker): void {
    const target = handOver(this.#waker ?? null, waker);
    if (target === this.#waker) return;
    this.#waker = target;
    if (this.#timer === NO_TIMER) return;
    const scheduler = this.#scheduler;
    if (this.#proxy !== undefined) this.#proxy.waker = target;
    else if (scheduler.hosts(target)) scheduler.retargetTimer(this.#timer, target);
    else scheduler.retargetTimer(this.#timer, (this.#proxy = new WakerProxy(scheduler, target)));
  }

  #dropProxy(): void {
    if (this.#proxy !== undefined) this.#scheduler.release(this.#proxy);
    this.#proxy = undefined;
  }

  #disarm(): void {
    const scheduler = this.#scheduler;
    if (this.#timer !== NO_TIMER && !scheduler.isClosed && this.#tick > scheduler.elapsed) scheduler.cancelTimer(this.#timer);
    this.#timer = NO_TIMER;
    this.#dropProxy();
  }

  reset(deadline: Instant): void {
    const { ms } = checkInstant("deadline", deadline);
    const waker = this.#waker;
    const wasWaiting = !this.#isFresh && !this.#scheduler.isClosed && waker !== undefined && this.#tick > this.#scheduler.elapsed;
    this.#disarm();
    this.#deadlineMs = ms;
    if (wasWaiting) this.#arm(waker);
    else this.#isFresh = true;
  }

  override [Symbol.dispose](): void {
    this.#disarm();
    letGo(this.#waker ?? null);                            // others wait for it, too: they set a timer of their own
    this.#waker = undefined;
    this.#isFresh = true;
  }

  override describe(): string {
    return this.#deadlineMs === Infinity ? "a sleep that never ends" : `a sleep until ${this.#deadlineMs.toFixed(1)} ms`;
  }
}

/**
 * Waits until `ms` milliseconds have passed on the runtime's clock.
 *
 * The deadline is fixed at this call, the timer is set at the first poll. Resolution is 1 ms, rounded up;
 * it never fires early. `Infinity` never fires. Cancel safe: dropping it removes the timer.
 *
 * @param ms at least 0
 * @throws {OptionError} for anything that is not a duration
 * @throws {ContextError} `TOKIWA_NO_RUNTIME` when there is no runtime and the default one is turned off
 * @example await sleep(50);
 */
export function sleep(ms: number): Sleep {
  checkDuration("ms", ms);
  const scheduler = currentScheduler();
  return new Timer(scheduler, scheduler.clock.now() + ms);
}

/** Waits until a moment; one that has passed is ready at the first poll. Otherwise as `sleep()`. */
export function sleepUntil(deadline: Instant): Sleep {
  return new Timer(currentScheduler(), checkInstant("deadline", deadline).ms);
}
