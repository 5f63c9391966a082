/* What the tests of threads without shared memory run: SCENARIOS C in C. Compiled by emcc and by clang. */
#include <stdlib.h>
#include <tokiwa-threads.h>

#ifdef __EMSCRIPTEN__
#include <emscripten.h>
#define EXPORT EMSCRIPTEN_KEEPALIVE
#else
#define EXPORT __attribute__((visibility("default"), used))
#endif

/* Static data: each thread has its own. */
static int32_t calls_here;

/* ---- a program: a poll function that waits for its jobs, one after the other */
#define MAX_JOBS 8
struct program {
  int32_t (*next)(struct program *p, tk_task self);   /* starts more, or returns the result */
  tk_thread threads[MAX_JOBS];
  tk_job jobs[MAX_JOBS];
  int32_t count, done, step, n;
  double total, value;
  tk_call *call;
};

static void program_end(struct program *p) {
  for (int32_t i = 0; i < MAX_JOBS; i++) {
    if (p->jobs[i]) tk_job_drop(p->jobs[i]);
    if (p->threads[i]) tk_thread_terminate(p->threads[i]);
  }
  free(p);
}

/* Waits for jobs[done] .. jobs[count - 1]; each gives a double. */
static int32_t program_poll(void *arg, tk_task self) {
  struct program *p = arg;
  if (self < 0) { program_end(p); return 0; }
  for (;;) {
    while (p->done < p->count) {
      int32_t result, state = tk_job_poll(p->jobs[p->done], self, &result);
      if (state == TK_PENDING) return TK_PENDING;
      if (state == TK_READY) { tk_job_take(p->jobs[p->done], &p->value, sizeof p->value); p->total += p->value; }
      if (state != TK_READY || result < 0) { program_end(p); return state != TK_READY ? state : result; }
      p->jobs[p->done++] = 0;
    }
    int32_t state = p->next(p, self);
    if (state != TK_PENDING) { program_end(p); return state; }
  }
}

static struct program *program_new(int32_t (*next)(struct program *, tk_task), int32_t n) {
  struct program *p = calloc(1, sizeof *p);
  p->next = next;
  p->n = n;
  return p;
}

/* ---- C1: exec. 1 + 2, then 1 - 2 after a second, then the same in JavaScript: 3 - 1 + 3 - 1 = 4 */
struct pair { int32_t a, b; };
static int32_t add(tk_call *call) {
  const struct pair *pair = call->input;
  double sum = pair->a + pair->b;
  calls_here++;
  return tk_call_reply(call, &sum, sizeof sum);
}
struct subtraction { tk_timer timer; int32_t ms; };
static int32_t subtract_later(tk_call *call, tk_task self) {
  const struct pair *pair = call->input;
  tk_timer *timer = call->state;
  if (self < 0) { tk_timer_stop(timer); free(timer); return 0; }
  if (!timer) {
    call->state = timer = malloc(sizeof *timer);
    tk_timer_start(timer, self, 1000);
  }
  if (!tk_timer_done(timer)) return TK_PENDING;
  double difference = pair->a - pair->b;
  free(timer);
  return tk_call_reply(call, &difference, sizeof difference);
}
static const char plain_js[] = "const add = (a, b) => a + b; return add(1, 2)";
static const char async_js[] = "return new Promise((done) => setTimeout(() => done(1 - 2), 1000))";
static int32_t exec_next(struct program *p, tk_task self) {
  (void)self;
  struct pair pair = { 1, 2 };
  if (p->step++ == 0) {
    tk_thread t = p->threads[0] = tk_thread_new();
    if (t < 0) return t;
    p->jobs[p->count++] = tk_thread_exec(t, add, &pair, sizeof pair);
    p->jobs[p->count++] = tk_thread_exec_poll(t, subtract_later, &pair, sizeof pair);
    p->jobs[p->count++] = tk_thread_exec_js(t, plain_js, sizeof plain_js - 1, 0);
    p->jobs[p->count++] = tk_thread_exec_js(t, async_js, sizeof async_js - 1, 1);
    return TK_PENDING;
  }
  return 100 + (int32_t)p->total;
}
EXPORT tk_task exec_spawn(void) { return tk_spawn(program_poll, program_new(exec_next, 0)); }

/* The same without JavaScript's source text, for pages that forbid it. */
static int32_t exec_strict_next(struct program *p, tk_task self) {
  (void)self;
  struct pair pair = { 1, 2 };
  if (p->step++) return 100 + (int32_t)p->total;
  tk_thread t = p->threads[0] = tk_thread_new();
  if (t < 0) return t;
  p->jobs[p->count++] = tk_thread_exec(t, add, &pair, sizeof pair);
  return TK_PENDING;
}
EXPORT tk_task exec_strict_spawn(void) { return tk_spawn(program_poll, program_new(exec_strict_next, 0)); }

/* ---- C2: fib, every call with n > 1 in threads that it makes for its two parts */
static int32_t fib_next(struct program *p, tk_task self);
static int32_t fib_poll(tk_call *call, tk_task self) {
  struct program *p = call->state;
  if (!p) {
    call->state = p = program_new(fib_next, *(const int32_t *)call->input);
    p->call = call;
  }
  return program_poll(p, self);
}
static int32_t fib_next(struct program *p, tk_task self) {
  (void)self;
  if (p->n > 1 && p->step++ == 0) {
    for (int32_t i = 0; i < 2; i++) {
      int32_t m = p->n - 1 - i;
      tk_thread t = tk_thread_new();
      if (t < 0) return t;
      p->threads[i] = t;
      p->jobs[p->count++] = tk_thread_exec_poll(t, fib_poll, &m, sizeof m);
    }
    return TK_PENDING;
  }
  double value = p->n > 1 ? p->total : p->n;
  if (p->call) return tk_call_reply(p->call, &value, sizeof value);
  return 100 + (int32_t)value;
}
EXPORT tk_task fib_spawn(int32_t n) { return tk_spawn(program_poll, program_new(fib_next, n)); }

/* Threads that start threads without end. */
static int32_t endless_next(struct program *p, tk_task self);
static int32_t endless_poll(tk_call *call, tk_task self) {
  struct program *p = call->state;
  if (!p) call->state = p = program_new(endless_next, 0);
  return program_poll(p, self);
}
static int32_t endless_next(struct program *p, tk_task self) {
  (void)self;
  if (p->step++) return TK_READY;
  tk_thread t = tk_thread_new();
  if (t < 0) return t;
  p->threads[0] = t;
  p->jobs[p->count++] = tk_thread_exec_poll(t, endless_poll, 0, 0);
  return TK_PENDING;
}
EXPORT tk_task endless_spawn(void) { return tk_spawn(program_poll, program_new(endless_next, 0)); }

/* ---- C3 and C4: four threads, in turn and at once */
static int32_t answer(tk_call *call) {
  double value = 42;
  return tk_call_reply(call, &value, sizeof value);
}
#define SIDE 800
static double julia_sum(int32_t side) {
  double sum = 0, scale = 0.00375 * SIDE / side;
  for (int32_t y = 0; y < side; y++) {
    for (int32_t x = 0; x < side; x++) {
      double re = y * scale - 1.5, im = x * scale - 1.5;
      int32_t n = 0;
      while (n < 900 && re * re + im * im <= 2.0) {
        double next = re * re - im * im - 0.15;
        im = 2 * re * im + 0.65;
        re = next;
        n++;
      }
      sum += n;
    }
  }
  return sum;
}
EXPORT double julia_here(int32_t side) { return julia_sum(side); }
static int32_t julia(tk_call *call) {
  double sum = julia_sum(*(const int32_t *)call->input);
  return tk_call_reply(call, &sum, sizeof sum);
}
static double julia_total;
EXPORT double julia_total_get(void) { return julia_total; }
static tk_job four_start(struct program *p, int32_t i) {
  if (!p->threads[i]) p->threads[i] = tk_thread_new();
  return p->n ? tk_thread_exec(p->threads[i], julia, &p->n, sizeof p->n) : tk_thread_exec(p->threads[i], answer, 0, 0);
}
static int32_t four_end(struct program *p) { julia_total = p->total; return p->n ? TK_READY : (int32_t)p->total; }
static int32_t serial_next(struct program *p, tk_task self) {
  (void)self;
  if (p->step == 4) return four_end(p);
  p->jobs[p->count++] = four_start(p, p->step++);
  return TK_PENDING;
}
static int32_t parallel_next(struct program *p, tk_task self) {
  (void)self;
  if (p->step++) return four_end(p);
  for (int32_t i = 0; i < 4; i++) p->jobs[p->count++] = four_start(p, i);
  return TK_PENDING;
}
EXPORT tk_task serial_spawn(int32_t side) { return tk_spawn(program_poll, program_new(serial_next, side)); }
EXPORT tk_task parallel_spawn(int32_t side) { return tk_spawn(program_poll, program_new(parallel_next, side)); }

/* ---- tk_spawn_blocking: n jobs of that kind, awaited by a task */
static int32_t blocking_next(struct program *p, tk_task self) {
  (void)self;
  struct pair pair = { 20, 1 };
  if (p->step++) return 100 + (int32_t)p->total;
  for (int32_t i = 0; i < p->n; i++) {
    tk_job job = tk_spawn_blocking(add, &pair, sizeof pair);
    if (job < 0) return job;
    p->jobs[p->count++] = job;
  }
  return TK_PENDING;
}
EXPORT tk_task blocking_spawn(int32_t n) { return tk_spawn(program_poll, program_new(blocking_next, n)); }
/* Blocking code waits for it. */
EXPORT int32_t blocking_wait(int32_t a) {
  struct pair pair = { a, 2 };
  double sum = 0;
  tk_job job = tk_spawn_blocking(add, &pair, sizeof pair);
  int32_t result, state = tk_job_wait(job, &result);
  if (state == TK_READY) tk_job_take(job, &sum, sizeof sum); else tk_job_drop(job);
  return state == TK_READY ? (int32_t)sum : state;
}
/* Such work that starts such work: returns how deep it went. */
static int32_t deeper(tk_call *call) {
  (void)call;
  tk_job job = tk_spawn_blocking(deeper, 0, 0);
  return job;
}
EXPORT tk_call_fn deeper_fn(void) { return deeper; }

/* ---- pieces, for tests that put them together themselves */
static int32_t echo(tk_call *call) { return tk_call_reply(call, call->input, call->input_length); }
static int32_t count(tk_call *call) { (void)call; return ++calls_here; }
static int32_t trap(tk_call *call) { (void)call; __builtin_trap(); }
static int32_t forever(tk_call *call) { (void)call; for (volatile int32_t i = 0; ; i++) if (i < 0) break; return 0; }
static int32_t negative(tk_call *call) { (void)call; return -77; }
static int32_t wild(tk_call *call) { call->output = (void *)0xfffff000u; call->output_length = 0x2000; return 1; }
static int32_t never(tk_call *call, tk_task self) { (void)call; if (self < 0) calls_here += 100; return TK_PENDING; }
EXPORT tk_call_fn echo_fn(void) { return echo; }
EXPORT tk_call_fn count_fn(void) { return count; }
EXPORT tk_call_fn trap_fn(void) { return trap; }
EXPORT tk_call_fn forever_fn(void) { return forever; }
EXPORT tk_call_fn negative_fn(void) { return negative; }
EXPORT tk_call_fn wild_fn(void) { return wild; }
EXPORT tk_call_poll_fn never_fn(void) { return never; }
EXPORT int32_t calls_here_get(void) { return calls_here; }

EXPORT tk_thread thread_new(void) { return tk_thread_new(); }
EXPORT int32_t thread_terminate(tk_thread t) { return tk_thread_terminate(t); }
EXPORT int32_t thread_detach(tk_thread t) { return tk_thread_detach(t); }
EXPORT tk_job thread_exec(tk_thread t, tk_call_fn fn, const void *at, uint32_t length) { return tk_thread_exec(t, fn, at, length); }
EXPORT tk_job thread_exec_poll(tk_thread t, tk_call_poll_fn fn) { return tk_thread_exec_poll(t, fn, 0, 0); }
EXPORT tk_job thread_exec_js(tk_thread t, const char *at, uint32_t length) { return tk_thread_exec_js(t, at, length, 0); }
EXPORT tk_job spawn_blocking(tk_call_fn fn) { return tk_spawn_blocking(fn, 0, 0); }
EXPORT int32_t job_look(tk_job job) { return tk_job_start(job, 0); }
EXPORT int32_t job_result(tk_job job) { return tk_job_result(job); }
EXPORT uint32_t job_length(tk_job job) { return tk_job_length(job); }
EXPORT int32_t job_take(tk_job job, void *into, uint32_t capacity) { return tk_job_take(job, into, capacity); }
EXPORT int32_t job_abort(tk_job job) { return tk_job_abort(job); }
EXPORT void job_drop(tk_job job) { tk_job_drop(job); }
EXPORT void *memory_new(uint32_t bytes) { return malloc(bytes); }

/* A task that waits for a job and returns its state, or its result. */
static int32_t wait_poll(void *arg, tk_task self) {
  if (self < 0) return 0;
  int32_t result = 0, state = tk_job_poll((tk_job)(uintptr_t)arg, self, &result);
  if (state == TK_PENDING) return TK_PENDING;
  return state == TK_READY ? result + 1000 : state;
}
EXPORT tk_poll_fn wait_fn(void) { return wait_poll; }
