// An async block: a function that runs inside whoever polls it, and can be dropped.
//
// The main of `run()` and `blockOn()` is one, and so is everything that takes a function and
// returns a future. A generator is stepped on the poller's waker. An async function gets a scope
// of its own, so that dropping the block rejects what it waits for. A generator whose finally
// blocks wait on futures cannot finish inside a drop: the rest runs as a task of its own.

import {
  completed,
  context,
  describeFuture,
  type Future,
  giveBack,
  isFuture,
  isSuspend,
  isThenable,
  Operation,
  type Owner,
  PENDING,
  type Reactor,
  type Suspend,
  SUSPENDED,
  type TaskFn,
  type Waker,
  whenSettled,
} from "../future.ts";
import { JoinError, TokiwaError } from "../errors.ts";
import { checkFunction, show } from "../options.ts";
import { currentScope, runInScope, Scope } from "./scope.ts";
import { generatorWaits, isGenerator, isGeneratorFunction, Task, type TaskScheduler } from "./task.ts";

const NO_WAKER: Waker = { wake() {} };

const START = 0;
const GENERATOR = 1;
const FUTURE = 2;
const ASYNC = 3;
const VALUE = 4;
const ERROR = 5;
const OVER = 6;

export class Lazy<T> extends Operation<T> {
  #state = START;
  #body: unknown;
  #args: unknown[];
  #waker: Waker | undefined;
  #scope: Scope | undefined;
  #reactor: Reactor | null = null;
  readonly #isMain: boolean;

  constructor(fn: TaskFn<never[], T>, args: unknown[], isMain = false) {
    super();
    this.#body = fn;
    this.#args = args;
    this.#isMain = isMain;
  }

  /** An async function runs that only the host can bring on. */
  get isAsync(): boolean {
    return this.#state === ASYNC;
  }

  poll(waker: Waker): T | typeof PENDING {
    switch (this.#state) {
      case START:
        return this.#start(waker);
      case GENERATOR:
        return this.#step(waker);
      case FUTURE:
        return this.#pollFuture(waker);
      case ASYNC:
        this.#waker = waker;
        return PENDING;
      case VALUE: {
        const value = this.#body as T;
        this.#end();
        return value;
      }
      case ERROR: {
        const error = this.#body;
        this.#end();
        throw error;
      }
      default:
        return completed();
    }
  }

  #end(): void {
    this.#state = OVER;
    this.#body = this.#waker = undefined;
  }

  #start(waker: Waker): T | typeof PENDING {
    const fn = this.#body as TaskFn<unknown[], T>;
    const args = this.#args;
    this.#args = [];
    this.#body = undefined;
    this.#state = OVER;                                    // for a poll from inside fn, and when fn throws
    const scope = new Scope(this.#owner(), context.reactor ?? currentScope()?.scheduler ?? defaultReactor() ?? NOBODY, context.locals);
    this.#scope = scope;
    let result: unknown;
    try {
      result = isGeneratorFunction(fn) ? fn(...args) : runInScope(scope, () => fn(...args));
    } catch (error) {
      scope.end();
      throw error;
    }
    this.#body = result;
    if (isFuture(result)) {
      this.#state = FUTURE;
      return this.#pollFuture(waker);
    }
    if (isGenerator(result)) {
      this.#state = GENERATOR;
      return this.#step(waker);
    }
    if (isThenable(result)) {
      this.#state = ASYNC;
      this.#waker = waker;
      this.#reactor = scope.scheduler;
      this.#reactor.hostPending++;
      whenSettled(result, (value) => this.#settled(VALUE, value), (error) => this.#settled(ERROR, error));
      return PENDING;
    }
    scope.end();
    this.#end();
    return result as T;
  }

  #owner(): Owner | null {
    return this.#isMain ? null : (context.task ?? currentScope()?.task ?? null);
  }

  #settled(state: number, value: unknown): void {
    this.#scope?.end();
    if (this.#state !== ASYNC) {                           // dropped meanwhile
      if (state === VALUE) giveBack(value);
      return;
    }
    this.#leave();
    this.#state = state;
    this.#body = value;
    const waker = this.#waker;
    this.#waker = undefined;
    waker?.wake();
  }

  #leave(): void {
    if (this.#reactor !== null) this.#reactor.hostPending--;
    this.#reactor = null;
  }

  #pollFuture(waker: Waker): T | typeof PENDING {
    let value: T | typeof PENDING;
    try {
      value = (this.#body as Future<T>).poll(waker);
    } catch (error) {
      this.#end();
      throw error;
    }
    if (value !== PENDING) this.#end();
    return value;
  }

  #step(waker: Waker): T | typeof PENDING {
    const outer = context.waker;
    context.waker = waker;
    let step: IteratorResult<Suspend, unknown>;
    try {
      step = (this.#body as Generator<Suspend, unknown>).next();
    } catch (error) {
      this.#end();
      throw error;
    } finally {
      context.waker = outer;
    }
    if (step === SUSPENDED) return PENDING;
    if (step.done === true) {
      this.#end();
      return step.value as T;
    }
    if (isSuspend(step.value)) return PENDING;
    const generator = this.#body as Generator;
    this.#end();
    generator.return(undefined);
    throw new TokiwaError("TOKIWA_BAD_YIELD", `a generator yielded ${show(step.value)}: wait with yield* and a future. For a promise write yield* fromPromise(promise).`);
  }

  override [Symbol.dispose](): void {
    const state = this.#state;
    const body = this.#body;
    this.#end();
    if (state === FUTURE) (body as Future<T>)[Symbol.dispose]?.();
    else if (state === VALUE) giveBack(body);
    else if (state === ASYNC) {
      this.#leave();
      this.#scope?.cancel(new JoinError("TOKIWA_CANCELLED", "the async block that waits here was dropped"));
    } else if (state === GENERATOR) {
      const { waker, unit, budget } = context;
      context.waker = NO_WAKER;                            // no leaf gets as far as to keep it
      context.unit = null;
      context.budget = 0;
      let step: IteratorResult<Suspend, unknown>;
      try {
        step = (body as Generator<Suspend, unknown>).return(undefined);
      } finally {
        context.waker = waker;
        context.unit = unit;
        context.budget = budget;
      }
      if (step.done !== true) this.#finishApart(body as Generator<Suspend, unknown>);
    }
  }

  /** The finally blocks wait for something: a task of its own sees them through. */
  #finishApart(generator: Generator<Suspend, unknown>): void {
    const scheduler = this.#scope?.scheduler as TaskScheduler | undefined;
    if (scheduler?.spawn === undefined) return;            // it never ran in a runtime: nobody could bring it on
    scheduler.spawn(new Task(scheduler, generator).ofCleanup());
  }

  /** What it waits for, for a deadlock report. */
  waitsFor(): string[] {
    if (this.#state === FUTURE) return [describeFuture(this.#body as Future<unknown>)];
    if (this.#state === GENERATOR) return generatorWaits(this.#body as Generator, { wake() {} });
    if (this.#state !== ASYNC) return [];
    const waits = [...(this.#scope?.waits() ?? [])].map((wait) => wait.describe());
    return waits.length > 0 ? waits : ["a promise of the host"];
  }

  override describe(): string {
    const waits = this.waitsFor();
    return waits.length === 0 ? "an async block" : waits.join(", ");
  }
}

let defaultReactor: () => Reactor | null = () => null;

/** Called once, by engine.ts: what an async block that is polled outside of any runtime awaits on. */
export function installDefaultReactor(fn: () => Reactor | null): void {
  defaultReactor = fn;
}

/** Polled while the default runtime is turned off: nothing can be scheduled, but the counting must go somewhere. */
const NOBODY: Reactor = {
  adopt() {
    throw new TokiwaError("TOKIWA_NO_RUNTIME", "an async block that awaits needs a runtime: spawn it, or use run() or blockOn()");
  },
  release() {},
  wake() {},
  defer() {},
  hostPending: 0,
};

/**
 * An async block: `fn` starts at the first poll, inside the polling task, and can be dropped like any future.
 *
 * @example await timeout(100, lazy(function* () { yield* first(); return yield* second(); }));
 */
export function lazy<A extends unknown[], T>(fn: TaskFn<A, T>, ...args: A): Future<T> {
  checkFunction("fn", fn);
  return new Lazy(fn as unknown as TaskFn<never[], T>, args);
}
