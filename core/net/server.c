#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "net/server.h"

#define BODY_MS 20000 /* for a body to come: libwebsockets' own limit begins anew with each piece */

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

/* Who is there and has not said yet what for. */
typedef struct {
  mp_tagged tagged;
  struct lws *wsi;
} mp_caller;

int mp_server_await(mp_server *server, struct lws *wsi) {
  mp_caller *caller = server->closed ? NULL : calloc(1, sizeof *caller);
  if (caller == NULL) return -1;
  caller->tagged.kind = MP_KIND_CALLER;
  caller->wsi = wsi;
  mp_server_hold(server, &caller->tagged);
  lws_set_opaque_user_data(wsi, caller);
  return 0;
}

/* libwebsockets closes the descriptor when it does not take it. */
static void on_accepted(void *user, int fd) {
  mp_server *server = user;
  struct lws *wsi = lws_adopt_socket_vhost(server->vhost, fd);
  if (wsi == NULL) return;
  if (mp_server_await(server, wsi) != 0) lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
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
    server->body_ms = options->body_ms != 0 ? options->body_ms : BODY_MS;
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
  } else if (tagged->kind == MP_KIND_REQUEST) {
    mp_request_drop((mp_request *)tagged);
  } else {
    lws_set_timeout(((mp_caller *)tagged)->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
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

static int begin_request(struct lws *wsi, mp_tagged *caller) {
  if (caller->server->closed) return -1;
  mp_request *request = mp_request_new(wsi, caller->server);
  if (request == NULL) return -1;
  forget_caller(wsi, caller);
  mp_request_begin(request);
  return 0;
}

/* A WebSocket wants in: its owner decides before the upgrade is answered. */
static int filter_upgrade(struct lws *wsi, mp_tagged *caller) {
  mp_server *server = caller->server;
  const mp_socket_events *events = NULL;
  void *user = NULL;
  if (server->closed) return -1;
  mp_request_head head;
  if (!mp_request_read_head(wsi, &head)) return -1;
  mp_request_info info = mp_request_head_info(&head);
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
  return mp_request_callback((mp_request *)tagged, reason, in, length);
}
