/* Chunked bodies: what is decoded does not depend on where the bytes were cut, and what was encoded comes back. */
#include "net/chunked.h"

#include <string.h>

#include "fuzz.h"

#define BODY_MAX 4096

/* Feeds all in pieces of 1 to `most` bytes; returns the last result. */
static int decode(const uint8_t *bytes, size_t length, size_t most, uint32_t seed, mp_buffer *out) {
  mp_chunked decoder;
  mp_error e = {0};
  int rc = 0;
  mp_chunked_init(&decoder);
  for (size_t at = 0; at < length && rc == 0;) {
    size_t part = 1 + next_choice(&seed) % most;
    if (part > length - at) part = length - at;
    rc = mp_chunked_feed(&decoder, bytes + at, part, out, &e);
    at += part;
    HOLDS(rc >= 0 || e.message[0] != 0);
    HOLDS(out->length <= BODY_MAX);
  }
  return rc;
}

static void encoded_comes_back(const uint8_t *bytes, size_t length, uint32_t seed) {
  mp_buffer wire, out;
  char head[32];
  mp_buffer_init(&wire, 0);
  mp_buffer_init(&out, BODY_MAX);
  if (length > BODY_MAX) length = BODY_MAX;
  for (size_t at = 0; at < length;) {
    size_t part = 1 + next_choice(&seed) % 700;
    if (part > length - at) part = length - at;
    int size = snprintf(head, sizeof head, next_choice(&seed) % 2 ? "%zx\r\n" : "%zX;a=b\r\n", part);
    HOLDS(mp_buffer_append(&wire, head, (size_t)size) == MP_OK && mp_buffer_append(&wire, bytes + at, part) == MP_OK &&
          mp_buffer_append(&wire, "\r\n", 2) == MP_OK);
    at += part;
  }
  HOLDS(mp_buffer_append(&wire, "0\r\nx: y\r\n\r\n", 11) == MP_OK);
  HOLDS(decode(wire.data, wire.length, 50, seed, &out) == 1);
  HOLDS(out.length == length && (length == 0 || memcmp(out.data, bytes, length) == 0));
  mp_buffer_free(&wire);
  mp_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  mp_buffer whole, pieces;
  uint32_t seed = 7;
  for (size_t i = 0; i < length && i < 8; i++) seed = seed * 31 + bytes[i];
  mp_buffer_init(&whole, BODY_MAX);
  mp_buffer_init(&pieces, BODY_MAX);
  int rc = decode(bytes, length, length + 1, 0, &whole), again = decode(bytes, length, 3, seed, &pieces);
  HOLDS(rc == again);
  if (rc >= 0) HOLDS(whole.length == pieces.length && (whole.length == 0 || memcmp(whole.data, pieces.data, whole.length) == 0));
  mp_buffer_free(&whole);
  mp_buffer_free(&pieces);
  encoded_comes_back(bytes, length, seed);
  return 0;
}
