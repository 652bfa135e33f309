#include "noise/message.h"

#include <string.h>

int mp_handshake_read(const uint8_t *bytes, size_t length, uint32_t which, mp_handshake_fields *out, mp_error *e) {
  mp_proto_span span = {bytes, bytes + length}, inner = {0};
  uint32_t number;
  int type;
  memset(out, 0, sizeof *out);
  while (span.at < span.end) {
    if (!mp_proto_read_tag(&span, &number, &type)) return mp_fail(e, MP_EMALFORMED, "the handshake message is malformed");
    bool wanted = number == which && type == MP_PROTO_BYTES;
    if (!(wanted ? mp_proto_read_bytes(&span, &inner) : mp_proto_skip(&span, type))) {
      return mp_fail(e, MP_EMALFORMED, "the handshake message is malformed");
    }
  }
  if (inner.at == NULL) return mp_fail(e, MP_EMALFORMED, "the handshake message is of another kind");
  while (inner.at < inner.end) {
    if (!mp_proto_read_tag(&inner, &number, &type)) return mp_fail(e, MP_EMALFORMED, "the handshake message is malformed");
    bool wanted = number <= 3 && type == MP_PROTO_BYTES;
    if (!(wanted ? mp_proto_read_bytes(&inner, &out->field[number]) : mp_proto_skip(&inner, type))) {
      return mp_fail(e, MP_EMALFORMED, "the handshake message is malformed");
    }
  }
  return MP_OK;
}

int mp_handshake_write(mp_buffer *out, uint32_t which, const mp_buffer *parts, const uint32_t *numbers, size_t count,
                       mp_error *e) {
  size_t mark;
  int bad = mp_proto_write_tag(out, which, MP_PROTO_BYTES) || mp_proto_begin(out, &mark);
  for (size_t i = 0; i < count && !bad; i++) {
    bad = mp_proto_write_tag(out, numbers[i], MP_PROTO_BYTES) || mp_proto_write_bytes(out, parts[i].data, parts[i].length);
  }
  if (bad || mp_proto_end(out, mark) != MP_OK) return mp_fail(e, MP_ENOMEM, "no memory for the handshake");
  return MP_OK;
}

int mp_handshake_take_key(uint8_t out[32], mp_proto_span span, const char *what, mp_error *e) {
  if (span.at == NULL || span.end - span.at != 32)
    return mp_fail(e, MP_EMALFORMED, "the handshake message has no %s of 32 bytes", what);
  memcpy(out, span.at, 32);
  return MP_OK;
}
