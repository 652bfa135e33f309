/* How a WebSocket of ours comes about: straight to an address, or through a proxy's tunnel. */
#include <string.h>

#include "net/socket.h"

/* Has libwebsockets connect to `address`. A failure may come as a callback inside this call: then only the reason is left. */
static int start_connecting(mp_socket *socket, const mp_connect_options *options, const char *address, mp_error *e) {
  struct lws_client_connect_info info;
  struct lws_vhost *vhost = mp_lws_client_vhost(options->tls, options->ca, e);
  if (vhost == NULL) return e->code;
  memset(&info, 0, sizeof info);
  info.context = mp_lws_context(e);
  info.vhost = vhost;
  info.host = options->host;
  info.address = address;
  info.port = options->port;
  info.path = options->path;
  info.origin = options->origin;
  info.alpn = "http/1.1";
  info.local_protocol_name = MP_PROTOCOL_NAME;
  info.ietf_version_or_minus_one = -1;
  info.opaque_user_data = socket;
  info.pwsi = &socket->wsi;
  info.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (options->tls ? LCCSCF_USE_SSL : 0);
  socket->connecting = true;
  struct lws *wsi = lws_client_connect_via_info(&info);
  socket->connecting = false;
  if (wsi != NULL && socket->reason.code == MP_OK) {
    mp_lws_wake(); /* for the time limit of connecting */
    return MP_OK;
  }
  mp_error reason = socket->reason;
  if (wsi != NULL) lws_set_opaque_user_data(wsi, NULL);
  socket->wsi = NULL;
  return mp_fail(e, MP_ENET, "cannot connect to %s:%u: %s", options->host, options->port,
                 reason.code != MP_OK ? reason.message : "the connection failed");
}

static int enter_tunnel(mp_socket *socket, mp_error *e) {
  char address[MP_TUNNEL_ADDRESS];
  int rc = mp_tunnel_listen(socket->tunnel, address, e);
  if (rc == MP_OK) rc = start_connecting(socket, &socket->late->options, address, e);
  if (rc == MP_OK) rc = mp_tunnel_accept(socket->tunnel, e);
  if (rc == MP_OK) socket->tunnel = NULL;
  return rc;
}

static void on_tunnel(void *user, const mp_error *reason) {
  mp_socket *socket = user;
  if (reason != NULL) {
    socket->tunnel = NULL;
    socket->reason = *reason;
    mp_socket_finish(socket);
  } else if (socket->aborted || enter_tunnel(socket, &socket->reason) != MP_OK) {
    mp_socket_finish(socket);
  }
}

static int connect_through(mp_socket *socket, const mp_connect_options *options, mp_error *e) {
  socket->late = mp_late_copy(options);
  if (socket->late == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a socket");
  return mp_tunnel_open(options->proxy, options->host, options->port, on_tunnel, socket, &socket->tunnel, e);
}

int mp_socket_connect(const mp_connect_options *options, const mp_socket_events *events, void *user, mp_socket **out,
                      mp_error *e) {
  if (mp_lws_client_vhost(options->tls, options->ca, e) == NULL) return e->code;
  mp_socket *socket = mp_socket_new();
  if (socket == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a socket");
  int rc = options->proxy != NULL
               ? connect_through(socket, options, e)
               : start_connecting(socket, options, options->address != NULL ? options->address : options->host, e);
  if (rc != MP_OK) {
    mp_socket_free(socket);
    return rc;
  }
  mp_socket_bind(socket, events, user);
  *out = socket;
  return MP_OK;
}
