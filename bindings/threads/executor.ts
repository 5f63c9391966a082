// What Thread and ThreadPool have in common: jobs of a pool, as handles of the current runtime.

import { JoinError, OptionError } from "../errors.ts";
import type { TaskFn } from "../future.ts";
import { show } from "../options.ts";
import { currentScheduler } from "../engine.ts";
import { type JoinHandle, Task } from "../task/task.ts";
import type { Pool } from "../workers/pool.ts";
import { byDefinition, bySource, isSendable, type Sendable, type SendableFunction } from "../workers/sendable.ts";

/** Parameters of `execJs()`: they become parameters of a function, so nothing but identifiers may pass. */
const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;

export abstract class Executor {
  /** @internal */
  protected readonly pool: Pool;
  /** @internal How messages call it: `thread "a"`. */
  protected readonly label: string;

  /** @internal */
  protected constructor(pool: Pool, label: string) {
    currentScheduler();                                    // says at once when there is no runtime, or no WebAssembly
    this.pool = pool;
    this.label = label;
  }

  /**
   * Runs a function there. The job is submitted, and the arguments are taken, at this call.
   *
   * A plain function is sent by source text, see `send()`.
   *
   * @throws {OptionError} when `fn` cannot be sent
   * @example await thread.exec((a, b) => a + b, 1, 2); // 3
   */
  exec<A extends unknown[], T>(fn: TaskFn<A, T> | Sendable<A, T>, ...args: A): JoinHandle<T> {
    if (isSendable(fn)) return this.#submit<T>(fn, args);
    if (typeof fn !== "function") throw new OptionError(`fn must be a function or what send() returns, got ${show(fn)}`);
    return this.#submit<T>(bySource(fn as TaskFn<never[], unknown>), args);
  }

  /**
   * Runs source text as the body of a function, with `args` as its variables.
   *
   * @param args names and values; names must be identifiers
   * @example await thread.execJs("return a + b", { a: 1, b: 2 }); // 3
   */
  execJs<T = unknown>(source: string, args?: Record<string, unknown>): JoinHandle<T> {
    return this.#execBody<T>(source, args, false);
  }

  /** As `execJs()`; the body may `await`. */
  execJsAsync<T = unknown>(source: string, args?: Record<string, unknown>): JoinHandle<T> {
    return this.#execBody<T>(source, args, true);
  }

  #execBody<T>(source: string, args: Record<string, unknown> = {}, isAsync: boolean): JoinHandle<T> {
    if (typeof source !== "string") throw new OptionError(`source must be a string, got ${show(source)}`);
    if (typeof args !== "object" || args === null || Array.isArray(args)) throw new OptionError(`args must be an object of names and values, got ${show(args)}`);
    const parameters = Object.keys(args);
    for (const name of parameters) {
      if (!IDENTIFIER.test(name) || name === "tokiwa") throw new OptionError(`args must have identifiers as names, got ${show(name)}`);
    }
    return this.#submit<T>(byDefinition({ id: 0, kind: "body", source, parameters, isAsync, name: "execJs" }), Object.values(args));
  }

  #submit<T>(sendable: SendableFunction, args: unknown[]): JoinHandle<T> {
    const scheduler = currentScheduler();
    const task = new Task<T>(scheduler, null);
    if (this.pool.isClosed) {
      this.pool.reject(scheduler, task as Task<unknown>, new JoinError("TOKIWA_TERMINATED", `${this.label} was already terminated`));
    } else this.pool.submit(scheduler, task as Task<unknown>, sendable, args);
    return task;
  }

  /** @internal Ends it: what is pending is cancelled. */
  protected end(): Promise<void> {
    return this.pool.close(new JoinError("TOKIWA_CANCELLED", `the job was cancelled: ${this.label} was terminated`));
  }
}
