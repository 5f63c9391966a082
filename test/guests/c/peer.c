/* What bench/guest compares with: Emscripten's own ways to call a function later. No tokiwa in it. */
#include <emscripten.h>
#include <emscripten/html5.h>
#include <stdint.h>

static uint32_t called;
static int32_t left;
EM_JS(void, done, (void), { Module["done"](); });
static void tick(void *arg) {
  called += (uint32_t)(uintptr_t)arg;
  if (--left == 0) done();
}
EMSCRIPTEN_KEEPALIVE uint32_t called_get(void) { return called; }
EMSCRIPTEN_KEEPALIVE void async_calls(int32_t n) {
  left = n;
  for (int32_t i = 0; i < n; i++) emscripten_async_call(tick, (void *)1, 0);
}
EMSCRIPTEN_KEEPALIVE void set_timeouts(int32_t n, double ms) {
  left = n;
  for (int32_t i = 0; i < n; i++) emscripten_set_timeout(tick, ms, (void *)1);
}
