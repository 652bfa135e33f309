/* The way of a store from version 1, whose client rows had no scope, to version 2 and on. */
#include "store/scopes.h"

#include "store/version.h"
#include "store_support.h"

static void put_bytes(mp_store *store, mp_table table, const char *key, size_t length, const char *value) {
  mp_error e;
  if (mp_store_put(store, table, (mp_bytes){key, length}, text(value), &e) != MP_OK) fail_msg("%s", e.message);
}

static void expect_bytes(mp_store *store, mp_table table, const char *key, size_t length, const char *expected) {
  mp_bytes value = {NULL, 0};
  mp_error e = {0};
  int rc = mp_store_get(store, table, (mp_bytes){key, length}, &value, &e);
  assert_int_equal(rc, expected != NULL ? MP_OK : MP_ENOTFOUND);
  if (expected == NULL) return;
  assert_int_equal(value.length, strlen(expected));
  assert_memory_equal(value.data, expected, value.length);
}

static void set_version(mp_store *store, char version) {
  const char raw[4] = {version, 0, 0, 0};
  mp_error e;
  assert_int_equal(mp_store_put(store, MP_TABLE_META, text("version"), (mp_bytes){raw, sizeof raw}, &e), MP_OK);
}

/* As version 1 left it. */
static void make_old_store(void) {
  mp_store *store = open_store();
  put(store, MP_TABLE_SETTING, "me", "who");
  put(store, MP_TABLE_SETTING, "retry-keys", "keys");
  put_bytes(store, MP_TABLE_CREDENTIAL, "\0credentials", 12, "secret");
  put_bytes(store, MP_TABLE_SESSION, "\0ana", 4, "session");
  put_bytes(store, MP_TABLE_COUNTER, "\0prekey", 7, "4");
  put_bytes(store, MP_TABLE_JOURNAL, "\0\0\0\0\0\0\0\1", 8, "first");
  put_bytes(store, MP_TABLE_JOURNAL, "\0\0\0\0\0\0\1\0", 8, "256th");
  put(store, MP_TABLE_LID, "p4917", "l");
  put(store, MP_TABLE_DEDUPE, "rchat", "seen");
  put(store, MP_TABLE_WORLD, "a4917", "account");
  put_bytes(store, MP_TABLE_QUEUE, "\0x", 2, "stanza");
  commit(store);
  set_version(store, 1);
  mp_store_close(store);
}

static void expect_moved(mp_store *store) {
  expect(store, MP_TABLE_SETTING, "me", NULL);
  expect_bytes(store, MP_TABLE_SETTING, "\0me", 3, "who");
  expect(store, MP_TABLE_SETTING, "retry-keys", NULL);
  expect_bytes(store, MP_TABLE_JOURNAL, "\0\0\0\0\0\0\0\0\1", 9, "first");
  expect_bytes(store, MP_TABLE_JOURNAL, "\0\0\0\0\0\0\0\1\0", 9, "256th");
  expect_bytes(store, MP_TABLE_JOURNAL, "\0\0\0\0\0\0\0\1", 8, NULL);
  expect_bytes(store, MP_TABLE_LID, "\0p4917", 6, "l");
  expect(store, MP_TABLE_LID, "p4917", NULL);
  expect_bytes(store, MP_TABLE_DEDUPE, "\0rchat", 6, "seen");
}

static void puts_the_clients_rows_under_the_default_account(void **state) {
  uint32_t version;
  mp_error e;
  (void)state;
  make_old_store();
  mp_store *store = open_store();
  assert_int_equal(mp_store_read_version(store, &version, &e), MP_OK);
  assert_int_equal(version, MP_STORE_VERSION);
  expect_moved(store);
  mp_store_close(store);
  store = open_store();
  expect_moved(store);
  mp_store_close(store);
}

static void leaves_what_has_a_scope_and_what_needs_none(void **state) {
  (void)state;
  make_old_store();
  mp_store *store = open_store();
  expect_bytes(store, MP_TABLE_CREDENTIAL, "\0credentials", 12, "secret");
  expect_bytes(store, MP_TABLE_SESSION, "\0ana", 4, "session");
  expect_bytes(store, MP_TABLE_COUNTER, "\0prekey", 7, "4");
  expect(store, MP_TABLE_WORLD, "a4917", "account");
  expect_bytes(store, MP_TABLE_QUEUE, "\0x", 2, "stanza");
  mp_store_close(store);
}

static void moves_nothing_twice_when_it_was_interrupted(void **state) {
  (void)state;
  make_old_store();
  mp_store *store = open_store();
  put(store, MP_TABLE_SETTING, "retry-keys", "keys"); /* as if the process had died in front of this one */
  set_version(store, 1);
  mp_store_close(store);
  store = open_store();
  expect_moved(store);
  mp_store_close(store);
}

static void moves_more_rows_than_it_holds_at_once(void **state) {
  enum { ROWS = 3000 };
  static char large[2001];
  mp_store *store = open_store();
  char key[16];
  (void)state;
  memset(large, 'x', sizeof large - 1);
  for (int i = 0; i < ROWS; i++) {
    snprintf(key, sizeof key, "s%06d", i);
    put(store, MP_TABLE_DEDUPE, key, large);
  }
  commit(store);
  set_version(store, 1);
  mp_store_close(store);
  store = open_store();
  for (int i = 0; i < ROWS; i++) {
    int length = snprintf(key, sizeof key, "%cs%06d", 0, i);
    expect_bytes(store, MP_TABLE_DEDUPE, key, (size_t)length, large);
    expect_bytes(store, MP_TABLE_DEDUPE, key + 1, (size_t)length - 1, NULL);
  }
  mp_store_close(store);
}

int main(void) {
#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
  const struct CMUnitTest tests[] = {
      in_folder(puts_the_clients_rows_under_the_default_account),
      in_folder(leaves_what_has_a_scope_and_what_needs_none),
      in_folder(moves_nothing_twice_when_it_was_interrupted),
      in_folder(moves_more_rows_than_it_holds_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
