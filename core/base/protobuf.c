#include "base/protobuf.h"

#include <string.h>

#include "base/error.h"

bool mp_proto_read_varint(mp_proto_span *span, uint64_t *value) {
  uint64_t result = 0;
  for (unsigned shift = 0; shift < 70 && span->at < span->end; shift += 7) {
    uint8_t byte = *span->at++;
    if (shift == 63 && byte > 1) return false; /* more than 64 bits */
    result |= (uint64_t)(byte & 0x7f) << shift;
    if (byte < 0x80) {
      *value = result;
      return true;
    }
  }
  return false;
}

bool mp_proto_read_tag(mp_proto_span *span, uint32_t *number, int *type) {
  uint64_t tag;
  if (!mp_proto_read_varint(span, &tag) || tag > UINT32_MAX || tag >> 3 == 0) return false;
  *number = (uint32_t)(tag >> 3);
  *type = (int)(tag & 7);
  return true;
}

bool mp_proto_read_fixed(mp_proto_span *span, size_t size, uint64_t *value) {
  if ((size_t)(span->end - span->at) < size) return false;
  uint64_t result = 0;
  for (size_t i = 0; i < size; i++) result |= (uint64_t)span->at[i] << (8 * i);
  span->at += size;
  *value = result;
  return true;
}

bool mp_proto_read_bytes(mp_proto_span *span, mp_proto_span *content) {
  uint64_t length;
  if (!mp_proto_read_varint(span, &length) || length > (uint64_t)(span->end - span->at)) return false;
  content->at = span->at;
  content->end = span->at + length;
  span->at += length;
  return true;
}

bool mp_proto_skip(mp_proto_span *span, int type) {
  uint64_t ignored;
  mp_proto_span content;
  switch (type) {
    case MP_PROTO_VARINT:
      return mp_proto_read_varint(span, &ignored);
    case MP_PROTO_FIXED64:
      return mp_proto_read_fixed(span, 8, &ignored);
    case MP_PROTO_BYTES:
      return mp_proto_read_bytes(span, &content);
    case MP_PROTO_FIXED32:
      return mp_proto_read_fixed(span, 4, &ignored);
    default:
      return false;
  }
}

int mp_proto_write_varint(mp_buffer *out, uint64_t value) {
  uint8_t bytes[10];
  size_t length = 0;
  do {
    bytes[length++] = (uint8_t)(value & 0x7f) | (value > 0x7f ? 0x80 : 0);
    value >>= 7;
  } while (value != 0);
  return mp_buffer_append(out, bytes, length);
}

int mp_proto_write_tag(mp_buffer *out, uint32_t number, int type) {
  return mp_proto_write_varint(out, (uint64_t)number << 3 | (unsigned)type);
}

int mp_proto_write_fixed(mp_buffer *out, size_t size, uint64_t value) {
  uint8_t bytes[8];
  for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(value >> (8 * i));
  return mp_buffer_append(out, bytes, size);
}

int mp_proto_write_bytes(mp_buffer *out, const void *bytes, size_t length) {
  int rc = mp_proto_write_varint(out, length);
  return rc != MP_OK ? rc : mp_buffer_append(out, bytes, length);
}

int mp_proto_begin(mp_buffer *out, size_t *mark) {
  *mark = out->length;
  return mp_buffer_push(out, 0); /* one byte is enough for most lengths */
}

int mp_proto_end(mp_buffer *out, size_t mark) {
  uint64_t length = out->length - mark - 1;
  size_t extra = 0;
  for (uint64_t rest = length >> 7; rest != 0; rest >>= 7) extra++;
  if (extra > 0) {
    int rc = mp_buffer_reserve(out, extra);
    if (rc != MP_OK) return rc;
    memmove(out->data + mark + 1 + extra, out->data + mark + 1, length);
    out->length += extra;
  }
  for (size_t i = 0; i <= extra; i++) {
    out->data[mark + i] = (uint8_t)((length >> (7 * i) & 0x7f) | (i < extra ? 0x80 : 0));
  }
  return MP_OK;
}
