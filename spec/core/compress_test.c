/* zlib streams (01 §4.1, §4.7). */
#include "wire/compress.h"

#include <zlib.h>

#include "base/limits.h"
#include "unit.h"

static int inflate_hex(const char *hex, mp_buffer *out, mp_error *e) {
  mp_buffer bytes = from_hex(hex);
  int rc = mp_inflate(bytes.data, bytes.length, out, e);
  mp_buffer_free(&bytes);
  return rc;
}

/* The <success> of 01 §15.5, without its flag byte. */
static const char zipped[] = "789cfbc1e923f59f559c818181a1ec3b23fbff0e0106064665d7f47edb3fcc6945c931ef5800b0260ab3";
static const char plain[] = "f8094c1aff05170000000076f70107ff88100000012345678f3dfc036672635cee04";

static void the_sheets_stanza_inflates(void **state) {
  (void)state;
  mp_buffer out = {0};
  mp_error e;
  assert_int_equal(inflate_hex(zipped, &out, &e), MP_OK);
  assert_hex(out.data, out.length, plain);
  mp_buffer_free(&out);
}

static void bytes_behind_the_stream_are_ignored(void **state) {
  (void)state;
  char longer[sizeof zipped + 8];
  mp_buffer out = {0};
  mp_error e;
  memcpy(longer, zipped, sizeof zipped - 1);
  memcpy(longer + sizeof zipped - 1, "deadbeef", 9);
  assert_int_equal(inflate_hex(longer, &out, &e), MP_OK);
  assert_hex(out.data, out.length, plain);
  mp_buffer_free(&out);
}

static void a_truncated_stream_is_an_error_at_every_byte(void **state) {
  (void)state;
  mp_buffer bytes = from_hex(zipped), out = {0};
  for (size_t length = 0; length < bytes.length; length++) {
    mp_error e = {0};
    out.length = 0;
    assert_int_equal(mp_inflate(bytes.data, length, &out, &e), MP_EMALFORMED);
  }
  mp_buffer_free(&bytes);
  mp_buffer_free(&out);
}

static void a_damaged_stream_is_an_error(void **state) {
  (void)state;
  mp_buffer bytes = from_hex(zipped), out = {0};
  for (size_t i = 0; i < bytes.length; i++) {
    mp_error e = {0};
    out.length = 0;
    bytes.data[i] ^= 0x01;
    int rc = mp_inflate(bytes.data, bytes.length, &out, &e);
    /* a hint in the header's second byte apart, whose checksum covers it, nothing may pass */
    assert_int_equal(rc, MP_EMALFORMED);
    bytes.data[i] ^= 0x01;
  }
  mp_buffer_free(&bytes);
  mp_buffer_free(&out);
}

static void what_went_in_comes_out(void **state) {
  (void)state;
  static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 300000};
  uint8_t *bytes = malloc(300000);
  assert_non_null(bytes);
  for (size_t i = 0; i < 300000; i++) bytes[i] = (uint8_t)(i * i >> 7);
  for (size_t i = 0; i < COUNT(sizes); i++) {
    mp_buffer zip = {0}, out = {0};
    mp_error e;
    assert_int_equal(mp_deflate(bytes, sizes[i], &zip, &e), MP_OK);
    assert_int_equal(mp_inflate(zip.data, zip.length, &out, &e), MP_OK);
    assert_int_equal(out.length, sizes[i]);
    if (sizes[i] > 0) assert_memory_equal(out.data, bytes, sizes[i]);
    mp_buffer_free(&zip);
    mp_buffer_free(&out);
  }
  free(bytes);
}

/* `size` zeros, by zlib itself: our own compressor refuses to make such a thing. */
static mp_buffer zeros_zipped(size_t size) {
  mp_buffer zip = {0};
  uint8_t *zeros = calloc(1, size);
  uLongf length = compressBound(size);
  assert_non_null(zeros);
  assert_int_equal(mp_buffer_reserve(&zip, length), MP_OK);
  assert_int_equal(compress2(zip.data, &length, zeros, size, 9), Z_OK);
  zip.length = length;
  free(zeros);
  return zip;
}

static void a_bomb_stops_at_the_limit(void **state) {
  (void)state;
  static const struct {
    size_t size;
    int rc;
  } bombs[] = {{MP_INFLATED_MAX, MP_OK}, {(size_t)MP_INFLATED_MAX + 1, MP_ELIMIT}, {100u * 1024 * 1024, MP_ELIMIT}};
  for (size_t i = 0; i < COUNT(bombs); i++) {
    mp_buffer zip = zeros_zipped(bombs[i].size), out = {0};
    mp_error e = {0};
    assert_true(zip.length < 110000);
    assert_int_equal(mp_inflate(zip.data, zip.length, &out, &e), bombs[i].rc);
    assert_true(out.capacity <= 2u * MP_INFLATED_MAX);
    mp_buffer_free(&zip);
    mp_buffer_free(&out);
  }
}

static void more_than_the_limit_is_not_compressed_either(void **state) {
  (void)state;
  mp_buffer zip = {0};
  mp_error e;
  uint8_t *zeros = calloc(1, (size_t)MP_INFLATED_MAX + 1);
  assert_non_null(zeros);
  assert_int_equal(mp_deflate(zeros, (size_t)MP_INFLATED_MAX + 1, &zip, &e), MP_ELIMIT);
  assert_int_equal(mp_inflate(zeros, (size_t)MP_INFLATED_MAX + 1, &zip, &e), MP_ELIMIT);
  free(zeros);
  mp_buffer_free(&zip);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_sheets_stanza_inflates),
      cmocka_unit_test(bytes_behind_the_stream_are_ignored),
      cmocka_unit_test(a_truncated_stream_is_an_error_at_every_byte),
      cmocka_unit_test(a_damaged_stream_is_an_error),
      cmocka_unit_test(what_went_in_comes_out),
      cmocka_unit_test(a_bomb_stops_at_the_limit),
      cmocka_unit_test(more_than_the_limit_is_not_compressed_either),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
