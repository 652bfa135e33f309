#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "net/chunked.h"
#include "net/lws.h"

struct mp_server {
  struct lws_vhost *vhost;
  const mp_server_events *events;
  void *user;
  uint16_t port;
  bool closed;
};

#define FIELD 256 /* bytes of a header we look at */

struct mp_request {
  mp_tagged tagged;
  struct lws *wsi;
  mp_server *server;
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

/* libwebsockets only logs why it cannot bind: we ask first. */
static int check_port(struct in_addr address, uint16_t port, mp_error *e) {
  int yes = 1;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return mp_fail(e, MP_ENET, "no socket: %s", strerror(errno));
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  int rc = bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0 ? 0 : errno;
  close(fd);
  if (rc == 0) return MP_OK;
  return mp_fail(e, MP_ENET, rc == EADDRINUSE ? "port %u is in use" : "cannot listen on port %u: %s", port, strerror(rc));
}

int mp_server_listen(const mp_listen_options *options, const mp_server_events *events, void *user, mp_server **out, mp_error *e) {
  struct lws_context_creation_info info;
  struct in_addr address;
  char iface[INET_ADDRSTRLEN];
  int rc = check_loopback(options->host, &address, e);
  if (rc != MP_OK || (rc = check_port(address, options->port, e)) != MP_OK) return rc;
  if (mp_lws_context(e) == NULL) return e->code;
  mp_server *server = calloc(1, sizeof *server);
  if (server == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a server");
  memset(&info, 0, sizeof info);
  info.port = options->port;
  info.iface = inet_ntop(AF_INET, &address, iface, sizeof iface);
  info.protocols = mp_protocols;
  info.vhost_name = "server";
  info.http_proxy_address = "";
  info.user = server;
  info.alpn = "http/1.1";
  info.keepalive_timeout = 30;
  /* With IPv6 allowed libwebsockets would listen on every interface, whatever `iface` says. */
  info.options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND | LWS_SERVER_OPTION_DISABLE_IPV6;
  if (options->certificate != NULL) {
    info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_ALLOW_NON_SSL_ON_SSL_PORT |
                    LWS_SERVER_OPTION_ALLOW_HTTP_ON_HTTPS_LISTENER;
    info.server_ssl_cert_mem = options->certificate;
    info.server_ssl_cert_mem_len = (unsigned)strlen(options->certificate);
    info.server_ssl_private_key_mem = options->key;
    info.server_ssl_private_key_mem_len = (unsigned)strlen(options->key);
  }
  server->events = events;
  server->user = user;
  server->vhost = lws_create_vhost(mp_lws_context(e), &info);
  if (server->vhost == NULL) {
    free(server);
    return mp_fail(e, MP_ENET, "cannot listen on %s:%u", iface, options->port);
  }
  server->port = (uint16_t)lws_get_vhost_listen_port(server->vhost);
  mp_loop_hold();
  *out = server;
  return MP_OK;
}

uint16_t mp_server_port(const mp_server *server) {
  return server->port;
}

void mp_server_close(mp_server *server) {
  if (server->closed) return;
  server->closed = true;
  mp_loop_release();
  lws_vhost_destroy(server->vhost);
  /* Its connections end in later turns and still ask for it: it is only freed with the process. A few bytes per server. */
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

static mp_server *server_of(struct lws *wsi) {
  struct lws_vhost *vhost = lws_get_vhost(wsi);
  return vhost != NULL ? lws_get_vhost_user(vhost) : NULL;
}

static void free_request(mp_request *request) {
  if (request->wsi != NULL) lws_set_opaque_user_data(request->wsi, NULL);
  mp_buffer_free(&request->body);
  mp_buffer_free(&request->answer);
  free(request);
}

static void dispatch(mp_request *request) {
  if (request->dispatched) return;
  request->dispatched = true;
  mp_request_info info = info_of(request);
  request->server->events->request(request->server->user, request, &info);
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
static int begin_request(struct lws *wsi) {
  mp_server *server = server_of(wsi);
  char encoding[64];
  if (server == NULL || server->closed) return -1;
  mp_request *request = calloc(1, sizeof *request);
  if (request == NULL) return -1;
  request->tagged.kind = MP_KIND_REQUEST;
  request->wsi = wsi;
  request->server = server;
  mp_buffer_init(&request->body, MP_HTTP_BODY_MAX);
  mp_buffer_init(&request->answer, 0);
  mp_chunked_init(&request->chunked);
  lws_set_opaque_user_data(wsi, request);
  read_info(wsi, request);
  copy_header(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING, encoding, sizeof encoding);
  request->is_chunked = strstr(encoding, "chunked") != NULL;
  bool body = request->is_chunked || lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
  char length[24];
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
static int filter_upgrade(struct lws *wsi) {
  mp_server *server = server_of(wsi);
  const mp_socket_events *events = NULL;
  void *user = NULL;
  int yes = 1;
  if (server == NULL || server->closed) return -1;
  mp_request knock = {.server = server};
  read_info(wsi, &knock);
  mp_request_info info = info_of(&knock);
  mp_socket *socket = mp_socket_accepted(wsi);
  if (socket == NULL) return -1;
  if (!server->events->accept(server->user, socket, &info, &events, &user)) {
    mp_socket_forget(socket);
    return -1;
  }
  mp_socket_bind(socket, events, user);
  setsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return 0;
}

int mp_server_callback(struct lws *wsi, enum lws_callback_reasons reason, mp_request *request, void *in, size_t length) {
  switch (reason) {
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
      return filter_upgrade(wsi);
    case LWS_CALLBACK_HTTP:
      return begin_request(wsi);
    case LWS_CALLBACK_HTTP_BODY:
      return request != NULL ? feed_body(request, in, length) : 0;
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
      if (request != NULL) complete_body(request);
      return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
      return request != NULL ? write_answer(request) : 0;
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_WSI_DESTROY:
      if (request == NULL) return 0;
      if (request->dispatched && !request->server->closed) request->server->events->gone(request->server->user, request);
      free_request(request);
      return 0;
    default:
      return 0;
  }
}
