// blocking*(): the synchronous counterparts, for code outside of tasks.
//
// What stands here knows no runtime; runtime.ts, which does, installs how to wait.

import { ContextError } from "../errors.ts";
import type { Future } from "../future.ts";

let block: (<T>(what: string, future: Future<T>) => T) | undefined;

/** Called once, by runtime.ts. */
export function installBlocking(fn: <T>(what: string, future: Future<T>) => T): void {
  block = fn;
}

/**
 * Runs the current runtime on this thread until `future` is ready.
 *
 * @param what the public name of the call, for messages: `blockingLock()`
 * @throws {ContextError} `TOKIWA_NESTED_RUNTIME` inside a task
 */
export function blockFor<T>(what: string, future: Future<T>): T {
  if (block === undefined) throw new ContextError("TOKIWA_NO_RUNTIME", `${what} was called before the package was loaded`);
  return block(what, future);
}
