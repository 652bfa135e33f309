#include "net/request.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limits.h"

bool mp_request_copy_header(struct lws *wsi, enum lws_token_indexes token, char *out, int size) {
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
    fits = mp_request_copy_header(wsi, methods[i].token, head->path, sizeof head->path);
    break;
  }
  if (!copy_query(wsi, head->query, sizeof head->query)) return false;
  return mp_request_copy_header(wsi, WSI_TOKEN_HOST, head->host, sizeof head->host) &&
         mp_request_copy_header(wsi, WSI_TOKEN_ORIGIN, head->origin, sizeof head->origin) &&
         mp_request_copy_header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, head->content_type, sizeof head->content_type) && fits;
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

/* Headers that libwebsockets does not know: it keeps them, and gives only those it is asked for by name. */
static void each_other_header(mp_request *request, mp_request_header_fn each, void *user) {
  static const char *const names[] = {"companion_user_secret:"};
  char value[MP_REQUEST_QUERY], name[64];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    size_t size = strlen(names[i]);
    int length = lws_hdr_custom_copy(request->wsi, value, sizeof value, names[i], (int)size);
    if (length <= 0) continue;
    memcpy(name, names[i], size - 1);
    name[size - 1] = 0;
    each(user, name, value);
  }
}

/* Before the head is forgotten: each header that is known, by its name in lower case. */
void mp_request_each_header(mp_request *request, mp_request_header_fn each, void *user) {
  char value[MP_REQUEST_QUERY], name[64];
  for (int token = 0; token < WSI_TOKEN_COUNT; token++) {
    const char *text = (const char *)lws_token_to_string((enum lws_token_indexes)token);
    size_t size = text != NULL ? strlen(text) : 0;
    if (size < 2 || size >= sizeof name || text[size - 1] != ':' || text[0] == ':') continue;
    if (lws_hdr_copy(request->wsi, value, sizeof value, (enum lws_token_indexes)token) <= 0) continue;
    memcpy(name, text, size - 1);
    name[size - 1] = 0;
    each(user, name, value);
  }
  each_other_header(request, each, user);
}

static void free_request(mp_request *request) {
  if (request->wsi != NULL) lws_set_opaque_user_data(request->wsi, NULL);
  mp_server_release(&request->tagged);
  mp_buffer_free(&request->body);
  mp_buffer_free(&request->answer_head);
  mp_buffer_free(&request->answer);
  free(request);
}

void mp_request_dispatch(mp_request *request) {
  if (request->dispatched) return;
  request->dispatched = true;
  mp_request_info info = mp_request_head_info(&request->head);
  info.body = request->body.data;
  info.body_length = request->body.length;
  info.length = request->length;
  request->tagged.server->events->request(request->tagged.server->user, request, &info);
}

void mp_request_wake(mp_request *request) {
  if (!request->waits) return;
  request->waits = false;
  lws_set_timer_usecs(request->wsi, LWS_SET_TIMER_USEC_CANCEL);
  request->tagged.server->events->moved(request->tagged.server->user, request);
}

void mp_request_wait(mp_request *request, unsigned stall_ms) {
  request->waits = true;
  lws_set_timer_usecs(request->wsi, (lws_usec_t)stall_ms * 1000);
  mp_lws_wake();
}

mp_request *mp_request_new(struct lws *wsi, mp_server *server) {
  mp_request *request = calloc(1, sizeof *request);
  if (request == NULL) return NULL;
  request->tagged.kind = MP_KIND_REQUEST;
  request->wsi = wsi;
  mp_server_hold(server, &request->tagged);
  mp_buffer_init(&request->body, MP_HTTP_BODY_MAX);
  mp_buffer_init(&request->answer_head, 0);
  mp_buffer_init(&request->answer, 0);
  mp_chunked_init(&request->chunked);
  return request;
}

void mp_request_begin(mp_request *request) {
  lws_set_opaque_user_data(request->wsi, request);
  mp_request_begin_body(request, mp_request_read_head(request->wsi, &request->head));
  if (request->dispatched) return;
  lws_set_timer_usecs(request->wsi, (lws_usec_t)request->tagged.server->body_ms * 1000);
  mp_lws_wake();
}

/* An orderly end would go on listening to the peer; and what a peer goes on sending has libwebsockets set the time limit anew. */
static void kill_now(mp_request *request) {
  request->killed = true;
  lws_callback_on_writable(request->wsi);
  lws_set_timeout(request->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
  mp_lws_wake();
}

void mp_request_drop(mp_request *request) {
  if (!request->answered || request->streams) kill_now(request);
}

/* libwebsockets may close the connection here, and the request goes with it then. */
int mp_request_over(mp_request *request) {
  struct lws *wsi = request->wsi;
  mp_server *server = request->tagged.server;
  lws_set_timer_usecs(wsi, LWS_SET_TIMER_USEC_CANCEL);
  if (lws_http_transaction_completed(wsi) != 0 || mp_server_await(server, wsi) != 0) return -1;
  if (request->dispatched) server->events->gone(server->user, request);
  request->wsi = NULL;
  free_request(request);
  return 0;
}

void mp_request_end_now(mp_request *request) {
  const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  if (request->resets) setsockopt(lws_get_socket_fd(request->wsi), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  kill_now(request);
}

void mp_request_cut(mp_request *request, bool reset) {
  request->cuts = true;
  request->resets = reset;
  if (!request->answered) return mp_request_end_now(request);
  mp_request_linger(request);
  lws_callback_on_writable(request->wsi);
}

/* A request that does not come to its end; a stream that stands still; an answered one whose peer goes on sending. */
static void on_time(mp_request *request) {
  if (request->waits) {
    mp_fail(&request->reason, MP_ESTALLED, "the peer neither sends nor takes anything");
    mp_request_wake(request);
  } else if (!request->dispatched || request->lingers) {
    kill_now(request);
  }
}

int mp_request_callback(mp_request *request, enum lws_callback_reasons reason, void *in, size_t length) {
  mp_server *server = request->tagged.server;
  switch (reason) {
    case LWS_CALLBACK_HTTP_BODY:
      if (request->killed) return -1;
      mp_loop_count_received();
      return mp_request_feed(request, in, length);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
      return mp_request_complete(request);
    case LWS_CALLBACK_TIMER:
      on_time(request);
      return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
      return request->killed ? -1 : mp_request_write_on(request);
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_WSI_DESTROY:
      if (request->dispatched) server->events->gone(server->user, request);
      free_request(request);
      return 0;
    default:
      return 0;
  }
}
