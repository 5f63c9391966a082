// The hosted scheduler of one thread.
//
// A drive is a loop of ticks: look at the inbox, timers and the deferred; poll the roots that
// were woken; then up to `eventInterval` units from the queue. It ends when nothing is ready,
// or when its budget of polls or time is spent: the host gets its turn, and the rest goes to a later one.
//
//   wake from the host  -> queue, one drive in the lane (a microtask)
//   wake inside a drive -> queue only; the drive finds it (next-slot.ts when nothing else is ready)
//   wake by a socket    -> queue, one drive after all callbacks of this poll (an immediate)
//   leftovers           -> a macrotask, never a microtask: those would starve timers and frames
//   timers              -> one host timer for the wheel's next expiry
//
// Continuations of async functions run in microtasks after the drive, and what they wake
// looks like a wake from the host. So a chain of microtask drives is bounded by the time slice
// too: `#microDrives` counts them within one turn of the host, and past the slice they go to a macrotask.
//
// The queue, the timers and the state words are the core's. Units come in batches: the core
// writes their indices, this loop clears NOTIFIED just before it polls each (a wake during the poll
// then queues it again) and writes what came of it back, to be settled by the next `turn()`.

import {
  ARENA_BATCH,
  ARENA_DRIVING,
  ARENA_ELAPSED,
  ARENA_GUEST_POLLS,
  ARENA_GUESTS,
  ARENA_STATES,
  ARENA_TIMER_COUNT,
  BATCH_MAX,
  DRIVE_AWAITED,
  DRIVING,
  GUEST_DONE,
  INDEX_MASK,
  NOTIFIED,
} from "../../assembly/layout.ts";
import { Clock } from "../clock.ts";
import type { Outer } from "../context.ts";
import { type Core, type CoreExports, localCore } from "../core.ts";
import { ContextError, JoinError } from "../errors.ts";
import { context, type Unit, type Waker } from "../future.ts";
import { COOP_BUDGET, UNIT_DONE, UNIT_PENDING, UNLIMITED } from "../limits.ts";
import {
  atTurnEnd,
  bindContext,
  hasAsyncContext,
  type HostTimer,
  macrotask,
  monotonicNow,
  nextFrame,
  recurringMicrotask,
  reportUnhandled,
  startTimer,
  stopTimer,
} from "../host.ts";
import { Random } from "../random.ts";
import { shared } from "../registry.ts";
import { reportFailures } from "../task/failures.ts";
import { bringBackScope, isInScope, leaveScope, type Scope, setScopeAside } from "../task/scope.ts";
import { callHook, isFirstPoll, isTask, Task, type TaskHooks, type TaskScheduler } from "../task/task.ts";
import type { DriveState, GuestSeam, Lane, MainUnit, SchedulerOptions } from "./contract.ts";
import { Histogram } from "./histogram.ts";
import { PausedClock } from "./paused-clock.ts";
import { NextSlot } from "./next-slot.ts";

/** One poll in so many, the first of its batch, is timed for `metrics()`: two clock reads for each poll would cost more than the poll. */
const SAMPLE_EVERY = 256;

/**
 * The clock is read after so many polls of tasks that yield one by one, if the last ones were quick: reading it costs as much as a
 * poll, or as several polls of guests: of those, 32 count as one.
 */
const CLOCK_EVERY = 8;
const QUICK_MS = 0.02;

/** The scheduler that drove last on this thread; for hosts without async context. */
export const driven: { last: CurrentThread | undefined } = /* @__PURE__ */ shared("driven", () => ({ last: undefined }));

/**
 * One task that lives for ever. When a collection finds no object of a hidden class, V8 throws away all code that was
 * optimised for it: a program between two bursts of tasks would run the next one 3-4 times slower for a while.
 */
let kept: Task<unknown> | undefined;

export class CurrentThread implements TaskScheduler {
  readonly clock = new Clock();
  readonly random: Random;
  readonly hooks: TaskHooks | null;
  readonly unhandledFailure: "report" | "ignore" | "shutdown";
  hostPending = 0;
  /** What keeps the clock from jumping while it is paused: blocking jobs. */
  busyElsewhere = 0;
  /** The runtime that owns this scheduler; `Runtime.current` finds it here. */
  owner: unknown = undefined;
  /** Set by the owner: a task failed while the policy is "shutdown". */
  onFailed: ((error: unknown) => void) | undefined;
  isClosed = false;

  /** The guest modules attached here, if there are any. */
  guests: GuestSeam | null = null;
  readonly #core: Core;
  readonly #calls: CoreExports;
  readonly #arena: number;
  readonly #next: NextSlot;
  readonly #units: (Unit | undefined)[] = [];
  readonly #options: SchedulerOptions;
  #lane: Lane;
  readonly #roots: MainUnit[] = [];
  #rootsWoken = 0;
  /** A drive is on the stack. */
  isDriving = false;
  /** It polls tasks that have no slot yet (burst.ts). */
  isBursting = false;
  /** The last polls took less than QUICK_MS each. */
  #areQuick = false;
  /** The host has been asked for a drive. */
  isScheduled = false;
  /** The last tick polled nothing but guests. */
  #onlyGuests = false;
  #timer: HostTimer | undefined;
  #timerTick = Infinity;
  #microDrives = 0;
  #turnStart = 0;
  readonly #pausedClock: PausedClock;
  /** The generator of a task that closed its own scheduler. */
  #orphan: Generator | undefined;
  #onIdle: (() => void) | undefined;
  readonly #entry: () => void;
  readonly #askForMicrotask: () => void;
  readonly #timerEntry: () => void;

  #alive = 0;
  // What metrics.ts reads.
  spawned = 0;
  polls = 0;
  drives = 0;
  longestSlice = 0;
  #sampleIn = 1;
  #sampleFrom = 0;
  readonly sliceTimes = new Histogram();
  readonly pollTimes = new Histogram();

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#lane = options.lane;
    this.hooks = options.hooks;
    this.unhandledFailure = options.unhandledFailure;
    this.random = new Random(options.seed);
    this.#core = localCore();
    this.#calls = this.#core.exports;
    this.#arena = this.#core.arenaNew(options.capacity);
    this.#next = new NextSlot(this.#core, this.#arena);
    if (options.lane === "manual") this.#core.i32[(this.#arena + ARENA_DRIVING) >> 2] = DRIVE_AWAITED;
    if (options.startPaused) this.clock.pause();
    kept ??= new Task(this, null).refuse(new JoinError("TOKIWA_CANCELLED", "never started"));
    this.#entry = bindContext(() => this.#enterFromHost());
    this.#pausedClock = new PausedClock(this, this.#entry);
    this.#askForMicrotask = recurringMicrotask(() => this.#enterFromMicrotask());
    this.#timerEntry = bindContext(() => this.#enterFromTimer());
  }

  /** For guests, which share the tables. */
  get core(): Core {
    return this.#core;
  }

  get arena(): number {
    return this.#arena;
  }

  now(): number {
    return this.clock.now();
  }

  /** The wheel's tick: every timer up to it has fired. */
  get elapsed(): number {
    return this.#core.f64[(this.#arena + ARENA_ELAPSED) >> 3] as number;
  }

  /** Tasks that have not ended, the guests' among them. */
  get alive(): number {
    return this.#alive - (this.guests?.mirrors ?? 0) + this.#word(ARENA_GUESTS);
  }

  #word(offset: number): number {
    return this.isClosed ? 0 : (this.#core.i32[(this.#arena + offset) >> 2] as number);
  }

  // ---- units

  adopt(unit: Unit): void {
    if (this.isClosed) throw new ContextError("TOKIWA_SHUT_DOWN", "the runtime that this waits on has shut down");
    let handle = this.#calls.unitNew(this.#arena);
    if (handle < 0) {
      this.#core.unitsGrow(this.#arena);
      handle = this.#calls.unitNew(this.#arena);
    }
    unit.handle = handle;
    this.#units[handle & INDEX_MASK] = unit;
  }

  release(unit: Unit): void {
    const { handle } = unit;
    if (handle < 0) return;
    unit.handle = -1;
    this.#units[handle & INDEX_MASK] = undefined;
    if (!this.isClosed) this.#calls.unitFree(this.#arena, handle);
  }

  spawn(task: Task<unknown>): void {
    if (this.isClosed) {
      task.refuse(new JoinError("TOKIWA_SHUT_DOWN", "the task was not started: its runtime has shut down"));
      return;
    }
    let handle = this.#calls.spawn(this.#arena);
    if (handle < 0) {
      this.#core.unitsGrow(this.#arena);
      handle = this.#calls.spawn(this.#arena);
    }
    task.handle = handle;
    this.#units[handle & INDEX_MASK] = task;
    this.begun();
    if (this.hooks !== null) callHook(this.hooks.onTaskSpawn, task.meta);
    if (!this.isDriving) this.schedule();
  }

  /** Gives the task a slot without queueing it: it runs elsewhere, or is woken later. */
  admit(task: Task<unknown>): void {
    this.adopt(task);
    this.begun();
    if (this.hooks !== null) callHook(this.hooks.onTaskSpawn, task.meta);
  }

  /** One task more. */
  begun(): void {
    this.#alive++;
    this.spawned++;
  }

  ended(task: Task<unknown>, isRunning: boolean): void {
    const { handle } = task;
    if (handle >= 0) {                                     // one that ended in its first poll of a burst never had a slot
      this.#units[handle & INDEX_MASK] = undefined;
      if (!isRunning || this.isBursting) this.#calls.unitFree(this.#arena, handle);
    }
    this.#alive--;
    if (this.hooks !== null) callHook(this.hooks.onTaskTerminate, task.meta);
    if (this.#alive === 0 && this.#onIdle !== undefined) this.#onIdle();
  }

  failed(error: unknown): void {
    if (this.onFailed === undefined) reportUnhandled(error);
    else this.onFailed(error);
  }

  wake(handle: number): void {
    if (this.isClosed) return;                             // its memory may be another runtime's by now
    const next = this.#next;
    if (next.isOpen && next.take(handle)) return;
    if (this.#calls.wake(this.#arena, handle) !== 0 && !this.isDriving) this.schedule();
  }

  defer(handle: number): void {
    if (this.isClosed) return;
    if (this.#calls.defer(this.#arena, handle) !== 0 && !this.isDriving) this.schedule();
  }

  // ---- roots

  addRoot(root: MainUnit): void {
    this.adopt(root);
    this.#roots.push(root);
    this.rootWoken();
  }

  removeRoot(root: MainUnit): void {
    const at = this.#roots.indexOf(root);
    if (at >= 0) this.#roots.splice(at, 1);
    this.release(root);
  }

  get roots(): readonly MainUnit[] {
    return this.#roots;
  }

  rootWoken(): void {
    this.#rootsWoken++;
    if (!this.isDriving) this.schedule();
  }

  #pollRoots(): void {
    this.#rootsWoken = 0;
    for (const root of [...this.#roots]) if (root.isWoken && !root.isDone) root.poll();
  }

  // ---- timers

  /** Registers a timer of `waker` at an absolute tick. Returns an id for `cancelTimer()`. */
  startTimerAt(tick: number, waker: Waker): number {
    const timer = this.#core.timerInsert(this.#arena, tick, (waker as Unit).handle);
    if (!this.isDriving) this.#timersChanged(tick);
    return timer;
  }

  /** Only for a timer that has not fired: `tick > elapsed`. */
  cancelTimer(timer: number): void {
    if (this.isClosed) return;
    this.#calls.timerCancel(this.#arena, timer);
    if (!this.isDriving && this.#timer !== undefined && this.#core.i32[(this.#arena + ARENA_TIMER_COUNT) >> 2] === 0) this.#stopTimer();
  }

  /** Lets another waker be woken by a timer that has not fired. */
  retargetTimer(timer: number, waker: Waker): void {
    this.#calls.timerTarget(this.#arena, timer, (waker as Unit).handle);
  }

  /** Whether the waker is a unit of this scheduler, which timers can wake without JavaScript. */
  hosts(waker: Waker): boolean {
    return (waker as Unit).scheduler === this && (waker as Unit).handle >= 0;
  }

  /** A guest has set a timer outside of a drive. */
  timerStarted(tick: number): void {
    this.#timersChanged(tick);
  }

  #timersChanged(tick: number): void {
    if (tick < this.#timerTick || this.clock.isPaused) this.schedule();
  }

  /** Brings the host's timer in line with the wheel. */
  #armTimer(now: number): void {
    if (this.#lane === "manual" || this.clock.isPaused) return;
    const next = this.#calls.timerNext(this.#arena);
    if (next === Infinity) {
      this.#stopTimer();
      return;
    }
    if (this.#timer !== undefined && this.#timerTick <= next) return;   // it finds nothing, and is armed again
    this.#stopTimer();
    this.#timerTick = next;
    this.#timer = startTimer(this.#timerEntry, Math.max(0, Math.ceil(next - this.clock.at(now))));
  }

  #stopTimer(): void {
    if (this.#timer !== undefined) stopTimer(this.#timer);
    this.#timer = undefined;
    this.#timerTick = Infinity;
  }

  /** The next timer's tick, or Infinity. */
  get nextTick(): number {
    return this.#calls.timerNext(this.#arena);
  }

  // ---- driving

  /** Whether something could be polled now. */
  get isReady(): boolean {
    return this.#rootsWoken > 0 || this.#next.handle >= 0 || this.#calls.ready(this.#arena) > 0;
  }

  /** Sees to it that a drive comes soon. */
  schedule(): void {
    if (!this.isDriving) this.#askForDrive(false);
  }

  /** Asks the host for a drive, if none is awaited: in the lane, or for leftovers in a later turn. */
  #askForDrive(isLater: boolean): void {
    if (this.isScheduled || this.isClosed) return;
    const lane = this.#lane;
    if (lane === "manual") return;
    this.isScheduled = true;
    this.#core.i32[(this.#arena + ARENA_DRIVING) >> 2]! |= DRIVE_AWAITED;
    if (lane === "frame") nextFrame(this.#entry);
    else if (isLater || lane === "macrotask" || (context.isBurst && lane === "auto")) macrotask(this.#entry);
    else this.#askForMicrotask();
  }

  #enterFromHost(): void {
    this.#microDrives = 0;
    this.drive(Infinity, this.#options.timeSlice);
  }

  /** The host's timer has fired, and early perhaps: it is gone, and armed again if the wheel still waits. */
  #enterFromTimer(): void {
    this.#timer = undefined;
    this.#timerTick = Infinity;
    this.#enterFromHost();
  }

  /** The clock is read once for both: it costs as much as a poll. */
  #enterFromMicrotask(): void {
    const now = monotonicNow();
    const { timeSlice } = this.#options;
    this.#microDrives++;
    if (this.#microDrives === 2) {
      this.#turnStart = now;
      atTurnEnd(() => {
        this.#microDrives = 0;
      });
    } else if (this.#microDrives > 2 && now - this.#turnStart >= timeSlice) {
      macrotask(this.#entry);                              // the chain has taken a whole slice of this turn
      return;
    }
    this.drive(Infinity, timeSlice, undefined, now);
  }

  /** The async context of the task that this drive is inside of. */
  #aside: { prior: Scope | undefined } | undefined;

  /** From here on nothing else drives, and what is queued will be found. Returns what `endDrive()` puts back. */
  beginDrive(): Outer {
    const outer = context.leave();
    if (isInScope()) this.#aside = setScopeAside();
    this.isDriving = true;
    this.#core.i32[(this.#arena + ARENA_DRIVING) >> 2] = DRIVING;
    this.guests?.enter();
    if (!hasAsyncContext) driven.last = this;
    context.reactor = this;
    context.scope = context.locals = context.task = null;
    return outer;
  }

  endDrive(outer: Outer): void {
    context.comeBack(outer);
    if (this.#aside !== undefined) {
      bringBackScope(this.#aside);
      this.#aside = undefined;
    }
    this.isDriving = false;
    if (!this.isClosed) this.#core.i32[(this.#arena + ARENA_DRIVING) >> 2] = this.isScheduled || this.#options.lane === "manual" ? DRIVE_AWAITED : 0;
  }

  /**
   * One bounded slice. Inside a drive it does nothing: what is ready is found by the one that runs.
   *
   * @param until ends it when this root is done, whatever else is ready
   * @param start the host's time, when it has just been read
   */
  drive(maxPolls: number, sliceMs: number, until?: MainUnit, start = monotonicNow()): void {
    if (this.isDriving || this.isClosed) return;
    const outer = this.beginDrive();
    this.isScheduled = false;
    if (this.#timer !== undefined && this.clock.at(start) >= this.#timerTick) this.#stopTimer();   // it is about to fire for nothing
    let now = start;
    let polls = 0;
    let sinceRead = 0;
    this.#areQuick = false;
    try {
      for (;;) {
        this.#calls.look(this.#arena, this.clock.at(now));
        if (this.#rootsWoken > 0) {
          this.#pollRoots();
          polls++;
          if (until?.isDone) break;
        }
        const count = this.#tick(Math.min(this.#options.eventInterval, maxPolls - polls));
        polls += count;
        if (this.isClosed || until?.isDone) break;
        if (this.#rootsWoken === 0 && this.#calls.ready(this.#arena) === 0) break;
        if (polls >= maxPolls) break;
        sinceRead += this.#onlyGuests ? (count + 31) >> 5 : count;
        if (this.#areQuick && sinceRead < CLOCK_EVERY) continue;
        const before = now;
        now = monotonicNow();
        this.#areQuick = now - before < sinceRead * QUICK_MS;
        sinceRead = 0;
        if (now - start >= sliceMs) break;
      }
    } finally {
      this.endDrive(outer);
      this.polls += polls;
      this.drives++;
    }
    const end = monotonicNow();
    if (polls > 0) {
      this.sliceTimes.record(end - start);
      if (end - start > this.longestSlice) this.longestSlice = end - start;
    }
    if (!this.isClosed) this.rest(end);
    else this.#endOrphan();
  }

  #endOrphan(): void {
    const generator = this.#orphan;
    this.#orphan = undefined;
    try {
      generator?.return(undefined);
    } catch (error) {
      reportUnhandled(error);
    }
  }

  /** After a drive: the rest goes to a later turn, the host's timer to the next expiry. */
  rest(now: number): void {
    if (this.isReady) this.#askForDrive(true);
    else if (this.clock.isPaused) {
      if (this.#lane !== "manual") this.#pausedClock.rest();
    }
    else this.#armTimer(now);
    if (this.isReady && !this.clock.isPaused) this.#armTimer(now);
  }

  /** Polls at most `limit` units. Returns how many. */
  #tick(limit: number): number {
    const core = this.#core;
    const calls = this.#calls;
    const arena = this.#arena;
    const units = this.#units;
    const next = this.#next;
    const batch = (arena + ARENA_BATCH) >> 2;
    const statesWord = (arena + ARENA_STATES) >> 2;
    const guestWord = (arena + ARENA_GUEST_POLLS) >> 2;
    let total = 0;
    let polled = 0;
    this.#onlyGuests = true;
    try {
      while (total < limit && !this.isClosed) {
        const done = polled;
        polled = 0;
        const guestPolls = core.i32[guestWord] as number;
        let count = 0;
        try {
          count = calls.turn(arena, done, Math.min(limit - total, BATCH_MAX));
        } catch (error) {
          if (this.guests === null) throw error;
          this.guests.trapped(error);
        }
        const polledGuests = ((core.i32[guestWord] as number) - guestPolls) | 0;
        if (count === 0 && polledGuests === 0) break;
        total += polledGuests;
        if (count > 0) {
          this.#onlyGuests = false;
          if ((this.#sampleIn -= count) <= 0) this.#sampleFrom = monotonicNow();
        }
        for (let i = 0; i < count; i++) {
          const index = core.i32[batch + i] as number;
          if ((index & GUEST_DONE) !== 0) {
            polled = i + 1;
            total--;                                       // counted when the core polled it
            this.guests?.ended(index & INDEX_MASK);
            continue;
          }
          const unit = units[index];
          polled = i + 1;
          const { i32 } = core;
          i32[((i32[statesWord] as number) >>> 2) + index]! &= ~NOTIFIED;
          if (unit === undefined) continue;                // released meanwhile
          if (isInScope() && !isFirstPoll(unit)) leaveScope();
          context.enter(unit);
          context.budget = COOP_BUDGET;
          if (polled === count) next.isOpen = true;
          let verdict = unit.run();
          if (i === 0 && this.#sampleFrom > 0) this.#sampled();
          if (verdict === UNIT_PENDING) {
            verdict = context.verdict;
            if (verdict === UNIT_PENDING) continue;
          }
          context.verdict = UNIT_PENDING;
          core.i32[batch + i] = index | verdict;
          if (next.handle >= 0 && !this.isClosed) next.putBack();   // what it comes to is the core's to settle first
          if (verdict === UNIT_DONE) units[index] = undefined;   // a finished wait must not live until its slot is used again
          if (this.isClosed) break;
        }
        leaveScope();
        total += polled;
        if (next.handle >= 0) total += this.#pollNext(limit - total);
        next.isOpen = false;
      }
    } finally {
      next.isOpen = false;
      if (this.isClosed) next.handle = -1;
      else if (next.handle >= 0) next.putBack();
      if (polled > 0) calls.turn(arena, polled, 0);
      context.exit();
      context.budget = UNLIMITED;
    }
    return total;
  }

  /** Polls who was woken alone, and who that wakes alone, and so on: at most `limit`. Returns how many. */
  #pollNext(limit: number): number {
    const next = this.#next;
    const units = this.#units;
    let polled = 0;
    let yields = this.#areQuick && !this.clock.isPaused ? CLOCK_EVERY : 0;
    while (next.handle >= 0 && !this.isClosed) {
      const unit = units[next.handle & INDEX_MASK];
      if (polled >= limit || unit === undefined) {         // one that was released meanwhile: the core gives its slot back
        next.putBack();
        break;
      }
      const handle = next.shift();
      polled++;
      context.enter(unit);
      context.budget = COOP_BUDGET;
      next.isOpen = true;
      const verdict = unit.run();
      leaveScope();
      if (verdict === UNIT_DONE) {
        if (units[handle & INDEX_MASK] === unit) units[handle & INDEX_MASK] = undefined;
        if (!this.isClosed) this.#calls.unitFree(this.#arena, handle);
      } else if (context.verdict !== UNIT_PENDING) {
        context.verdict = UNIT_PENDING;
        if (this.isClosed) break;
        if (yields > 0 && this.#rootsWoken === 0 && next.takeAgain(handle)) yields--;   // alone: nobody to go behind, and it is too early for the clock
        else this.#calls.defer(this.#arena, handle);
      }
    }
    this.#sampleIn -= polled;
    return polled;
  }

  #sampled(): void {
    this.pollTimes.record(monotonicNow() - this.#sampleFrom);
    this.#sampleFrom = 0;
    this.#sampleIn = SAMPLE_EVERY;
  }

  // ---- a paused clock

  pauseClock(): void {
    this.clock.pause();
    this.#stopTimer();
    this.schedule();
  }

  resumeClock(): void {
    this.clock.resume();
    this.schedule();
  }

  advanceClock(ms: number): void {
    this.clock.advance(ms);
    this.schedule();
  }

  /** Moves the paused clock to the next timer. False when there is none. */
  jump(): boolean {
    const next = this.nextTick;
    if (next === Infinity) return false;
    this.clock.jumpTo(next);
    return true;
  }

  // ---- all tasks

  *tasks(): Iterable<Task<unknown>> {
    for (const unit of this.#units) if (isTask(unit)) yield unit;
  }

  /** One line for each task: who waits for what. */
  describeTasks(): string[] {
    const lines: string[] = [];
    for (const task of this.tasks()) {
      const waits = task.waitsFor();
      lines.push(`task ${task.label} waits for ${waits.length === 0 ? "a wake" : waits.join(", ")}`);
    }
    return lines;
  }

  /** The end of a manual lane: cleanup runs by itself from here on. */
  letRun(): void {
    if (this.#lane !== "manual") return;
    this.#lane = "auto";
    this.schedule();
  }

  /** Calls `fn` when no task is alive, at once if there is none. */
  whenIdle(fn: (() => void) | undefined): void {
    this.#onIdle = fn;
    if (fn !== undefined && this.#alive === 0) fn();
  }

  /** Forces every task that is left to its end and gives the memory back. */
  close(): void {
    if (this.isClosed) return;
    for (const root of [...this.#roots]) root.fail(new JoinError("TOKIWA_SHUT_DOWN", "the runtime has shut down"));
    for (const task of [...this.tasks()]) {
      this.#orphan ??= task.forceEnd(new JoinError("TOKIWA_SHUT_DOWN", `task ${task.label} was still suspended when the runtime shut down`));
    }
    reportFailures(this);
    this.guests?.close();
    this.#stopTimer();
    this.isClosed = true;
    for (const unit of this.#units) unit?.closed?.();      // waits that belong to no task: they settle, too
    if (this.isDriving) macrotask(() => this.#calls.arenaFree(this.#arena));   // the drive on the stack still uses it
    else this.#calls.arenaFree(this.#arena);
    this.#units.length = 0;
  }

  // ---- reports

  state(): DriveState {
    if (this.isClosed) return { more: false, nextTimeout: null, alive: 0 };
    const next = this.nextTick;
    return {
      more: this.isReady,
      nextTimeout: next === Infinity ? null : Math.max(0, next - this.clock.now()),
      alive: this.alive,
    };
  }
}
