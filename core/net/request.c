#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/limits.h"
#include "net/chunked.h"
#include "net/server.h"

struct mp_request {
  mp_tagged tagged;
  struct lws *wsi;
  mp_request_head head;
  mp_buffer body;
  mp_chunked chunked;
  bool is_chunked, dispatched, answered;
  int status, refusal; /* refusal: what a body that cannot be taken is answered with, 0 when it can */
  char answer_type[MP_REQUEST_FIELD];
  mp_buffer answer; /* LWS_PRE bytes of room first */
};

/* "" for one that is absent; false for one that does not fit, or is there without a value. */
static bool copy_header(struct lws *wsi, enum lws_token_indexes token, char *out, int size) {
  char byte[1];
  int length = lws_hdr_copy(wsi, out, size, token);
  if (length > 0) return true;
  out[0] = 0;
  return length == 0 && lws_hdr_copy_fragment(wsi, byte, sizeof byte, token, 0) < 0;
}

/* libwebsockets keeps the fields of a query apart, without what was between them, and would join them with commas. */
static bool copy_query(struct lws *wsi, char *out, size_t size) {
  size_t length = 0;
  for (int i = 0; lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i) > 0; i++) {
    if (i > 0 && length + 1 < size) out[length++] = '&';
    int more = lws_hdr_copy_fragment(wsi, out + length, (int)(size - length), WSI_TOKEN_HTTP_URI_ARGS, i);
    if (more < 0) return false;
    length += (size_t)more;
  }
  out[length] = 0;
  return true;
}

bool mp_request_read_head(struct lws *wsi, mp_request_head *head) {
  static const struct {
    enum lws_token_indexes token;
    const char *method;
  } methods[] = {{WSI_TOKEN_GET_URI, "GET"},       {WSI_TOKEN_POST_URI, "POST"}, {WSI_TOKEN_PUT_URI, "PUT"},
                 {WSI_TOKEN_DELETE_URI, "DELETE"}, {WSI_TOKEN_HEAD_URI, "HEAD"}, {WSI_TOKEN_OPTIONS_URI, "OPTIONS"}};
  bool fits = true;
  head->method[0] = head->path[0] = 0;
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    if (lws_hdr_total_length(wsi, methods[i].token) == 0) continue;
    strcpy(head->method, methods[i].method); /* at most 7 characters */
    fits = copy_header(wsi, methods[i].token, head->path, sizeof head->path);
    break;
  }
  if (!copy_query(wsi, head->query, sizeof head->query)) return false;
  return copy_header(wsi, WSI_TOKEN_HOST, head->host, sizeof head->host) &&
         copy_header(wsi, WSI_TOKEN_ORIGIN, head->origin, sizeof head->origin) &&
         copy_header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, head->content_type, sizeof head->content_type) && fits;
}

mp_request_info mp_request_head_info(const mp_request_head *head) {
  return (mp_request_info){
      .method = head->method,
      .path = head->path,
      .query = head->query,
      .host = head->host,
      .origin = head->origin,
      .content_type = head->content_type,
  };
}

static void free_request(mp_request *request) {
  if (request->wsi != NULL) lws_set_opaque_user_data(request->wsi, NULL);
  mp_server_release(&request->tagged);
  mp_buffer_free(&request->body);
  mp_buffer_free(&request->answer);
  free(request);
}

static void dispatch(mp_request *request) {
  if (request->dispatched) return;
  request->dispatched = true;
  mp_request_info info = mp_request_head_info(&request->head);
  info.body = request->body.data;
  info.body_length = request->body.length;
  request->tagged.server->events->request(request->tagged.server->user, request, &info);
}

void mp_request_respond(mp_request *request, int status, const char *content_type, const void *body, size_t length) {
  static const uint8_t room[LWS_PRE];
  if (request->answered) return;
  request->answered = true;
  request->status = status;
  snprintf(request->answer_type, sizeof request->answer_type, "%s", content_type);
  if (mp_buffer_append(&request->answer, room, sizeof room) != MP_OK ||
      mp_buffer_append(&request->answer, body, length) != MP_OK) {
    request->status = 500;
  }
  lws_callback_on_writable(request->wsi);
}

static int write_answer(mp_request *request) {
  struct lws *wsi = request->wsi;
  uint8_t head[LWS_PRE + 1024], *start = head + LWS_PRE, *at = start, *end = head + sizeof head - 1;
  if (!request->answered) return 0;
  size_t length = request->answer.length > LWS_PRE ? request->answer.length - LWS_PRE : 0;
  char date[64];
  time_t now = time(NULL);
  struct tm parts;
  int date_length = (int)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
  if (lws_add_http_common_headers(wsi, (unsigned)request->status, request->answer_type, length, &at, end) ||
      lws_add_http_header_by_token(wsi, WSI_TOKEN_CONNECTION, (const uint8_t *)"close", 5, &at, end) ||
      lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_DATE, (const uint8_t *)date, date_length, &at, end) ||
      lws_finalize_write_http_header(wsi, start, &at, end)) {
    return -1;
  }
  if (length > 0) lws_write(wsi, request->answer.data + LWS_PRE, length, LWS_WRITE_HTTP_FINAL);
  return -1;
}

mp_request *mp_request_new(struct lws *wsi, mp_server *server) {
  mp_request *request = calloc(1, sizeof *request);
  if (request == NULL) return NULL;
  request->tagged.kind = MP_KIND_REQUEST;
  request->wsi = wsi;
  mp_server_hold(server, &request->tagged);
  mp_buffer_init(&request->body, MP_HTTP_BODY_MAX);
  mp_buffer_init(&request->answer, 0);
  mp_chunked_init(&request->chunked);
  return request;
}

static void refuse(mp_request *request) {
  static const char malformed[] = "the request is malformed\n", large[] = "the body is too large\n";
  bool too_large = request->refusal == 413;
  request->dispatched = true;
  mp_request_respond(request, request->refusal, "text/plain", too_large ? large : malformed,
                     too_large ? sizeof large - 1 : sizeof malformed - 1);
}

/* How a body follows: not at all, by its length, or in chunks. Returns 0, or what such a head is refused with. */
static int read_framing(mp_request *request, uint64_t *length) {
  char encoding[64], digits[24];
  *length = 0;
  if (!copy_header(request->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING, encoding, sizeof encoding) ||
      !copy_header(request->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, digits, sizeof digits)) {
    return 400;
  }
  request->is_chunked = encoding[0] != 0;
  if (request->is_chunked) return strcasecmp(encoding, "chunked") == 0 && digits[0] == 0 ? 0 : 400;
  if (digits[strspn(digits, "0123456789")] != 0) return 400;
  *length = strtoull(digits, NULL, 10); /* ULLONG_MAX when it is more */
  return *length > MP_HTTP_BODY_MAX ? 413 : 0;
}

/* A POST with neither a length nor chunks has no body. One that is refused is read to its end where that is near: an answer
 * before that is lost in the reset of a connection closed with bytes unread. */
void mp_request_begin(mp_request *request) {
  uint64_t length;
  lws_set_opaque_user_data(request->wsi, request);
  bool fits = mp_request_read_head(request->wsi, &request->head);
  request->refusal = read_framing(request, &length);
  if (!fits) request->refusal = 400;
  if (strcmp(request->head.method, "GET") == 0) {
    request->is_chunked = false;
    length = 0;
  }
  bool follows = length > 0 && length <= MP_HTTP_UNREAD_MAX;
  if (request->refusal != 0) {
    if (!follows) refuse(request);
  } else if (!follows && !request->is_chunked) {
    dispatch(request);
  }
  if (request->dispatched) return;
  lws_set_timer_usecs(request->wsi, (lws_usec_t)request->tagged.server->body_ms * 1000);
  mp_lws_wake();
}

void mp_request_drop(mp_request *request) {
  if (!request->answered) lws_set_timeout(request->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

static int feed_body(mp_request *request, const void *bytes, size_t length) {
  mp_error e;
  if (request->dispatched || request->refusal != 0) return 0;
  int rc = request->is_chunked ? mp_chunked_feed(&request->chunked, bytes, length, &request->body, &e)
                               : mp_buffer_append(&request->body, bytes, length);
  if (rc < 0) {
    request->refusal = rc == MP_ELIMIT ? 413 : 400;
    refuse(request);
  } else if (rc == 1) {
    dispatch(request);
  }
  return 0;
}

/* A body of a known length has come in full. */
static void complete_body(mp_request *request) {
  if (request->is_chunked) return;
  if (request->refusal != 0) {
    refuse(request);
  } else {
    dispatch(request);
  }
}

int mp_request_callback(mp_request *request, enum lws_callback_reasons reason, void *in, size_t length) {
  mp_server *server = request->tagged.server;
  switch (reason) {
    case LWS_CALLBACK_HTTP_BODY:
      return feed_body(request, in, length);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
      complete_body(request);
      return 0;
    case LWS_CALLBACK_TIMER:
      if (!request->dispatched) mp_request_drop(request); /* an orderly end would go on listening to it */
      return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
      return write_answer(request);
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_WSI_DESTROY:
      if (request->dispatched) server->events->gone(server->user, request);
      free_request(request);
      return 0;
    default:
      return 0;
  }
}
