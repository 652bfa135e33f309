/* Buffers and errors. */
#include "base/buffer.h"

#include "unit.h"

static void a_buffer_grows_and_keeps_its_content(void **state) {
  (void)state;
  mp_buffer b;
  mp_buffer_init(&b, 0);
  for (int i = 0; i < 100000; i++) assert_int_equal(mp_buffer_push(&b, (uint8_t)i), MP_OK);
  assert_int_equal(b.length, 100000);
  for (int i = 0; i < 100000; i++) assert_int_equal(b.data[i], (uint8_t)i);
  assert_true(b.capacity >= b.length && b.capacity < 4 * b.length);
  mp_buffer_wipe_free(&b);
  assert_null(b.data);
  assert_int_equal(b.length + b.capacity, 0);
}

static void a_buffer_refuses_more_than_its_limit_and_stays_as_it_was(void **state) {
  (void)state;
  mp_buffer b;
  mp_buffer_init(&b, 10);
  assert_int_equal(mp_buffer_append(&b, "12345678", 8), MP_OK);
  assert_int_equal(mp_buffer_append(&b, "901", 3), MP_ELIMIT);
  assert_int_equal(b.length, 8);
  assert_memory_equal(b.data, "12345678", 8);
  assert_int_equal(mp_buffer_append(&b, "90", 2), MP_OK);
  assert_int_equal(mp_buffer_push(&b, 'x'), MP_ELIMIT);
  mp_buffer_free(&b);
}

static void a_size_beyond_memory_is_an_error(void **state) {
  (void)state;
  mp_buffer b;
  mp_buffer_init(&b, 0);
  assert_int_equal(mp_buffer_push(&b, 1), MP_OK);
  assert_int_equal(mp_buffer_reserve(&b, SIZE_MAX), MP_ENOMEM);
  assert_int_equal(mp_buffer_reserve(&b, SIZE_MAX / 2), MP_ENOMEM);
  assert_int_equal(b.length, 1);
  mp_buffer_free(&b);
}

static void consuming_drops_bytes_from_the_front(void **state) {
  (void)state;
  mp_buffer b;
  mp_buffer_init(&b, 0);
  assert_int_equal(mp_buffer_append(&b, "abcdef", 6), MP_OK);
  mp_buffer_consume(&b, 0);
  mp_buffer_consume(&b, 2);
  assert_int_equal(b.length, 4);
  assert_memory_equal(b.data, "cdef", 4);
  mp_buffer_consume(&b, 100);
  assert_int_equal(b.length, 0);
  mp_buffer_free(&b);
}

static void appending_nothing_needs_no_memory(void **state) {
  (void)state;
  mp_buffer b;
  mp_buffer_init(&b, 0);
  assert_int_equal(mp_buffer_append(&b, NULL, 0), MP_OK);
  assert_null(b.data);
}

static void wiping_leaves_zeros(void **state) {
  (void)state;
  static const uint8_t zeros[40];
  uint8_t secret[40];
  memset(secret, 0x55, sizeof secret);
  mp_wipe(secret, sizeof secret);
  assert_memory_equal(secret, zeros, sizeof secret);
}

static void every_error_has_a_name(void **state) {
  (void)state;
  assert_string_equal(mp_error_name(MP_OK), "ok");
  assert_string_equal(mp_error_name(MP_EMALFORMED), "malformed");
  assert_string_equal(mp_error_name(MP_ETRUNCATED), "truncated");
  assert_string_equal(mp_error_name(MP_ELIMIT), "limit");
  assert_string_equal(mp_error_name(MP_ECRYPTO), "crypto");
  assert_string_equal(mp_error_name(MP_EFULL), "full");
  assert_string_equal(mp_error_name(MP_EKEY), "key");
  for (int code = 0; code >= MP_ELAST; code--) assert_string_not_equal(mp_error_name(code), "unknown");
  assert_string_equal(mp_error_name(MP_ELAST - 1), "unknown");
  assert_string_equal(mp_error_name(1), "unknown");
}

static void an_error_carries_its_sentence_and_never_more_than_fits(void **state) {
  (void)state;
  mp_error e;
  char text[1000];
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = 0;
  assert_int_equal(mp_fail(&e, MP_ELIMIT, "%d bytes", 7), MP_ELIMIT);
  assert_int_equal(e.code, MP_ELIMIT);
  assert_string_equal(e.message, "7 bytes");
  mp_fail(&e, MP_EINVAL, "%s", text);
  assert_int_equal(strlen(e.message), sizeof e.message - 1);
  assert_int_equal(mp_fail(NULL, MP_EBUSY, "nobody listens"), MP_EBUSY);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_buffer_grows_and_keeps_its_content),
      cmocka_unit_test(a_buffer_refuses_more_than_its_limit_and_stays_as_it_was),
      cmocka_unit_test(a_size_beyond_memory_is_an_error),
      cmocka_unit_test(consuming_drops_bytes_from_the_front),
      cmocka_unit_test(appending_nothing_needs_no_memory),
      cmocka_unit_test(wiping_leaves_zeros),
      cmocka_unit_test(every_error_has_a_name),
      cmocka_unit_test(an_error_carries_its_sentence_and_never_more_than_fits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
