// What the tests of C++ guests run. Compiled by em++ (with the shim of <coroutine>) and by clang++.
#include <tokiwa.hpp>

#ifdef __EMSCRIPTEN__
#include <emscripten.h>
#define EXPORT extern "C" EMSCRIPTEN_KEEPALIVE
#else
#define EXPORT extern "C" __attribute__((visibility("default"), used))
#endif

static int32_t sum;
static int32_t guards;
EXPORT int32_t total() { return sum; }
EXPORT int32_t alive_guards() { return guards; }
struct guard {
  guard() { guards++; }
  ~guard() { guards--; }
};

static tk::task<int> leaf(int ms, int value) {
  guard g;
  co_await tk::sleep(ms);
  co_return value;
}
static tk::task<int> parent(int id) {
  int first = co_await leaf(id % 5, 1);
  auto second = tk::spawn(leaf(10, 10)), third = tk::spawn(leaf(10, 100));
  co_return first + co_await second + co_await third;
}
static tk::task<> tree(int count) {
  std::vector<tk::join_handle<int>> handles;
  for (int id = 0; id < count; id++) handles.push_back(tk::spawn(parent(id)));
  for (auto &handle : handles) sum += co_await handle;
}
EXPORT void start_tree(int count) { tk::spawn(tree(count)); }

static tk::task<> yielder(int yields) {
  for (int i = 0; i < yields; i++) co_await tk::yield_now();
  sum++;
}
EXPORT void start_yielders(int tasks, int yields) {
  for (int i = 0; i < tasks; i++) tk::spawn(yielder(yields));
}

// Chains of any depth need no stack.
static tk::task<int> deep(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await deep(depth - 1);
}
static tk::task<> run_deep(int depth) { sum += co_await deep(depth); }
EXPORT void start_deep(int depth) { tk::spawn(run_deep(depth)); }
static tk::task<int> instantly() { co_return 1; }
static tk::task<> loop(int count) {
  for (int i = 0; i < count; i++) sum += co_await instantly();
}
EXPORT void start_loop(int count) { tk::spawn(loop(count)); }

static tk::task<> produce(tk::channel<int> &to, int count) {
  for (int i = 0; i < count; i++) co_await to.send(i);
}
static tk::task<> consume(tk::channel<int> &from) {
  while (auto value = co_await from.receive()) sum += *value;
}
static tk::task<> channels(int count) {
  tk::channel<int> c(4);
  auto consumer = tk::spawn(consume(c));
  auto first = tk::spawn(produce(c, count)), second = tk::spawn(produce(c, count));
  co_await first;
  co_await second;
  c.close();
  co_await consumer;
}
EXPORT void start_channels(int count) { tk::spawn(channels(count)); }

/// 12 + 300 + 4000 if everything is right, and nothing owned afterwards.
static tk::task<> combinators() {
  auto [a, b, nothing] = co_await tk::when_all(leaf(3, 5), leaf(1, 7), yielder(2));
  (void)nothing;
  sum += a + b - 1;
  auto first = co_await tk::when_any(leaf(1000, 1), leaf(2, 300), leaf(2000, 2));
  if (first.index() == 1) sum += std::get<1>(first);
  auto handle = tk::spawn(leaf(100000, 0));
  co_await tk::yield_now();
  co_await tk::yield_now();
  handle.abort();
  if (!co_await handle.finished()) sum += 4000;
}
EXPORT void start_combinators() { tk::spawn(combinators()); }

static tk::task<> await_promise(tk_promise id) {
  auto outcome = co_await tk::promise(id);
  sum += outcome.state == TK_READY ? static_cast<int32_t>(outcome.value) : outcome.state;
}
EXPORT void start_promise(tk_promise id) { tk::spawn(await_promise(id)); }
static tk::task<> trapping() {
  co_await tk::yield_now();
  __builtin_trap();
}
EXPORT void start_trap() { tk::spawn(trapping()); }
