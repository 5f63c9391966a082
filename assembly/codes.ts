// What tk_* functions and poll functions return, as in tokiwa.h. Positive results of tasks are their own.
//
// Compiled by both asc and tsc, so it holds only `export const` integers.

export const PENDING = 0;
export const READY = 1;
export const YIELD = 2;
export const EINVAL = -1;
export const ENOMEM = -2;
export const ESTALE = -3;
export const EWOULDBLOCK = -4;
export const ECANCELED = -5;
export const ETRAP = -6;
export const ECLOSED = -7;
export const EREJECTED = -8;
export const ELIMIT = -9;
export const ENOSYS = -10;
export const EBUSY = -11;
export const EDEADLK = -12;
export const EAGAIN = -13;
export const END = -14;
export const EIO = -15;
// ---- of tokiwa-threads.h
export const EDIED = -20;
export const ESTART = -21;
