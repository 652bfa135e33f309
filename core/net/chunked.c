#include "net/chunked.h"

#include <string.h>

#define EXTRA_MAX 8192

void mp_chunked_init(mp_chunked *decoder) {
  memset(decoder, 0, sizeof *decoder);
}

static int hex_value(uint8_t c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int malformed(mp_error *e) {
  return mp_fail(e, MP_EMALFORMED, "the chunked body is malformed");
}

/* The line of a chunk's size has ended. */
static int begin_chunk(mp_chunked *d, mp_error *e) {
  if (d->digits == 0) return malformed(e);
  d->last = d->left == 0;
  d->digits = 0;
  d->line = 0;
  d->state = d->last ? MP_CHUNK_TRAILER : MP_CHUNK_DATA;
  return MP_OK;
}

static int feed_size(mp_chunked *d, uint8_t c, mp_error *e) {
  int value = hex_value(c);
  if (value >= 0 && d->state == MP_CHUNK_SIZE) {
    if (++d->digits > 8) return malformed(e);
    d->left = d->left << 4 | (size_t)value;
    return MP_OK;
  }
  if (c == '\n') return begin_chunk(d, e);
  if (++d->extra > EXTRA_MAX || (c != '\r' && c != ';' && c != ' ' && c != '\t' && d->state == MP_CHUNK_SIZE))
    return malformed(e);
  d->state = MP_CHUNK_EXTENSION;
  return MP_OK;
}

static int feed_data_end(mp_chunked *d, uint8_t c, mp_error *e) {
  if (c == '\r' && !d->return_seen) {
    d->return_seen = true;
    return MP_OK;
  }
  if (c != '\n') return malformed(e);
  d->return_seen = false;
  d->state = MP_CHUNK_SIZE;
  return MP_OK;
}

static int feed_trailer(mp_chunked *d, uint8_t c, mp_error *e) {
  if (++d->extra > EXTRA_MAX) return malformed(e);
  if (c == '\n') {
    if (d->line == 0) d->state = MP_CHUNK_DONE;
    d->line = 0;
  } else if (c != '\r') {
    d->line++;
  }
  return MP_OK;
}

int mp_chunked_feed(mp_chunked *d, const uint8_t *bytes, size_t length, mp_buffer *out, mp_error *e) {
  size_t at = 0;
  while (at < length && d->state != MP_CHUNK_DONE) {
    int rc = MP_OK;
    if (d->state == MP_CHUNK_DATA) {
      size_t part = length - at < d->left ? length - at : d->left;
      if (mp_buffer_append(out, bytes + at, part) != MP_OK) return mp_fail(e, MP_ELIMIT, "the body is too large");
      at += part;
      d->left -= part;
      if (d->left == 0) d->state = MP_CHUNK_DATA_END;
      continue;
    }
    uint8_t c = bytes[at++];
    switch (d->state) {
      case MP_CHUNK_DATA_END:
        rc = feed_data_end(d, c, e);
        break;
      case MP_CHUNK_TRAILER:
        rc = feed_trailer(d, c, e);
        break;
      default:
        rc = feed_size(d, c, e);
        break;
    }
    if (rc != MP_OK) return rc;
  }
  return d->state == MP_CHUNK_DONE ? 1 : 0;
}
