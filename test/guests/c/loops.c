/* What the tests of loops that several threads run do (SCENARIOS B5): one source, built with and without -pthread. */
#include <stdatomic.h>
#include <malloc.h>
#include <stdlib.h>
#include <emscripten.h>
#include <tokiwa-loops.h>

#define EXPORT EMSCRIPTEN_KEEPALIVE

#ifdef __EMSCRIPTEN_PTHREADS__
#define HERE ((uint32_t)(uintptr_t)pthread_self())
#else
#define HERE 1u
#endif

static _Atomic int32_t counter, moved, ended, early, inside;
EXPORT int32_t counter_get(void) { return counter; }
EXPORT int32_t moved_get(void) { return moved; }
EXPORT int32_t ended_get(void) { return ended; }
EXPORT int32_t early_get(void) { return early; }
EXPORT void reset(void) { counter = moved = ended = early = 0; }

EXPORT tk_loop loop_new(void) { return tk_loop_new(); }
EXPORT int32_t loop_start(tk_loop loop, int32_t threads) { return tk_loop_start(loop, threads); }
EXPORT int32_t loop_run(tk_loop loop) { return tk_loop_run(loop); }
EXPORT int32_t loop_free(tk_loop loop) { return tk_loop_free(loop); }
EXPORT int32_t heap_used(void) { return (int32_t)mallinfo().uordblks; }
EXPORT int32_t loop_stop(tk_loop loop) { return tk_loop_stop(loop); }
EXPORT int32_t loop_runners(tk_loop loop) { return tk_loop_runners(loop); }
EXPORT int32_t loop_alive(tk_loop loop) { return tk_loop_alive(loop); }

/* ---- tasks that yield, and note when they find themselves on another thread */
struct yielder { int32_t left; uint32_t where; int32_t polls; };
static int32_t yielder_poll(void *arg, tk_task self) {
  struct yielder *y = arg;
  if (self < 0) { free(y); return 0; }
  if (y->where && y->where != HERE) moved++;
  y->where = HERE;
  if (y->polls++ < 0) abort();
  for (volatile int32_t i = 0; i < 200; i++) {}
  if (y->left-- == 0) { free(y); ended++; return 7; }
  counter++;
  return TK_YIELD;
}
static struct yielder *yielder_new(int32_t yields) { struct yielder *y = calloc(1, sizeof *y); y->left = yields; return y; }
EXPORT tk_task yielder_on(tk_loop loop, int32_t yields) { return tk_spawn_on(loop, yielder_poll, yielder_new(yields)); }
EXPORT int32_t yielders_on(tk_loop loop, int32_t n, int32_t yields) {
  for (int32_t i = 0; i < n; i++) { tk_task t = tk_spawn_detached_on(loop, yielder_poll, yielder_new(yields)); if (t < 0) return t; }
  return n;
}

/* ---- the main thread's task waits for tasks of the loop: their results added up */
struct joiner { int32_t count, at, sum; tk_task *tasks; };
static int32_t joiner_poll(void *arg, tk_task self) {
  struct joiner *j = arg;
  if (self < 0) { free(j->tasks); free(j); return 0; }
  for (; j->at < j->count; j->at++) {
    int32_t result = 0, state = tk_join_poll(j->tasks[j->at], self, &result);
    if (state == TK_PENDING) return TK_PENDING;
    if (state != TK_READY) return state;
    j->sum += result;
  }
  int32_t sum = j->sum;
  free(j->tasks);
  free(j);
  return sum;
}
static struct joiner *joiner_new(int32_t n) {
  struct joiner *j = calloc(1, sizeof *j);
  j->count = n;
  j->tasks = calloc((size_t)n, sizeof *j->tasks);
  return j;
}
EXPORT tk_task join_yielders(tk_loop loop, int32_t n, int32_t yields) {
  struct joiner *j = joiner_new(n);
  for (int32_t i = 0; i < n; i++) j->tasks[i] = yielder_on(loop, yields);
  return tk_spawn(joiner_poll, j);
}

/* ---- tasks of the loop that spawn tasks and join them: a tree with 2^depth leaves */
struct tree { int32_t depth; struct joiner *children; };
static int32_t tree_poll(void *arg, tk_task self) {
  struct tree *t = arg;
  if (self < 0) { free(t); return 0; }
  if (t->depth == 0) { free(t); return 1; }
  if (!t->children) {
    t->children = joiner_new(2);
    for (int32_t i = 0; i < 2; i++) {
      struct tree *child = calloc(1, sizeof *child);
      child->depth = t->depth - 1;
      t->children->tasks[i] = tk_spawn(tree_poll, child);
      if (t->children->tasks[i] < 0) return t->children->tasks[i];
    }
  }
  int32_t sum = joiner_poll(t->children, self);
  if (sum == TK_PENDING) return TK_PENDING;
  free(t);
  return sum + 1;
}
EXPORT tk_task tree_on(tk_loop loop, int32_t depth) {
  struct tree *t = calloc(1, sizeof *t);
  t->depth = depth;
  return tk_spawn_on(loop, tree_poll, t);
}

/* ---- a token that goes round a ring of tasks: each waits to be woken by the one before it. Lost wakes stop it */
struct link { _Atomic int32_t tokens; _Atomic tk_task task; struct link *next; _Atomic int32_t *left; tk_task boss; };
static int32_t link_poll(void *arg, tk_task self) {
  struct link *l = arg;
  if (self < 0) return 0;
  l->task = self;
  if (atomic_fetch_add(&inside, 1) < 0) abort();
  while (l->tokens > 0) {
    l->tokens--;
    counter++;
    if (atomic_fetch_sub(l->left, 1) == 1) tk_wake(l->boss);
    l->next->tokens++;
    tk_task next = l->next->task;
    if (next) tk_wake(next);
  }
  atomic_fetch_sub(&inside, 1);
  return *l->left <= 0 ? TK_READY : TK_PENDING;
}
struct boss { _Atomic int32_t left; struct link *links; int32_t n, rounds, tokens, started, at; tk_loop loop; tk_task *tasks; };
static int32_t boss_poll(void *arg, tk_task self) {
  struct boss *b = arg;
  if (self < 0) return 0;
  if (!b->started) {
    b->started = 1;
    b->left = b->rounds * b->n;
    b->links = calloc((size_t)b->n, sizeof *b->links);
    b->tasks = calloc((size_t)b->n, sizeof *b->tasks);
    for (int32_t i = 0; i < b->n; i++) {
      b->links[i].next = &b->links[(i + 1) % b->n];
      b->links[i].left = &b->left;
      b->links[i].boss = self;
      if (i < b->tokens) b->links[i].tokens = 1;
    }
    for (int32_t i = 0; i < b->n; i++) b->tasks[i] = tk_spawn_on(b->loop, link_poll, &b->links[i]);
  }
  if (b->left > 0) return TK_PENDING;
  for (; b->at < b->n; b->at++) {
    tk_wake(b->tasks[b->at]);
    if (tk_join_poll(b->tasks[b->at], self, 0) == TK_PENDING) return TK_PENDING;
  }
  free(b->links); free(b->tasks); free(b);
  return TK_READY;
}
EXPORT tk_task ring_spawn(tk_loop loop, int32_t n, int32_t rounds, int32_t tokens) {
  struct boss *b = calloc(1, sizeof *b);
  b->loop = loop; b->n = n; b->rounds = rounds; b->tokens = tokens;
  return tk_spawn(boss_poll, b);
}

/* ---- timers */
struct sleeper { tk_timer timer; double start; int32_t ms, started; };
static int32_t sleeper_poll(void *arg, tk_task self) {
  struct sleeper *s = arg;
  if (self < 0) { tk_timer_stop(&s->timer); free(s); ended += 1000; return 0; }
  if (!s->started) {
    s->started = 1;
    s->start = tk_now();
    int32_t state = tk_timer_start(&s->timer, self, s->ms);
    if (state < 0) return state;
  }
  if (!tk_timer_done(&s->timer)) return TK_PENDING;
  if (tk_now() - s->start < s->ms) early++;
  free(s);
  ended++;
  return 5;
}
EXPORT tk_task sleeper_on(tk_loop loop, int32_t ms) {
  struct sleeper *s = calloc(1, sizeof *s);
  s->ms = ms;
  return tk_spawn_on(loop, sleeper_poll, s);
}

/* ---- a task of the main thread that a task of the loop wakes */
struct told { tk_loop loop; tk_task self; _Atomic int32_t is_told; int32_t started; };
static int32_t teller_poll(void *arg, tk_task self) {
  struct told *t = arg;
  if (self < 0) return 0;
  tk_task main = t->self;                                  /* it may be gone once it is told */
  t->is_told = 1;
  tk_wake(main);
  return TK_READY;
}
static int32_t told_poll(void *arg, tk_task self) {
  struct told *t = arg;
  if (self < 0) return 0;
  if (!t->started) { t->started = 1; t->self = self; tk_spawn_detached_on(t->loop, teller_poll, t); }
  if (!t->is_told) return TK_PENDING;
  free(t);
  return 11;
}
EXPORT tk_task told_spawn(tk_loop loop) { struct told *t = calloc(1, sizeof *t); t->loop = loop; return tk_spawn(told_poll, t); }

/* ---- chaos: tasks that spawn victims, and wake, abort, detach and join them, from whichever thread. Each victim is born once
 * and dies once, by itself or by its last poll */
static _Atomic int32_t born, died, twice;
EXPORT int32_t born_get(void) { return born; }
EXPORT int32_t died_get(void) { return died; }
EXPORT int32_t twice_get(void) { return twice; }
struct victim { tk_timer timer; int32_t kind, left; _Atomic int32_t inside, dead; };
static int32_t victim_die(struct victim *v) { if (atomic_exchange(&v->dead, 1)) twice++; died++; free(v); return 3; }
static int32_t victim_poll(void *arg, tk_task self) {
  struct victim *v = arg;
  if (atomic_fetch_add(&v->inside, 1) != 0) twice++;         /* two threads in one task */
  int32_t result = TK_PENDING;
  if (self < 0) { tk_timer_stop(&v->timer); return victim_die(v); }
  if (v->kind == 0) result = v->left-- > 0 ? TK_YIELD : victim_die(v);
  else if (v->kind == 1) {                                   /* sleeps; a wake that comes early changes nothing */
    if (v->left) { v->left = 0; tk_timer_start(&v->timer, self, 1); }
    if (tk_timer_done(&v->timer)) result = victim_die(v);
  } else if (v->left-- <= 0) result = victim_die(v);         /* needs to be woken */
  if (result != 3) atomic_fetch_sub(&v->inside, 1);
  return result;
}
struct chaos { uint32_t seed; int32_t rounds, live; tk_task victims[16]; tk_task joining; };
static uint32_t chance(struct chaos *c, uint32_t n) { c->seed = c->seed * 1664525u + 1013904223u; return (c->seed >> 8) % n; }
static int32_t chaos_poll(void *arg, tk_task self) {
  struct chaos *c = arg;
  if (self < 0) return 0;
  for (int32_t step = 0; step < 50; step++) {
    if (c->joining) {
      tk_wake(c->joining);                                   /* victims that need it would not end otherwise */
      int32_t state = tk_join_poll(c->joining, self, 0);
      if (state == TK_PENDING) {
        if (chance(c, 4) == 0) tk_abort(c->joining);
        return chance(c, 2) ? TK_YIELD : (tk_abort(c->joining), TK_PENDING);
      }
      if (state != TK_READY) return -100 + state;
      c->joining = 0;
    }
    if (c->rounds <= 0 && c->live == 0) { ended++; free(c); return TK_READY; }
    uint32_t what = chance(c, 6);
    if (c->rounds-- > 0 && what < 3 && c->live < 16) {
      struct victim *v = calloc(1, sizeof *v);
      v->kind = (int32_t)chance(c, 3);
      v->left = 1 + (int32_t)chance(c, 4);
      v->timer.id = -1;
      born++;
      tk_task t = tk_spawn(victim_poll, v);
      if (t < 0) return t;
      c->victims[c->live++] = t;
    } else if (c->live > 0) {
      tk_task t = c->victims[chance(c, (uint32_t)c->live)];
      if (what == 3) tk_wake(t);
      else if (what == 4) tk_abort(t);
      else { c->joining = t; for (int32_t i = 0; i < c->live; i++) if (c->victims[i] == t) { c->victims[i] = c->victims[--c->live]; break; } }
    }
  }
  return TK_YIELD;
}
EXPORT int32_t chaos_start(tk_loop loop, int32_t n, int32_t rounds, uint32_t seed) {
  for (int32_t i = 0; i < n; i++) {
    struct chaos *c = calloc(1, sizeof *c);
    c->seed = seed + (uint32_t)i * 7919;
    c->rounds = rounds;
    tk_task t = tk_spawn_detached_on(loop, chaos_poll, c);
    if (t < 0) return t;
  }
  return n;
}

/* ---- for measurements: yields and nothing else */
static int32_t lean_poll(void *arg, tk_task self) {
  int32_t *left = arg;
  if (self < 0 || --*left <= 0) { free(left); return TK_READY; }
  return TK_YIELD;
}
EXPORT tk_task lean_join(tk_loop loop, int32_t n, int32_t yields) {
  struct joiner *j = joiner_new(n);
  for (int32_t i = 0; i < n; i++) {
    int32_t *left = malloc(sizeof *left);
    *left = yields;
    j->tasks[i] = tk_spawn_on(loop, lean_poll, left);
  }
  return tk_spawn(joiner_poll, j);
}

/* ---- blocking code of the main thread */
static int32_t blocking_join_code(void *loop) {
  int32_t result = 0, state = tk_join(sleeper_on((tk_loop)(uintptr_t)loop, 5), &result);
  return state == TK_READY ? result : state;
}
EXPORT tk_task blocking_join(tk_loop loop) { return tk_spawn_stack(blocking_join_code, (void *)(uintptr_t)loop); }

/* ---- tasks that count their polls: one of the main thread, one of the loop */
static _Atomic int32_t polls[2];
static int32_t polls_poll(void *arg, tk_task self) { if (self >= 0) polls[(intptr_t)arg]++; return TK_PENDING; }
EXPORT int32_t polls_get(int32_t which) { return polls[which]; }
EXPORT tk_task polls_spawn(tk_loop loop) { return loop ? tk_spawn_on(loop, polls_poll, (void *)1) : tk_spawn(polls_poll, 0); }

/* ---- what goes wrong */
static int32_t trap_poll(void *arg, tk_task self) { (void)arg; (void)self; __builtin_trap(); }
static int32_t never_poll(void *arg, tk_task self) { (void)arg; if (self < 0) ended += 100; return TK_PENDING; }
static int32_t blocking_poll(void *arg, tk_task self) { (void)arg; (void)self; return 1000 + tk_sleep(1); }
static int32_t self_join_poll(void *arg, tk_task self) { (void)arg; return 1000 + tk_join_poll(self, self, 0); }
static int32_t foreign_poll(void *arg, tk_task self) { (void)arg; (void)self; return 1000 + tk_spawn_stack(0, 0) + tk_await_start(1, self); }
EXPORT tk_task trap_on(tk_loop loop) { return tk_spawn_on(loop, trap_poll, 0); }
static int32_t trap_late_poll(void *arg, tk_task self) { (void)arg; if (self < 0) __builtin_trap(); return TK_PENDING; }
EXPORT tk_task trap_on_last_poll(tk_loop loop) { return tk_spawn_on(loop, trap_late_poll, 0); }
EXPORT tk_task never_on(tk_loop loop) { return tk_spawn_on(loop, never_poll, 0); }
EXPORT tk_task blocking_on(tk_loop loop) { return tk_spawn_on(loop, blocking_poll, 0); }
EXPORT tk_task self_join_on(tk_loop loop) { return tk_spawn_on(loop, self_join_poll, 0); }
EXPORT tk_task foreign_on(tk_loop loop) { return tk_spawn_on(loop, foreign_poll, 0); }
EXPORT tk_task null_on(tk_loop loop) { return tk_spawn_on(loop, 0, 0); }
EXPORT tk_task wild_on(tk_loop loop) { return tk_spawn_on(loop, (tk_poll_fn)(uintptr_t)1000000, 0); }
EXPORT int32_t abort_task(tk_task task) { return tk_abort(task); }
EXPORT int32_t wake_task(tk_task task) { return tk_wake(task); }
EXPORT int32_t is_live(tk_task task) { return tk_is_live(task); }
EXPORT void detach_task(tk_task task) { tk_detach(task); }
EXPORT int32_t join_task(tk_task task) { return tk_join_start(task, 0); }

#ifdef __EMSCRIPTEN_PTHREADS__
/* ---- a pthread outside of any loop really waits */
static void *waiter(void *arg) {
  tk_loop loop = (tk_loop)(uintptr_t)arg;
  double start = tk_now();
  int32_t sum = 0, result = 0;
  if (tk_sleep(20) == 0 && tk_now() - start >= 20) sum += 1;
  if (tk_join(sleeper_on(loop, 10), &result) == TK_READY) sum += 10 * result;
  struct joiner *j = joiner_new(10);
  for (int32_t i = 0; i < 10; i++) j->tasks[i] = yielder_on(loop, 3);
  sum += 100 * tk_block_on(joiner_poll, j);
  counter = sum;
  ended = 1;
  return 0;
}

/* ---- threads that make loops, run their own and each other's, and free them, while others spawn there and wake whatever was there once */
#define CHURNERS 4
static _Atomic tk_loop churned[CHURNERS];
static _Atomic tk_task mortals[64];
static _Atomic int32_t churning, foreign_runs, refused;
EXPORT int32_t foreign_runs_get(void) { return foreign_runs; }
EXPORT int32_t refused_get(void) { return refused; }
EXPORT int32_t churning_get(void) { return churning; }
static int32_t mortal_poll(void *arg, tk_task self) { (void)arg; if (self >= 0) return TK_PENDING; died++; return 0; }
static int32_t free_itself_poll(void *arg, tk_task self) { (void)self; return 1000 + tk_loop_free((tk_loop)(uintptr_t)arg); }
EXPORT tk_task free_itself_on(tk_loop loop) { return tk_spawn_on(loop, free_itself_poll, (void *)(uintptr_t)loop); }
static int32_t stopper_poll(void *arg, tk_task self) {
  uintptr_t *left = arg;                                   /* yields, then the loop */
  if (self >= 0 && left[0]-- > 0) return TK_YIELD;
  tk_loop_stop((tk_loop)left[1]);
  free(left);
  return TK_READY;
}
static void mortal_on(tk_loop loop, uint32_t at) {
  tk_task made = tk_spawn_detached_on(loop, mortal_poll, 0);
  if (made < 0) { refused++; return; }
  born++;
  mortals[at % 64] = made;
}
struct churner { int32_t own, rounds; uint32_t seed; };
static void *churner(void *arg) {
  struct churner *c = arg;
  struct chaos dice = { .seed = c->seed };
  while (c->rounds-- > 0) {
    tk_loop loop = tk_loop_new();
    for (uint32_t i = 0, n = chance(&dice, 4); i < n; i++) mortal_on(loop, chance(&dice, 64));
    uintptr_t *stop = calloc(2, sizeof *stop);
    stop[0] = chance(&dice, 20);
    stop[1] = loop;
    tk_spawn_detached_on(loop, stopper_poll, stop);
    churned[c->own] = loop;                                /* others may run it from now on */
    mortal_on(churned[chance(&dice, CHURNERS)], chance(&dice, 64));
    for (int32_t i = 0; i < 8; i++) { tk_task m = mortals[chance(&dice, 64)]; if (chance(&dice, 8)) tk_wake(m); else tk_abort(m); }
    if (chance(&dice, 3) == 0 && tk_loop_run(churned[chance(&dice, CHURNERS)]) == TK_READY) foreign_runs++;
    tk_loop_run(loop);
    while (tk_loop_free(loop) == TK_EBUSY) {}
  }
  free(c);
  churning--;
  return 0;
}
EXPORT void churn_start(int32_t rounds, uint32_t seed) {
  tk_loop first = tk_loop_new();
  tk_loop_free(first);
  for (int32_t i = 0; i < CHURNERS; i++) churned[i] = first;
  for (int32_t i = 0; i < CHURNERS; i++) {
    struct churner *c = calloc(1, sizeof *c);
    *c = (struct churner){ i, rounds, seed + (uint32_t)i };
    churning++;
    pthread_t thread;
    pthread_create(&thread, 0, churner, c);
    pthread_detach(thread);
  }
}

/* ---- two pthreads that join the same task: one has it, the other is told */
static _Atomic int32_t joined_state[2];
static _Atomic tk_task joined_task;
EXPORT int32_t joined_get(int32_t which) { return joined_state[which]; }
static void *rival(void *which) { joined_state[(intptr_t)which] = 100 + tk_join(joined_task, 0); return 0; }
EXPORT void rivals_start(tk_task task) {
  joined_task = task;
  joined_state[0] = joined_state[1] = 0;
  for (intptr_t i = 0; i < 2; i++) { pthread_t t; pthread_create(&t, 0, rival, (void *)i); pthread_detach(t); }
}
EXPORT void waiter_start(tk_loop loop) { pthread_t t; pthread_create(&t, 0, waiter, (void *)(uintptr_t)loop); pthread_detach(t); }
#endif
