// Blocking a thread, where that is allowed.

import { ContextError } from "../errors.ts";
import { context } from "../future.ts";
import { mayBlock } from "../host.ts";
import { family } from "../workers/family.ts";

let sleepWord: Int32Array | undefined;

/** Blocks this thread for a millisecond. */
export function pauseThread(): void {
  sleepWord ??= new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(sleepWord, 0, 0, 1);
}

/** Blocking is for threads that may, outside of tasks of the main thread. */
export function checkMayBlock(what: string): void {
  if (!mayBlock) throw new ContextError("TOKIWA_WOULD_BLOCK", `${what} cannot block here: this thread may not block. Await the other variant.`);
  if (context.unit !== null && !family.inWorker) throw new ContextError("TOKIWA_NESTED_RUNTIME", `${what} was called inside a task, and would hold every other task of this thread. Await the other variant, or use spawnBlocking().`);
}
