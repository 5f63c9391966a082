// Blocking a thread, where that is allowed.

import { ContextError, DeadlockError } from "../errors.ts";
import { context } from "../future.ts";
import { mayBlock } from "../host.ts";
import { family } from "../workers/family.ts";
import { isAnybodyThere } from "../workers/parking.ts";
import { isKnownElsewhere } from "./hold.ts";

let sleepWord: Int32Array | undefined;

/** Blocks this thread for a millisecond. */
export function pauseThread(): void {
  sleepWord ??= new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(sleepWord, 0, 0, 1);
}

/** Blocking is for threads that may, outside of tasks of the main thread. */
export function checkMayBlock(what: string): void {
  if (!mayBlock) throw new ContextError("TOKIWA_WOULD_BLOCK", `${what} cannot block here: this thread may not block. Await the other variant.`);
  if (context.unit !== null && !family.inWorker && !family.mayNest) throw new ContextError("TOKIWA_NESTED_RUNTIME", `${what} was called inside a task, and would hold every other task of this thread. Await the other variant, or use spawnBlocking().`);
}

/** Of a primitive that no other thread knows: nobody could end this wait while this thread blocks. @param giveUp called first then */
export function refuseStuck(words: Int32Array, what: string, giveUp: () => void): void {
  if (isKnownElsewhere(words) && isAnybodyThere()) return;
  giveUp();
  throw new DeadlockError(`${what} can never finish: it was passed to no other thread, and this one would wait. Pass it as an argument of what you send or spawn first, or await the other variant.`, [what]);
}
