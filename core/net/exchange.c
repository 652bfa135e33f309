#include "net/exchange.h"

#include <http_parser.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "net/answer.h"
#include "net/idle.h"
#include "net/stream.h"

struct mp_exchange {
  mp_stream *stream;
  mp_answer_reader answer;
  mp_buffer request;       /* the head */
  size_t sent;             /* bytes of it */
  mp_buffer early;         /* of the body: what came with the head */
  uint64_t length, unsent; /* bytes of the request's body */
  uint64_t head_began;     /* when the first byte of the answer came, ms of the loop */
  unsigned stall_ms;
  bool cannot_send, waits;
  bool repeats; /* the request may be made twice, as long as none of its body is gone */
  bool reused;  /* the connection has served another exchange: it may be closed from its other end just now */
  uv_timer_t stall;
  mp_error reason;
  void (*wake)(void *user);
  void *user;
};

static uint8_t scratch[MP_HTTP_PIECE]; /* what a read gives, until it is parsed */

static void wake(mp_exchange *x) {
  if (!x->waits) return;
  x->waits = false;
  uv_timer_stop(&x->stall);
  mp_stream_wait_no_more(x->stream);
  x->wake(x->user);
}

static void on_moved(void *user) {
  wake(user);
}

static void on_stall(uv_timer_t *timer) {
  mp_exchange *x = timer->data;
  mp_fail(&x->reason, MP_ESTALLED, "not a byte came or went for %.3g s", x->stall_ms / 1000.0);
  wake(x);
}

static void free_exchange(uv_handle_t *stall) {
  mp_exchange *x = stall->data;
  mp_answer_free(&x->answer);
  mp_buffer_free(&x->request);
  mp_buffer_free(&x->early);
  free(x);
}

static bool head_is_out(const mp_exchange *x) {
  return x->sent == x->request.length;
}

/* Whether the connection can serve another: all was said on both sides. */
static bool is_over(const mp_exchange *x) {
  return x->answer.complete && x->answer.keeps_alive && x->unsent == 0 && head_is_out(x) && !x->cannot_send &&
         x->reason.code == MP_OK;
}

void mp_exchange_close(mp_exchange *x) {
  if (x->stream != NULL && is_over(x)) {
    mp_stream_wait_no_more(x->stream);
    mp_idle_give(x->stream);
  } else if (x->stream != NULL) {
    mp_stream_close(x->stream);
  }
  x->stream = NULL;
  mp_loop_release();
  uv_close((uv_handle_t *)&x->stall, free_exchange);
}

/* IPv6 addresses stand in brackets; the port is named where it is not the scheme's. */
static int write_head(mp_exchange *x, const mp_exchange_options *o) {
  char lines[2048], port[8] = "", length[64] = "";
  bool six = strchr(o->host, ':') != NULL;
  if (o->port != (o->tls ? 443 : 80)) snprintf(port, sizeof port, ":%u", o->port);
  bool told = o->has_body || strcmp(o->method, "POST") == 0 || strcmp(o->method, "PUT") == 0; /* RFC 9110 §8.6 */
  if (told) snprintf(length, sizeof length, "Content-Length: %" PRIu64 "\r\n", o->length);
  int rc = mp_buffer_append(&x->request, o->method, strlen(o->method)) || mp_buffer_append(&x->request, " ", 1) ||
           mp_buffer_append(&x->request, o->path, strlen(o->path));
  int size = snprintf(lines, sizeof lines, " HTTP/1.1\r\nHost: %s%s%s%s\r\nConnection: keep-alive\r\n%s", six ? "[" : "", o->host,
                      six ? "]" : "", port, length);
  return rc || mp_buffer_append(&x->request, lines, (size_t)size) ||
         mp_buffer_append(&x->request, o->headers, strlen(o->headers)) || mp_buffer_append(&x->request, "\r\n", 2);
}

static int open_stream(mp_exchange *x, const mp_exchange_options *o, mp_error *e) {
  mp_stream_options options = {
      .host = o->host,
      .ca = o->ca,
      .proxy = o->proxy,
      .port = o->port,
      .tls = o->tls,
      .connect_ms = o->stall_ms,
  };
  if (write_head(x, o) != 0) return mp_fail(e, MP_ENOMEM, "no memory for a request");
  x->stream = mp_idle_take(&options, on_moved, x);
  x->reused = x->stream != NULL;
  return x->reused ? MP_OK : mp_stream_open(&options, on_moved, x, &x->stream, e);
}

int mp_exchange_open(const mp_exchange_options *options, mp_exchange **out, mp_error *e) {
  mp_exchange *x = calloc(1, sizeof *x);
  if (x == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a request");
  mp_loop_hold();
  mp_answer_init(&x->answer, strcmp(options->method, "HEAD") == 0);
  mp_buffer_init(&x->request, 0);
  mp_buffer_init(&x->early, 0);
  x->length = x->unsent = options->has_body ? options->length : 0;
  x->repeats = x->length > 0 || strcmp(options->method, "POST") != 0;
  x->stall_ms = options->stall_ms;
  x->wake = options->wake;
  x->user = options->user;
  uv_timer_init(mp_loop(), &x->stall);
  x->stall.data = x;
  int rc = open_stream(x, options, e);
  if (rc != MP_OK) {
    mp_exchange_close(x);
    return rc;
  }
  *out = x;
  return MP_OK;
}

/* Whether it can go on now; what ended the connection before there was one is the exchange's reason. */
static bool is_ready(mp_exchange *x) {
  if (x->reason.code != MP_OK) return false;
  return mp_stream_ready(x->stream, &x->reason) == 1;
}

/* Sends of `bytes` what is taken. A connection that takes no more may still bring an answer, such as a 401: reading tells. */
static size_t push(mp_exchange *x, const void *bytes, size_t length) {
  mp_error reason;
  ptrdiff_t sent = x->cannot_send ? 0 : mp_stream_write(x->stream, bytes, length, &reason);
  if (sent < 0) x->cannot_send = true;
  return sent > 0 ? (size_t)sent : 0;
}

static void send_head(mp_exchange *x) {
  if (!head_is_out(x)) x->sent += push(x, x->request.data + x->sent, x->request.length - x->sent);
}

bool mp_exchange_sends(const mp_exchange *x) {
  return x->unsent > 0 && head_is_out(x) && !x->answer.head_complete && x->reason.code == MP_OK;
}

size_t mp_exchange_send(mp_exchange *x, const void *bytes, size_t length) {
  if (!mp_exchange_sends(x)) return 0;
  size_t sent = push(x, bytes, length < x->unsent ? length : x->unsent);
  x->unsent -= sent;
  return sent;
}

static int fail(mp_exchange *x, int code, const char *why) {
  return mp_fail(&x->reason, code, "%s", why);
}

static int end_of_stream(mp_exchange *x) {
  if (mp_answer_end(&x->answer, &x->early)) return MP_OK;
  if (!x->answer.begun) return fail(x, MP_ENET, "the server hung up before it answered");
  if (!x->answer.head_complete) return fail(x, MP_ENET, "the answer's head ended too early");
  return fail(x, MP_ENET, "the answer's body ended too early");
}

/* A connection that was kept may have been closed by its other end when it was used again: then the request, of whose body
 * nothing is gone, is made anew. */
static bool begin_again(mp_exchange *x) {
  mp_stream *old = x->stream;
  if (!x->reused || !x->repeats || x->answer.begun || x->unsent != x->length) return false;
  x->reused = x->cannot_send = false;
  x->sent = 0;
  if (mp_stream_open_again(old, on_moved, x, &x->stream, &x->reason) != MP_OK) return false;
  mp_stream_close(old);
  return true;
}

/* Reads once and parses it; the body goes to `out`. 1: something came; 0: nothing yet; negative: the exchange has its reason. */
static int read_on(mp_exchange *x, mp_buffer *out) {
  size_t room = x->answer.head_complete ? sizeof scratch : MP_STREAM_READ_MIN;
  ptrdiff_t count = mp_stream_read(x->stream, scratch, room, &x->reason);
  if (count == 0) return 0;
  if (count < 0 && begin_again(x)) {
    x->reason.code = MP_OK;
    return 0;
  }
  if (count == MP_STREAM_END) return end_of_stream(x) == MP_OK ? 1 : x->reason.code;
  if (count < 0) return (int)count;
  if (!x->answer.begun) x->head_began = uv_now(mp_loop());
  int rc = mp_answer_feed(&x->answer, scratch, (size_t)count, out, &x->reason);
  if (rc != MP_OK) return rc;
  if (!x->answer.head_complete && uv_now(mp_loop()) - x->head_began > x->stall_ms)
    return fail(x, MP_ESTALLED, "the answer's head does not come to an end");
  return 1;
}

int mp_exchange_head(mp_exchange *x, const mp_answer **answer, mp_error *e) {
  if (is_ready(x)) send_head(x);
  while (!x->answer.head_complete && is_ready(x)) {
    if (read_on(x, &x->early) == 0) return 0;
  }
  *answer = &x->answer.answer;
  if (x->answer.head_complete) return 1;
  *e = x->reason;
  return x->reason.code;
}

int mp_exchange_read(mp_exchange *x, mp_buffer *out, mp_error *e) {
  size_t before = out->length;
  if (x->early.length > 0) {
    int rc = mp_buffer_append(out, x->early.data, x->early.length);
    if (rc != 0) return mp_fail(e, rc, "no memory for a body");
    mp_buffer_free(&x->early);
    return 1;
  }
  while (!x->answer.complete && x->reason.code == MP_OK) {
    int rc = read_on(x, out);
    if (out->length > before) return 1;
    if (rc == 0) return 0;
  }
  *e = x->reason;
  return x->reason.code != MP_OK ? x->reason.code : MP_EXCHANGE_END;
}

bool mp_exchange_wait(mp_exchange *x) {
  if (x->reason.code != MP_OK || x->answer.complete || x->early.length > 0) return false;
  int ready = mp_stream_ready(x->stream, &x->reason);
  if (ready < 0) return false;
  x->waits = true;
  if (ready == 0) return true; /* connecting has a limit of its own */
  uv_update_time(mp_loop());
  uv_timer_start(&x->stall, on_stall, x->stall_ms, 0);
  mp_stream_wait(x->stream, true, !x->cannot_send && (!head_is_out(x) || mp_exchange_sends(x)));
  return true;
}
