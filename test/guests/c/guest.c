/* What the tests of C guests run. Compiled by emcc and by clang; see scripts/build-guests.mjs. */
#include <stdlib.h>
#include <tokiwa.h>

#ifdef __EMSCRIPTEN__
#include <emscripten.h>
#define EXPORT EMSCRIPTEN_KEEPALIVE
#else
#define EXPORT __attribute__((visibility("default"), used))
#endif

/* ---- what happened, for the test to read */
static int32_t trace[256];
static int32_t trace_length;
static void note(int32_t value) { if (trace_length < 256) trace[trace_length++] = value; }
EXPORT int32_t trace_take(int32_t at) { return at < trace_length ? trace[at] : -1000; }
EXPORT int32_t trace_count(void) { return trace_length; }
EXPORT void trace_clear(void) { trace_length = 0; }

/* ---- counting tasks */
static uint32_t counter;
static int32_t live_objects;
EXPORT uint32_t counter_get(void) { return counter; }
EXPORT int32_t objects_get(void) { return live_objects; }

static int32_t tick(void *arg, tk_task self) { (void)self; counter += (uint32_t)(uintptr_t)arg; return TK_READY; }
EXPORT tk_poll_fn tick_fn(void) { return tick; }
EXPORT int32_t fill(int32_t n) {
  for (int32_t i = 0; i < n; i++) { tk_task t = tk_spawn_detached(tick, (void *)1); if (t < 0) return t; }
  return n;
}

struct yielder { int32_t left; };
static int32_t yield_poll(void *arg, tk_task self) {
  struct yielder *y = arg;
  if (self < 0 || y->left == 0) { free(y); live_objects--; return 7; }
  y->left--;
  counter++;
  return TK_YIELD;
}
EXPORT tk_poll_fn yield_fn(void) { return yield_poll; }
EXPORT void *yielder_new(int32_t n) { struct yielder *y = malloc(sizeof *y); y->left = n; live_objects++; return y; }
EXPORT tk_task yielder_spawn(int32_t n) { return tk_spawn(yield_poll, yielder_new(n)); }

EXPORT tk_task yielder_spawn_detached(int32_t n) { return tk_spawn_detached(yield_poll, yielder_new(n)); }

/* ---- never ready; frees what it owns when aborted */
static int32_t idle_poll(void *arg, tk_task self) {
  if (self < 0) { note(-(int32_t)(uintptr_t)arg); return 99; }
  note((int32_t)(uintptr_t)arg);
  return TK_PENDING;
}
EXPORT tk_poll_fn idle_fn(void) { return idle_poll; }
EXPORT tk_task idle_spawn(int32_t id) { return tk_spawn(idle_poll, (void *)(uintptr_t)id); }

/* ---- a task that waits for another, then for a timer */
struct joiner { tk_task other; tk_timer timer; int32_t state; int32_t result; };
static int32_t join_poll(void *arg, tk_task self) {
  struct joiner *j = arg;
  if (self < 0) { tk_timer_stop(&j->timer); free(j); live_objects--; return 0; }
  if (j->state == 0) {
    int32_t state = tk_join_poll(j->other, self, &j->result);
    if (state != TK_READY) { if (state < 0) { free(j); live_objects--; } return state; }
    note(j->result);
    j->state = 1;
    tk_timer_start(&j->timer, self, 20);
  }
  if (!tk_timer_done(&j->timer)) return TK_PENDING;
  note(1000);
  int32_t result = 100 + j->result;
  free(j);
  live_objects--;
  return result;
}
EXPORT tk_task joiner_spawn(tk_task other) {
  struct joiner *j = calloc(1, sizeof *j);
  j->other = other;
  j->timer.id = -1;
  live_objects++;
  return tk_spawn(join_poll, j);
}

/* ---- a promise of JavaScript */
struct waiter { tk_promise promise; };
static int32_t await_poll(void *arg, tk_task self) {
  struct waiter *w = arg;
  double value = 0;
  if (self < 0) { free(w); live_objects--; return 0; }
  int32_t state = tk_await_poll(w->promise, self, &value);
  if (state == TK_PENDING) return state;
  tk_promise_drop(w->promise);
  free(w);
  live_objects--;
  return state == TK_READY ? (int32_t)value : state;
}
EXPORT tk_task awaiter_spawn(tk_promise p) { struct waiter *w = malloc(sizeof *w); w->promise = p; live_objects++; return tk_spawn(await_poll, w); }
EXPORT tk_promise promise_of(tk_task task) { return tk_promise_from_task(task); }

/* ---- bad behaviour */
static int32_t trap_poll(void *arg, tk_task self) {
  volatile char frame[4096];
  frame[0] = (char)self;
  if (arg) counter += (uint32_t)frame[0];
  __builtin_trap();
}
static int32_t garbage_poll(void *arg, tk_task self) { (void)self; return (int32_t)(uintptr_t)arg; }
static int32_t suicide_poll(void *arg, tk_task self) { (void)arg; if (self < 0) { note(-5); return 0; } note(tk_abort(self)); return TK_PENDING; }
static int32_t reenter_poll(void *arg, tk_task self) { (void)arg; (void)self; return tk_drive(tk_loop_main(), 100, 100) == TK_EBUSY ? 11 : 12; }
static int32_t block_poll(void *arg, tk_task self) { (void)arg; (void)self; return tk_sleep(1) == TK_EWOULDBLOCK ? 21 : 22; }
static void wrong_type(void) {}
static int32_t chain_poll(void *arg, tk_task self) { (void)self; counter++; tk_spawn_detached(chain_poll, arg); return TK_READY; }
static int32_t self_join_poll(void *arg, tk_task self) { (void)arg; return tk_join_poll(self, self, 0); }
static int32_t coop_poll(void *arg, tk_task self) { int32_t n = 0; (void)arg; (void)self; while (tk_coop()) n++; return n; }
static char *blob;
static int32_t grow_poll(void *arg, tk_task self) {
  (void)self;
  blob = malloc((size_t)(uintptr_t)arg);
  if (!blob) return TK_ENOMEM;
  blob[0] = 1;
  free(blob);
  return 31;
}
EXPORT tk_poll_fn bad_fn(int32_t which) {
  switch (which) {
    case 0: return trap_poll;
    case 1: return garbage_poll;
    case 2: return suicide_poll;
    case 3: return reenter_poll;
    case 4: return block_poll;
    case 5: return (tk_poll_fn)(void *)wrong_type;
    case 6: return chain_poll;
    case 7: return self_join_poll;
    case 8: return coop_poll;
    case 9: return grow_poll;
  }
  return 0;
}
EXPORT tk_task raw_spawn(uint32_t fn, uint32_t arg) { return tk_spawn((tk_poll_fn)(uintptr_t)fn, (void *)(uintptr_t)arg); }
EXPORT int32_t raw_wake(tk_task t) { return tk_wake(t); }
EXPORT int32_t raw_abort(tk_task t) { return tk_abort(t); }
EXPORT int32_t raw_live(tk_task t) { return tk_is_live(t); }
EXPORT int32_t raw_join(tk_task t) { int32_t r = 0; int32_t s = tk_join_poll(t, 0x3fffff, &r); return s == TK_READY ? 1000 + r : s; }
EXPORT int32_t raw_drive(uint32_t loop, double polls, double ms) { return tk_drive(loop ? loop : tk_loop_main(), polls, ms); }
EXPORT double raw_next(void) { return tk_next_timeout_ms(tk_loop_main()); }
EXPORT int32_t raw_alive(void) { return tk_alive(tk_loop_main()); }
EXPORT int32_t raw_sleep(double ms) { return tk_sleep(ms); }
EXPORT int32_t raw_await(tk_promise p) { return tk_await_poll(p, 0, 0); }
EXPORT int32_t block_on_ready(void) { return tk_block_on(yield_poll, yielder_new(3)); }
EXPORT int32_t block_on_idle(void) { return tk_block_on(idle_poll, (void *)77); }

/* ---- blocking code */
static int32_t corrupted;
EXPORT int32_t corrupted_get(void) { return corrupted; }
__attribute__((noinline)) static int32_t deep(int32_t id, int32_t depth) {
  volatile unsigned char buffer[256];
  int32_t bad = 0;
  for (int32_t i = 0; i < 256; i++) buffer[i] = (unsigned char)(id * 31 + depth * 7 + i);
  if (id % 4 == 3) tk_yield(); else tk_sleep(id % 3);
  if (depth) bad += deep(id, depth - 1);
  tk_sleep((id + depth) % 2);
  for (int32_t i = 0; i < 256; i++) if (buffer[i] != (unsigned char)(id * 31 + depth * 7 + i)) bad++;
  return bad;
}
static int32_t canary(void *arg) { int32_t id = (int32_t)(uintptr_t)arg; corrupted += deep(id, id % 7); return id; }
EXPORT tk_stack_fn canary_fn(void) { return canary; }
EXPORT tk_task canary_spawn(int32_t id) { return tk_spawn_stack(canary, (void *)(uintptr_t)id); }

/* A test program as people write them: spawn, sleep, join, assert, exit code. */
EXPORT int32_t program(int32_t tasks) {
  tk_task ids[64];
  int32_t sum = 0, result = 0;
  double start = tk_now();
  if (tasks > 64) return 2;
  for (int32_t i = 0; i < tasks; i++) if ((ids[i] = tk_spawn_stack(canary, (void *)(uintptr_t)i)) < 0) return 3;
  if (tk_sleep(30) != 0) return 4;
  if (tk_now() - start < 30) return 5;
  for (int32_t i = 0; i < tasks; i++) {
    if (tk_join(ids[i], &result) != TK_READY) return 6;
    sum += result;
  }
  tk_task poll = tk_spawn(yield_poll, yielder_new(5));
  if (tk_join(poll, &result) != TK_READY || result != 7) return 7;
  if (tk_block_on(yield_poll, yielder_new(4)) != 7) return 8;
  return sum == tasks * (tasks - 1) / 2 && corrupted == 0 ? 0 : 1;
}
EXPORT int32_t wait_for(tk_promise p) { double v = 0; int32_t s = tk_await(p, &v); return s == TK_READY ? (int32_t)v : s; }
EXPORT int32_t sleep_ms(int32_t ms) { return tk_sleep(ms); }
EXPORT int32_t sleep_forever(void) { int32_t r = tk_sleep(__builtin_inf()); note(r); note(tk_sleep(1)); return r; }
EXPORT int32_t trap_later(void) { volatile char frame[2048]; frame[0] = 1; tk_sleep(1); if (frame[0]) __builtin_trap(); return 0; }
EXPORT int32_t overflow(int32_t depth) {
  volatile char frame[1024];
  for (int32_t i = 0; i < 1024; i++) frame[i] = (char)depth;
  int32_t r = depth ? overflow(depth - 1) : 0;
  return r + frame[5] - depth;
}
EXPORT int32_t yield_loop(int32_t n) { for (int32_t i = 0; i < n; i++) tk_yield(); return n; }
EXPORT int32_t sleep_loop(int32_t n) { for (int32_t i = 0; i < n; i++) tk_sleep(0); return n; }

/* ---- timers, each of a task of its own, for the benchmarks */
struct sleeper { tk_timer timer; double ms; };
static int32_t sleeper_poll(void *arg, tk_task self) {
  struct sleeper *s = arg;
  if (self >= 0 && s->timer.id == -2) { tk_timer_start(&s->timer, self, s->ms); return TK_PENDING; }
  if (self >= 0 && !tk_timer_done(&s->timer)) return TK_PENDING;
  tk_timer_stop(&s->timer);
  free(s);
  counter++;
  return TK_READY;
}
EXPORT int32_t sleepers(int32_t n, double ms) {
  for (int32_t i = 0; i < n; i++) {
    struct sleeper *s = malloc(sizeof *s);
    s->timer.id = -2;
    s->ms = ms;
    if (tk_spawn_detached(sleeper_poll, s) < 0) return i;
  }
  return n;
}
