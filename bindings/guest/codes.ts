// The codes of tk_* functions under the names of tokiwa.h, and what else a guest and JavaScript agree on.

export {
  PENDING as TK_PENDING,
  READY as TK_READY,
  EINVAL as TK_EINVAL,
  ENOMEM as TK_ENOMEM,
  ESTALE as TK_ESTALE,
  ECANCELED as TK_ECANCELED,
  ETRAP as TK_ETRAP,
  ECLOSED as TK_ECLOSED,
  EREJECTED as TK_EREJECTED,
  ELIMIT as TK_ELIMIT,
  ENOSYS as TK_ENOSYS,
  EBUSY as TK_EBUSY,
  EAGAIN as TK_EAGAIN,
  END as TK_END,
  EIO as TK_EIO,
  EDIED as TK_EDIED,
  ESTART as TK_ESTART,
} from "../../assembly/codes.ts";

/** Set in handles of tasks that pthreads run (loops.ts), and in no others. */
export const SHARED_TASK = 1 << 30;

/** The imports that may suspend; `npx tokiwa emscripten --asyncify` prints them for emcc. */
export const BLOCKING_CALLS = ["tk_sleep", "tk_yield", "tk_join_wait", "tk_await_wait", "tk_io_wait", "tk_block_on"] as const;
export type BlockingCall = (typeof BLOCKING_CALLS)[number];
