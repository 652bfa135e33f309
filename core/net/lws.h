/* What the files of this room share: the libwebsockets context, its virtual hosts, the one protocol. */
#ifndef MOONPOST_NET_LWS_H
#define MOONPOST_NET_LWS_H
#include <libwebsockets.h>

#include "net/net.h"

/* What a wsi's opaque user data points to. */
typedef enum { MP_KIND_SOCKET = 1, MP_KIND_REQUEST, MP_KIND_CALLER } mp_kind;

typedef struct mp_tagged {
  mp_kind kind;
  mp_server *server;              /* of an accepted connection; NULL for one of our own */
  struct mp_tagged *next, **link; /* among the server's connections */
} mp_tagged;

/* A server's connection begins, and ends: the last one of a closed server takes it along. */
void mp_server_hold(mp_server *server, mp_tagged *tagged);
void mp_server_release(mp_tagged *tagged);

#define MP_PROTOCOL_NAME "moonpost"
extern const struct lws_protocols mp_protocols[];

/* The context; NULL when libwebsockets or its libuv part does not start. */
struct lws_context *mp_lws_context(mp_error *e);
/* The virtual host for outgoing connections: plain, or TLS checked against `ca` (NULL: the system's authorities). */
struct lws_vhost *mp_lws_client_vhost(bool tls, const char *ca, mp_error *e);

/* The virtual host every accepted connection is bound to once its head has come (libwebsockets chooses the first there is). */
struct lws_vhost *mp_lws_server_vhost(mp_error *e);
/* A virtual host for the TLS handshakes of one server. */
struct lws_vhost *mp_lws_tls_vhost(const char *certificate, const char *key, mp_error *e);
/* Makes libwebsockets look at its timeouts: set outside of its callbacks, they are not noticed before some event. */
void mp_lws_wake(void);

/* The callbacks of each kind; return values as libwebsockets wants them. */
int mp_socket_callback(struct lws *wsi, enum lws_callback_reasons reason, mp_socket *socket, void *in, size_t length);
int mp_server_callback(struct lws *wsi, enum lws_callback_reasons reason, mp_tagged *tagged, void *in, size_t length);
/* A new socket for a WebSocket that knocks at a server. */
mp_socket *mp_socket_accepted(struct lws *wsi, mp_server *server);
void mp_socket_bind(mp_socket *socket, const mp_socket_events *events, void *user);
void mp_socket_forget(mp_socket *socket);

/* Why a connection of ours failed, in words: libwebsockets' own text, the certificate's fault, or the system's reason. */
void mp_lws_reason(struct lws *wsi, const void *in, size_t length, mp_error *reason);

#endif
