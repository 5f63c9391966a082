// Task-locals: values that everything inside one future sees.
//
// A chain of scopes, innermost first. `run()` puts its link in `context.locals` while it polls;
// an async function started inside keeps the chain in its scope (task/scope.ts).

import { ContextError } from "../errors.ts";
import { context, describeFuture, type Future, isFuture, Operation, type PENDING, type TaskFn, type Waker } from "../future.ts";
import { checkFunction } from "../options.ts";
import { lazy } from "./lazy.ts";
import { currentScope } from "./scope.ts";

interface Link {
  readonly key: object;
  readonly value: unknown;
  readonly outer: Link | null;
}

class WithLocal<T> extends Operation<T> {
  readonly #key: object;
  readonly #value: unknown;
  readonly #inner: Future<T>;

  constructor(key: object, value: unknown, inner: Future<T>) {
    super();
    this.#key = key;
    this.#value = value;
    this.#inner = inner;
  }

  #within<R>(fn: () => R): R {
    const outer = context.locals as Link | null;
    context.locals = { key: this.#key, value: this.#value, outer } satisfies Link;
    try {
      return fn();
    } finally {
      context.locals = outer;
    }
  }

  poll(waker: Waker): T | typeof PENDING {
    return this.#within(() => this.#inner.poll(waker));
  }

  override [Symbol.dispose](): void {
    this.#within(() => this.#inner[Symbol.dispose]?.());
  }

  override describe(): string {
    return describeFuture(this.#inner);
  }
}

/** Polls `inner` with a value that `findLocal(key)` finds inside of it. */
export function withLocal<T>(key: object, value: unknown, inner: Future<T>): Future<T> {
  return new WithLocal(key, value, inner);
}

/** The innermost link of this key around the code that runs now. */
export function findLocal(key: object): { readonly value: unknown } | null {
  let link = (context.locals ?? currentScope()?.locals ?? null) as Link | null;
  while (link !== null && link.key !== key) link = link.outer;
  return link;
}

/** A value of a task, see `taskLocal()`. */
export interface TaskLocal<T> {
  /**
   * The value given to the innermost `run()` around this code.
   *
   * @throws {ContextError} `TOKIWA_NO_TASK_LOCAL` outside of `run()`
   */
  get(): T;
  /** Runs `fn`, or polls a future, with this value. */
  run<R>(value: T, fn: TaskFn<[], R> | Future<R>): Future<R>;
}

/**
 * A value that everything inside `run(value, fn)` sees, across awaits. Spawned tasks do not inherit it.
 *
 * @example
 * const requestId = taskLocal<number>();
 * await requestId.run(7, async () => { await sleep(1); console.log(requestId.get()); });
 */
export function taskLocal<T>(): TaskLocal<T> {
  const key = {};
  return {
    get() {
      const link = findLocal(key);
      if (link === null) throw new ContextError("TOKIWA_NO_TASK_LOCAL", "this task-local has no value here: read it inside its run(value, fn)");
      return link.value as T;
    },
    run: (value, fn) => withLocal(key, value, isFuture(fn) ? fn : lazy(checkFunction("fn", fn))),
  };
}
