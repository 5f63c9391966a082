// tokiwa.hpp: C++20 coroutines on tokiwa. Header only; needs tokiwa.h, and works with and without exceptions.
//
//   tk::task<int> answer() { co_await tk::sleep(5); co_return 42; }
//   auto handle = tk::spawn(answer());          // runs by itself
//   int value = co_await std::move(handle);     // in another coroutine
//
// A spawned coroutine and everything it awaits directly is one task of the core, a `detail::root`. Its poll
// function resumes the innermost coroutine, in a loop and not by recursion, so chains of any depth need
// neither tail calls nor stack. What a coroutine waits for is a `leaf` that is asked again at every wake,
// so wakes may come for nothing. Aborting destroys the frames, and with them what they own.
//
// With -pthread a coroutine started by spawn_on() goes from thread to thread, one at a time. What two tasks share here, the end of a
// task and a channel, is then atomic or locked; everything else belongs to the thread that polls.
#pragma once
#include <tokiwa-loops.h>
#include <tokiwa.h>

#include <coroutine>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>
#ifdef __EMSCRIPTEN_PTHREADS__
#include <atomic>
#endif
#if defined(__cpp_exceptions)
#include <exception>
#endif

namespace tk {

template <class T> class task;
template <class T> class join_handle;

namespace detail {

template <class T, class Start> join_handle<T> launch(task<T> &coroutine, Start start);

#ifdef __EMSCRIPTEN_PTHREADS__
template <class T> using shared = std::atomic<T>;
/// Held for a few instructions.
class lock {
 public:
  void take() {
    while (flag.test_and_set()) {
    }
  }
  void give() { flag.clear(); }

 private:
  std::atomic_flag flag = ATOMIC_FLAG_INIT;
};
#else
template <class T> using shared = T;
struct lock {
  void take() {}
  void give() {}
};
#endif
struct holding {
  lock &held;
  explicit holding(lock &l) : held(l) { held.take(); }
  ~holding() { held.give(); }
};

/// Something a coroutine waits for.
struct leaf {
  bool (*is_ready)(leaf *self, tk_task task);
};

/// What all coroutines of one task have in common.
struct root {
  std::coroutine_handle<> current;  ///< the innermost coroutine
  std::coroutine_handle<> outermost;
  leaf *waiting = nullptr;
  shared<tk_task> id{-1};
  shared<tk_task> waiter{-1};
  shared<int> references{2};  ///< the task itself, and its handle
  bool yields = false;
  shared<bool> has_ended{false};  ///< set before the waiter is looked at; who waits looks at it again after it has said so
  bool was_cancelled = false;
  bool has_failed = false;  ///< the outermost coroutine ended with an exception

  void release() {
    if (--references > 0) return;
    if (outermost) outermost.destroy();
    delete this;
  }
  void end() {
    has_ended = true;
    tk_task first = waiter;
    if (first >= 0) tk_wake(first);
    release();
  }
};

inline int32_t poll_root(void *arg, tk_task self) {
  root *r = static_cast<root *>(arg);
#ifdef __EMSCRIPTEN_PTHREADS__
  if (self >= 0) r->id = self;  // launch() may not have come to it
#endif
  if (self < 0) {
    auto frame = std::exchange(r->outermost, nullptr);
    r->was_cancelled = true;
    frame.destroy();
    r->end();
    return TK_READY;
  }
  for (;;) {
    if (r->waiting) {
      if (!r->waiting->is_ready(r->waiting, self)) return TK_PENDING;
      r->waiting = nullptr;
    }
    r->current.resume();
    if (!r->current) break;
    if (std::exchange(r->yields, false)) return TK_YIELD;
  }
  // Nobody will ever learn of the exception: the host reports a trap.
  if (r->has_failed && r->references == 1) __builtin_trap();
  r->end();
  return TK_READY;
}

struct promise_base {
  root *owner = nullptr;
  std::coroutine_handle<> continuation;
#if defined(__cpp_exceptions)
  std::exception_ptr error;
  void unhandled_exception() noexcept {
    error = std::current_exception();
    if (!continuation) owner->has_failed = true;
  }
  void rethrow() {
    if (error) std::rethrow_exception(error);
  }
#else
  void unhandled_exception() noexcept { __builtin_trap(); }
  void rethrow() {}
#endif

  struct final_awaiter {
    bool await_ready() noexcept { return false; }
    template <class P> void await_suspend(std::coroutine_handle<P> h) noexcept { h.promise().owner->current = h.promise().continuation; }
    void await_resume() noexcept {}
  };
  std::suspend_always initial_suspend() noexcept { return {}; }
  final_awaiter final_suspend() noexcept { return {}; }
};

template <class T> struct promise : promise_base {
  std::optional<T> value;
  task<T> get_return_object();
  template <class U> void return_value(U &&v) { value.emplace(std::forward<U>(v)); }
  T take() {
    rethrow();
    return std::move(*value);
  }
};

template <> struct promise<void> : promise_base {
  task<void> get_return_object();
  void return_void() {}
  void take() { rethrow(); }
};

template <class T> using value_of = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// Base of awaiters that wait for a leaf.
template <class Self> struct leaf_awaiter : leaf {
  leaf_awaiter() : leaf{[](leaf *self, tk_task task) { return static_cast<Self *>(self)->poll(task); }} {}
  bool await_ready() { return false; }
  /// False: ready at once, go on without suspending.
  template <class P> bool await_suspend(std::coroutine_handle<P> h) {
    root *r = h.promise().owner;
    if (static_cast<Self *>(this)->poll(r->id)) return false;
    r->waiting = this;
    return true;
  }
};

}  // namespace detail

/// A coroutine that starts when it is awaited or spawned.
template <class T = void> class [[nodiscard]] task {
 public:
  using promise_type = detail::promise<T>;
  using handle_type = std::coroutine_handle<promise_type>;

  explicit task(handle_type h) : handle(h) {}
  task(task &&other) noexcept : handle(std::exchange(other.handle, nullptr)) {}
  task(const task &) = delete;
  task &operator=(task &&other) noexcept {
    std::swap(handle, other.handle);
    return *this;
  }
  ~task() {
    if (handle) handle.destroy();
  }

  struct awaiter {
    handle_type child;
    bool await_ready() { return false; }
    template <class P> void await_suspend(std::coroutine_handle<P> parent) {
      auto &p = child.promise();
      p.owner = parent.promise().owner;
      p.continuation = parent;
      p.owner->current = child;
    }
    T await_resume() { return child.promise().take(); }
  };
  awaiter operator co_await() && { return {handle}; }

 private:
  template <class U, class Start> friend join_handle<U> detail::launch(task<U> &coroutine, Start start);
  handle_type handle;
};

template <class T> task<T> detail::promise<T>::get_return_object() { return task<T>{std::coroutine_handle<promise<T>>::from_promise(*this)}; }
inline task<void> detail::promise<void>::get_return_object() { return task<void>{std::coroutine_handle<promise<void>>::from_promise(*this)}; }

/// The end of a spawned coroutine. Dropping it leaves the coroutine running.
template <class T> class join_handle {
 public:
  join_handle(detail::root *r, typename task<T>::handle_type h) : shared(r), handle(h) {}
  join_handle(join_handle &&other) noexcept : shared(std::exchange(other.shared, nullptr)), handle(other.handle) {}
  join_handle(const join_handle &) = delete;
  join_handle &operator=(join_handle &&other) noexcept {
    std::swap(shared, other.shared);
    std::swap(handle, other.handle);
    return *this;
  }
  ~join_handle() {
    if (shared) shared->release();
  }

  /// Destroys the coroutine at its next turn.
  void abort() {
    if (shared && !shared->has_ended) tk_abort(shared->id);
  }
  bool has_ended() const { return shared->has_ended; }
  bool was_cancelled() const { return shared->was_cancelled; }
  /// The value of one that has ended and was not cancelled. Once.
  T value() { return handle.promise().take(); }

  struct finished_awaiter : detail::leaf_awaiter<finished_awaiter> {
    detail::root *other;
    explicit finished_awaiter(detail::root *r) : other(r) {}
    bool poll(tk_task self) {
      if (!other->has_ended) other->waiter = self;
      return other->has_ended;
    }
    bool await_resume() { return !other->was_cancelled; }
  };
  /// Waits for the end. False: it was cancelled.
  finished_awaiter finished() { return finished_awaiter{shared}; }

  struct awaiter : detail::leaf_awaiter<awaiter> {
    join_handle *self;
    explicit awaiter(join_handle *h) : self(h) {}
    bool poll(tk_task waiter) {
      if (!self->shared->has_ended) self->shared->waiter = waiter;
      return self->shared->has_ended;
    }
    T await_resume() {
      if (self->shared->was_cancelled) __builtin_trap();  // ask finished() where that may happen
      return self->value();
    }
  };
  /// Waits for the value; rethrows what the coroutine threw. Traps if it was cancelled: see finished().
  awaiter operator co_await() & { return awaiter{this}; }
  awaiter operator co_await() && { return awaiter{this}; }

 private:
  detail::root *shared;
  typename task<T>::handle_type handle;
};

template <class T, class Start> join_handle<T> detail::launch(task<T> &coroutine, Start start) {
  auto handle = std::exchange(coroutine.handle, nullptr);
  auto *r = new detail::root;
  handle.promise().owner = r;
  r->current = r->outermost = handle;
  tk_task id = start(detail::poll_root, r);
  if (id < 0) __builtin_trap();  // no memory, or the module was detached
  r->id = id;
  return join_handle<T>{r, handle};
}

/// Starts a coroutine: queued, first run when the loop runs. On a loop of pthreads it is that loop.
template <class T> join_handle<T> spawn(task<T> coroutine) { return detail::launch(coroutine, tk_spawn_detached); }

/// The same on a loop of pthreads (tokiwa-loops.h), from any thread; without -pthread there is the main one only.
template <class T> join_handle<T> spawn_on(tk_loop loop, task<T> coroutine) {
  return detail::launch(coroutine, [loop](tk_poll_fn poll, void *arg) { return tk_spawn_detached_on(loop, poll, arg); });
}

/// Waits; never early. Cancelled by destruction.
struct sleep : detail::leaf_awaiter<sleep> {
  explicit sleep(double ms) : duration(ms) {}
  sleep(const sleep &) = delete;
  ~sleep() {
    if (is_set) tk_timer_stop(&timer);
  }
  bool poll(tk_task self) {
    if (!is_set) {
      if (tk_timer_start(&timer, self, duration) < 0) __builtin_trap();
      is_set = true;
    }
    return tk_timer_done(&timer);
  }
  void await_resume() {}

 private:
  double duration;
  tk_timer timer{};
  bool is_set = false;
};

/// Lets everything else that is ready have a turn.
struct yield_now {
  bool await_ready() { return false; }
  template <class P> void await_suspend(std::coroutine_handle<P> h) { h.promise().owner->yields = true; }
  void await_resume() {}
};

/// A promise of JavaScript by its number. Gives TK_READY and its value, or TK_EREJECTED. Destruction forgets the promise.
struct promise : detail::leaf_awaiter<promise> {
  struct outcome {
    int32_t state;
    double value;
  };
  explicit promise(tk_promise number) : id(number) {}
  promise(const promise &) = delete;
  ~promise() { tk_promise_drop(id); }
  bool poll(tk_task self) {
    result.state = tk_await_poll(id, self, &result.value);
    return result.state != TK_PENDING;
  }
  outcome await_resume() { return result; }

 private:
  tk_promise id;
  outcome result{TK_PENDING, 0};
};

/// A connection, where attach() was given { io: guestIo() }; see tokiwa.h. Destruction closes it.
///
///   tk::io response = tk::io::fetch("/data");
///   if (co_await response.ready(TK_IO_OPEN) < 0) co_return response.error();
///   char buffer[512];
///   for (int32_t n; (n = co_await response.read(buffer, sizeof buffer)) >= 0;) use(buffer, n);   // TK_END at the end
class io {
 public:
  static io fetch(const char *url, const char *init = nullptr) { return io(tk_io_fetch(url, init)); }
  static io websocket(const char *url) { return io(tk_io_websocket(url)); }
  static io tcp(const char *host, int port) { return io(tk_io_tcp(host, port)); }
  static io unix_socket(const char *path) { return io(tk_io_unix(path)); }
  /// One that JavaScript named with guest.stream().
  explicit io(tk_io number) : id(number) {}
  io(io &&other) noexcept : id(std::exchange(other.id, -1)) {}
  io(const io &) = delete;
  io &operator=(io &&other) noexcept {
    std::swap(id, other.id);
    return *this;
  }
  ~io() {
    if (id > 0) tk_io_close(id);
  }

  struct ready_awaiter : detail::leaf_awaiter<ready_awaiter> {
    tk_io id;
    int32_t interest;
    int32_t state = 0;
    ready_awaiter(tk_io i, int32_t what) : id(i), interest(what) {}
    bool poll(tk_task self) {
      state = id < 0 ? id : tk_io_poll(id, interest, self);
      return state != TK_PENDING;
    }
    int32_t await_resume() { return state; }
  };
  /// Waits until one of `interest` is ready. What is, or an error.
  ready_awaiter ready(int32_t interest) const { return {id, interest}; }

  struct read_awaiter : ready_awaiter {
    void *into;
    int32_t bytes;
    read_awaiter(tk_io i, void *to, int32_t n) : ready_awaiter(i, TK_IO_READ), into(to), bytes(n) {}
    int32_t await_resume() { return state < 0 ? state : tk_io_read(id, into, bytes); }
  };
  /// Waits, and reads. Bytes, TK_END, or an error.
  read_awaiter read(void *into, int32_t bytes) const { return {id, into, bytes}; }

  struct write_awaiter : ready_awaiter {
    const void *from;
    int32_t bytes;
    bool is_text;
    write_awaiter(tk_io i, const void *data, int32_t n, bool text) : ready_awaiter(i, TK_IO_WRITE), from(data), bytes(n), is_text(text) {}
    int32_t await_resume() {
      if (state < 0) return state;
      return is_text ? tk_io_write_text(id, static_cast<const char *>(from), bytes) : tk_io_write(id, from, bytes);
    }
  };
  /// Waits until it can be written, and writes all. Bytes, or an error.
  write_awaiter write(const void *from, int32_t bytes) const { return {id, from, bytes, false}; }
  /// As a text message of a WebSocket.
  write_awaiter write_text(const char *from, int32_t bytes) const { return {id, from, bytes, true}; }

  /// Bytes of the current message or chunk that are left.
  int32_t left() const { return tk_io_left(id); }
  int32_t status() const { return tk_io_status(id); }
  int32_t shutdown() const { return tk_io_shutdown(id); }
  tk_io number() const { return id; }

 private:
  tk_io id;
};

/// A bounded queue between coroutines.
template <class T> class channel {
 public:
  explicit channel(std::size_t capacity) : room(capacity ? capacity : 1) {}

  struct sender : detail::leaf_awaiter<sender> {
    channel *to;
    T value;
    sender(channel *c, T v) : to(c), value(std::move(v)) {}
    bool poll(tk_task self) {
      detail::holding hold{to->lock};
      if (to->is_closed) return true;
      if (to->queue.size() >= to->room) {
        to->senders.push_back(self);
        return false;
      }
      to->queue.push_back(std::move(value));
      sent = true;
      wake(to->receivers);
      return true;
    }
    bool await_resume() { return sent; }
    bool sent = false;
  };
  struct receiver : detail::leaf_awaiter<receiver> {
    channel *from;
    std::optional<T> value;
    explicit receiver(channel *c) : from(c) {}
    bool poll(tk_task self) {
      detail::holding hold{from->lock};
      if (from->queue.empty()) {
        if (from->is_closed) return true;
        from->receivers.push_back(self);
        return false;
      }
      value.emplace(std::move(from->queue.front()));
      from->queue.pop_front();
      wake(from->senders);
      return true;
    }
    std::optional<T> await_resume() { return std::move(value); }
  };

  /// Waits for room. False: the channel was closed.
  sender send(T value) { return sender{this, std::move(value)}; }
  /// The next value; none when the channel was closed and is empty.
  receiver receive() { return receiver{this}; }
  void close() {
    detail::holding hold{lock};
    is_closed = true;
    wake(senders);
    wake(receivers);
  }

 private:
  /// All of them: one may have been cancelled since, and each looks again.
  static void wake(std::vector<tk_task> &waiting) {
    for (tk_task waiter : waiting) tk_wake(waiter);
    waiting.clear();
  }
  detail::lock lock;
  std::deque<T> queue;
  std::vector<tk_task> senders, receivers;
  std::size_t room;
  bool is_closed = false;
};

namespace detail {

/// Aborts what it holds when it goes out of scope.
template <class T> struct scoped {
  join_handle<T> handle;
  explicit scoped(task<T> &&coroutine) : handle(spawn(std::move(coroutine))) {}
  scoped(scoped &&) = default;
  ~scoped() { handle.abort(); }
  value_of<T> value() {
    if constexpr (std::is_void_v<T>) {
      handle.value();
      return {};
    } else {
      return handle.value();
    }
  }
};

template <class... T> struct all_awaiter : leaf_awaiter<all_awaiter<T...>> {
  std::tuple<scoped<T>...> &handles;
  explicit all_awaiter(std::tuple<scoped<T>...> &h) : handles(h) {}
  bool poll(tk_task self) {
    return std::apply([self](auto &...each) { return (static_cast<int>(each.handle.finished().poll(self)) & ...); }, handles);
  }
  void await_resume() {}
};

template <class... T> struct any_awaiter : leaf_awaiter<any_awaiter<T...>> {
  std::tuple<scoped<T>...> &handles;
  std::size_t first = sizeof...(T);
  explicit any_awaiter(std::tuple<scoped<T>...> &h) : handles(h) {}
  bool poll(tk_task self) {
    find(self, std::index_sequence_for<T...>{});
    return first < sizeof...(T);
  }
  std::size_t await_resume() { return first; }

 private:
  template <std::size_t... I> void find(tk_task self, std::index_sequence<I...>) {
    (void)((std::get<I>(handles).handle.finished().poll(self) ? (first = I, true) : false) || ...);
  }
};

template <std::size_t I, class V, class Handles> void take_if(std::size_t index, std::optional<V> &value, Handles &handles) {
  if (index == I) value.emplace(std::in_place_index<I>, std::get<I>(handles).value());
}

template <class V, class Handles, std::size_t... I> V take_at(std::size_t index, Handles &handles, std::index_sequence<I...>) {
  std::optional<V> value;
  (take_if<I>(index, value, handles), ...);
  return std::move(*value);
}

}  // namespace detail

/// Runs coroutines side by side and gives all their values; void counts as std::monostate.
template <class... T> task<std::tuple<detail::value_of<T>...>> when_all(task<T>... tasks) {
  std::tuple<detail::scoped<T>...> handles{std::move(tasks)...};
  co_await detail::all_awaiter<T...>{handles};
  co_return std::apply([](auto &...each) { return std::tuple<detail::value_of<T>...>{each.value()...}; }, handles);
}

/// Runs coroutines side by side, gives the value of the first to end, and aborts the others.
template <class... T> task<std::variant<detail::value_of<T>...>> when_any(task<T>... tasks) {
  std::tuple<detail::scoped<T>...> handles{std::move(tasks)...};
  std::size_t first = co_await detail::any_awaiter<T...>{handles};
  co_return detail::take_at<std::variant<detail::value_of<T>...>>(first, handles, std::index_sequence_for<T...>{});
}

}  // namespace tk
