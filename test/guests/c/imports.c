/* A plain module that imports more than tokiwa, which its threads need, too (the option threads.imports). */
#include <stdlib.h>
#include <tokiwa-threads.h>

#define EXPORT __attribute__((visibility("default"), used))

__attribute__((import_module("page"), import_name("twice"))) int32_t page_twice(int32_t n);

static int32_t twice(tk_call *call) { return page_twice(*(const int32_t *)call->input); }

struct asking { int32_t n; tk_thread thread; tk_job job; };
static int32_t asking_poll(void *arg, tk_task self) {
  struct asking *a = arg;
  int32_t result = 0;
  if (self < 0) { free(a); return 0; }
  if (a->job == 0) {
    a->thread = tk_thread_new();
    a->job = a->thread < 0 ? a->thread : tk_thread_exec(a->thread, twice, &a->n, sizeof a->n);
  }
  int32_t state = a->job < 0 ? a->job : tk_job_poll(a->job, self, &result);
  if (state == TK_PENDING) return TK_PENDING;
  tk_thread_terminate(a->thread);
  free(a);
  return state == TK_READY ? 1000 + result : state;
}
/* 1000 + twice n, or an error. */
EXPORT tk_task twice_elsewhere(int32_t n) {
  struct asking *a = calloc(1, sizeof *a);
  a->n = n;
  return tk_spawn(asking_poll, a);
}
EXPORT int32_t twice_here(int32_t n) { return page_twice(n); }
