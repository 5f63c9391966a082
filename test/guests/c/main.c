/* A program with a main, at -O3: it spawns before attach() is done, returns, and its tasks go on. */
#include <emscripten.h>
#include <tokiwa.h>

static int32_t polls;
static int32_t spawned = -100;
static int32_t poll(void *arg, tk_task self) {
  if (self < 0) return 0;
  polls++;
  return polls < (int32_t)(intptr_t)arg ? TK_YIELD : TK_READY;
}
EMSCRIPTEN_KEEPALIVE int32_t polls_get(void) { return polls; }
EMSCRIPTEN_KEEPALIVE int32_t spawned_get(void) { return spawned; }
static int32_t naps(void *arg) { (void)arg; for (int32_t i = 0; i < 3; i++) if (tk_sleep(1) != 0) return -1; return 5; }
EMSCRIPTEN_KEEPALIVE tk_task nap(void) { return tk_spawn_stack(naps, 0); }

int main(void) {
  spawned = tk_spawn_detached(poll, (void *)5);
  return 0;
}
