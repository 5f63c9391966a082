// A limit of time for operations of this folder, which knows no clock: time/timeout.ts installs it.

import { ContextError } from "../errors.ts";
import type { Future } from "../future.ts";

let limit: (<T>(ms: number, future: Future<T>) => Future<T>) | undefined;

/** Called once, by time/timeout.ts. */
export function installLimit(fn: <T>(ms: number, future: Future<T>) => Future<T>): void {
  limit = fn;
}

/** `timeout(ms, future)`. */
export function limitTo<T>(ms: number, future: Future<T>): Future<T> {
  if (limit === undefined) throw new ContextError("TOKIWA_NO_RUNTIME", "a limit of time was asked for before the package was loaded");
  return limit(ms, future);
}
