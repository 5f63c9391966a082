// Exceptions and cancellation in C++ guests, and their connections. Compiled by em++ -fexceptions.
#include <emscripten.h>
#include <cstring>
#include <stdexcept>
#include <string>
#include <tokiwa.hpp>
#define EXPORT extern "C" EMSCRIPTEN_KEEPALIVE

static int32_t sum;
static int32_t guards;
EXPORT int32_t total() { return sum; }
EXPORT void clear() { sum = 0; }
EXPORT int32_t alive_guards() { return guards; }
struct guard {
  guard() { guards++; }
  ~guard() { guards--; }
};

static tk::task<int> thrower(int ms, int value) {
  guard g;
  if (ms) co_await tk::sleep(ms);
  if (value < 0) throw std::runtime_error(std::to_string(value));
  co_return value;
}
static tk::task<int> through(int depth, int ms, int value) {
  guard g;
  if (depth == 0) co_return co_await thrower(ms, value);
  co_return co_await through(depth - 1, ms, value) + 1;
}
template <class A> static tk::task<> expect_error(A awaitable, int value, int worth) {
  try {
    co_await std::move(awaitable);
  } catch (const std::runtime_error &error) {
    if (error.what() == std::to_string(value)) sum += worth;
  }
}

/// Through frames, handles, when_all and when_any: 1 + 20 + 300 + 4000 + 50000 + 600000.
static tk::task<> exceptions() {
  co_await expect_error(through(10, 0, -5), -5, 1);
  co_await expect_error(through(10, 2, -6), -6, 20);
  co_await expect_error(tk::spawn(through(3, 1, -7)), -7, 300);
  co_await expect_error(tk::when_all(thrower(1, 1), thrower(2, -8), thrower(1000, 3)), -8, 0);
  co_await expect_error(tk::when_all(thrower(1, 1), thrower(2, -8), thrower(3, 3)), -8, 4000);
  co_await expect_error(tk::when_any(thrower(50, 1), thrower(2, -9)), -9, 50000);
  auto winner = co_await tk::when_any(thrower(2, 1), thrower(50, -9));
  if (winner.index() == 0 && std::get<0>(winner) == 1) sum += 600000;
}
EXPORT void start_exceptions() { tk::spawn(exceptions()); }

/// Nobody holds its handle.
EXPORT void start_unobserved() { tk::spawn(thrower(1, -3)); }

/// Cancelled where it waits: in a sleep, a channel, a join, a when_all; by scope and by hand.
static tk::task<> wait_for_value(tk::channel<int> &from) {
  guard g;
  if (co_await from.receive()) sum += 1000000;
}
static tk::task<> wait_for_room(tk::channel<int> &to) {
  guard g;
  co_await to.send(1);
  co_await to.send(2);
  sum += 1000000;
}
static tk::task<> wait_for_task() {
  guard g;
  auto handle = tk::spawn(thrower(100000, 1));
  co_await handle;
}
static tk::task<> wait_for_all() {
  guard g;
  co_await tk::when_all(thrower(100000, 1), thrower(100000, 2));
}
static tk::task<> cancellation() {
  tk::channel<int> empty(1), full(1);
  std::vector<tk::join_handle<void>> handles;
  handles.push_back(tk::spawn(wait_for_value(empty)));
  handles.push_back(tk::spawn(wait_for_room(full)));
  handles.push_back(tk::spawn(wait_for_task()));
  handles.push_back(tk::spawn(wait_for_all()));
  co_await tk::sleep(1);
  for (auto &handle : handles) handle.abort();
  for (auto &handle : handles) if (!co_await handle.finished() && handle.was_cancelled()) sum += 1;
  // What the cancelled receiver left alone, and the room that the cancelled sender took.
  auto late = tk::spawn(wait_for_room(empty));
  if (*co_await empty.receive() == 1) sum += 10;
  if (*co_await empty.receive() == 2) sum += 10;
  co_await late;
  sum -= 1000000;
  if (*co_await full.receive() == 1) sum += 100;
  full.close();
  if (!co_await full.receive() && !co_await full.send(5)) sum += 1000;
}
EXPORT void start_cancellation() { tk::spawn(cancellation()); }

/// Values that cannot be copied, and one without a value.
struct only_moves {
  explicit only_moves(int v) : value(v) {}
  only_moves(only_moves &&other) noexcept : value(std::exchange(other.value, -1)) {}
  only_moves &operator=(only_moves &&) = default;
  int value;
};
static tk::task<only_moves> make(int value) {
  co_await tk::yield_now();
  co_return only_moves(value);
}
static tk::task<> pass(tk::channel<only_moves> &to) {
  for (int i = 1; i <= 3; i++) co_await to.send(only_moves(i));
  to.close();
}
static tk::task<> moves() {
  tk::channel<only_moves> channel(1);
  auto sender = tk::spawn(pass(channel));
  while (auto value = co_await channel.receive()) sum += value->value;
  auto [first, second] = co_await tk::when_all(make(10), make(20));
  sum += first.value + second.value + (co_await make(100)).value + (co_await tk::spawn(make(200))).value;
}
EXPORT void start_moves() { tk::spawn(moves()); }

/// A connection of each kind; JavaScript writes the address.
static char address[256];
EXPORT char *address_at() { return address; }
static tk::task<> fetch_all() {
  tk::io response = tk::io::fetch(address);
  if (co_await response.ready(TK_IO_OPEN) < 0) co_return;
  sum += response.status() * 1000000;
  char buffer[100];
  for (int32_t n; (n = co_await response.read(buffer, sizeof buffer)) >= 0;) sum += n;
}
EXPORT void start_fetch() { tk::spawn(fetch_all()); }
static tk::task<> talk(int messages) {
  tk::io socket = tk::io::websocket(address);
  for (int i = 0; i < messages; i++) {
    std::string text = "message " + std::to_string(i);
    char answer[64];
    if (co_await socket.write_text(text.data(), static_cast<int32_t>(text.size())) < 0) throw std::runtime_error("write");
    int32_t n = co_await socket.read(answer, sizeof answer);
    if (text == std::string(answer, n < 0 ? 0 : static_cast<size_t>(n))) sum++;
  }
}
EXPORT void start_talk(int messages) { tk::spawn(talk(messages)); }
