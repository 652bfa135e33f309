/* zlib streams: bounded, agreeing with zlib's own one-call interface, and what was deflated comes back. */
#include <string.h>
#include <zlib.h>

#include "base/limits.h"
#include "fuzz.h"
#include "wire/compress.h"

static void comes_back(const uint8_t *bytes, size_t length) {
  mp_buffer small, large;
  mp_error e;
  mp_buffer_init(&small, 0);
  mp_buffer_init(&large, 0);
  HOLDS(mp_deflate(bytes, length, &small, &e) == MP_OK);
  HOLDS(mp_inflate(small.data, small.length, &large, &e) == MP_OK);
  HOLDS(large.length == length && (length == 0 || memcmp(large.data, bytes, length) == 0));
  mp_buffer_free(&small);
  mp_buffer_free(&large);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  mp_buffer out;
  mp_error e = {0};
  mp_buffer_init(&out, 0);
  int rc = mp_inflate(bytes, length, &out, &e);
  HOLDS(out.capacity <= 2 * (size_t)MP_INFLATED_MAX + 65536);
  HOLDS(rc == MP_OK || (e.code == rc && e.message[0] != 0));
  if (out.length < 1024 * 1024) {
    uint8_t *expected = malloc(1024 * 1024);
    uLongf size = 1024 * 1024;
    uLong used = (uLong)length;
    HOLDS(expected != NULL);
    int zlib = uncompress2(expected, &size, bytes, &used);
    HOLDS((zlib == Z_OK) == (rc == MP_OK));
    if (rc == MP_OK) HOLDS(size == out.length && (size == 0 || memcmp(expected, out.data, size) == 0));
    free(expected);
  }
  if (rc == MP_OK && out.length < 65536) comes_back(out.data, out.length);
  mp_buffer_free(&out);
  comes_back(bytes, length);
  return 0;
}
