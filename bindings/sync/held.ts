// Running a function while a guard is held: the guard is let go when the function has really ended.
//
// A function that is dropped while it runs may still have cleanup to do: an async function hears of it a
// microtask later, a generator's finally blocks may wait. What they guard must not be handed to somebody else
// before that, so letting go is tied to the end of the function and not to the drop.

import { type Future, isFuture, isThenable, Operation, PENDING, type Suspend, type TaskFn, type Waker } from "../future.ts";
import { lazy } from "../task/lazy.ts";
import { isGenerator, isGeneratorFunction } from "../task/task.ts";

/** What can be let go, more than once without harm. */
interface Guard {
  unlock(): void;
}

function* runGenerator<R>(body: Generator<Suspend, R, unknown>, guard: Guard): Generator<Suspend, R, unknown> {
  try {
    return yield* body;
  } finally {
    guard.unlock();
  }
}

function* callGenerator<G extends Guard, R>(fn: TaskFn<[G], R>, guard: G): Generator<Suspend, R, unknown> {
  try {
    return yield* fn(guard) as Generator<Suspend, R, unknown>;
  } finally {
    guard.unlock();
  }
}

/** A future that the function returned. */
class HeldFuture<R> extends Operation<R> {
  readonly #inner: Future<R>;
  readonly #guard: Guard;

  constructor(inner: Future<R>, guard: Guard) {
    super();
    this.#inner = inner;
    this.#guard = guard;
  }

  poll(waker: Waker): R | typeof PENDING {
    return this.#inner.poll(waker);
  }

  override [Symbol.dispose](): void {
    try {
      this.#inner[Symbol.dispose]?.();
    } finally {
      this.#guard.unlock();
    }
  }
}

function callOther<G extends Guard, R>(fn: TaskFn<[G], R>, guard: G): unknown {
  let result: unknown;
  try {
    result = fn(guard);
  } catch (error) {
    guard.unlock();
    throw error;
  }
  if (isFuture(result)) return new HeldFuture(result, guard);
  if (isGenerator(result)) return runGenerator(result, guard);
  if (isThenable(result)) {
    const unlock = (): void => guard.unlock();
    void result.then(unlock, unlock);                      // first in line: whoever awaits the result finds the lock free
  } else guard.unlock();
  return result;
}

class Hold<G extends Guard, R> extends Operation<R> {
  readonly #lock: Future<G>;
  readonly #fn: TaskFn<[G], R>;
  #guard: G | undefined;
  #body: Future<R> | undefined;

  constructor(lock: Future<G>, fn: TaskFn<[G], R>) {
    super();
    this.#lock = lock;
    this.#fn = fn;
  }

  poll(waker: Waker): R | typeof PENDING {
    let body = this.#body;
    if (body === undefined) {
      const guard = this.#lock.poll(waker);
      if (guard === PENDING) return PENDING;
      const fn = this.#fn;
      this.#guard = guard;
      body = this.#body = (isGeneratorFunction(fn) ? lazy(callGenerator<G, R>, fn, guard) : lazy(callOther<G, R>, fn, guard)) as Future<R>;
    }
    let value: R | typeof PENDING;
    try {
      value = body.poll(waker);
    } catch (error) {
      this.#guard?.unlock();
      throw error;
    }
    if (value !== PENDING) this.#guard?.unlock();
    return value;
  }

  override [Symbol.dispose](): void {
    if (this.#body === undefined) this.#lock[Symbol.dispose]();
    else this.#body[Symbol.dispose]();
  }

  override describe(): string {
    return this.#body === undefined ? (this.#lock as Operation<G>).describe() : (this.#body as Operation<R>).describe();
  }
}

/** Takes a lock, runs `fn` with its guard, and lets go when `fn` has ended. */
export function hold<G extends Guard, R>(lock: Future<G>, fn: TaskFn<[G], R>): Future<R> {
  return new Hold(lock, fn);
}
