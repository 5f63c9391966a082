/* tokiwa.h: an async runtime for C in WebAssembly, on the host's own event loop.
 *
 * C99. Everything below is imported, from tokiwa-lib.js under Emscripten, and from the
 * import module "tokiwa" elsewhere.
 *
 * Two kinds of task:
 *   poll tasks       a function that is called again whenever the task is woken (tk_spawn). They cost
 *                    nanoseconds and 16 bytes, and run on every host.
 *   stackful tasks   ordinary blocking code on a C stack of its own (tk_spawn_stack). They need JSPI (Node
 *                    24.21, Chromium 137, Firefox 153), or a module built for Asyncify (npx tokiwa emscripten
 *                    --asyncify) that is attached with { asyncify }; tk_block_supported() tells.
 *
 * Threads: all calls belong to the thread that the module was attached on. tokiwa-threads.h runs functions of the module on threads with a
 * memory of their own, tokiwa-loops.h tasks on the pthreads of a module in shared memory.
 */
#ifndef TOKIWA_H
#define TOKIWA_H

#include <stdint.h>
#ifndef TK_NO_STACKS
#include <stdlib.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __EMSCRIPTEN__
#define TK_IMPORT(name) extern
#else
#define TK_IMPORT(name) __attribute__((import_module("tokiwa"), import_name(name))) extern
#endif

/* A task, at least 0; it names one task only, also after that has ended. Negative: one of the errors. */
typedef int32_t tk_task;
/* A promise of JavaScript, above 0, until tk_promise_drop(). */
typedef int32_t tk_promise;
/* The event loop of a runtime. */
typedef uint32_t tk_loop;

enum {
  TK_PENDING = 0,       /* not yet: whoever returns this has arranged to be woken */
  TK_READY = 1,         /* done; a poll function may return any larger number but 2 instead */
  TK_YIELD = 2,         /* from a poll function: call me again, behind everything else that is ready */
  TK_EINVAL = -1,       /* an argument out of its range, or a function pointer that is none */
  TK_ENOMEM = -2,       /* no memory for another task or timer; nothing has changed */
  TK_ESTALE = -3,       /* the task or promise is not there (any more) */
  TK_EWOULDBLOCK = -4,  /* this code cannot be suspended: no JSPI, or not inside a stackful task */
  TK_ECANCELED = -5,    /* the task was aborted */
  TK_ETRAP = -6,        /* the task trapped */
  TK_ECLOSED = -7,      /* the module was detached, or its runtime has shut down */
  TK_EREJECTED = -8,    /* the promise was rejected */
  TK_ELIMIT = -9,       /* as many stacks as there may be are in use */
  TK_ENOSYS = -10,      /* this host has no JSPI, or the module does not export what a stack needs */
  TK_EBUSY = -11,       /* the loop is being driven already, further up this call */
  TK_EDEADLK = -12,     /* a task that waits for itself */
  TK_EAGAIN = -13,      /* not ready: tk_io_poll() tells when */
  TK_END = -14,         /* the other side has sent all it will; or there is no such thing */
  TK_EIO = -15          /* the connection failed: tk_io_error() tells how */
};

/* A poll function. `self` is the task, for wakes and timers. Returns TK_PENDING, TK_YIELD, or its result: a
 * positive number or a negative error. When the task was aborted it is called one last time, with
 * self < 0: free what the task owns then, the return value is ignored. */
typedef int32_t (*tk_poll_fn)(void *arg, tk_task self);
/* Blocking code of a stackful task; its return value is the result. */
typedef int32_t (*tk_stack_fn)(void *arg);

/* Something to be polled that carries its function, as first member of a struct of yours. */
typedef struct tk_future {
  int32_t (*poll)(struct tk_future *self, tk_task task);
} tk_future;

/* ---- tasks */

/* Starts a poll task: queued, first called when the loop runs. Somebody must tk_join_poll(), tk_join() or
 * tk_detach() it, or its slot stays. TK_EINVAL for a null or foreign pointer; one of another type fails
 * the task at its first poll. */
TK_IMPORT("tk_spawn") tk_task tk_spawn(tk_poll_fn fn, void *arg);
/* The same, and nobody joins it. */
TK_IMPORT("tk_spawn_detached") tk_task tk_spawn_detached(tk_poll_fn fn, void *arg);
static inline tk_task tk_spawn_future(tk_future *future) { return tk_spawn((tk_poll_fn)(void *)future->poll, future); }

/* Has the task polled. 1: it was idle and is queued; 0: it was queued already, or has ended. */
TK_IMPORT("tk_wake") int32_t tk_wake(tk_task task);
/* Aborts a task: its next poll is its last. A stackful task's blocking calls return TK_ECANCELED from now on.
 * 1, or TK_ESTALE. */
TK_IMPORT("tk_abort") int32_t tk_abort(tk_task task);
/* Gives up the right to join. */
TK_IMPORT("tk_detach") void tk_detach(tk_task task);
/* 1 while the task has not ended. */
TK_IMPORT("tk_is_live") int32_t tk_is_live(tk_task task);

TK_IMPORT("tk_join_start") int32_t tk_join_start(tk_task task, tk_task waiter);
TK_IMPORT("tk_result") double tk_result(void);
/* Whether a task has ended. TK_PENDING: `self` is woken when it does. TK_READY: *result is what its function
 * returned, TK_ECANCELED or TK_ETRAP, and the task is gone. TK_ESTALE: joined before, or detached. */
static inline int32_t tk_join_poll(tk_task task, tk_task self, int32_t *result) {
  int32_t state = tk_join_start(task, self);
  if (state == TK_READY && result) *result = (int32_t)tk_result();
  return state;
}

/* Spends one of the 128 operations a poll may do in a row. 0: they are spent, return TK_YIELD. */
TK_IMPORT("tk_coop") int32_t tk_coop(void);

/* ---- time: milliseconds on the runtime's clock. Timers have a resolution of 1 ms and never fire early. */

TK_IMPORT("tk_now") double tk_now(void);

/* A timer of a task: the task is woken when it fires. Yours to keep; tk_timer_stop() before it goes out of scope. */
typedef struct tk_timer {
  int32_t id;
  double tick;
} tk_timer;

TK_IMPORT("tk_timer_begin") int32_t tk_timer_begin(tk_task task, double ms);
TK_IMPORT("tk_timer_tick") double tk_timer_tick(void);
TK_IMPORT("tk_timer_end") void tk_timer_end(int32_t id, double tick);
TK_IMPORT("tk_timer_fired") int32_t tk_timer_fired(double tick);

/* Wakes `task` in `ms` milliseconds, 0 to 2^36 - 1 (two years), or never for INFINITY. TK_READY or an error. */
static inline int32_t tk_timer_start(tk_timer *timer, tk_task task, double ms) {
  timer->id = tk_timer_begin(task, ms);
  timer->tick = tk_timer_tick();
  return timer->id < -1 ? timer->id + 1 : TK_READY;
}
/* Whether it has fired; also true after the module was detached. */
static inline int32_t tk_timer_done(const tk_timer *timer) { return tk_timer_fired(timer->tick); }
/* Takes it back; nothing happens if it has fired. */
static inline void tk_timer_stop(tk_timer *timer) {
  tk_timer_end(timer->id, timer->tick);
  timer->id = -1;
}
/* Another time from now on. */
static inline int32_t tk_timer_reset(tk_timer *timer, tk_task task, double ms) {
  tk_timer_stop(timer);
  return tk_timer_start(timer, task, ms);
}

/* ---- the loop: for programs with a main loop of their own; others need none of this */

/* The loop that this module is attached to. */
TK_IMPORT("tk_loop_main") tk_loop tk_loop_main(void);
/* Runs what is ready: at most max_polls polls, and about max_ms milliseconds. 1: more is ready, 0: nothing is. */
TK_IMPORT("tk_drive") int32_t tk_drive(tk_loop loop, double max_polls, double max_ms);
/* Milliseconds to the next timer, or -1: there is none. */
TK_IMPORT("tk_next_timeout_ms") double tk_next_timeout_ms(tk_loop loop);
/* Tasks that have not ended, those of JavaScript included. */
TK_IMPORT("tk_alive") int32_t tk_alive(tk_loop loop);

/* ---- promises. JavaScript names one with Module.tokiwa.expose(promise). */

TK_IMPORT("tk_await_start") int32_t tk_await_start(tk_promise promise, tk_task waiter);
/* TK_PENDING: `self` is woken when it settles. TK_READY: *value is its value as a number (0 if it is none; get
 * others in JavaScript with Module.tokiwa.value(promise)). TK_EREJECTED, TK_ESTALE. */
static inline int32_t tk_await_poll(tk_promise promise, tk_task self, double *value) {
  int32_t state = tk_await_start(promise, self);
  if (state == TK_READY && value) *value = tk_result();
  return state;
}
TK_IMPORT("tk_promise_drop") void tk_promise_drop(tk_promise promise);
/* The end of a live task as a promise: Module.tokiwa.promise(number) is what JavaScript awaits. */
TK_IMPORT("tk_promise_from_task") tk_promise tk_promise_from_task(tk_task task);

/* ---- input and output: fetch and WebSockets; with tokiwa/net also sockets; and any stream that JavaScript names with
 *      guest.stream(stream). attach(runtime, module, { io: guestIo() }) turns it on; without it, TK_ENOSYS.
 *
 *      Nothing here waits: ask tk_io_poll() what is ready, and be woken. Texts end with a zero and are UTF-8. */

/* A connection, above 0, until tk_io_close(). */
typedef int32_t tk_io;

enum {
  TK_IO_OPEN = 1,       /* it is connected; the head of a response has come */
  TK_IO_READ = 2,       /* there is something to read, or the end was reached */
  TK_IO_WRITE = 4,      /* something can be written */
  TK_IO_TEXT = 8        /* only in answers, beside TK_IO_READ: what comes is a text message of a WebSocket */
};

/* Starts a request. `init` is JSON, as fetch() takes it ({"method":"POST","body":"..."}), or NULL. */
TK_IMPORT("tk_io_fetch") tk_io tk_io_fetch(const char *url, const char *init);
/* Opens a WebSocket; each write is one message. */
TK_IMPORT("tk_io_websocket") tk_io tk_io_websocket(const char *url);
/* Connects, where the host has sockets: guestIo({ net: await import("tokiwa/net") }). */
TK_IMPORT("tk_io_tcp") tk_io tk_io_tcp(const char *host, int32_t port);
TK_IMPORT("tk_io_unix") tk_io tk_io_unix(const char *path);

/* What of `interest` is ready. TK_PENDING: `self` is woken when something has changed, ask again then. TK_EIO. */
TK_IMPORT("tk_io_poll") int32_t tk_io_poll(tk_io io, int32_t interest, tk_task self);
/* At most so many bytes, and none beyond the end of a message. How many; 0 is an empty message. TK_EAGAIN, TK_END, TK_EIO. */
TK_IMPORT("tk_io_read") int32_t tk_io_read(tk_io io, void *into, int32_t bytes);
/* Bytes of the current message or chunk that are left. */
TK_IMPORT("tk_io_left") int32_t tk_io_left(tk_io io);
/* Takes all of the bytes, and sends them. How many, or TK_EAGAIN: the last write is not through. */
TK_IMPORT("tk_io_write") int32_t tk_io_write(tk_io io, const void *from, int32_t bytes);
/* The same as a text message. */
TK_IMPORT("tk_io_write_text") int32_t tk_io_write_text(tk_io io, const char *from, int32_t bytes);
/* No more will be written. */
TK_IMPORT("tk_io_shutdown") int32_t tk_io_shutdown(tk_io io);
/* The status of a response, 0 for all else; TK_EAGAIN before it is open. */
TK_IMPORT("tk_io_status") int32_t tk_io_status(tk_io io);
/* A header of a response, as much as there is room for. The length of all of it, or TK_END: it has none of that name. */
TK_IMPORT("tk_io_header") int32_t tk_io_header(tk_io io, const char *name, char *into, int32_t bytes);
/* Why it failed, as a text. Its length. */
TK_IMPORT("tk_io_error") int32_t tk_io_error(tk_io io, char *into, int32_t bytes);
/* Ends it and forgets it. */
TK_IMPORT("tk_io_close") int32_t tk_io_close(tk_io io);

/* Memory for stacks, exported for the runtime; the only code this header adds. Define TK_NO_STACKS in modules that
 * start no blocking code and want to do without malloc. */
#ifndef TK_NO_STACKS
#ifdef __EMSCRIPTEN__
__attribute__((weak, used)) void *tk_alloc(unsigned long bytes);
#else
__attribute__((weak, export_name("tk_alloc"))) void *tk_alloc(unsigned long bytes);
#endif
void *tk_alloc(unsigned long bytes) { return malloc(bytes); }
#endif

/* ---- blocking calls, inside stackful tasks. Elsewhere, and without JSPI, they run what is ready (if nobody
 *      does already) and return TK_EWOULDBLOCK. */

/* Whether stackful tasks can run here. */
TK_IMPORT("tk_block_supported") int32_t tk_block_supported(void);
/* Starts blocking code on a stack of its own (64 KiB unless attach() was told otherwise, at most 8192 at once).
 * Join it like any other. TK_ELIMIT, TK_ENOSYS. */
TK_IMPORT("tk_spawn_stack") tk_task tk_spawn_stack(tk_stack_fn fn, void *arg);
/* The stackful task that runs, or -1. On a pthread: the task that it polls, also in tk_block_on(). */
TK_IMPORT("tk_current") tk_task tk_current(void);
/* Waits. 0, or an error. */
TK_IMPORT("tk_sleep") int32_t tk_sleep(double ms);
/* Lets everything else that is ready have a turn. 0, or an error. */
TK_IMPORT("tk_yield") int32_t tk_yield(void);
/* Polls `fn(arg, self)` until it is ready; aborted, one last time with self < 0. Its result, or an error. Without JSPI
 * it goes on as far as what is ready carries; then fn gets that last poll too, and TK_EWOULDBLOCK is returned. */
TK_IMPORT("tk_block_on") int32_t tk_block_on(tk_poll_fn fn, void *arg);
TK_IMPORT("tk_join_wait") int32_t tk_join_wait(tk_task task);
/* Waits for a task. TK_READY with *result, or an error. */
static inline int32_t tk_join(tk_task task, int32_t *result) {
  int32_t state = tk_join_wait(task);
  if (state == TK_READY && result) *result = (int32_t)tk_result();
  return state;
}
TK_IMPORT("tk_await_wait") int32_t tk_await_wait(tk_promise promise);
/* Waits for a promise. TK_READY with *value, or an error. */
static inline int32_t tk_await(tk_promise promise, double *value) {
  int32_t state = tk_await_wait(promise);
  if (state == TK_READY && value) *value = tk_result();
  return state;
}

TK_IMPORT("tk_io_wait") int32_t tk_io_wait(tk_io io, int32_t interest);
/* Waits for something to read, and reads. Bytes, or TK_END, or an error. */
static inline int32_t tk_io_recv(tk_io io, void *into, int32_t bytes) {
  int32_t state = tk_io_wait(io, TK_IO_READ);
  return state < 0 ? state : tk_io_read(io, into, bytes);
}
/* Waits until it can write, and writes all. */
static inline int32_t tk_io_send(tk_io io, const void *from, int32_t bytes) {
  int32_t state = tk_io_wait(io, TK_IO_WRITE);
  return state < 0 ? state : tk_io_write(io, from, bytes);
}

#ifdef __cplusplus
}
#endif
#endif
