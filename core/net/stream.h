/* A stream of bytes of our own making: TCP to a host, through a proxy if there is one, in TLS if that is wanted. Its owner reads
 * and writes when he likes, and waits for it to be possible; nothing is queued here. */
#ifndef MOONPOST_NET_STREAM_H
#define MOONPOST_NET_STREAM_H
#include "net/net.h"

typedef struct mp_stream mp_stream;

#define MP_STREAM_END (-1000) /* what mp_stream_read returns at the orderly end of the stream */
#define MP_STREAM_READ_MIN \
  16384u /* room there has to be for a read: a record of TLS whole, so that the descriptor tells of all */

typedef struct {
  const char *host;      /* a name, or a numeric address */
  const char *ca;        /* PEM; NULL: the system's authorities */
  const mp_proxy *proxy; /* NULL: none; without an address its name is looked up */
  uint16_t port;
  bool tls;
  unsigned connect_ms; /* for each address, and for the look-up */
} mp_stream_options;

/* Called when what was waited for may be possible: the stream is open, or has failed, or moves. */
typedef void (*mp_stream_moved)(void *user);

int mp_stream_open(const mp_stream_options *options, mp_stream_moved moved, void *user, mp_stream **out, mp_error *e);
/* The same way once more. */
int mp_stream_open_again(const mp_stream *stream, mp_stream_moved moved, void *user, mp_stream **out, mp_error *e);
/* Whether a stream is what opening one with these options would give. */
bool mp_stream_goes(const mp_stream *stream, const mp_stream_options *options);
/* A stream changes hands. */
void mp_stream_own(mp_stream *stream, mp_stream_moved moved, void *user);
/* 1: it is open; 0: not yet; negative: why it is not. */
int mp_stream_ready(const mp_stream *stream, mp_error *e);
/* Has `moved` called once. */
void mp_stream_wait(mp_stream *stream, bool readable, bool writable);
void mp_stream_wait_no_more(mp_stream *stream);
/* How many bytes were read or written; 0: wait; negative: an error, MP_STREAM_END among them. */
ptrdiff_t mp_stream_read(mp_stream *stream, void *bytes, size_t room, mp_error *e);
ptrdiff_t mp_stream_write(mp_stream *stream, const void *bytes, size_t length, mp_error *e);
/* At once, also when it is not open yet; nothing is called any more. */
void mp_stream_close(mp_stream *stream);

#endif
