/* What the files of this room share: the libwebsockets context, its virtual hosts, the one protocol. */
#ifndef MOONPOST_NET_LWS_H
#define MOONPOST_NET_LWS_H
#include <libwebsockets.h>

#include "net/net.h"

/* What a wsi's opaque user data points to. */
typedef enum { MP_KIND_SOCKET = 1, MP_KIND_REQUEST, MP_KIND_HTTP } mp_kind;

typedef struct {
  mp_kind kind;
} mp_tagged;

#define MP_PROTOCOL_NAME "moonpost"
extern const struct lws_protocols mp_protocols[];

/* The context; NULL when libwebsockets or its libuv part does not start. */
struct lws_context *mp_lws_context(mp_error *e);
/* The virtual host for outgoing connections: plain, or TLS checked against `ca` (NULL: the system's authorities). */
struct lws_vhost *mp_lws_client_vhost(bool tls, const char *ca, mp_error *e);

/* The callbacks of each kind; return values as libwebsockets wants them. */
int mp_socket_callback(struct lws *wsi, enum lws_callback_reasons reason, mp_socket *socket, void *in, size_t length);
int mp_http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *exchange, void *in, size_t length);
int mp_server_callback(struct lws *wsi, enum lws_callback_reasons reason, mp_request *request, void *in, size_t length);
/* A new socket for a WebSocket that knocks at a server. */
mp_socket *mp_socket_accepted(struct lws *wsi);
void mp_socket_bind(mp_socket *socket, const mp_socket_events *events, void *user);
void mp_socket_forget(mp_socket *socket);

#endif
