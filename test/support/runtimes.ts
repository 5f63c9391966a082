// Runs the same tests on every flavour of runtime and with both kinds of task.
//
// A body is a generator that yields (not yield*) futures; `fn(body)` makes of it a generator
// task, which waits with yield*, or an async function, which waits with await. So one text is tested
// both ways:
//
//   forEachRuntime(({ fn, run }) => {
//     test("...", () => run(function* () { yield sleep(5); }));
//   });
import { afterEach, describe } from "vitest";
import { fromPromise, type Future, Runtime, type RuntimeOptions, type TaskFn } from "tokiwa";
import { pause } from "tokiwa/testing";

/** Yields futures or promises; the value of each comes back from the yield. */
export type Body<A extends unknown[], T> = (...args: A) => Generator<PromiseLike<unknown> | Future<unknown>, T, any>;

export interface Flavor {
  readonly name: string;
  readonly isAsync: boolean;
  /** The body as a task function of this kind. */
  fn<A extends unknown[], T>(body: Body<A, T>): TaskFn<A, T>;
  /** A runtime of this flavour; shut down after the test. */
  make(options?: RuntimeOptions): Runtime;
  /** Runs a body as the main of such a runtime. */
  run<T>(body: Body<[], T>, options?: RuntimeOptions): Promise<T>;
}

/** As a generator function: each future is waited for with yield*. */
export function asGenerator<A extends unknown[], T>(body: Body<A, T>): TaskFn<A, T> {
  return function* (...args: A) {
    const inner = body(...args);
    let step = inner.next();
    let isOver = false;
    try {
      while (!step.done) {
        let value: unknown;
        try {
          value = yield* "poll" in step.value ? step.value : fromPromise(step.value);
        } catch (error) {
          step = inner.throw(error);
          continue;
        }
        step = inner.next(value);
      }
      isOver = true;
      return step.value;
    } catch (error) {
      isOver = true;
      throw error;
    } finally {
      if (!isOver) {                                       // aborted: the body's finally blocks run, and may wait
        let last = inner.return(undefined as T);
        while (!last.done) last = inner.next(yield* last.value as Future<unknown>);
      }
    }
  };
}

/** As an async function: each future is awaited. */
export function asAsync<A extends unknown[], T>(body: Body<A, T>): TaskFn<A, T> {
  return async (...args: A) => {
    const inner = body(...args);
    let step = inner.next();
    while (!step.done) {
      let value: unknown;
      try {
        value = await step.value;
      } catch (error) {
        step = inner.throw(error);
        continue;
      }
      step = inner.next(value);
    }
    return step.value;
  };
}

const RUNTIMES: readonly { name: string; options: RuntimeOptions | null }[] = [
  { name: "default runtime", options: null },
  { name: "explicit runtime", options: {} },
  { name: "lane macrotask", options: { lane: "macrotask" } },
  { name: "seeded", options: { seed: 7 } },
];

/** Declares the tests of `declare` once for each runtime and kind of task. */
export function forEachRuntime(declare: (flavor: Flavor) => void): void {
  for (const { name: runtimeName, options: own } of RUNTIMES) {
    for (const isAsync of [false, true]) {
      const name = `${runtimeName}, ${isAsync ? "async functions" : "generators"}`;
      describe(name, () => {
        const open = new Set<Runtime>();
        afterEach(async () => {
          for (const runtime of open) await runtime.shutdown();
          open.clear();
        });
        const make = (options: RuntimeOptions = {}): Runtime => {
          const runtime = own === null && Object.keys(options).every((key) => key === "startPaused") ? Runtime.current : new Runtime({ ...own, ...options });
          if (own === null && options.startPaused) runtime.enter(pause);
          open.add(runtime);
          return runtime;
        };
        const fn = isAsync ? asAsync : asGenerator;
        declare({ name, isAsync, fn, make, run: (body, options) => make(options).run(fn(body)) });
      });
    }
  }
}

const nextTurn: (fn: () => void) => unknown = globalThis.setImmediate ?? ((fn) => setTimeout(fn, 0));

/** Lets the host run what is pending: microtasks, immediates and their follow-ups. */
export async function settle(turns = 4): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise<void>((resolve) => nextTurn(resolve));
}

/** What a call throws, or undefined. */
export function thrown(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** What a promise or future rejects with; fails when it is fulfilled. */
export async function rejection(promise: PromiseLike<unknown>): Promise<any> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`expected a rejection, got ${String(value)}`);
}
