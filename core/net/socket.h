/* A WebSocket, as the files that connect, write and end it share it. */
#ifndef MOONPOST_NET_SOCKET_H
#define MOONPOST_NET_SOCKET_H
#include "net/late.h"
#include "net/lws.h"
#include "net/tunnel.h"

typedef struct mp_chunk {
  struct mp_chunk *next;
  size_t length;
  uint8_t bytes[]; /* LWS_PRE bytes of room, then the payload; masked in place when it is written */
} mp_chunk;

struct mp_socket {
  mp_tagged tagged;
  struct lws *wsi;
  const mp_socket_events *events;
  void *user;
  mp_chunk *first, **last;
  size_t pending;   /* bytes queued, and those libwebsockets holds of the last write */
  size_t in_flight; /* bytes of the last write, until the kernel has taken all of them */
  size_t chunks;    /* in the queue: an empty one takes memory too */
  int close_code, peer_code;
  bool opened, closing, aborted, finished, above_high, connecting, paused, peer_closed, close_sent;
  mp_error reason;
  mp_tunnel *tunnel; /* through a proxy, until libwebsockets has it */
  mp_late *late;     /* how to connect then */
};

mp_socket *mp_socket_new(void); /* NULL: no memory */
void mp_socket_free(mp_socket *socket);
/* Tells the owner once that the socket is gone, and frees it. */
void mp_socket_finish(mp_socket *socket);

#endif
