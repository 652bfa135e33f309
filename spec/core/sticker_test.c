/* What a sticker's EXIF chunk says of its pack (05 §15.6), and what it may not say. */
#include "media/sticker.h"

#include "unit.h"

/* As the sheet draws it: one entry, the text behind it. */
#define HEAD "49492a00 08000000 0100 4157 0700 "

static int find(const char *hex, const char *expected) {
  mp_buffer exif = from_hex(hex);
  const uint8_t *json = NULL;
  size_t length = 0;
  mp_error e;
  int rc = mp_sticker_find_pack(exif.data, exif.length, &json, &length, &e);
  if (rc == MP_OK) {
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(json, expected, length);
  }
  mp_buffer_free(&exif);
  return rc;
}

static void test_finds_the_text(void **state) {
  (void)state;
  assert_int_equal(find(HEAD "02000000 16000000 7b7d", "{}"), MP_OK);
  assert_int_equal(find(HEAD "00000000 16000000", ""), MP_OK);
}

static void test_finds_it_among_other_entries(void **state) {
  (void)state;
  assert_int_equal(find("49492a00 08000000 0200 1201 0300 01000000 06000000 4157 0700 02000000 22000000 7b7d", "{}"), MP_OK);
}

static void test_other_exif_says_nothing_of_a_pack(void **state) {
  (void)state;
  assert_int_equal(find("", NULL), MP_ENOTFOUND);
  assert_int_equal(find("4d4d002a 00000008 0000", NULL), MP_ENOTFOUND);
  assert_int_equal(find("49492a00 08000000 0000", NULL), MP_ENOTFOUND);
  assert_int_equal(find("49492a00 08000000 0100 1201 0300 01000000 06000000", NULL), MP_ENOTFOUND);
  assert_int_equal(find("49492a00 08000000 ffff 4157 0200 02000000 16000000 7b7d", NULL), MP_ENOTFOUND); /* a text, by its type */
}

static void test_what_points_outside_is_refused(void **state) {
  (void)state;
  assert_int_equal(find("49492a00 09000000 00", NULL), MP_EMALFORMED);
  assert_int_equal(find("49492a00 ffffffff 0000", NULL), MP_EMALFORMED);
  assert_int_equal(find(HEAD "03000000 16000000 7b7d", NULL), MP_EMALFORMED);
  assert_int_equal(find(HEAD "02000000 17000000 7b7d", NULL), MP_EMALFORMED);
  assert_int_equal(find(HEAD "02000000 ffffffff 7b7d", NULL), MP_EMALFORMED);
  assert_int_equal(find(HEAD "ffffffff 16000000 7b7d", NULL), MP_ELIMIT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_finds_the_text),
      cmocka_unit_test(test_finds_it_among_other_entries),
      cmocka_unit_test(test_other_exif_says_nothing_of_a_pack),
      cmocka_unit_test(test_what_points_outside_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
