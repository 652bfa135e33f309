#include <string.h>

#include "wire/codec.h"

int mp_write_list(mp_buffer *out, size_t count) {
  uint8_t head[3] = {MP_TAG_LIST_8, (uint8_t)count};
  if (count == 0) return mp_buffer_push(out, MP_TAG_LIST_EMPTY);
  if (count < 256) return mp_buffer_append(out, head, 2);
  if (count > 65535) return MP_ELIMIT;
  head[0] = MP_TAG_LIST_16;
  head[1] = (uint8_t)(count >> 8);
  head[2] = (uint8_t)count;
  return mp_buffer_append(out, head, 3);
}

int mp_write_token(mp_buffer *out, uint16_t code) {
  uint8_t head[2] = {(uint8_t)(MP_TAG_DICTIONARY_0 + (code >> 8) - 1), (uint8_t)code};
  return code < 256 ? mp_buffer_push(out, (uint8_t)code) : mp_buffer_append(out, head, 2);
}

int mp_write_bytes(mp_buffer *out, const void *bytes, size_t length) {
  uint8_t head[5];
  size_t size;
  if (length < 256) {
    head[0] = MP_TAG_BINARY_8;
    head[1] = (uint8_t)length;
    size = 2;
  } else if (length < 1u << 20) {
    head[0] = MP_TAG_BINARY_20;
    for (int i = 0; i < 3; i++) head[1 + i] = (uint8_t)(length >> (16 - 8 * i));
    size = 4;
  } else if (length <= UINT32_MAX) {
    head[0] = MP_TAG_BINARY_32;
    for (int i = 0; i < 4; i++) head[1 + i] = (uint8_t)(length >> (24 - 8 * i));
    size = 5;
  } else {
    return MP_ELIMIT;
  }
  int rc = mp_buffer_append(out, head, size);
  return rc != MP_OK ? rc : mp_buffer_append(out, bytes, length);
}

#define DIGITS ['0'] = 1, ['1'] = 2, ['2'] = 3, ['3'] = 4, ['4'] = 5, ['5'] = 6, ['6'] = 7, ['7'] = 8, ['8'] = 9, ['9'] = 10

/* What a character packs to (01 §4.4), plus one; 0: not in this form. */
static const uint8_t nibble_codes[256] = {DIGITS, ['-'] = 11, ['.'] = 12};
static const uint8_t hex_codes[256] = {DIGITS, ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};

/* Packs two characters a byte when all of them have a code; returns whether it did. */
static bool pack(const char *text, size_t length, const uint8_t codes[256], uint8_t *out) {
  for (size_t i = 0; i < length; i += 2) {
    unsigned high = codes[(uint8_t)text[i]], low = i + 1 < length ? codes[(uint8_t)text[i + 1]] : 16;
    if (high == 0 || low == 0) return false;
    out[i / 2] = (uint8_t)((high - 1) << 4 | (low - 1));
  }
  return true;
}

int mp_write_string(mp_buffer *out, const char *text, size_t length) {
  if (length > 0 && length <= MP_PACKABLE_MAX) {
    uint8_t packed[2 + (MP_PACKABLE_MAX + 1) / 2];
    size_t size = (length + 1) / 2;
    packed[1] = (uint8_t)(size | (length % 2 == 1 ? 0x80 : 0));
    packed[0] = MP_TAG_NIBBLE_8;
    if (pack(text, length, nibble_codes, packed + 2)) return mp_buffer_append(out, packed, 2 + size);
    packed[0] = MP_TAG_HEX_8;
    if (pack(text, length, hex_codes, packed + 2)) return mp_buffer_append(out, packed, 2 + size);
  }
  return mp_write_bytes(out, text, length);
}

static int write_name(mp_buffer *out, const char *text, size_t length) {
  int code = mp_token_find(text, length);
  return code >= 0 ? mp_write_token(out, (uint16_t)code) : mp_write_string(out, text, length);
}

static int write_u16(mp_buffer *out, uint16_t value) {
  uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
  return mp_buffer_append(out, bytes, 2);
}

static int domain_type(mp_server_kind kind) {
  switch (kind) {
    case MP_SERVER_PN:
      return 0;
    case MP_SERVER_LID:
      return 1;
    case MP_SERVER_HOSTED:
      return 128;
    case MP_SERVER_HOSTED_LID:
      return 129;
    default:
      return -1;
  }
}

int mp_write_jid(mp_buffer *out, const mp_jid *jid) {
  int rc, domain = domain_type(jid->kind);
  bool wide = jid->kind == MP_SERVER_MESSENGER || jid->kind == MP_SERVER_INTEROP;
  if (wide && jid->user_length > 0) {
    bool interop = jid->kind == MP_SERVER_INTEROP;
    if ((rc = mp_buffer_push(out, interop ? MP_TAG_INTEROP_JID : MP_TAG_FB_JID)) != MP_OK) return rc;
    if ((rc = write_name(out, jid->user, jid->user_length)) != MP_OK) return rc;
    if ((rc = write_u16(out, jid->device)) != MP_OK) return rc;
    if (interop && (rc = write_u16(out, jid->integrator)) != MP_OK) return rc;
  } else if (domain >= 0 && jid->device > 0) {
    uint8_t head[3] = {MP_TAG_AD_JID, (uint8_t)domain, (uint8_t)jid->device};
    if ((rc = mp_buffer_append(out, head, 3)) != MP_OK) return rc;
    return write_name(out, jid->user, jid->user_length);
  } else {
    if ((rc = mp_buffer_push(out, MP_TAG_JID_PAIR)) != MP_OK) return rc;
    rc = jid->user_length == 0 ? mp_buffer_push(out, MP_TAG_LIST_EMPTY) : write_name(out, jid->user, jid->user_length);
    if (rc != MP_OK) return rc;
  }
  return write_name(out, jid->server, strlen(jid->server));
}
