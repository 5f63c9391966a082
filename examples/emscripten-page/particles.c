/* 100 000 particles, a task each: woken once a frame, moved by its poll function. And one task that awaits a fetch.
 *
 *   emcc -O2 particles.c $(npx tokiwa emscripten --cflags --ldflags) -sMODULARIZE -sEXPORT_ES6 --no-entry -o particles.mjs
 */
#include <emscripten.h>
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
    uint32_t green = (*pixel >> 8 & 255) + 56;
    if (green > 255) green = 255;
    *pixel = 0xff000000u | (green * 3 / 4) << 16 | green << 8 | (green / 3 + 20);
  }
  return pixels;
}

/* ---- a fetch, awaited by a task while the particles fly */
EM_JS(tk_promise, fetch_bytes, (void), {
  return Module["tokiwa"].expose(fetch("particles.c").then((response) => response.arrayBuffer()).then((buffer) => buffer.byteLength));
});
static int32_t fetched(void *arg, tk_task self) {
  double bytes = 0;
  tk_promise promise = (tk_promise)(intptr_t)arg;
  if (self < 0) return 0;
  int32_t state = tk_await_poll(promise, self, &bytes);
  if (state == TK_PENDING) return state;
  tk_promise_drop(promise);
  return state == TK_READY ? (int32_t)bytes : state;
}
EMSCRIPTEN_KEEPALIVE tk_task start_fetch(void) { return tk_spawn(fetched, (void *)(intptr_t)fetch_bytes()); }
