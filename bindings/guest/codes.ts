// What tk_* functions return, as in tokiwa.h. Positive results of tasks are their own.

export const TK_PENDING = 0;
export const TK_READY = 1;
export const TK_EINVAL = -1;
export const TK_ENOMEM = -2;
export const TK_ESTALE = -3;
export const TK_EWOULDBLOCK = -4;
export const TK_ECANCELED = -5;
export const TK_ETRAP = -6;
export const TK_ECLOSED = -7;
export const TK_EREJECTED = -8;
export const TK_ELIMIT = -9;
export const TK_ENOSYS = -10;
export const TK_EBUSY = -11;
export const TK_EAGAIN = -13;
export const TK_END = -14;
export const TK_EIO = -15;
/** Of tokiwa-threads.h. */
export const TK_EDIED = -20;
export const TK_ESTART = -21;

/** Set in handles of tasks that pthreads run (loops.ts), and in no others. */
export const SHARED_TASK = 1 << 30;

/** The imports that may suspend; `npx tokiwa emscripten --asyncify` prints them for emcc. */
export const BLOCKING_CALLS = ["tk_sleep", "tk_yield", "tk_join_wait", "tk_await_wait", "tk_io_wait", "tk_block_on"] as const;
export type BlockingCall = (typeof BLOCKING_CALLS)[number];
