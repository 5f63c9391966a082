// The main thread's box in the root of guest-loops.ts: what JavaScript, too, writes into it (bindings/guest/waker.ts).
//
// Compiled by both asc and tsc, so it holds only `export const` integers.

/** u32, 1 while a thread is inside. */
export const BOX_LOCK = 44;
/** u32 each, wrap; masked when they address the box. */
export const BOX_HEAD = 56;
export const BOX_TAIL = 60;
/** u32, 1: wakes were lost, every task of the main thread is to be woken. */
export const BOX_OVERFLOW = 64;
/** u32, changes when there is something in the box; the main thread waits on it. */
export const BOX_SIGNAL = 68;
/** 64 addresses of chunks of tasks. */
export const CHUNKS = 96;
/** Handles. */
export const BOX = CHUNKS + 64 * 4;
export const BOX_CAPACITY = 1024;
export const ROOT_BYTES = BOX + BOX_CAPACITY * 4;
