#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "net/lws.h"

#define TIMEOUT_MS 30000 /* for an exchange without a time limit of its own */

typedef struct {
  mp_tagged tagged;
  struct lws *wsi;
  mp_http_done done;
  void *user;
  char content_type[128];
  mp_buffer body, answer; /* the body has LWS_PRE bytes of room first */
  int status;
  int64_t date;
  unsigned timeout_ms;
  bool complete, connecting;
  mp_error reason;
} exchange;

static void free_exchange(exchange *x) {
  if (x->wsi != NULL) lws_set_opaque_user_data(x->wsi, NULL);
  mp_buffer_free(&x->body);
  mp_buffer_free(&x->answer);
  mp_loop_release();
  free(x);
}

static void finish(exchange *x) {
  if (!x->complete && x->reason.code == MP_OK)
    mp_fail(&x->reason, MP_ENET, x->status == 0 ? "the server gave no answer" : "the answer ended too early");
  bool failed = x->reason.code != MP_OK;
  if (x->done != NULL) {
    x->done(x->user, failed ? 0 : x->status, x->date, x->answer.data, failed ? 0 : x->answer.length, failed ? &x->reason : NULL);
  }
  free_exchange(x);
}

static exchange *new_exchange(const mp_http_options *options, mp_http_done done, void *user) {
  static const uint8_t room[LWS_PRE];
  exchange *x = calloc(1, sizeof *x);
  if (x == NULL) return NULL;
  mp_loop_hold();
  x->tagged.kind = MP_KIND_HTTP;
  x->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : TIMEOUT_MS;
  x->done = done;
  x->user = user;
  snprintf(x->content_type, sizeof x->content_type, "%s", options->content_type != NULL ? options->content_type : "text/plain");
  mp_buffer_init(&x->body, 0);
  mp_buffer_init(&x->answer, MP_HTTP_BODY_MAX);
  if (options->body == NULL) return x;
  if (mp_buffer_append(&x->body, room, sizeof room) == MP_OK &&
      mp_buffer_append(&x->body, options->body, options->body_length) == MP_OK) {
    return x;
  }
  free_exchange(x);
  return NULL;
}

int mp_http_request(const mp_http_options *options, mp_http_done done, void *user, mp_error *e) {
  struct lws_client_connect_info info;
  struct lws_vhost *vhost = mp_lws_client_vhost(options->tls, options->ca, e);
  if (vhost == NULL) return e->code;
  exchange *x = new_exchange(options, done, user);
  if (x == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a request");
  memset(&info, 0, sizeof info);
  info.context = mp_lws_context(e);
  info.vhost = vhost;
  info.address = info.host = options->host;
  info.port = options->port;
  info.path = options->path;
  info.method = options->method;
  info.alpn = "http/1.1";
  info.protocol = MP_PROTOCOL_NAME;
  info.local_protocol_name = MP_PROTOCOL_NAME;
  info.opaque_user_data = x;
  info.pwsi = &x->wsi;
  info.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (options->tls ? LCCSCF_USE_SSL : 0);
  x->connecting = true;
  struct lws *wsi = lws_client_connect_via_info(&info);
  x->connecting = false;
  if (wsi != NULL && x->reason.code == MP_OK) {
    lws_set_timer_usecs(wsi, (lws_usec_t)x->timeout_ms * 1000);
    mp_lws_wake(); /* for the time limits */
    return MP_OK;
  }
  mp_error reason = x->reason;
  if (wsi == NULL) x->wsi = NULL;
  free_exchange(x);
  return mp_fail(e, MP_ENET, "cannot connect to %s:%u: %s", options->host, options->port,
                 reason.code != MP_OK ? reason.message : "refused");
}

static int append_headers(struct lws *wsi, exchange *x, uint8_t **at, size_t room) {
  uint8_t *end = *at + room;
  char length[24];
  x->wsi = wsi;
  if (x->body.length == 0) return 0;
  int digits = snprintf(length, sizeof length, "%zu", x->body.length - LWS_PRE);
  if (lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, (uint8_t *)length, digits, at, end) ||
      lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, (uint8_t *)x->content_type, (int)strlen(x->content_type), at,
                                   end)) {
    return -1;
  }
  lws_client_http_body_pending(wsi, 1);
  lws_callback_on_writable(wsi);
  return 0;
}

static int write_body(struct lws *wsi, exchange *x) {
  if (x->body.length == 0) return 0;
  size_t length = x->body.length - LWS_PRE;
  lws_client_http_body_pending(wsi, 0);
  int written = lws_write(wsi, x->body.data + LWS_PRE, length, LWS_WRITE_HTTP_FINAL);
  x->body.length = 0;
  return written < (int)length ? -1 : 0;
}

/* Of the answer's head, in the one form servers write today; 0 when there is none. */
static int64_t read_date(struct lws *wsi) {
  char text[64];
  struct tm parts = {0};
  if (lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_DATE) <= 0) return 0;
  return strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts) != NULL ? (int64_t)timegm(&parts) : 0;
}

static int read_some(struct lws *wsi) {
  char buffer[LWS_PRE + 4096], *at = buffer + LWS_PRE;
  int length = 4096;
  return lws_http_client_read(wsi, &at, &length) < 0 ? -1 : 0;
}

int mp_http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *exchange_pointer, void *in, size_t length) {
  exchange *x = exchange_pointer;
  switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
      return append_headers(wsi, x, in, length);
    case LWS_CALLBACK_CLIENT_HTTP_WRITEABLE:
      return write_body(wsi, x);
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
      x->status = (int)lws_http_client_http_response(wsi);
      x->date = read_date(wsi);
      return 0;
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
      return read_some(wsi);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
      if (mp_buffer_append(&x->answer, in, length) == MP_OK) return 0;
      mp_fail(&x->reason, MP_ELIMIT, "the answer has more than %u bytes", MP_HTTP_BODY_MAX);
      return -1;
    case LWS_CALLBACK_TIMER:
      mp_fail(&x->reason, MP_ENET, "no whole answer within %.3g s", x->timeout_ms / 1000.0);
      lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC); /* an orderly end would go on listening to it */
      return 0;
    case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
      x->complete = true;
      return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
      if (x->reason.code == MP_OK) mp_lws_reason(wsi, in, length, &x->reason);
      if (!x->connecting) finish(x);
      return 0;
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
    case LWS_CALLBACK_WSI_DESTROY:
      if (!x->connecting) finish(x);
      return 0;
    default:
      return 0;
  }
}
