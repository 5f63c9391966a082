/* 100 000 particles, a task each: woken once a frame, moved by its poll function. Beside them a task that reads a
 * response, and one that talks to a WebSocket.
 *
 *   emcc -O2 particles.c $(npx tokiwa emscripten --cflags --ldflags) -sMODULARIZE -sEXPORT_ES6 --no-entry -o particles.mjs
 */
#include <emscripten.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tokiwa.h>

#define MOST 200000
#define WIDTH 640
#define HEIGHT 360

struct particle { float x, y, vx, vy; };
static struct particle particles[MOST];
static tk_task tasks[MOST];
static int32_t count;
static uint32_t moves;
static uint32_t pixels[WIDTH * HEIGHT];

static uint32_t seed = 1;
static float chance(void) {
  seed = seed * 1664525u + 1013904223u;
  return (float)(seed >> 8) / 16777216.0f;
}

/* One step; the next wake is the next frame. */
static int32_t fly(void *arg, tk_task self) {
  struct particle *p = arg;
  if (self < 0) return 0;
  p->vx += (WIDTH / 2 - p->x) * 0.0004f;
  p->vy += (HEIGHT / 2 - p->y) * 0.0004f;
  p->x += p->vx;
  p->y += p->vy;
  moves++;
  return TK_PENDING;
}

EMSCRIPTEN_KEEPALIVE int32_t start(int32_t wanted) {
  for (count = 0; count < wanted && count < MOST; count++) {
    struct particle *p = &particles[count];
    p->x = chance() * WIDTH;
    p->y = chance() * HEIGHT;
    p->vx = (p->y - HEIGHT / 2) * 0.02f + chance() - 0.5f;
    p->vy = -(p->x - WIDTH / 2) * 0.02f + chance() - 0.5f;
    tasks[count] = tk_spawn_detached(fly, p);
    if (tasks[count] < 0) break;
  }
  return count;
}

EMSCRIPTEN_KEEPALIVE void wake_all(void) {
  for (int32_t i = 0; i < count; i++) tk_wake(tasks[i]);
}
EMSCRIPTEN_KEEPALIVE uint32_t moves_get(void) { return moves; }

/* The picture as RGBA: what many particles cross gets brighter. */
EMSCRIPTEN_KEEPALIVE uint32_t *render(void) {
  for (int32_t i = 0; i < WIDTH * HEIGHT; i++) pixels[i] = 0xff1c140e;
  for (int32_t i = 0; i < count; i++) {
    int32_t x = (int32_t)particles[i].x, y = (int32_t)particles[i].y;
    if (x < 0 || y < 0 || x >= WIDTH || y >= HEIGHT) continue;
    uint32_t *pixel = &pixels[y * WIDTH + x];
    uint32_t green = (*pixel >> 8 & 255) + 110;
    if (green > 255) green = 255;
    *pixel = 0xff000000u | (green * 3 / 4) << 16 | green << 8 | (green / 2 + 20);
  }
  return pixels;
}

/* Where JavaScript writes the address of the echo server. */
static char address[256];
EMSCRIPTEN_KEEPALIVE char *address_at(void) { return address; }

/* ---- a request, read by a task while the particles fly: the bytes of this file */
struct request { tk_io io; int32_t total; };
static int32_t end_request(struct request *r, int32_t result) { tk_io_close(r->io); free(r); return result; }
static int32_t fetched(void *arg, tk_task self) {
  struct request *r = arg;
  char buffer[512];
  if (self < 0) return end_request(r, 0);
  for (;;) {
    int32_t ready = tk_io_poll(r->io, TK_IO_READ, self);
    if (ready == TK_PENDING) return TK_PENDING;
    int32_t n = ready < 0 ? ready : tk_io_read(r->io, buffer, sizeof buffer);
    if (n == TK_END) return end_request(r, r->total);
    if (n < 0) return end_request(r, n);
    r->total += n;
  }
}
EMSCRIPTEN_KEEPALIVE tk_task start_fetch(void) {
  struct request *r = calloc(1, sizeof *r);
  r->io = tk_io_fetch("particles.c", 0);
  return r->io < 0 ? r->io : tk_spawn(fetched, r);
}

/* ---- a WebSocket: a message, its echo, the next message */
struct echo { tk_io io; int32_t rounds, done, waits; double sent, total; };
static double mean;
EMSCRIPTEN_KEEPALIVE double echo_ms(void) { return mean; }
static int32_t end_echo(struct echo *e, int32_t result) { tk_io_close(e->io); free(e); return result; }
static int32_t echoed(void *arg, tk_task self) {
  struct echo *e = arg;
  char message[32], answer[32];
  if (self < 0) return end_echo(e, 0);
  for (;;) {
    int32_t ready = tk_io_poll(e->io, e->waits ? TK_IO_READ : TK_IO_WRITE, self);
    if (ready == TK_PENDING) return TK_PENDING;
    if (ready < 0) return end_echo(e, ready);
    int32_t length = snprintf(message, sizeof message, "frame %d", (int)e->done);
    if (e->waits) {
      if (tk_io_read(e->io, answer, sizeof answer) != length || memcmp(message, answer, (size_t)length)) return end_echo(e, TK_EIO);
      e->total += tk_now() - e->sent;
      mean = e->total / ++e->done;
      if (e->done == e->rounds) return end_echo(e, e->done);
    } else {
      e->sent = tk_now();
      tk_io_write_text(e->io, message, length);
    }
    e->waits = !e->waits;
  }
}
EMSCRIPTEN_KEEPALIVE tk_task start_echo(int32_t rounds) {
  struct echo *e = calloc(1, sizeof *e);
  e->io = tk_io_websocket(address);
  e->rounds = rounds;
  return e->io < 0 ? e->io : tk_spawn(echoed, e);
}
