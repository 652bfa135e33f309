#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "net/chunked.h"
#include "net/listen.h"
#include "net/lws.h"

struct mp_server {
  struct lws_vhost *vhost; /* of its own for TLS, else the one of all */
  mp_listener *listener;
  const mp_server_events *events;
  void *user;
  bool tls, closed;
  mp_tagged *connections; /* callers, accepted sockets and requests */
};

#define FIELD 256 /* bytes of a header we look at */

struct mp_request {
  mp_tagged tagged;
  struct lws *wsi;
  char method[8], path[1024], query[1024], host[FIELD], origin[FIELD], content_type[FIELD];
  mp_buffer body;
  mp_chunked chunked;
  bool is_chunked, dispatched, answered;
  int status, refusal; /* refusal: what a body that cannot be taken is answered with, 0 when it can */
  char answer_type[FIELD];
  mp_buffer answer; /* LWS_PRE bytes of room first */
};

/* Loopback only: the sandbox is nobody else's. */
static int check_loopback(const char *host, struct in_addr *address, mp_error *e) {
  if (strcmp(host, "localhost") == 0) host = "127.0.0.1";
  if (inet_pton(AF_INET, host, address) != 1 || (ntohl(address->s_addr) >> 24) != 127) {
    return mp_fail(e, MP_EINVAL, "'%s' is no loopback address (127.0.0.1)", host);
  }
  return MP_OK;
}

void mp_server_hold(mp_server *server, mp_tagged *tagged) {
  tagged->server = server;
  tagged->next = server->connections;
  tagged->link = &server->connections;
  if (tagged->next != NULL) tagged->next->link = &tagged->next;
  server->connections = tagged;
}

/* A closed server goes with its last connection. */
static void free_when_over(mp_server *server) {
  if (!server->closed || server->connections != NULL) return;
  server->events->closed(server->user);
  free(server);
}

void mp_server_release(mp_tagged *tagged) {
  mp_server *server = tagged->server;
  if (server == NULL) return;
  *tagged->link = tagged->next;
  if (tagged->next != NULL) tagged->next->link = tagged->link;
  tagged->server = NULL;
  free_when_over(server);
}

/* Who is there and has not said yet what for. libwebsockets closes the descriptor when it does not take it. */
static void on_accepted(void *user, int fd) {
  mp_server *server = user;
  struct lws *wsi = lws_adopt_socket_vhost(server->vhost, fd);
  if (wsi == NULL) return;
  mp_tagged *caller = calloc(1, sizeof *caller);
  if (caller == NULL) {
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
  } else {
    caller->kind = MP_KIND_CALLER;
    mp_server_hold(server, caller);
    lws_set_opaque_user_data(wsi, caller);
  }
  mp_lws_wake(); /* for the time limit of a handshake */
}

static void forget_caller(struct lws *wsi, mp_tagged *caller) {
  lws_set_opaque_user_data(wsi, NULL);
  mp_server_release(caller);
  free(caller);
}

int mp_server_listen(const mp_listen_options *options, const mp_server_events *events, void *user, mp_server **out, mp_error *e) {
  struct in_addr address;
  int rc = check_loopback(options->host, &address, e);
  if (rc != MP_OK) return rc;
  struct lws_vhost *vhost =
      options->certificate != NULL ? mp_lws_tls_vhost(options->certificate, options->key, e) : mp_lws_server_vhost(e);
  if (vhost == NULL) return e->code;
  mp_server *server = calloc(1, sizeof *server);
  if (server == NULL) {
    rc = mp_fail(e, MP_ENOMEM, "no memory for a server");
  } else {
    *server = (mp_server){.vhost = vhost, .tls = options->certificate != NULL, .events = events, .user = user};
    rc = mp_listener_open(address, options->port, on_accepted, server, &server->listener, e);
  }
  if (rc != MP_OK) {
    if (options->certificate != NULL) lws_vhost_destroy(vhost);
    free(server);
    return rc;
  }
  mp_loop_hold();
  *out = server;
  return MP_OK;
}

uint16_t mp_server_port(const mp_server *server) {
  return mp_listener_port(server->listener);
}

static void end_connection(mp_tagged *tagged) {
  if (tagged->kind == MP_KIND_SOCKET) {
    mp_socket_close((mp_socket *)tagged, LWS_CLOSE_STATUS_GOINGAWAY);
  } else if (tagged->kind == MP_KIND_REQUEST && !((mp_request *)tagged)->answered) {
    lws_set_timeout(((mp_request *)tagged)->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
  }
}

void mp_server_close(mp_server *server) {
  if (server->closed) return;
  server->closed = true;
  mp_loop_release();
  mp_listener_close(server->listener);
  for (mp_tagged *at = server->connections, *next; at != NULL; at = next) {
    next = at->next;
    end_connection(at);
  }
  if (server->tls) lws_vhost_destroy(server->vhost);
  mp_lws_wake();
  free_when_over(server);
}

static void copy_header(struct lws *wsi, enum lws_token_indexes token, char *out, int size) {
  if (lws_hdr_copy(wsi, out, size, token) < 0) out[0] = 0;
}

static void read_info(struct lws *wsi, mp_request *request) {
  static const struct {
    enum lws_token_indexes token;
    const char *method;
  } methods[] = {{WSI_TOKEN_GET_URI, "GET"},       {WSI_TOKEN_POST_URI, "POST"}, {WSI_TOKEN_PUT_URI, "PUT"},
                 {WSI_TOKEN_DELETE_URI, "DELETE"}, {WSI_TOKEN_HEAD_URI, "HEAD"}, {WSI_TOKEN_OPTIONS_URI, "OPTIONS"}};
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    if (lws_hdr_total_length(wsi, methods[i].token) == 0) continue;
    strcpy(request->method, methods[i].method); /* at most 7 characters */
    copy_header(wsi, methods[i].token, request->path, sizeof request->path);
    break;
  }
  copy_header(wsi, WSI_TOKEN_HTTP_URI_ARGS, request->query, sizeof request->query);
  copy_header(wsi, WSI_TOKEN_HOST, request->host, sizeof request->host);
  copy_header(wsi, WSI_TOKEN_ORIGIN, request->origin, sizeof request->origin);
  copy_header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, request->content_type, sizeof request->content_type);
}

static mp_request_info info_of(const mp_request *request) {
  return (mp_request_info){request->method, request->path,         request->query,     request->host,
                           request->origin, request->content_type, request->body.data, request->body.length};
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
  mp_request_info info = info_of(request);
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
  if (lws_add_http_common_headers(wsi, (unsigned)request->status, request->answer_type, length, &at, end) ||
      lws_add_http_header_by_token(wsi, WSI_TOKEN_CONNECTION, (const uint8_t *)"close", 5, &at, end) ||
      lws_finalize_write_http_header(wsi, start, &at, end)) {
    return -1;
  }
  if (length > 0) lws_write(wsi, request->answer.data + LWS_PRE, length, LWS_WRITE_HTTP_FINAL);
  return -1;
}

/* The request's head has come. Its body may follow by Content-Length, or in chunks; a POST with neither has none. */
static int begin_request(struct lws *wsi, mp_tagged *caller) {
  char encoding[64], length[24];
  if (caller->server->closed) return -1;
  mp_request *request = calloc(1, sizeof *request);
  if (request == NULL) return -1;
  request->tagged.kind = MP_KIND_REQUEST;
  request->wsi = wsi;
  mp_server_hold(caller->server, &request->tagged);
  mp_buffer_init(&request->body, MP_HTTP_BODY_MAX);
  mp_buffer_init(&request->answer, 0);
  mp_chunked_init(&request->chunked);
  forget_caller(wsi, caller);
  lws_set_opaque_user_data(wsi, request);
  read_info(wsi, request);
  copy_header(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING, encoding, sizeof encoding);
  request->is_chunked = strstr(encoding, "chunked") != NULL;
  bool body = request->is_chunked || lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
  copy_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, length, sizeof length);
  if (!request->is_chunked && strtoull(length, NULL, 10) == 0) body = false;
  if (!body || strcmp(request->method, "GET") == 0) dispatch(request);
  return 0;
}

static void refuse_body(mp_request *request) {
  mp_request_respond(request, request->refusal, "text/plain", "the body is malformed or too large\n", 35);
}

static int feed_body(mp_request *request, const void *bytes, size_t length) {
  mp_error e;
  if (request->dispatched) return 0;
  int rc = request->is_chunked ? mp_chunked_feed(&request->chunked, bytes, length, &request->body, &e)
                               : mp_buffer_append(&request->body, bytes, length);
  if (rc < 0) {
    request->dispatched = true;
    request->refusal = rc == MP_ELIMIT ? 413 : 400;
    if (request->is_chunked) refuse_body(request);
  } else if (rc == 1) {
    dispatch(request);
  }
  return 0;
}

/* A body of a known length has come in full. One that is refused is read to its end too: an answer before that is lost in the
 * reset of a connection closed with bytes unread. */
static void complete_body(mp_request *request) {
  if (request->is_chunked) return;
  if (request->refusal != 0) {
    refuse_body(request);
  } else {
    dispatch(request);
  }
}

/* A WebSocket wants in: its owner decides before the upgrade is answered. */
static int filter_upgrade(struct lws *wsi, mp_tagged *caller) {
  mp_server *server = caller->server;
  const mp_socket_events *events = NULL;
  void *user = NULL;
  if (server->closed) return -1;
  mp_request knock = {.wsi = wsi};
  read_info(wsi, &knock);
  mp_request_info info = info_of(&knock);
  mp_socket *socket = mp_socket_accepted(wsi, server);
  if (socket == NULL) return -1;
  mp_server_release(caller);
  free(caller);
  if (!server->events->accept(server->user, socket, &info, &events, &user)) {
    mp_socket_forget(socket);
    return -1;
  }
  mp_socket_bind(socket, events, user);
  return 0;
}

static int caller_callback(struct lws *wsi, enum lws_callback_reasons reason, mp_tagged *caller) {
  switch (reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
      return filter_upgrade(wsi, caller);
    case LWS_CALLBACK_HTTP:
      return begin_request(wsi, caller);
    case LWS_CALLBACK_WSI_DESTROY:
      forget_caller(wsi, caller);
      return 0;
    default:
      return 0;
  }
}

int mp_server_callback(struct lws *wsi, enum lws_callback_reasons reason, mp_tagged *tagged, void *in, size_t length) {
  if (tagged->kind == MP_KIND_CALLER) return caller_callback(wsi, reason, tagged);
  mp_request *request = (mp_request *)tagged;
  switch (reason) {
    case LWS_CALLBACK_HTTP_BODY:
      return feed_body(request, in, length);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
      complete_body(request);
      return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
      return write_answer(request);
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_WSI_DESTROY:
      if (request->dispatched) tagged->server->events->gone(tagged->server->user, request);
      free_request(request);
      return 0;
    default:
      return 0;
  }
}
