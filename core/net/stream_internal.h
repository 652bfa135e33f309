/* What the two files of a stream share: how it comes about, and how bytes pass. */
#ifndef MOONPOST_NET_STREAM_INTERNAL_H
#define MOONPOST_NET_STREAM_INTERNAL_H
#include <openssl/ssl.h>

#include "net/stream.h"

typedef enum {
  MP_STREAM_LOOKS_UP,
  MP_STREAM_CONNECTS,
  MP_STREAM_ASKS,
  MP_STREAM_HEARS,
  MP_STREAM_SHAKES,
  MP_STREAM_OPEN
} mp_stream_state;

struct mp_stream {
  mp_stream_state state;
  char *host, *ca;
  uint16_t port, peer_port; /* of the host; and of whom we connect to, which may be the proxy */
  bool tls, closed, looking, write_wants_read, read_wants_write;
  char *proxy, *proxy_address, *credentials; /* the proxy's name; its address when it was given */
  char addresses[MP_ADDRESSES_MAX][MP_ADDRESS_SIZE];
  size_t count, at;
  unsigned connect_ms;
  int fd;
  uv_poll_t *poll; /* of the present descriptor */
  uv_timer_t limit;
  SSL *ssl;
  mp_buffer request, answer; /* to and from the proxy */
  mp_error reason;
  mp_stream_moved moved;
  void *user;
};

void mp_stream_watch(mp_stream *stream, int events);
/* It is open: what comes is the owner's. */
void mp_stream_opened(mp_stream *stream);
/* It will not open, or not at this address. */
void mp_stream_fail(mp_stream *stream, const mp_error *reason);
/* Says what ended a TLS call that gave `result`; 0: it is to be tried again when the descriptor is ready. */
int mp_stream_tls_result(mp_stream *stream, int result, bool writing, mp_error *e);
/* One step on the way from a connected descriptor to an open stream, when the descriptor is ready. */
void mp_stream_connected(mp_stream *stream);
void mp_stream_step(mp_stream *stream);

#endif
