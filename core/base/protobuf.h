/* Protobuf's wire format: varints, tags, lengths. A reader is a span; a writer is a buffer (base/buffer.h). */
#ifndef MOONPOST_BASE_PROTOBUF_H
#define MOONPOST_BASE_PROTOBUF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

typedef struct {
  const uint8_t *at, *end;
} mp_proto_span;

enum { MP_PROTO_VARINT = 0, MP_PROTO_FIXED64 = 1, MP_PROTO_BYTES = 2, MP_PROTO_FIXED32 = 5 };

/* Readers return false at truncated or malformed bytes and then leave the span anywhere. */
bool mp_proto_read_varint(mp_proto_span *span, uint64_t *value); /* at most 10 bytes */
bool mp_proto_read_tag(mp_proto_span *span, uint32_t *number, int *type);
bool mp_proto_read_fixed(mp_proto_span *span, size_t size, uint64_t *value); /* size 4 or 8 */
bool mp_proto_read_bytes(mp_proto_span *span, mp_proto_span *content);
/* Skips the value of a field; groups (types 3 and 4) are refused. */
bool mp_proto_skip(mp_proto_span *span, int type);

int mp_proto_write_varint(mp_buffer *out, uint64_t value);
int mp_proto_write_tag(mp_buffer *out, uint32_t number, int type);
int mp_proto_write_fixed(mp_buffer *out, size_t size, uint64_t value);
int mp_proto_write_bytes(mp_buffer *out, const void *bytes, size_t length); /* length and content */
/* A length-delimited content is written after `mark = mp_proto_begin`, and its length set by mp_proto_end. */
int mp_proto_begin(mp_buffer *out, size_t *mark);
int mp_proto_end(mp_buffer *out, size_t mark);

#endif
