/* JIDs: one text form, which comes back from the wire as it went. */
#include <string.h>

#include "fuzz.h"
#include "wire/codec.h"

static bool equal(const mp_jid *a, const mp_jid *b) {
  return a->user_length == b->user_length && memcmp(a->user, b->user, a->user_length) == 0 && a->server == b->server &&
         a->kind == b->kind && a->device == b->device && a->integrator == b->integrator;
}

/* Through the codec and back. */
static void send(const mp_jid *jid, const char *text, size_t length) {
  mp_buffer out;
  mp_value value;
  mp_error e;
  mp_buffer_init(&out, 0);
  HOLDS(mp_write_jid(&out, jid) == MP_OK);
  mp_reader reader = {out.data, out.data, out.data + out.length};
  int rc = mp_read_value(&reader, &value, &e);
  if (mp_utf8_ok((const uint8_t *)jid->user, jid->user_length)) {
    HOLDS(rc == MP_OK && value.kind == MP_VALUE_JID && reader.at == reader.end);
    HOLDS(value.length == length && memcmp(value.bytes, text, length) == 0);
  } else {
    HOLDS(rc == MP_EMALFORMED);
  }
  mp_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  mp_jid jid, again;
  char text[MP_JID_TEXT_MAX], twice[MP_JID_TEXT_MAX];
  /* A copy of the exact size: a read behind its end is seen. */
  char *input = malloc(length + (length == 0));
  HOLDS(input != NULL);
  memcpy(input, bytes, length);
  if (mp_jid_parse(input, length, &jid)) {
    size_t written = mp_jid_write(&jid, text);
    HOLDS(written < sizeof text && text[written] == 0);
    HOLDS(mp_jid_parse(text, written, &again) && equal(&jid, &again));
    HOLDS(mp_jid_write(&again, twice) == written && memcmp(text, twice, written) == 0);
    HOLDS(mp_jid_user_ok(jid.user, jid.user_length));
    send(&jid, text, written);
  }
  /* The same bytes as the wire may bring them. */
  mp_reader reader = {(const uint8_t *)input, (const uint8_t *)input, (const uint8_t *)input + length};
  mp_value value;
  mp_error e;
  if (mp_read_value(&reader, &value, &e) == MP_OK && value.kind == MP_VALUE_JID) {
    HOLDS(value.length < MP_JID_TEXT_MAX && mp_utf8_ok(value.bytes, value.length));
    if (mp_jid_parse((const char *)value.bytes, value.length, &jid)) HOLDS(mp_jid_write(&jid, text) < sizeof text);
  }
  free(input);
  return 0;
}
