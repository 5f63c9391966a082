// A task, which is also its join handle and its waker: one object for all three.
//
//   spawn -> START --poll--> GENERATOR | FUTURE | ASYNC --> DONE (fulfilled, rejected, cancelled)
//   REMOTE: it runs on another thread; this is its handle, never polled, settled from there
//
// `body` is the function, or the function with its arguments (START), the generator, the future, or the scope of an async function.
// `slot` holds the waiters until the task is done, its outcome afterwards: never both.
// `extra` exists for tasks with a name, a signal or an abort, and for no other.
//
// A generator is polled here, synchronously. An async function is called once and goes on
// by itself, an await at a time (task/await.ts); the task settles when its promise does.
//
// Its methods are private to the compiler only, not with #: a class with #methods stores a brand in every
// instance and checks it at every call.
//
// Abort never runs inline: it marks the task and wakes it. At its next turn a generator
// gets `return()`, which runs its finally blocks (they may wait on futures, the task lives
// until they are through); a future is dropped; an async function's waits reject, the pending
// one and every later one, and the task settles when the function ends.

import { JoinError, TokiwaError, withoutFrames } from "../errors.ts";
import { FanOut } from "../fan-out.ts";
import { context, describeFuture, type Future, giveBack, isFuture, isSuspend, isThenable, Operation, type Owner, PENDING, proceed, restore, type Suspend, SUSPENDED, type TaskFn, type Unit, type Waker, whenSettled } from "../future.ts";
import { reportUnhandled } from "../host.ts";
import { COOP_BUDGET, UNIT_DONE, UNIT_PENDING } from "../limits.ts";
import { checkBoolean, checkOptions, show } from "../options.ts";
import { shared } from "../registry.ts";
import { AbortHandle, type AbortOptions, type TaskId } from "./abort-handle.ts";
import { awaitIn, ownWhenRead } from "./await.ts";
import { addFailure, forgetFailure, reportFailure } from "./failures.ts";
import { ABORTING, ASYNC, CANCELLED, CLEANING, DISPOSED, DONE, FULFILLED, FUTURE, GENERATOR, HOOKED, KIND, OBSERVED, REJECTED, REMOTE, START, TAKEN } from "./flags.ts";
import type { CurrentTask, JoinHandle, TaskHooks, TaskMeta, TaskResult, TaskScheduler } from "./handle.ts";
import { JoinWait, ResultFuture } from "./join.ts";
import { type Call, isGenerator, isGeneratorFunction } from "./kinds.ts";
import { addWaiter, removeWaiter, wakeAll, type Waiters } from "./waiters.ts";
import { currentScope, leaveScope, Scope, startInScope } from "./scope.ts";

export type { CurrentTask, JoinHandle, TaskHooks, TaskMeta, TaskResult, TaskScheduler } from "./handle.ts";
export { callOf, isGenerator, isGeneratorFunction } from "./kinds.ts";

/** The rarely used half of a task. */
interface Extra {
  name: string | undefined;
  controller: AbortController | undefined;
  error: JoinError | undefined;
  reason: unknown;
  detach: boolean;
  meta: TaskMeta | undefined;
  /** What `currentTask()` has given out (current.ts). */
  view: CurrentTask | undefined;
  /** Stops listening to the signal given to taskBuilder(). */
  unlisten: (() => void) | undefined;
}

/** The other end of a task that runs on another thread. */
export interface RemoteBody {
  /** Cancels it. True when it will not run at all: the task settles at once, and not when the other thread says so. */
  abort(reason: JoinError): boolean;
  /** Nobody waits any more: the end of a shutdown. */
  abandon(): void;
  describe(): string;
  /** Waits for the task outside of any other: as await does, and cheaper. */
  awaited?(task: Task<unknown>, onFulfilled: unknown, onRejected: unknown): Waker & PromiseLike<unknown>;
}

/** What `taskBuilder({ signal })` listens with. */
const aborts = /* @__PURE__ */ new FanOut<AbortSignal>((signal, fire) => signal.addEventListener("abort", fire), (signal, fire) => signal.removeEventListener("abort", fire));

/** The id given out last, by whichever copy of this package: ids are compared. */
const ids: { last: number } = /* @__PURE__ */ shared("ids", () => ({ last: 0 }));

export class Task<T> extends Operation<T> implements Unit, Owner, JoinHandle<T> {
  handle = -1;
  flags = START;
  readonly id: TaskId = ++ids.last;
  readonly scheduler: TaskScheduler;
  body: unknown;
  slot: unknown = undefined;
  extra: Extra | null = null;

  constructor(scheduler: TaskScheduler, body: unknown) {
    super();
    this.scheduler = scheduler;
    this.body = body;
    if (scheduler.hooks !== null) this.flags = HOOKED;
  }

  // ---- polled by the scheduler

  wake(): void {
    if ((this.flags & KIND) !== DONE) this.scheduler.wake(this.handle);
  }

  run(): number {
    context.enterTask();
    const flags = this.flags;
    if ((flags & (KIND | ABORTING | HOOKED)) === GENERATOR) return this.stepGenerator();
    return (flags & HOOKED) === 0 ? this.step() : this.runHooked();
  }

  /**
   * The first poll of a task that has no slot: it takes one only when it does not end in it. See scheduler/burst.ts.
   *
   * @param lent the scope of the burst, for a function that is not known to be async; a function that turns out to be keeps it
   */
  runFirst(lent: Scope): number {
    context.enterTask();
    lent.task = this as Task<unknown>;
    lent.budget = COOP_BUDGET;
    return this.start(lent);
  }

  /** Goes on after the call: from here on it can be woken. */
  private admit(): void {
    if (this.handle >= 0) return;
    this.scheduler.adopt(this);
    if ((this.flags & ABORTING) !== 0) this.scheduler.wake(this.handle);
  }

  private step(): number {
    const flags = this.flags;
    if ((flags & ABORTING) !== 0) return this.carryOutAbort();
    switch (flags & KIND) {
      case START:
        return this.start();
      case GENERATOR:
        return this.stepGenerator();
      case FUTURE:
        return this.pollFuture();
      default:
        return UNIT_PENDING;                               // an async function goes on by itself
    }
  }

  private stepGenerator(): number {
    let step: IteratorResult<Suspend, unknown>;
    try {
      step = (this.body as Generator<Suspend, unknown>).next();
    } catch (error) {
      return this.settle(REJECTED, error);
    }
    return step === SUSPENDED ? UNIT_PENDING : this.advance(step);
  }

  /** A step that is not the shared one: the end, a step through a wrapper, or something foreign. */
  private advance(step: IteratorResult<Suspend, unknown>): number {
    if (step.done === true) {
      if ((this.flags & CLEANING) !== 0) return this.settle(CANCELLED, this.cancelError());
      return this.settle(FULFILLED, step.value);
    }
    if (isSuspend(step.value)) return UNIT_PENDING;
    const generator = this.body as Generator<Suspend, unknown>;
    const error = new TokiwaError(
      "TOKIWA_BAD_YIELD",
      `task ${this.id} yielded ${show(step.value)}: a generator task waits with yield* and a future. For a promise write yield* fromPromise(promise).`,
    );
    try {
      const next = generator.throw(error);
      if (next.done === true || isSuspend(next.value)) return this.advance(next);
      generator.return(undefined);
    } catch (thrown) {
      return this.settle(REJECTED, thrown);
    }
    return this.settle(REJECTED, error);
  }

  private start(lent: Scope | null = null): number {
    let fn = this.body as TaskFn<unknown[], unknown>;
    let args: readonly unknown[] | undefined;
    if (typeof fn !== "function") ({ fn, args } = this.body as Call);
    let result: unknown;
    let scope = lent;
    try {
      if (isGeneratorFunction(fn)) {
        leaveScope();
        this.body = args === undefined ? fn() : fn(...args);
        this.flags |= GENERATOR;
        this.admit();
        return this.stepGenerator();
      }
      if (lent !== null) {
        this.body = context.scope = lent;
        try {
          result = args === undefined ? fn() : fn(...args);
        } finally {
          context.scope = null;
        }
      } else {
        scope = new Scope(this, this.scheduler, null);
        this.body = scope;                                 // currentTask().own() finds it there
        result = startInScope(scope, args === undefined ? fn : () => fn(...args));
      }
      if (isFuture(result)) {
        leaveScope();
        this.flags |= FUTURE;
        this.body = result;
        this.admit();
        return this.pollFuture();
      }
      if (isGenerator(result)) {
        leaveScope();
        this.flags |= GENERATOR;
        this.body = result;
        this.admit();
        return this.step();
      }
      if (isThenable(result)) {
        this.flags |= ASYNC;
        this.admit();
        this.scheduler.hostPending++;
        whenSettled(result, (value) => this.promiseSettled(FULFILLED, value), (error) => this.promiseSettled(REJECTED, error));
        return UNIT_PENDING;
      }
    } catch (error) {
      if (scope !== lent) scope?.end();
      return this.settle(REJECTED, error);
    }
    if (scope !== lent) scope?.end();
    return this.settle(FULFILLED, result);
  }

  private pollFuture(): number {
    const body = this.body as Future<unknown>;
    let value: unknown;
    try {
      value = body.poll(this);
    } catch (error) {
      return this.settle(REJECTED, error);
    }
    return value === PENDING ? UNIT_PENDING : this.settle(FULFILLED, value);
  }

  private promiseSettled(status: number, value: unknown): void {
    const scope = this.body as Scope | null;
    scope?.end();
    if ((this.flags & KIND) === DONE) {                    // detached by abort, or forced at shutdown
      if (status === FULFILLED) giveBack(value);
      return;
    }
    this.scheduler.hostPending--;
    if (status === REJECTED && scope?.isCancelled && value === scope.reason) this.settle(CANCELLED, value, false);
    else this.settle(status, value, false);
  }

  private settle(status: number, value: unknown, isRunning = true): number {
    if ((this.flags & KIND) === DONE) return UNIT_DONE;    // forced to its end during its own poll
    const waiters = this.slot as Waiters;
    const flags = (this.flags = (this.flags & ~(KIND | ABORTING)) | DONE | status);
    this.slot = value;
    this.body = null;
    const extra = this.extra;
    if (extra !== null) {
      extra.unlisten?.();
      if (status === CANCELLED) extra.error = value as JoinError;
    }
    this.scheduler.ended(this as Task<unknown>, isRunning);
    this.handle = -1;
    if (waiters !== undefined) wakeAll(waiters);
    else if ((flags & (DISPOSED | FULFILLED)) === (DISPOSED | FULFILLED)) giveBack(value);
    if (status === REJECTED && (flags & OBSERVED) === 0) this.unobserved(value);
    return UNIT_DONE;
  }

  private unobserved(error: unknown): void {
    const policy = this.scheduler.unhandledFailure;
    if (policy === "ignore") return;
    if (policy === "shutdown") {
      this.scheduler.failed(error);
      return;
    }
    addFailure(this, this.id, error, this.scheduler);
    if ((this.flags & DISPOSED) !== 0) reportFailure(this.id);
  }

  // ---- abort

  abort(reason?: unknown, options?: AbortOptions): void {
    const detach = options !== undefined && checkBoolean("detach", checkOptions<AbortOptions>("options", options).detach ?? false);
    if ((this.flags & KIND) === DONE) return;
    const extra = this.rare();
    if ((this.flags & (ABORTING | CLEANING)) === 0) extra.reason = reason;
    if (detach) extra.detach = true;
    this.flags |= ABORTING;
    this.scheduler.wake(this.handle);
  }

  /** Carries out an abort, at a suspension of the task. */
  private carryOutAbort(): number {
    const isFirst = (this.flags & CLEANING) === 0;
    this.flags = (this.flags & ~ABORTING) | CLEANING;
    const kind = this.flags & KIND;
    const body = this.body;
    const error = this.cancelError();
    if (isFirst) this.extra?.controller?.abort(error);
    if (kind === GENERATOR) {
      if (!isFirst) return this.stepGenerator();          // its finally blocks are already running
      let step: IteratorResult<Suspend, unknown>;
      try {
        step = (body as Generator<Suspend, unknown>).return(undefined);
      } catch (thrown) {
        return this.settle(REJECTED, thrown);
      }
      return step === SUSPENDED ? UNIT_PENDING : this.advance(step);
    }
    if (kind === ASYNC) {
      const scope = body as Scope;
      scope.cancel(error);
      if (!this.rare().detach) return UNIT_PENDING;
      this.scheduler.hostPending--;
    } else if (kind === REMOTE) {
      if (!(body as RemoteBody).abort(error)) {
        if (!this.rare().detach) return UNIT_PENDING;
        (body as RemoteBody).abandon();
      }
    } else if (kind === FUTURE) {
      try {
        (body as Future<unknown>)[Symbol.dispose]?.();
      } catch (thrown) {
        return this.settle(REJECTED, thrown);
      }
    }
    return this.settle(CANCELLED, error);
  }

  /** Says that it runs on another thread; before it starts here. */
  ofRemote(body: RemoteBody): this {
    this.flags = (this.flags & ~KIND) | REMOTE;
    this.body = body;
    return this;
  }

  /** It will run here after all. */
  ofCall(body: unknown): this {
    this.flags = (this.flags & ~KIND) | START;
    this.body = body;
    return this;
  }

  /** An abort waits to be carried out. */
  get isAborting(): boolean {
    return (this.flags & ABORTING) !== 0;
  }

  /** The other thread has an outcome. Its error is this task's own when the abort came from here. */
  remoteSettled(status: TaskResult<T>["status"], value: unknown): void {
    if ((this.flags & KIND) === DONE) return;
    if (status === "cancelled" && (this.flags & CLEANING) !== 0) value = this.cancelError();
    this.settle(status === "fulfilled" ? FULFILLED : status === "rejected" ? REJECTED : CANCELLED, value, false);
  }

  /**
   * Settles a task that will not end by itself any more, at the end of a shutdown.
   *
   * @returns its generator if that runs at this moment: the caller ends it at its next suspension
   */
  forceEnd(error: JoinError): Generator | undefined {
    if ((this.flags & KIND) === DONE) return undefined;
    const isRunning = context.unit === (this as unknown);
    const { body, flags } = this;
    const extra = this.rare();
    extra.error ??= error;
    extra.controller?.abort(extra.error);
    try {
      if ((flags & KIND) === ASYNC) {
        this.scheduler.hostPending--;
        (body as Scope).cancel(extra.error);
      } else if ((flags & KIND) === FUTURE) (body as Future<unknown>)[Symbol.dispose]?.();
      else if ((flags & KIND) === REMOTE) (body as RemoteBody).abandon();
      else if ((flags & (KIND | CLEANING)) === GENERATOR) (body as Generator).return(undefined);   // how far it gets without waiting
    } catch {
      // cleanup that fails now has nobody left to tell
    }
    this.settle(CANCELLED, extra.error, isRunning);
    return isRunning && (flags & KIND) === GENERATOR ? (body as Generator) : undefined;
  }

  /** Settles a task that was never started: its runtime has shut down. */
  refuse(error: JoinError): this {
    const body = this.body;
    this.body = null;
    this.slot = error;
    this.flags = DONE | CANCELLED;
    if (isFuture(body)) body[Symbol.dispose]?.();
    return this;
  }

  private cancelError(): JoinError {
    const extra = this.rare();
    const { reason } = extra;
    const code = reason instanceof JoinError && reason.code === "TOKIWA_SHUT_DOWN" ? "TOKIWA_SHUT_DOWN" : "TOKIWA_CANCELLED";
    extra.error ??= withoutFrames(() => new JoinError(code, `task ${this.label} was cancelled`, { cause: reason }));
    return extra.error;
  }

  // ---- the handle

  get isFinished(): boolean {
    return (this.flags & KIND) === DONE;
  }

  get name(): string | undefined {
    return this.extra?.name;
  }

  /** What JSON.stringify() and, in Node, Bun and Deno, console.log() show of a handle: not all that hangs on it. */
  toJSON(): object {
    return { id: this.id, name: this.name, isFinished: this.isFinished };
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return `JoinHandle ${JSON.stringify(this)}`;
  }

  /** How messages call this task. */
  get label(): string {
    const name = this.extra?.name;
    return name === undefined ? String(this.id) : `${this.id} (${name})`;
  }

  /** The signal to hand to `fetch` and the like; aborted when the task is. Made at the first use. */
  get signal(): AbortSignal {
    const extra = this.rare();
    if (extra.controller === undefined) {
      extra.controller = new AbortController();
      if (extra.error !== undefined) extra.controller.abort(extra.error);
    }
    return extra.controller.signal;
  }

  /** The scope of an async function's awaits; null for other tasks. */
  get scope(): Scope | null {
    return this.body instanceof Scope ? this.body : null;
  }

  get meta(): TaskMeta {
    const extra = this.rare();
    extra.meta ??= Object.freeze({ id: this.id, name: extra.name, spawnedAt: this.scheduler.now() });
    return extra.meta;
  }

  abortHandle(): AbortHandle {
    return new AbortHandle(this as Task<unknown>);
  }

  result(): Future<TaskResult<T>> {
    this.observe();
    return new ResultFuture(this);
  }

  poll(waker: Waker): T | typeof PENDING {
    if (!proceed(waker)) {
      this.observe();
      return PENDING;
    }
    const outcome = this.outcome(waker);
    if (outcome === PENDING) {
      restore();
      return PENDING;
    }
    return outcome as T;
  }

  /** A join of a task that is fulfilled takes one look. */
  override next(): IteratorResult<Suspend, T> {
    const { flags } = this;
    const { budget } = context;
    if ((flags & FULFILLED) === 0 || budget <= 0 || context.waker === null) return super.next();
    context.budget = budget - 1;
    this.flags = flags | OBSERVED | TAKEN;
    return { done: true, value: this.slot as T };
  }

  /** The value, a throw of the failure, or PENDING with the waker registered. */
  outcome(waker: Waker): unknown {
    if ((this.flags & OBSERVED) === 0) this.observe();
    const flags = this.flags;
    if ((flags & FULFILLED) !== 0) {
      this.flags = flags | TAKEN;
      return this.slot;
    }
    if ((flags & KIND) === DONE) throw this.slot;
    this.slot = addWaiter(this.slot as Waiters, waker);
    return PENDING;
  }

  /** As `outcome()`, telling the ways to end apart. */
  ending(waker: Waker): TaskResult<T> | typeof PENDING {
    if ((this.flags & OBSERVED) === 0) this.observe();
    const flags = this.flags;
    if ((flags & FULFILLED) !== 0) {
      this.flags = flags | TAKEN;
      return { status: "fulfilled", value: this.slot as T };
    }
    if ((flags & CANCELLED) !== 0) return { status: "cancelled", reason: this.slot as JoinError };
    if ((flags & REJECTED) !== 0) return { status: "rejected", reason: this.slot };
    this.slot = addWaiter(this.slot as Waiters, waker);
    return PENDING;
  }

  /** Wakes `waker` once the task is done, at once if it is, without asking for the result. */
  whenDone(waker: Waker): void {
    if ((this.flags & KIND) === DONE) waker.wake();
    else this.slot = addWaiter(this.slot as Waiters, waker);
  }

  /** Says that the result will be asked for, or that it will not after all: whose the failure is (failures.ts). */
  claim(isClaimed: boolean): void {
    if (isClaimed) this.observe();
    else if ((this.flags & KIND) !== DONE) this.flags &= ~OBSERVED;
  }

  /** Takes a waker out of the waiters. */
  forget(waker: Waker): void {
    if ((this.flags & KIND) !== DONE) this.slot = removeWaiter(this.slot as Waiters, waker);
  }

  private observe(): void {
    if ((this.flags & (OBSERVED | REJECTED)) === REJECTED) forgetFailure(this, this.id);
    this.flags |= OBSERVED;
  }

  override then<R1 = T, R2 = never>(
    onFulfilled?: ((value: T) => R1 | PromiseLike<R1>) | null,
    onRejected?: ((reason: unknown) => R2 | PromiseLike<R2>) | null,
  ): PromiseLike<R1 | R2> {
    this.observe();
    const scope = currentScope();
    if (scope === null && (this.flags & KIND) === REMOTE) {
      const wait = (this.body as RemoteBody).awaited?.(this as Task<unknown>, onFulfilled, onRejected);
      if (wait !== undefined) {
        this.slot = addWaiter(this.slot as Waiters, wait);
        return wait as PromiseLike<R1 | R2>;
      }
    }
    return awaitIn(new JoinWait<T>(this), scope, onFulfilled, onRejected);
  }

  override get borrowed(): Future<T> {
    return new JoinWait<T>(this);
  }

  /** Whoever waits with yield* goes away; the handle is theirs to keep. */
  override return(value?: unknown): IteratorResult<Suspend, T> {
    if (context.waker !== null) this.forget(context.waker);
    return { done: true, value: value as T };
  }

  override throw(error: unknown): never {
    if (context.waker !== null) this.forget(context.waker);
    throw error;
  }

  /** Detaches the task: nobody will ask for its result. A lock that is its value, and that nobody has taken, is given back. */
  override [Symbol.dispose](): void {
    const flags = this.flags;
    this.flags = flags | DISPOSED;
    if ((flags & (FULFILLED | TAKEN | DISPOSED)) === FULFILLED) giveBack(this.slot);
    if ((this.flags & (OBSERVED | REJECTED)) === REJECTED) reportFailure(this.id);
  }

  override describe(): string {
    return `task ${this.label}`;
  }

  // ---- making one

  rare(): Extra {
    this.extra ??= {
      name: undefined,
      controller: undefined,
      error: undefined,
      reason: undefined,
      detach: false,
      meta: undefined,
      view: undefined,
      unlisten: undefined,
    };
    return this.extra;
  }

  /** A name and a signal, before the spawn. */
  prepare(name: string | undefined, signal: AbortSignal | undefined): this {
    const extra = this.rare();
    extra.name = name;
    if (signal !== undefined) {
      const abort = (): void => this.abort(signal.reason);
      if (signal.aborted) this.flags |= ABORTING;
      else {
        extra.unlisten = aborts.add(signal, abort);
      }
      if (signal.aborted) extra.reason = signal.reason;
    }
    return this;
  }

  /** Says that the body is a future and not a function. */
  ofFuture(): this {
    this.flags |= FUTURE;
    return this;
  }

  /** Says that the body is a generator whose finally blocks are running: an abort leaves it to end by itself. */
  ofCleanup(): this {
    this.flags |= GENERATOR | CLEANING;
    return this;
  }

  private runHooked(): number {
    const { meta } = this;
    const hooks = this.scheduler.hooks as TaskHooks;
    callHook(hooks.onBeforePoll, meta);
    const verdict = this.step();
    callHook(hooks.onAfterPoll, meta);
    return verdict;
  }

  /** An async function that waits for none of our futures: only the host can resume it. */
  get waitsForHost(): boolean {
    return (this.flags & KIND) === ASYNC && !(this.body as Scope).isWaiting;
  }

  /** What the task waits for, as far as it can be told without disturbing it. */
  waitsFor(): string[] {
    const kind = this.flags & KIND;
    if (kind === START) return ["its first poll"];
    if (kind === ASYNC) {
      const waits = [...(this.body as Scope).waits()].map((wait) => wait.describe());
      return waits.length > 0 ? waits : ["a promise of the host"];
    }
    if (kind === FUTURE) return [describeFuture(this.body as Future<unknown>)];
    if (kind === REMOTE) return [(this.body as RemoteBody).describe()];
    return generatorWaits(this.body as Generator, this);
  }
}

ownWhenRead(Task.prototype);

/**
 * What a suspended generator waits for. It is stepped once without budget: its leaf then takes the path
 * that looks at the probe, and stays as it was.
 */
export function generatorWaits(generator: Generator, poller: Waker): string[] {
  const found: Future<unknown>[] = [];
  const { probe } = context;
  const outer = context.leave();
  context.waker = poller;
  context.budget = 0;
  context.probe = found;
  if (isTask(poller)) context.task = poller;
  try {
    generator.next();
  } catch {
    // one that runs now cannot be asked
  }
  context.comeBack(outer);
  context.probe = probe;
  return found.map(describeFuture);
}

/** Whether its next poll is the first one of a task: that one goes to the right async context by itself. */
export function isFirstPoll(unit: Unit): boolean {
  const { flags, body } = unit as Task<unknown>;           // undefined in units that are no tasks
  return body !== undefined && (flags & (KIND | ABORTING)) === START;
}

/** Whether a unit is a task, of whichever copy of this package. */
export function isTask(unit: unknown): unit is Task<unknown> {
  return typeof unit === "object" && unit !== null && "remoteSettled" in unit;
}

/** Calls a hook; what it throws is reported and changes nothing. */
export function callHook(hook: ((meta: TaskMeta) => void) | undefined, meta: TaskMeta): void {
  if (hook === undefined) return;
  try {
    hook(meta);
  } catch (error) {
    reportUnhandled(error);
  }
}
