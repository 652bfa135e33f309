/* zlib streams: stanzas flagged 2 (01 §4.1), and history and app-state payloads. */
#ifndef MOONPOST_WIRE_COMPRESS_H
#define MOONPOST_WIRE_COMPRESS_H
#include "base/buffer.h"
#include "base/error.h"

/* Inflates into `out`, at most MP_INFLATED_MAX bytes; bytes behind the stream are ignored. */
int mp_inflate(const uint8_t *bytes, size_t length, mp_buffer *out, mp_error *e);

/* Writes the zlib stream of the bytes into `out`. */
int mp_deflate(const uint8_t *bytes, size_t length, mp_buffer *out, mp_error *e);

#endif
