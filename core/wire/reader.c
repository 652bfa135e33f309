#include <string.h>

#include "wire/codec.h"
#include "wire/tokens.h"

static int fail_at(const mp_reader *reader, mp_error *e, int code, const char *what) {
  return mp_fail(e, code, "%s at byte %zu", what, (size_t)(reader->at - reader->start));
}

static bool take(mp_reader *reader, size_t count, const uint8_t **bytes) {
  if ((size_t)(reader->end - reader->at) < count) return false;
  *bytes = reader->at;
  reader->at += count;
  return true;
}

static int truncated(const mp_reader *reader, mp_error *e) {
  return fail_at(reader, e, MP_ETRUNCATED, "the stanza ends too early");
}

static int read_packed(mp_reader *reader, uint8_t tag, mp_value *value, mp_error *e) {
  static const char nibbles[] = "0123456789-.", hex[] = "0123456789ABCDEF";
  const uint8_t *head, *bytes;
  if (!take(reader, 1, &head)) return truncated(reader, e);
  size_t size = *head & 0x7f;
  bool odd = *head & 0x80;
  if (!take(reader, size, &bytes)) return truncated(reader, e);
  if (odd && size == 0) return fail_at(reader, e, MP_EMALFORMED, "a packed string of no bytes is said to be odd");
  value->length = 2 * size - (odd ? 1 : 0);
  for (size_t i = 0; i < value->length; i++) {
    uint8_t code = i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 0x0f;
    if (tag == MP_TAG_NIBBLE_8 && code > 11) return fail_at(reader, e, MP_EMALFORMED, "a packed string holds an invalid nibble");
    value->text[i] = tag == MP_TAG_NIBBLE_8 ? nibbles[code] : hex[code];
  }
  value->kind = MP_VALUE_PACKED;
  value->bytes = (const uint8_t *)value->text;
  return MP_OK;
}

static int read_binary(mp_reader *reader, uint8_t tag, mp_value *value, mp_error *e) {
  static const uint8_t sizes[] = {1, 3, 4};
  const uint8_t *head;
  size_t size = sizes[tag - MP_TAG_BINARY_8], length = 0;
  if (!take(reader, size, &head)) return truncated(reader, e);
  for (size_t i = 0; i < size; i++) length = length << 8 | head[i];
  if (tag == MP_TAG_BINARY_20) length &= 0x0fffff;
  if (!take(reader, length, &value->bytes)) return truncated(reader, e);
  value->kind = MP_VALUE_BYTES;
  value->length = length;
  return MP_OK;
}

static int read_token(mp_reader *reader, uint8_t tag, mp_value *value, mp_error *e) {
  const uint8_t *index;
  value->kind = MP_VALUE_TOKEN;
  value->token = tag;
  if (tag < MP_TAG_DICTIONARY_0) return MP_OK;
  if (!take(reader, 1, &index)) return truncated(reader, e);
  value->token = (uint16_t)((tag - MP_TAG_DICTIONARY_0 + 1) << 8 | *index);
  return MP_OK;
}

int mp_read_string(mp_reader *reader, mp_value *value, mp_error *e) {
  if (reader->at < reader->end && *reader->at >= MP_TAG_INTEROP_JID && *reader->at <= MP_TAG_JID_PAIR) {
    return fail_at(reader, e, MP_EMALFORMED, "a JID or list where a string is expected");
  }
  return mp_read_value(reader, value, e);
}

/* A user or server part of a JID: no JID itself, so that decoding never recurses. */
static int read_part(mp_reader *reader, mp_value *scratch, const char **text, size_t *length, mp_error *e) {
  int rc = mp_read_string(reader, scratch, e);
  if (rc != MP_OK) return rc;
  if (scratch->kind == MP_VALUE_NONE) {
    *length = 0;
  } else if (scratch->kind == MP_VALUE_TOKEN) {
    *text = mp_token_at(scratch->token)->text;
    *length = mp_token_at(scratch->token)->length;
  } else {
    *text = (const char *)scratch->bytes;
    *length = scratch->length;
  }
  return MP_OK;
}

static int finish_jid(const mp_reader *reader, const mp_jid *jid, mp_value *value, mp_error *e) {
  if (!mp_jid_user_ok(jid->user, jid->user_length)) {
    return fail_at(reader, e, MP_EMALFORMED, "a JID's user part is too long or holds a wrong character");
  }
  char text[MP_JID_TEXT_MAX];
  value->length = mp_jid_write(jid, text);
  memcpy(value->text, text, value->length);
  value->kind = MP_VALUE_JID;
  value->bytes = (const uint8_t *)value->text;
  return MP_OK;
}

/* Text that a foreign encoder took for a JID ("me@home", 01 §4.5), given back as the text it was. The sheet lets a client refuse
 * it; nothing is gained by that, and a server's new kind of address would end every connection. */
static int finish_text(const mp_reader *reader, const mp_jid *jid, const char *server, size_t length, mp_value *value,
                       mp_error *e) {
  if (length == 0) return fail_at(reader, e, MP_EMALFORMED, "a JID has no server");
  if (jid->user_length + 1 + length > sizeof value->text || !mp_utf8_ok((const uint8_t *)server, length) ||
      !mp_utf8_ok((const uint8_t *)jid->user, jid->user_length)) {
    return fail_at(reader, e, MP_EMALFORMED, "a JID of an unknown server is too long or not UTF-8");
  }
  memcpy(value->text, jid->user, jid->user_length);
  value->text[jid->user_length] = '@';
  memcpy(value->text + jid->user_length + 1, server, length);
  value->kind = MP_VALUE_PACKED;
  value->bytes = (const uint8_t *)value->text;
  value->length = jid->user_length + 1 + length;
  return MP_OK;
}

static int read_jid_pair(mp_reader *reader, mp_value *value, mp_error *e) {
  mp_value user_scratch, server_scratch;
  mp_jid jid = {.user = ""};
  const char *server = "";
  size_t length = 0;
  int rc = read_part(reader, &user_scratch, &jid.user, &jid.user_length, e);
  if (rc != MP_OK) return rc;
  if ((rc = read_part(reader, &server_scratch, &server, &length, e)) != MP_OK) return rc;
  jid.server = mp_jid_server(server, length, &jid.kind);
  if (jid.server == NULL) return finish_text(reader, &jid, server, length, value, e);
  if (jid.kind == MP_SERVER_INTEROP) jid.kind = MP_SERVER_PLAIN; /* no integrator in this form */
  return finish_jid(reader, &jid, value, e);
}

static bool domain_server(uint8_t domain, mp_jid *jid) {
  const char *name = domain == 0                        ? "s.whatsapp.net"
                     : domain == 1                      ? "lid"
                     : domain == 129                    ? "hosted.lid"
                     : domain >= 128 && domain % 2 == 0 ? "hosted"
                                                        : NULL;
  if (name == NULL) return false;
  jid->server = mp_jid_server(name, strlen(name), &jid->kind);
  return true;
}

static int read_ad_jid(mp_reader *reader, mp_value *value, mp_error *e) {
  mp_value scratch;
  mp_jid jid = {0};
  const uint8_t *head;
  if (!take(reader, 2, &head)) return truncated(reader, e);
  jid.device = head[1];
  if (!domain_server(head[0], &jid)) return fail_at(reader, e, MP_EMALFORMED, "a device JID of an unknown domain");
  int rc = read_part(reader, &scratch, &jid.user, &jid.user_length, e);
  if (rc != MP_OK) return rc;
  if (jid.user_length == 0) return fail_at(reader, e, MP_EMALFORMED, "a device JID without user");
  return finish_jid(reader, &jid, value, e);
}

static const uint8_t interop_name[] = {MP_TAG_BINARY_8, 7, 'i', 'n', 't', 'e', 'r', 'o', 'p'};

/* FB_JID and INTEROP_JID: user, device, [integrator], [server]. */
static int read_wide_jid(mp_reader *reader, uint8_t tag, mp_value *value, mp_error *e) {
  mp_value scratch, server_scratch;
  mp_jid jid = {0};
  const uint8_t *number;
  const char *server = "";
  size_t length = 0;
  bool interop = tag == MP_TAG_INTEROP_JID;
  int rc = read_part(reader, &scratch, &jid.user, &jid.user_length, e);
  if (rc != MP_OK) return rc;
  if (jid.user_length == 0) return fail_at(reader, e, MP_EMALFORMED, "a JID without user");
  if (!take(reader, 2, &number)) return truncated(reader, e);
  jid.device = (uint16_t)(number[0] << 8 | number[1]);
  if (interop) {
    if (!take(reader, 2, &number)) return truncated(reader, e);
    jid.integrator = (uint16_t)(number[0] << 8 | number[1]);
    /* The server's name follows or not (01 §4.6): taken only when the bytes are exactly that. */
    size_t left = (size_t)(reader->end - reader->at);
    if (left >= sizeof interop_name && memcmp(reader->at, interop_name, sizeof interop_name) == 0)
      reader->at += sizeof interop_name;
    jid.server = mp_jid_server("interop", 7, &jid.kind);
  } else {
    if ((rc = read_part(reader, &server_scratch, &server, &length, e)) != MP_OK) return rc;
    if (length != 4 || memcmp(server, "msgr", 4) != 0)
      return fail_at(reader, e, MP_EMALFORMED, "a messenger JID of another server");
    jid.server = mp_jid_server("msgr", 4, &jid.kind);
  }
  return finish_jid(reader, &jid, value, e);
}

int mp_read_list(mp_reader *reader, uint32_t *count, mp_error *e) {
  const uint8_t *tag, *size;
  if (!take(reader, 1, &tag)) return truncated(reader, e);
  switch (*tag) {
    case MP_TAG_LIST_EMPTY:
      *count = 0;
      return MP_OK;
    case MP_TAG_LIST_8:
      if (!take(reader, 1, &size)) return truncated(reader, e);
      *count = *size;
      return MP_OK;
    case MP_TAG_LIST_16:
      if (!take(reader, 2, &size)) return truncated(reader, e);
      *count = (uint32_t)size[0] << 8 | size[1];
      return MP_OK;
    default:
      return fail_at(reader, e, MP_EMALFORMED, "a list was expected");
  }
}

int mp_read_value(mp_reader *reader, mp_value *value, mp_error *e) {
  const uint8_t *tag;
  if (!take(reader, 1, &tag)) return truncated(reader, e);
  switch (*tag) {
    case MP_TAG_LIST_EMPTY:
      value->kind = MP_VALUE_NONE;
      return MP_OK;
    case MP_TAG_LIST_8:
    case MP_TAG_LIST_16:
      reader->at--;
      value->kind = MP_VALUE_LIST;
      return mp_read_list(reader, &value->count, e);
    case MP_TAG_BINARY_8:
    case MP_TAG_BINARY_20:
    case MP_TAG_BINARY_32:
      return read_binary(reader, *tag, value, e);
    case MP_TAG_HEX_8:
    case MP_TAG_NIBBLE_8:
      return read_packed(reader, *tag, value, e);
    case MP_TAG_JID_PAIR:
      return read_jid_pair(reader, value, e);
    case MP_TAG_AD_JID:
      return read_ad_jid(reader, value, e);
    case MP_TAG_FB_JID:
    case MP_TAG_INTEROP_JID:
      return read_wide_jid(reader, *tag, value, e);
    default:
      if (*tag > MP_TAG_DICTIONARY_3) return fail_at(reader, e, MP_EMALFORMED, "an unassigned tag");
      return read_token(reader, *tag, value, e);
  }
}
