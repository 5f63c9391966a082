/* Connections of a C guest: poll style and blocking. Compiled by emcc and by clang; see scripts/build-guests.mjs. */
#include <stdlib.h>
#include <string.h>
#include <tokiwa.h>

#ifdef __EMSCRIPTEN__
#include <emscripten.h>
#define EXPORT EMSCRIPTEN_KEEPALIVE
#else
#define EXPORT __attribute__((visibility("default"), used))
#endif

/* JavaScript writes an address here, and reads texts. */
static char text[4096];
EXPORT char *text_at(void) { return text; }

/* ---- poll style: a request whose body is added up */
struct request { tk_io io; int32_t sum; char buffer[1000]; };
static int32_t finish_request(struct request *r, int32_t result) { tk_io_close(r->io); free(r); return result; }
static int32_t request_poll(void *arg, tk_task self) {
  struct request *r = arg;
  if (self < 0) return finish_request(r, 0);
  for (;;) {
    int32_t state = tk_io_poll(r->io, TK_IO_READ, self);
    if (state == TK_PENDING) return TK_PENDING;
    if (state < 0) { tk_io_error(r->io, text, sizeof text); return finish_request(r, state); }
    if (!tk_coop()) return TK_YIELD;
    int32_t n = tk_io_read(r->io, r->buffer, sizeof r->buffer);
    if (n == TK_END) return finish_request(r, 100000 * (tk_io_status(r->io) / 100) + r->sum);
    if (n < 0) return finish_request(r, n);
    for (int32_t i = 0; i < n; i++) r->sum += (unsigned char)r->buffer[i];
  }
}
EXPORT tk_task fetch_spawn(int32_t with_init) {
  tk_io io = tk_io_fetch(text, with_init ? text + strlen(text) + 1 : 0);
  if (io < 0) return io;
  struct request *r = calloc(1, sizeof *r);
  r->io = io;
  return tk_spawn(request_poll, r);
}

/* ---- poll style: messages of growing length to a server that sends them back */
struct echo { tk_io io; int32_t sent, received, messages, is_sending; char out[300], in[300]; };
static int32_t finish_echo(struct echo *e, int32_t result) { tk_io_close(e->io); free(e); return result; }
static int32_t echo_poll(void *arg, tk_task self) {
  struct echo *e = arg;
  if (self < 0) return finish_echo(e, 0);
  for (;;) {
    int32_t state = tk_io_poll(e->io, e->is_sending ? TK_IO_WRITE : TK_IO_READ, self);
    if (state == TK_PENDING) return TK_PENDING;
    if (state < 0) { tk_io_error(e->io, text, sizeof text); return finish_echo(e, state); }
    if (!tk_coop()) return TK_YIELD;
    int32_t length = e->sent % 300, is_text = e->sent % 2;
    if (e->is_sending) {
      for (int32_t i = 0; i < length; i++) e->out[i] = (char)('a' + (e->sent + i) % 26);
      state = is_text ? tk_io_write_text(e->io, e->out, length) : tk_io_write(e->io, e->out, length);
      if (state != length) return finish_echo(e, -100);
    } else {
      int32_t left = tk_io_left(e->io);
      int32_t n = tk_io_read(e->io, e->in, sizeof e->in);
      if (n == TK_END) return finish_echo(e, -101);
      if (left != length || n != length || memcmp(e->in, e->out, (size_t)length) || !(state & TK_IO_TEXT) != !is_text) return finish_echo(e, -102);
      if (++e->sent == e->messages) return finish_echo(e, e->sent);
    }
    e->is_sending = !e->is_sending;
  }
}
EXPORT tk_task echo_spawn(int32_t messages) {
  tk_io io = tk_io_websocket(text);
  if (io < 0) return io;
  struct echo *e = calloc(1, sizeof *e);
  e->io = io;
  e->messages = messages;
  e->is_sending = 1;
  return tk_spawn(echo_poll, e);
}

/* ---- blocking, as people write it */
static int32_t read_all(tk_io io) {
  char buffer[512];
  int32_t total = 0, n;
  while ((n = tk_io_recv(io, buffer, sizeof buffer)) >= 0) total += n;
  return n == TK_END ? total : n;
}
EXPORT int32_t blocking_fetch(void) {
  tk_io io = tk_io_fetch(text, 0);
  int32_t state = tk_io_wait(io, TK_IO_OPEN);
  if (state < 0) { tk_io_error(io, text, sizeof text); tk_io_close(io); return state; }
  int32_t header = tk_io_header(io, "content-type", text, sizeof text);
  int32_t total = read_all(io);
  tk_io_close(io);
  return header < 0 ? header : total;
}
/* A connection to an echo server, made by `kind`: bytes there and back, the end, and their sum. */
static int32_t converse(tk_io io, int32_t rounds) {
  char out[64], in[64];
  if (io < 0) return io;
  for (int32_t round = 0; round < rounds; round++) {
    for (int32_t i = 0; i < 64; i++) out[i] = (char)(round * 7 + i);
    int32_t state = tk_io_send(io, out, sizeof out);
    if (state < 0) { tk_io_error(io, text, sizeof text); tk_io_close(io); return state; }
    for (int32_t have = 0; have < 64;) {
      int32_t n = tk_io_recv(io, in + have, 64 - have);
      if (n < 0) { tk_io_close(io); return n; }
      have += n;
    }
    if (memcmp(out, in, sizeof out)) { tk_io_close(io); return -100; }
  }
  while (tk_io_shutdown(io) == TK_EAGAIN) if (tk_io_wait(io, TK_IO_WRITE) < 0) break;
  int32_t rest = tk_io_recv(io, in, sizeof in);
  tk_io_close(io);
  return rest == TK_END ? rounds : -101;
}
EXPORT int32_t tcp_echo(int32_t port, int32_t rounds) { return converse(tk_io_tcp("127.0.0.1", port), rounds); }
EXPORT int32_t unix_echo(int32_t rounds) { return converse(tk_io_unix(text), rounds); }
EXPORT int32_t stream_echo(tk_io io, int32_t rounds) { return converse(io, rounds); }
EXPORT int32_t websocket_echo(int32_t rounds) { return converse(tk_io_websocket(text), rounds); }

/* ---- one call each */
EXPORT tk_io raw_tcp(int32_t port) { return tk_io_tcp("127.0.0.1", port); }
EXPORT tk_io raw_fetch(void) { return tk_io_fetch(text, "{"); }
EXPORT tk_io raw_websocket(void) { return tk_io_websocket(text); }
EXPORT int32_t raw_poll(tk_io io, int32_t interest) { return tk_io_poll(io, interest, 0x3fffff); }
EXPORT int32_t raw_read(tk_io io, uint32_t into, int32_t n) { return tk_io_read(io, (void *)(uintptr_t)into, n); }
EXPORT int32_t raw_write(tk_io io, uint32_t from, int32_t n) { return tk_io_write(io, (void *)(uintptr_t)from, n); }
EXPORT int32_t raw_status(tk_io io) { return tk_io_status(io); }
EXPORT int32_t raw_error(tk_io io) { return tk_io_error(io, text, sizeof text); }
EXPORT int32_t raw_header(tk_io io) { return tk_io_header(io, "x", text, 10); }
EXPORT int32_t raw_shutdown(tk_io io) { return tk_io_shutdown(io); }
EXPORT int32_t raw_left(tk_io io) { return tk_io_left(io); }
EXPORT int32_t raw_close(tk_io io) { return tk_io_close(io); }
EXPORT int32_t raw_wait(tk_io io) { return tk_io_wait(io, TK_IO_READ); }
