/* The zlib form of a stanza (01 §4.1): flag 2, then a zlib stream. */
#ifndef MOONPOST_WIRE_INFLATE_H
#define MOONPOST_WIRE_INFLATE_H
#include "base/buffer.h"
#include "base/error.h"

/* Inflates into `out`, at most MP_INFLATED_MAX bytes; bytes behind the stream are ignored. */
int mp_inflate(const uint8_t *bytes, size_t length, mp_buffer *out, mp_error *e);

#endif
