/* tokiwa-threads.h: functions of this module on other threads, without shared memory.
 *
 * C99, on top of tokiwa.h. A thread is a Worker with an instance of the same module and a memory of its own: static data
 * starts afresh there, pointers mean nothing there, function pointers mean the same. What goes there and what comes
 * back is bytes. It needs no SharedArrayBuffer and no COOP or COEP headers.
 *
 *   tk_job job = tk_thread_exec(thread, work, &input, sizeof input);    here
 *   int32_t work(tk_call *call) { ... return tk_call_reply(call, &output, sizeof output); }    there
 *   state = tk_job_poll(job, self, &result); ... tk_job_take(job, &output, sizeof output);    here, in a poll task
 *
 * The thread needs the module once more. attach() knows it when it was given bytes, a WebAssembly.Module or the factory of
 * a module linked with -sMODULARIZE -sEXPORT_ES6; see its option `threads` for the rest. main() does not run there.
 * A job that traps, and a thread that dies, is an error of that job.
 */
#ifndef TOKIWA_THREADS_H
#define TOKIWA_THREADS_H

#include <stdlib.h>
#include <string.h>
#include "tokiwa.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A thread, above 0, until it is terminated or detached. */
typedef int32_t tk_thread;
/* Something that runs there, above 0, until tk_job_take() or tk_job_drop(). */
typedef int32_t tk_job;

enum {
  TK_EDIED = -20,       /* the thread has died, and its memory with it: start another */
  TK_ESTART = -21       /* the module could not be started there */
};

/* What a function on another thread gets. */
typedef struct tk_call {
  const void *input;        /* aligned to 16 bytes; it goes with the job */
  uint32_t input_length;
  void *output;             /* from malloc(), taken over; usually set by tk_call_reply() */
  uint32_t output_length;
  void *state;              /* a poll function's own, 0 at first */
  uint32_t reserved[3];
} tk_call;

/* Runs to its end, and nothing else on that thread meanwhile. */
typedef int32_t (*tk_call_fn)(tk_call *call);
/* Polled by the loop of that thread, as any poll function: timers, promises and threads of its own are all there. */
typedef int32_t (*tk_call_poll_fn)(tk_call *call, tk_task self);

/* Sets the bytes of the result. TK_READY, or TK_ENOMEM. */
static inline int32_t tk_call_reply(tk_call *call, const void *bytes, uint32_t length) {
  void *copy = length ? malloc(length) : 0;
  if (length && !copy) return TK_ENOMEM;
  if (length) memcpy(copy, bytes, length);
  free(call->output);
  call->output = copy;
  call->output_length = length;
  return TK_READY;
}

/* ---- threads */

/* Starts a thread: it can be given work at once. TK_ELIMIT: this module and its threads have as many as they may
 * (attach()'s threads.maxThreads, 64); inside a thread that may show at its jobs instead. TK_ENOSYS: there is no
 * second instance to be had of this module, the page's console says why. */
TK_IMPORT("tk_thread_new") tk_thread tk_thread_new(void);
/* Runs `fn` there with a copy of the bytes. A job, or TK_EINVAL (null or foreign function, bytes outside of the memory),
 * TK_ESTALE (no such thread: terminated or detached). */
TK_IMPORT("tk_thread_exec") tk_job tk_thread_exec(tk_thread thread, tk_call_fn fn, const void *bytes, uint32_t length);
/* The same for a poll function. Several jobs wait there side by side. */
TK_IMPORT("tk_thread_exec_poll") tk_job tk_thread_exec_poll(tk_thread thread, tk_call_poll_fn fn, const void *bytes, uint32_t length);
/* Runs JavaScript there, the body of a function; may_await: of an async one. The result's bytes are those of a Uint8Array, the
 * 8 of a number (a double), or the UTF-8 text of a string; of anything else its JSON. */
TK_IMPORT("tk_thread_exec_js") tk_job tk_thread_exec_js(tk_thread thread, const char *source, uint32_t length, int32_t may_await);
/* Ends it now, also in the middle of a job; what is pending there is TK_ECANCELED. 1; 0: it had ended before. */
TK_IMPORT("tk_thread_terminate") int32_t tk_thread_terminate(tk_thread thread);
/* It takes no more work, and ends when it has done what it has. TK_READY or TK_ESTALE. */
TK_IMPORT("tk_thread_detach") int32_t tk_thread_detach(tk_thread thread);

/* Runs `fn` on one of a few threads kept for such work (the runtime's maxBlockingThreads), whichever is free. Its static data is
 * that of whoever ran there before. TK_ELIMIT inside of such work inside of such work. */
TK_IMPORT("tk_spawn_blocking") tk_job tk_spawn_blocking(tk_call_fn fn, const void *bytes, uint32_t length);

/* ---- jobs */

TK_IMPORT("tk_job_start") int32_t tk_job_start(tk_job job, tk_task waiter);
TK_IMPORT("tk_job_result") int32_t tk_job_result(tk_job job);
/* TK_PENDING: `self` is woken when it ends. TK_READY: *result is what the function returned, also a negative number. Else what went
 * wrong: TK_ETRAP, TK_ECANCELED, TK_ENOMEM (no room for the bytes there), TK_ELIMIT, TK_EDIED, TK_ESTART,
 * TK_EREJECTED (JavaScript threw), and the job's bytes are a message in UTF-8. TK_ESTALE: taken or dropped. */
static inline int32_t tk_job_poll(tk_job job, tk_task self, int32_t *result) {
  int32_t state = tk_job_start(job, self);
  if (state == TK_READY && result) *result = tk_job_result(job);
  return state;
}
/* Bytes of the result; 0 while there is none. */
TK_IMPORT("tk_job_length") uint32_t tk_job_length(tk_job job);
/* Copies the result's bytes and forgets the job. How many they were; TK_EINVAL: more than `capacity`, nothing is copied;
 * TK_EBUSY: it has not ended; TK_ESTALE. */
TK_IMPORT("tk_job_take") int32_t tk_job_take(tk_job job, void *into, uint32_t capacity);
/* Aborts it: if it has not begun it never will; a poll function gets its last poll; a tk_call_fn goes on, in vain. 1, or
 * TK_ESTALE. */
TK_IMPORT("tk_job_abort") int32_t tk_job_abort(tk_job job);
/* Forgets it. One that runs goes on. */
TK_IMPORT("tk_job_drop") void tk_job_drop(tk_job job);

struct tk_job_wait { tk_job job; int32_t result; };
static inline int32_t tk_job_wait_poll(void *arg, tk_task self) {
  struct tk_job_wait *wait = (struct tk_job_wait *)arg;
  return self < 0 ? TK_ECANCELED : tk_job_poll(wait->job, self, &wait->result);
}
/* Waits for a job in blocking code, as tk_join() for a task. TK_READY with *result, or an error. */
static inline int32_t tk_job_wait(tk_job job, int32_t *result) {
  struct tk_job_wait wait = { job, 0 };
  int32_t state = tk_block_on(tk_job_wait_poll, &wait);
  if (state == TK_READY && result) *result = wait.result;
  return state;
}

/* Gives back what tk_alloc() gave; exported for the runtime. */
#ifdef __EMSCRIPTEN__
__attribute__((weak, used)) void tk_free(void *memory, unsigned long bytes);
#else
__attribute__((weak, export_name("tk_free"))) void tk_free(void *memory, unsigned long bytes);
#endif
void tk_free(void *memory, unsigned long bytes) { (void)bytes; free(memory); }

#ifdef __cplusplus
}
#endif
#endif
