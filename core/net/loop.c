#include "net/net.h"

#define A_YEAR 31536000000 /* ms */

static uv_loop_t loop;
static uv_timer_t block; /* libuv does not block without an active handle, and a paused socket is none */
static bool started, stopping;
static unsigned held;
static uint64_t received;
static uv_idle_t awake;

static void on_year(uv_timer_t *timer) {
  (void)timer;
}

int mp_loop_open(mp_error *e) {
  if (started) return MP_OK;
  int rc = uv_loop_init(&loop);
  if (rc != 0) return mp_fail(e, MP_ENET, "no event loop: %s", uv_strerror(rc));
  uv_timer_init(&loop, &block);
  uv_timer_start(&block, on_year, A_YEAR, A_YEAR);
  uv_idle_init(&loop, &awake);
  started = true;
  return MP_OK;
}

uv_loop_t *mp_loop(void) {
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
  while (!stopping && held > 0) uv_run(&loop, UV_RUN_ONCE);
}

void mp_loop_stop(void) {
  stopping = true;
  uv_stop(&loop);
}
