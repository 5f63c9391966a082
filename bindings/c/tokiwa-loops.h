/* tokiwa-loops.h: tasks that any thread of a guest may run.
 *
 * C99, on top of tokiwa.h, for modules built with and without -pthread from one source.
 *
 *   With -pthread   a loop is run by every pthread that calls tk_loop_run() for it; its poll tasks go from thread to thread (each
 *                   has a queue, and takes half of another's when it has nothing), so what they touch must be safe for that. All of
 *                   tokiwa.h's calls about such tasks work on every thread: tk_wake, tk_abort, tk_join_poll, tk_timer_*.
 *                   emcc -pthread app.c $(npx tokiwa emscripten --cflags --ldflags --pthread)
 *   Without         there is one loop, the main thread's own, and everything runs there.
 *
 * In a poll task tk_spawn() spawns on the loop that runs it. A pthread outside of a loop may really wait: tk_sleep(), tk_join(),
 * tk_block_on() block it, with no JSPI; inside a poll task they return TK_EWOULDBLOCK. What belongs to the page (promises, I/O, stackful
 * tasks) is the main thread's: elsewhere TK_ENOSYS.
 */
#ifndef TOKIWA_LOOPS_H
#define TOKIWA_LOOPS_H

#include "tokiwa.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __EMSCRIPTEN_PTHREADS__
#include <pthread.h>
#include <stdlib.h>

/* A new loop; 0: no memory, or the module is detached. */
extern tk_loop tk_loop_new(void);
/* Runs the loop's tasks on this pthread until tk_loop_stop(). TK_READY; TK_ECLOSED: the module was detached; TK_EINVAL: no such
 * loop; TK_EBUSY: this thread runs one; TK_EWOULDBLOCK: this is the main thread, which may not wait. At most 64 threads a loop: TK_ENOMEM. */
extern int32_t tk_loop_run(tk_loop loop);
/* Every tk_loop_run() of the loop returns; its tasks stay. TK_READY or TK_EINVAL. */
extern int32_t tk_loop_stop(tk_loop loop);
/* Gives a loop back that nobody runs (tk_loop_stop(), then wait until tk_loop_runners() is 0). Its tasks end at once, each with its last
 * poll on this thread; their handles can be joined as ever. TK_READY; TK_EINVAL: no such loop; TK_EBUSY: a thread runs it, or this is a task of a loop.
 * What is not freed goes when the module has been detached and every thread has left. */
extern int32_t tk_loop_free(tk_loop loop);
/* Threads that run the loop now. */
extern int32_t tk_loop_runners(tk_loop loop);
/* Tasks of the loop that have not ended. */
extern int32_t tk_loop_alive(tk_loop loop);
/* As tk_spawn() and tk_spawn_detached(), from any thread. At most 65 536 tasks at once: TK_ENOMEM. */
extern tk_task tk_spawn_on(tk_loop loop, tk_poll_fn fn, void *arg);
extern tk_task tk_spawn_detached_on(tk_loop loop, tk_poll_fn fn, void *arg);

static inline void *tk_loop_thread(void *loop) { return (void *)(intptr_t)tk_loop_run((tk_loop)(uintptr_t)loop); }
/* Starts so many detached pthreads that run the loop. How many were started. */
static inline int32_t tk_loop_start(tk_loop loop, int32_t threads) {
  int32_t started = 0;
  pthread_t thread;
  while (started < threads && pthread_create(&thread, 0, tk_loop_thread, (void *)(uintptr_t)loop) == 0) {
    pthread_detach(thread);
    started++;
  }
  return started;
}

/* Where the loops' memory begins; exported for the runtime. */
__attribute__((weak)) uint32_t tk_shared_word;
__attribute__((weak, used)) uint32_t *tk_shared_root(void);
uint32_t *tk_shared_root(void) { return &tk_shared_word; }
#ifndef TOKIWA_THREADS_H
__attribute__((weak, used)) void tk_free(void *memory, unsigned long bytes);
void tk_free(void *memory, unsigned long bytes) { (void)bytes; free(memory); }
#endif

#else
static inline tk_loop tk_loop_new(void) { return tk_loop_main(); }
static inline int32_t tk_loop_run(tk_loop loop) { (void)loop; return TK_EWOULDBLOCK; }
static inline int32_t tk_loop_free(tk_loop loop) { return loop == tk_loop_main() ? TK_READY : TK_EINVAL; } /* its tasks go on: it is the page's */
static inline int32_t tk_loop_stop(tk_loop loop) { return loop == tk_loop_main() ? TK_READY : TK_EINVAL; }
static inline int32_t tk_loop_runners(tk_loop loop) { return loop == tk_loop_main() ? 1 : TK_EINVAL; }
static inline int32_t tk_loop_alive(tk_loop loop) { return tk_alive(loop); }
static inline tk_task tk_spawn_on(tk_loop loop, tk_poll_fn fn, void *arg) { return loop == tk_loop_main() ? tk_spawn(fn, arg) : TK_EINVAL; }
static inline tk_task tk_spawn_detached_on(tk_loop loop, tk_poll_fn fn, void *arg) { return loop == tk_loop_main() ? tk_spawn_detached(fn, arg) : TK_EINVAL; }
static inline int32_t tk_loop_start(tk_loop loop, int32_t threads) { (void)loop; (void)threads; return 0; }
#endif

#ifdef __cplusplus
}
#endif
#endif
