/* The C page that loops.rs is linked into: it makes the loop and starts its threads. */
#include <stdatomic.h>
#include <emscripten.h>
#include <tokiwa-loops.h>

#define EXPORT EMSCRIPTEN_KEEPALIVE

extern int32_t rs_total(void), rs_done(void), rs_moved(void), rs_guards(void), rs_block(tk_loop loop);
extern void rs_tree(tk_loop loop, int32_t depth), rs_sleepers(tk_loop loop, int32_t count), rs_aborts(tk_loop loop, int32_t count);

/* Not inlined, and with an effect: pthread_self() counts as constant. */
__attribute__((noinline)) uint32_t thread_here(void) {
  __asm__ volatile("" ::: "memory");
  return (uint32_t)(uintptr_t)pthread_self();
}

EXPORT tk_loop loop_new(void) { return tk_loop_new(); }
EXPORT int32_t loop_start(tk_loop loop, int32_t threads) { return tk_loop_start(loop, threads); }
EXPORT int32_t loop_runners(tk_loop loop) { return tk_loop_runners(loop); }
EXPORT int32_t total_get(void) { return rs_total(); }
EXPORT int32_t done_get(void) { return rs_done(); }
EXPORT int32_t moved_get(void) { return rs_moved(); }
EXPORT int32_t guards_get(void) { return rs_guards(); }
EXPORT void start_tree(tk_loop loop, int32_t depth) { rs_tree(loop, depth); }
EXPORT void start_sleepers(tk_loop loop, int32_t count) { rs_sleepers(loop, count); }
EXPORT void start_aborts(tk_loop loop, int32_t count) { rs_aborts(loop, count); }

static _Atomic int32_t blocked;
EXPORT int32_t blocked_get(void) { return blocked; }
static void *blocker(void *loop) { blocked = rs_block((tk_loop)(uintptr_t)loop); return 0; }
EXPORT void start_blocker(tk_loop loop) {
  pthread_t thread;
  pthread_create(&thread, 0, blocker, (void *)(uintptr_t)loop);
  pthread_detach(thread);
}
