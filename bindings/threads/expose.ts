// expose(): the entry of a worker that the consumer's own bundler has made.

import type { TaskFn } from "../future.ts";
import { listen } from "../workers/listen.ts";
import { exposeFunctions } from "../workers/sendable.ts";

/**
 * Registers functions by name, in the entry of a worker, and serves them: `send("name")` finds them there.
 *
 * @example
 * // worker.js, started by `new Runtime({ flavor: "multi-thread", worker: () => new Worker(new URL("./worker.js", import.meta.url), { type: "module" }) })`
 * expose({ add: (a, b) => a + b });
 */
export function expose(functions: Record<string, TaskFn<never[], unknown>>): void {
  exposeFunctions(functions);
  listen();
}
