#include <stdlib.h>

#include "net/net.h"

static uv_loop_t loop;
static bool started, stopping;
static unsigned held;
static uint64_t received;
static uv_idle_t awake;

uv_loop_t *mp_loop(void) {
  if (started) return &loop;
  if (uv_loop_init(&loop) != 0) abort(); /* no file descriptor left before anything began */
  started = true;
  uv_idle_init(&loop, &awake);
  return &loop;
}

uint64_t mp_loop_received(void) {
  return received;
}

void mp_loop_count_received(void) {
  received++;
}

static void sleep_again(uv_idle_t *idle) {
  uv_idle_stop(idle);
}

void mp_loop_look_again(void) {
  uv_idle_start(&awake, sleep_again); /* the loop does not block while an idle handle is active */
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
