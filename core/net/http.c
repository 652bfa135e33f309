/* A small exchange as a whole: the request's body from memory, the answer's to memory. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "net/exchange.h"

#define TIMEOUT_MS 30000 /* for an exchange without a time limit of its own */

typedef struct {
  mp_exchange *exchange;
  uv_timer_t limit;
  mp_http_done done;
  void *user;
  mp_buffer body, answer;
  size_t sent;
  unsigned timeout_ms;
} call;

static void free_call(uv_handle_t *limit) {
  free(limit->data);
}

static void end(call *c) {
  if (c->exchange != NULL) mp_exchange_close(c->exchange);
  mp_buffer_free(&c->body);
  mp_buffer_free(&c->answer);
  uv_close((uv_handle_t *)&c->limit, free_call);
}

/* Of the answer's head, in the one form servers write today; 0 when there is none. */
static int64_t read_date(const mp_answer *answer) {
  const char *at = (const char *)answer->headers.data, *stop = at + answer->headers.length;
  struct tm parts = {0};
  while (at < stop) {
    const char *name = at, *value = name + strlen(name) + 1;
    at = value + strlen(value) + 1;
    if (strcmp(name, "date") == 0)
      return strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &parts) != NULL ? (int64_t)timegm(&parts) : 0;
  }
  return 0;
}

static void fail(call *c, const mp_error *reason) {
  if (c->done != NULL) c->done(c->user, 0, 0, NULL, 0, reason);
  end(c);
}

static void succeed(call *c, const mp_answer *answer) {
  if (c->done != NULL) c->done(c->user, answer->status, read_date(answer), c->answer.data, c->answer.length, NULL);
  end(c);
}

static void on_limit(uv_timer_t *limit) {
  call *c = limit->data;
  mp_error reason;
  mp_fail(&reason, MP_ENET, "no whole answer within %.3g s", c->timeout_ms / 1000.0);
  fail(c, &reason);
}

/* 1: the answer is whole; 0: wait; negative: an error. */
static int go_on(call *c, const mp_answer **answer, mp_error *e) {
  int rc = mp_exchange_head(c->exchange, answer, e);
  while (rc == 0 && mp_exchange_sends(c->exchange)) {
    size_t sent = mp_exchange_send(c->exchange, c->body.data + c->sent, c->body.length - c->sent);
    if (sent == 0) break;
    c->sent += sent;
  }
  while (rc == 1) {
    rc = mp_exchange_read(c->exchange, &c->answer, e);
    if (c->answer.length > MP_HTTP_BODY_MAX) return mp_fail(e, MP_ELIMIT, "the answer has more than %u bytes", MP_HTTP_BODY_MAX);
  }
  return rc == MP_EXCHANGE_END ? 1 : rc;
}

static void on_wake(void *user) {
  call *c = user;
  const mp_answer *answer;
  mp_error e;
  int rc;
  do {
    rc = go_on(c, &answer, &e);
  } while (rc == 0 && !mp_exchange_wait(c->exchange));
  if (rc < 0) {
    fail(c, &e);
  } else if (rc == 1) {
    succeed(c, answer);
  }
}

static int open_exchange(call *c, const mp_http_options *o, mp_error *e) {
  char header[192] = "";
  if (o->body != NULL)
    snprintf(header, sizeof header, "Content-Type: %s\r\n", o->content_type != NULL ? o->content_type : "text/plain");
  mp_exchange_options options = {
      .method = o->method,
      .host = o->host,
      .path = o->path,
      .headers = header,
      .ca = o->ca,
      .port = o->port,
      .tls = o->tls,
      .has_body = o->body != NULL,
      .length = o->body_length,
      .stall_ms = c->timeout_ms,
      .wake = on_wake,
      .user = c,
  };
  if (mp_buffer_append(&c->body, o->body, o->body_length) != MP_OK) return mp_fail(e, MP_ENOMEM, "no memory for a request");
  return mp_exchange_open(&options, &c->exchange, e);
}

int mp_http_request(const mp_http_options *options, mp_http_done done, void *user, mp_error *e) {
  call *c = calloc(1, sizeof *c);
  if (c == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a request");
  c->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : TIMEOUT_MS;
  mp_buffer_init(&c->body, 0);
  mp_buffer_init(&c->answer, 0);
  uv_timer_init(mp_loop(), &c->limit);
  c->limit.data = c;
  int rc = open_exchange(c, options, e);
  if (rc == MP_OK && !mp_exchange_wait(c->exchange)) rc = mp_fail(e, MP_ENET, "the connection failed");
  if (rc != MP_OK) {
    end(c);
    return rc;
  }
  c->done = done;
  c->user = user;
  uv_update_time(mp_loop());
  uv_timer_start(&c->limit, on_limit, c->timeout_ms, 0);
  return MP_OK;
}
