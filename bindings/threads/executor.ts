// What Thread and ThreadPool have in common: jobs of a pool, as handles of the current runtime.
//
// Their jobs, those of spawnBlocking(), and large arguments anywhere go by the port also where memory is shared. Measured on Node 20 and 26,
// one worker: a job with a number, 3000 at once, takes 1.6 to 3.0 us by the port and 2.3 to 2.8 us by a record of shared memory, and one at
// a time the two do not differ by more than the noise: records gain where several workers take them from one another, which
// threads with a queue of their own do not. A ring of bytes for large arguments would need a form of its own: v8.serialize() and back
// take 3.9 us for { n: 1 } and 24 us for a list of 30 objects, where structuredClone() takes 0.8 and 22.

import { JoinError, OptionError } from "../errors.ts";
import type { TaskFn } from "../future.ts";
import { show } from "../options.ts";
import { currentScheduler } from "../engine.ts";
import { type JoinHandle, Task } from "../task/task.ts";
import type { Pool } from "../workers/pool.ts";
import { byDefinition, bySource, isSendable, type Sendable, type SendableFunction } from "../workers/sendable.ts";

/** Parameters of `execJs()`: they become parameters of a function, so nothing but identifiers may pass. */
const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;
const RESERVED = new Set(
  "await break case catch class const continue debugger default delete do else enum export extends false finally for function if import in instanceof new null return super switch this throw true try typeof var void while with".split(" "),
);

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
    if (typeof args !== "object" || args === null || Array.isArray(args) || args instanceof Map) throw new OptionError(`args must be an object of names and values, got ${show(args)}`);
    const parameters = Object.keys(args);
    for (const name of parameters) {
      if (!IDENTIFIER.test(name) || RESERVED.has(name) || name === "tokiwa") throw new OptionError(`args must have identifiers as names, got ${show(name)}`);
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
