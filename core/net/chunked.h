/* HTTP/1.1 chunked bodies: libwebsockets hands them out raw, and never says that they end (RFC 9112 §7.1). */
#ifndef MOONPOST_NET_CHUNKED_H
#define MOONPOST_NET_CHUNKED_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

typedef struct {
  enum { MP_CHUNK_SIZE, MP_CHUNK_EXTENSION, MP_CHUNK_DATA, MP_CHUNK_DATA_END, MP_CHUNK_TRAILER, MP_CHUNK_DONE } state;
  size_t left;     /* bytes of the chunk still to come */
  unsigned digits; /* of its size so far */
  unsigned line;   /* bytes of the trailer's present line */
  unsigned extra;  /* bytes of extensions and trailers in all: bounded */
  bool last, return_seen;
} mp_chunked;

void mp_chunked_init(mp_chunked *decoder);
/* Decodes into `out` (whose limit bounds the body). 1: the body is complete; 0: more is needed; negative: an error. */
int mp_chunked_feed(mp_chunked *decoder, const uint8_t *bytes, size_t length, mp_buffer *out, mp_error *e);

#endif
