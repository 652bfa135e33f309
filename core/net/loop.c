#include "net/net.h"

#define A_YEAR 31536000000 /* ms */

static uv_loop_t own;
static uv_loop_t *loop;  /* that one, or a host's */
static uv_timer_t block; /* libuv does not block without an active handle, and a paused socket is none */
static bool used, running, stopping;
static unsigned held;
static uint64_t received;
static uv_idle_t awake;

static void on_year(uv_timer_t *timer) {
  (void)timer;
}

static void settle_in(uv_loop_t *in) {
  loop = in;
  uv_timer_init(loop, &block);
  uv_timer_start(&block, on_year, A_YEAR, A_YEAR);
  uv_unref((uv_handle_t *)&block);
  uv_idle_init(loop, &awake);
}

int mp_loop_open(mp_error *e) {
  if (loop != NULL) return MP_OK;
  int rc = uv_loop_init(&own);
  if (rc != 0) return mp_fail(e, MP_ENET, "no event loop: %s", uv_strerror(rc));
  settle_in(&own);
  return MP_OK;
}

int mp_loop_borrow(uv_loop_t *host, mp_error *e) {
  if (loop == host) return MP_OK;
  if (loop != &own) return mp_fail(e, MP_EINVAL, "moonpost runs in another loop already");
  if (used)
    return mp_fail(e, MP_EINVAL, "moonpost has begun in a loop of its own: borrow one before the first bot, client or timer");
  uv_close((uv_handle_t *)&block, NULL);
  uv_close((uv_handle_t *)&awake, NULL);
  uv_run(&own, UV_RUN_DEFAULT);
  uv_loop_close(&own);
  settle_in(host);
  return MP_OK;
}

void mp_loop_keep(void) {
  own = *loop;
  loop = &own;
}

bool mp_loop_borrowed(void) {
  return loop != &own;
}

uv_loop_t *mp_loop(void) {
  used = true;
  return loop;
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

/* The host's loop goes on while something of ours is held, and no longer because of us. */
void mp_loop_hold(void) {
  if (held++ == 0) uv_ref((uv_handle_t *)&block);
}

void mp_loop_release(void) {
  if (--held == 0) uv_unref((uv_handle_t *)&block);
}

void mp_loop_run(void) {
  stopping = false;
  running = true;
  while (!stopping && held > 0) uv_run(loop, UV_RUN_ONCE);
  running = false;
}

void mp_loop_stop(void) {
  stopping = true;
  if (running) uv_stop(loop); /* else it is the host's to stop */
}
