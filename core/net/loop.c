#include <stdlib.h>

#include "net/net.h"

static uv_loop_t loop;
static bool started, stopping;
static unsigned held;

uv_loop_t *mp_loop(void) {
  if (!started && uv_loop_init(&loop) != 0) abort(); /* no file descriptor left before anything began */
  started = true;
  return &loop;
}

void mp_loop_hold(void) {
  held++;
}

void mp_loop_release(void) {
  held--;
}

void mp_loop_run(void) {
  stopping = false;
  while (!stopping && held > 0) uv_run(mp_loop(), UV_RUN_ONCE);
}

void mp_loop_stop(void) {
  stopping = true;
  if (started) uv_stop(&loop);
}
