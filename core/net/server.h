/* What the two files of the server share: the server itself, and the life of a request in it. */
#ifndef MOONPOST_NET_SERVER_H
#define MOONPOST_NET_SERVER_H
#include "net/listen.h"
#include "net/lws.h"

struct mp_server {
  struct lws_vhost *vhost; /* of its own for TLS, else the one of all */
  mp_listener *listener;
  const mp_server_events *events;
  void *user;
  unsigned body_ms;
  bool tls, closed;
  mp_tagged *connections; /* callers, accepted sockets and requests */
};

#define MP_REQUEST_FIELD 256  /* bytes of a header we look at, with its ending 0 */
#define MP_REQUEST_QUERY 4096 /* as much as libwebsockets takes of a whole head */

typedef struct {
  char method[8], path[1024], query[MP_REQUEST_QUERY];
  char host[MP_REQUEST_FIELD], origin[MP_REQUEST_FIELD], content_type[MP_REQUEST_FIELD];
} mp_request_head;

/* False when a part is too long, or a header is there and empty: who decides by it must not take it for absent. */
bool mp_request_read_head(struct lws *wsi, mp_request_head *head);
/* The head as the owner sees it; without a body. */
mp_request_info mp_request_head_info(const mp_request_head *head);

/* A connection of the server waits for a request: it has a new opaque data. -1: the server is closed, or there is no memory. */
int mp_server_await(mp_server *server, struct lws *wsi);

/* A request takes a connection over: it is the connection's opaque data from here on. NULL without memory. */
mp_request *mp_request_new(struct lws *wsi, mp_server *server);
/* Reads the head; the owner hears of the request now, or when its body has come. */
void mp_request_begin(mp_request *request);
void mp_request_drop(mp_request *request); /* at once, unless it is answered */
int mp_request_callback(mp_request *request, enum lws_callback_reasons reason, void *in, size_t length);

#endif
