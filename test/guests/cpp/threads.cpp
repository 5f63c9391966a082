// C++20 coroutines on a loop of pthreads: they go from thread to thread. One source, built with and without -pthread.
#include <emscripten.h>

#include <atomic>
#include <tokiwa.hpp>

#define EXPORT extern "C" EMSCRIPTEN_KEEPALIVE

#ifdef __EMSCRIPTEN_PTHREADS__
// Not inlined, and with an effect: pthread_self() counts as constant, also across a co_await.
__attribute__((noinline)) static uint32_t here() {
  asm volatile("" ::: "memory");
  return (uint32_t)(uintptr_t)pthread_self();
}
#else
static uint32_t here() { return 1; }
#endif

static std::atomic<int32_t> moved, guards, total, is_done;
EXPORT int32_t moved_get() { return moved; }
EXPORT int32_t guards_get() { return guards; }
EXPORT int32_t total_get() { return total; }
EXPORT int32_t done_get() { return is_done; }
EXPORT void reset() { moved = total = is_done = 0; }

struct guard {
  guard() { guards++; }
  guard(const guard &) { guards++; }
  ~guard() { guards--; }
};

EXPORT tk_loop loop_new() { return tk_loop_new(); }
EXPORT int32_t loop_start(tk_loop loop, int32_t threads) { return tk_loop_start(loop, threads); }
EXPORT int32_t loop_stop(tk_loop loop) { return tk_loop_stop(loop); }
EXPORT int32_t loop_runners(tk_loop loop) { return tk_loop_runners(loop); }
EXPORT int32_t loop_free(tk_loop loop) { return tk_loop_free(loop); }

/// The main thread's coroutine waits for what runs elsewhere.
template <class T> static tk::task<> waiting(tk::join_handle<T> handle) {
  if constexpr (std::is_void_v<T>) co_await handle;
  else total = co_await handle;
  is_done = 1;
}

// ---- a tree of coroutines: each child is a task of its own, joined from whichever thread its parent is on by then
static tk::task<int> tree(int depth) {
  guard g;
  uint32_t where = here();
  for (int i = 0; i < 2000; i++) asm volatile("");
  if (depth == 0) co_return 1;
  auto left = tk::spawn(tree(depth - 1)), right = tk::spawn(tree(depth - 1));
  int sum = co_await left + co_await right;
  if (here() != where) moved++;
  co_return sum + 1;
}
EXPORT void start_tree(tk_loop loop, int depth) { tk::spawn(waiting(tk::spawn_on(loop, tree(depth)))); }

// ---- a channel between threads: every value once
static tk::task<> produce(tk::channel<int> *to, int from, int count) {
  for (int i = 0; i < count; i++) co_await to->send(from + i);
}
static tk::task<int> consume(tk::channel<int> *from) {
  int sum = 0;
  while (auto value = co_await from->receive()) sum += *value;
  co_return sum;
}
static tk::task<int> exchange(int producers, int consumers, int count) {
  tk::channel<int> channel{4};
  std::vector<tk::join_handle<void>> sending;
  std::vector<tk::join_handle<int>> receiving;
  for (int i = 0; i < consumers; i++) receiving.push_back(tk::spawn(consume(&channel)));
  for (int i = 0; i < producers; i++) sending.push_back(tk::spawn(produce(&channel, i * count, count)));
  for (auto &one : sending) co_await one;
  channel.close();
  int sum = 0;
  for (auto &one : receiving) sum += co_await one;
  co_return sum;
}
EXPORT void start_exchange(tk_loop loop, int producers, int consumers, int count) { tk::spawn(waiting(tk::spawn_on(loop, exchange(producers, consumers, count)))); }

// ---- combinators, timers and aborts
static tk::task<int> late(int ms, int value) {
  guard g;
  co_await tk::sleep(ms);
  co_return value;
}
static tk::task<int> combine() {
  auto [a, b] = co_await tk::when_all(late(3, 1), late(1, 10));
  auto first = co_await tk::when_any(late(100000, 0), late(2, 100));
  co_return a + b + std::get<1>(first);
}
static tk::task<int> combines(int count) {
  std::vector<tk::join_handle<int>> handles;
  for (int i = 0; i < count; i++) handles.push_back(tk::spawn(combine()));
  int sum = 0;
  for (auto &handle : handles) sum += co_await handle;
  co_return sum;
}
EXPORT void start_combine(tk_loop loop, int count) { tk::spawn(waiting(tk::spawn_on(loop, combines(count)))); }

static tk::task<> yielder() {
  guard g;
  for (;;) co_await tk::yield_now();
}
static tk::task<int> aborts(int count) {
  int cancelled = 0;
  for (int i = 0; i < count; i++) {
    auto handle = tk::spawn(yielder());
    for (int j = i % 5; j > 0; j--) co_await tk::yield_now();
    handle.abort();
    if (!co_await handle.finished()) cancelled++;
  }
  co_return cancelled;
}
EXPORT void start_aborts(tk_loop loop, int count) { tk::spawn(waiting(tk::spawn_on(loop, aborts(count)))); }

// ---- what a loop still has when it is freed is destroyed there
EXPORT void start_yielders(tk_loop loop, int count) {
  for (int i = 0; i < count; i++) tk::spawn_on(loop, yielder());
}
