// What runs right now on this thread.
//
// The scheduler fills it before each poll, whoever polls something with another waker saves and
// restores it. Outside of polls all of it is empty and the budget is unlimited.
//
// Who is woken, the unit and the task are one object for most polls, and a reference that is stored here costs the
// collector's barrier when the object is young: 5 ns each, of 60 for a whole yield. So a poll stores it once, with a number
// that says how many of the three it stands for. They are told apart as soon as one of them is given another value.

import type { Future, Owner, Reactor, Unit, Waker } from "./future.ts";
import { UNIT_PENDING, UNLIMITED } from "./limits.ts";
import { shared } from "./registry.ts";

/** `polled` is the waker only. */
const WAKER = 0;
/** It is the unit, too. */
const UNIT = 1;
/** It is the unit and the task. */
const TASK = 2;

/** What is put aside and put back: by a drive, and by whoever polls something for others. */
export interface Outer {
  readonly waker: Waker | null;
  readonly unit: Unit | null;
  readonly verdict: number;
  readonly budget: number;
  readonly task: Owner | null;
  readonly reactor: Reactor | null;
  readonly scope: object | null;
  readonly locals: object | null;
}

/** Its fields are private to the compiler only, see task/task.ts. */
export class Context {
  private polled: Waker | null = null;
  private standsFor = WAKER;
  private otherUnit: Unit | null = null;
  private otherTask: Owner | null = null;
  /** UNIT_PENDING, or UNIT_YIELD when the unit asked to go to the back. */
  verdict: number = UNIT_PENDING;
  /** Remaining coop budget. */
  budget: number = UNLIMITED;
  /** The scheduler that drives, or that `enter()` made current. */
  reactor: Reactor | null = null;
  /** The async function whose synchronous part runs (task/scope.ts). */
  scope: object | null = null;
  /** Values of task-locals (task/local.ts). */
  locals: object | null = null;
  /** While a deadlock is being described: collects what is waited for instead of polling. */
  probe: Future<unknown>[] | null = null;
  /** A callback of the host's poller runs and others follow it: one drive after all of them is better than one each. */
  isBurst = false;

  /** Before a poll: `unit` is woken by what it waits for. */
  enter(unit: Unit): void {
    this.polled = unit;
    this.standsFor = UNIT;
  }

  /** After `enter()`: the unit is a task. */
  enterTask(): void {
    this.standsFor = TASK;
  }

  /** After the last poll. */
  exit(): void {
    this.polled = this.otherUnit = this.otherTask = null;
    this.standsFor = WAKER;
  }

  /** Wakes whoever is being polled. */
  get waker(): Waker | null {
    return this.polled;
  }

  set waker(waker: Waker | null) {
    if (this.standsFor !== WAKER) this.tellApart();
    this.polled = waker;
  }

  /** The unit being run; equal to `waker` unless somebody polls with a waker of their own. */
  get unit(): Unit | null {
    return this.standsFor === WAKER ? this.otherUnit : (this.polled as Unit);
  }

  set unit(unit: Unit | null) {
    if (this.standsFor !== WAKER) this.tellApart();
    this.otherUnit = unit;
  }

  /** The task being polled. */
  get task(): Owner | null {
    return this.standsFor === TASK ? (this.polled as unknown as Owner) : this.otherTask;
  }

  set task(task: Owner | null) {
    if (this.standsFor === TASK) this.tellApart();
    this.otherTask = task;
  }

  /** The task being polled, if it is also the one that is woken. */
  get ownTask(): Owner | null {
    return this.standsFor === TASK ? (this.polled as unknown as Owner) : null;
  }

  private tellApart(): void {
    this.otherUnit = this.polled as Unit;
    if (this.standsFor === TASK) this.otherTask = this.polled as unknown as Owner;
    this.standsFor = WAKER;
  }

  /** What is put aside while somebody else's drive or poll runs. On the hottest paths only the fields that change are. */
  leave(): Outer {
    const { waker, unit, verdict, budget, task, reactor, scope, locals } = this;
    return { waker, unit, verdict, budget, task, reactor, scope, locals };
  }

  /** Puts back what `leave()` gave. */
  comeBack(outer: Outer): void {
    this.waker = outer.waker;
    this.unit = outer.unit;
    this.verdict = outer.verdict;
    this.budget = outer.budget;
    this.task = outer.task;
    this.reactor = outer.reactor;
    this.scope = outer.scope;
    this.locals = outer.locals;
  }
}

export const context: Context = /* @__PURE__ */ shared("context", () => new Context());
