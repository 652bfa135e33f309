/* The body of a request: collected whole for its owner, or handed on as it comes. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "net/request.h"

static void refuse(mp_request *request) {
  static const char malformed[] = "the request is malformed\n", large[] = "the body is too large\n";
  bool too_large = request->refusal == 413;
  request->dispatched = true;
  mp_request_respond(request, request->refusal, "text/plain", too_large ? large : malformed,
                     too_large ? sizeof large - 1 : sizeof malformed - 1);
}

/* Returns 0, or what such a head is refused with. */
static int read_framing(mp_request *request) {
  char encoding[64], digits[24];
  if (!mp_request_copy_header(request->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING, encoding, sizeof encoding) ||
      !mp_request_copy_header(request->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, digits, sizeof digits)) {
    return 400;
  }
  request->is_chunked = encoding[0] != 0;
  if (request->is_chunked) {
    request->length = -1;
    return strcasecmp(encoding, "chunked") == 0 && digits[0] == 0 ? 0 : 400;
  }
  if (digits[strspn(digits, "0123456789")] != 0) return 400;
  unsigned long long length = strtoull(digits, NULL, 10); /* ULLONG_MAX when it is more */
  if (length > INT64_MAX) return 413;
  request->length = (int64_t)length;
  return 0;
}

/* Whether the owner takes the body as it comes. A part that is known to be bad he does not hear of. */
static bool begin_stream(mp_request *request) {
  mp_server *server = request->tagged.server;
  if (request->refusal != 0 || server->events->head == NULL) return false;
  request->streams = request->dispatched = true;
  mp_request_info info = mp_request_head_info(&request->head);
  info.length = request->length;
  if (server->events->head(server->user, request, &info)) return true;
  request->streams = request->dispatched = false;
  return false;
}

/* Only for a peer that says that it wants so: others wait for the end of the connection. After a POST that has neither a length
 * nor chunks libwebsockets goes on waiting for its body. */
static bool wants_another(mp_request *request) {
  char text[32];
  bool bodiless = strcmp(request->head.method, "GET") == 0 || strcmp(request->head.method, "HEAD") == 0;
  return request->refusal == 0 && (bodiless || lws_hdr_total_length(request->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0) &&
         mp_request_copy_header(request->wsi, WSI_TOKEN_CONNECTION, text, sizeof text) && strcasecmp(text, "keep-alive") == 0;
}

static void expect(mp_request *request) {
  char text[32];
  if (request->refusal != 0 || request->length == 0) return;
  if (!mp_request_copy_header(request->wsi, WSI_TOKEN_HTTP_EXPECT, text, sizeof text) || strcasecmp(text, "100-continue") != 0)
    return;
  request->expects = true;
  lws_callback_on_writable(request->wsi);
}

/* A POST with neither a length nor chunks has no body. One that is refused is read to its end where that is near: an answer
 * before that is lost in the reset of a connection closed with bytes unread. */
void mp_request_begin_body(mp_request *request, bool fits) {
  request->refusal = read_framing(request);
  if (!fits) request->refusal = 400;
  if (strcmp(request->head.method, "GET") == 0) {
    request->is_chunked = false;
    request->length = 0;
  }
  request->body_complete = !request->is_chunked && request->length == 0;
  request->keeps_alive = wants_another(request);
  expect(request);
  if (begin_stream(request)) return;
  if (request->refusal == 0 && request->length > MP_HTTP_BODY_MAX) request->refusal = 413;
  bool follows = request->length > 0 && request->length <= MP_HTTP_UNREAD_MAX;
  if (request->refusal != 0) {
    if (!follows) refuse(request);
  } else if (!follows && !request->is_chunked) {
    mp_request_dispatch(request);
  }
}

/* Stops reading while the owner takes nothing. libwebsockets sets a limit of time after this callback, which must not run then:
 * the next WRITEABLE takes it away. */
static void pause_when_full(mp_request *request) {
  if (request->paused || request->body.length < MP_HTTP_PIECE) return;
  request->paused = true;
  lws_rx_flow_control(request->wsi, 0);
  lws_callback_on_writable(request->wsi);
}

static int keep(mp_request *request, const void *bytes, size_t length, mp_error *e) {
  if (request->is_chunked) return mp_chunked_feed(&request->chunked, bytes, length, &request->body, e);
  return mp_buffer_append(&request->body, bytes, length);
}

/* What comes behind an answer. */
static int forget(mp_request *request, size_t length) {
  request->unread += length;
  return request->unread > MP_HTTP_UNREAD_MAX ? -1 : 0;
}

static int feed_stream(mp_request *request, const void *bytes, size_t length) {
  if (request->answered && request->unwritten == 0) return forget(request, length);
  if (request->body_complete || request->reason.code != MP_OK) return 0;
  int rc = keep(request, bytes, length, &request->reason);
  if (rc < 0) request->reason.code = rc;
  request->body_complete = rc == 1;
  pause_when_full(request);
  mp_request_wake(request);
  return 0;
}

int mp_request_feed(mp_request *request, const void *bytes, size_t length) {
  mp_error e;
  if (request->streams) return feed_stream(request, bytes, length);
  if (request->lingers) return forget(request, length);
  if (request->dispatched || request->refusal != 0) return 0;
  int rc = keep(request, bytes, length, &e);
  if (rc < 0) {
    request->refusal = rc == MP_ELIMIT ? 413 : 400;
    refuse(request);
  } else if (rc == 1) {
    mp_request_dispatch(request);
  }
  return 0;
}

/* A body of a known length has come in full. */
int mp_request_complete(mp_request *request) {
  if (request->is_chunked) return 0;
  request->body_complete = true;
  if (request->lingers) return -1;
  if (request->streams) {
    mp_request_wake(request);
  } else if (request->refusal != 0) {
    refuse(request);
  } else {
    mp_request_dispatch(request);
  }
  return 0;
}

int mp_request_read(mp_request *request, mp_buffer *out, mp_error *e) {
  if (request->body.length > 0) {
    if (mp_buffer_append(out, request->body.data, request->body.length) != MP_OK)
      return mp_fail(e, MP_ENOMEM, "no memory for a body");
    request->body.length = 0;
    if (request->paused) lws_rx_flow_control(request->wsi, 1);
    request->paused = false;
    return 1;
  }
  if (request->body_complete) return MP_REQUEST_END;
  *e = request->reason;
  return request->reason.code;
}
