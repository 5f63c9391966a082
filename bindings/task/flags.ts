// The flags of a task. Numbers only, and no import: so the bundler puts them in place, and a poll
// does not load them from the module.
//
// The kind in bits 0-2, how it ended in bits 3-5.

export const START = 0;
export const GENERATOR = 1;
export const FUTURE = 2;
export const ASYNC = 3;
export const DONE = 4;
export const REMOTE = 5;
export const KIND = 7;
export const FULFILLED = 8;
export const REJECTED = 16;
export const CANCELLED = 32;
/** `abort()` was called and has not been carried out. */
export const ABORTING = 64;
/** The abort was carried out; cleanup runs. */
export const CLEANING = 128;
/** Somebody asked for the result: its failure is theirs. */
export const OBSERVED = 256;
/** The handle was disposed of. */
export const DISPOSED = 512;
/** The shared yield of this task is in somebody's hands (task/yield.ts). */
export const YIELD_LENT = 1024;
/** It has yielded and was not resumed yet (task/yield.ts). */
export const YIELD_TAKEN = 2048;
/** Its value was given to somebody. */
export const TAKEN = 4096;
/** Its scheduler has hooks. */
export const HOOKED = 8192;
