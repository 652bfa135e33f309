/* Sealing: what a key opens, what it does not, and giving a store a key. */
#include <lmdb.h>

#include "store/internal.h"
#include "store_support.h"

#define HEX "00112233445566778899aabbccddeeffffeeddccbbaa99887766554433221100"
#define OTHER_HEX "10112233445566778899aabbccddeeffffeeddccbbaa99887766554433221100"

static mp_store_key make_key(const char *text_of_it) {
  mp_store_key key;
  mp_error e;
  if (mp_store_key_set(&key, text_of_it, strlen(text_of_it), &e) != MP_OK) fail_msg("%s", e.message);
  return key;
}

static int open_with(const char *text_of_it, mp_store **store, mp_error *e) {
  mp_store_key key;
  if (text_of_it != NULL) key = make_key(text_of_it);
  return mp_store_open(&(mp_store_options){.path = folder, .key = text_of_it != NULL ? &key : NULL}, store, e);
}

static mp_store *must_open(const char *text_of_it) {
  mp_store *store = NULL;
  mp_error e = {0};
  if (open_with(text_of_it, &store, &e) != MP_OK) fail_msg("%s", e.message);
  return store;
}

static void make_sealed(const char *text_of_it) {
  mp_store *store = must_open(text_of_it);
  put(store, MP_TABLE_SETTING, "me", "a setting in the clear");
  put(store, MP_TABLE_LID, "somebody", "a row in the clear");
  put(store, MP_TABLE_LID, "somebody else", "");
  commit(store);
  mp_store_close(store);
}

static bool holds(const char *name, const char *words) {
  content c = read_file(name);
  bool found = memmem(c.bytes, c.length, words, strlen(words)) != NULL;
  free(c.bytes);
  return found;
}

static void keeps_values_from_who_reads_the_disk(void **state) {
  (void)state;
  make_sealed(HEX);
  assert_false(holds("keys.mdb", "in the clear"));
  assert_false(holds("traffic.mdb", "in the clear"));
  assert_true(holds("traffic.mdb", "somebody")); /* keys stay readable */
  mp_store *store = must_open(HEX);
  expect(store, MP_TABLE_SETTING, "me", "a setting in the clear");
  expect(store, MP_TABLE_LID, "somebody", "a row in the clear");
  expect(store, MP_TABLE_LID, "somebody else", "");
  mp_store_close(store);
}

static void takes_a_passphrase_and_a_line_end_behind_it(void **state) {
  (void)state;
  make_sealed("a long enough passphrase");
  mp_store *store = must_open("a long enough passphrase\n");
  expect(store, MP_TABLE_LID, "somebody", "a row in the clear");
  mp_store_close(store);
}

static void expect_refusal(const char *key, const char *why) {
  mp_store *store;
  mp_error e;
  content keys = read_file("keys.mdb"), traffic = read_file("traffic.mdb");
  assert_int_equal(open_with(key, &store, &e), MP_EKEY);
  if (strstr(e.message, why) == NULL) fail_msg("%s", e.message);
  expect_content("keys.mdb", keys.bytes, keys.length);
  expect_content("traffic.mdb", traffic.bytes, traffic.length);
  free(keys.bytes);
  free(traffic.bytes);
}

static void says_what_is_wrong_with_a_key_and_touches_nothing(void **state) {
  (void)state;
  make_sealed(HEX);
  expect_refusal(OTHER_HEX, "wrong key");
  expect_refusal("a passphrase", "wrong key: the store is sealed with 64 hex digits");
  expect_refusal(NULL, "is sealed: give its key");
}

static void refuses_a_key_for_a_plain_store(void **state) {
  (void)state;
  make_sealed(NULL);
  expect_refusal(HEX, "is not sealed, and a key was given: `moonpost store seal` seals it");
}

static void refuses_keys_that_are_too_short_or_too_long(void **state) {
  static char long_text[MP_SEAL_TEXT_MAX + 1];
  mp_store_key key;
  mp_error e;
  (void)state;
  memset(long_text, 'x', sizeof long_text);
  assert_int_equal(mp_store_key_set(&key, "short  \n", 8, &e), MP_EKEY);
  assert_string_equal(e.message,
                      "the store's key is too short, 5 bytes: 64 hex digits expected, or a passphrase of 8 to 1024 bytes");
  assert_int_equal(mp_store_key_set(&key, long_text, sizeof long_text, &e), MP_EKEY);
  assert_int_equal(mp_store_key_set(&key, long_text, sizeof long_text - 1, &e), MP_OK);
}

/* Writes the bytes of one row of the closed store over another's, or flips one of them. */
static void tamper(const char *from, const char *to, bool flip) {
  MDB_env *env;
  MDB_txn *txn;
  MDB_dbi dbi;
  static uint8_t bytes[256];
  MDB_val key = {strlen(from), (void *)from}, value;
  assert_int_equal(mdb_env_create(&env), 0);
  assert_int_equal(mdb_env_open(env, path_of("traffic.mdb"), MDB_NOSUBDIR, 0600), 0);
  assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
  assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
  assert_int_equal(mdb_get(txn, dbi, &key, &value), 0);
  memcpy(bytes, value.mv_data, value.mv_size);
  if (flip) bytes[value.mv_size - 1] ^= 1;
  key = (MDB_val){strlen(to), (void *)to};
  value.mv_data = bytes;
  assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
  assert_int_equal(mdb_txn_commit(txn), 0);
  mdb_env_close(env);
}

static bool any_row(void *context, mp_bytes key, mp_bytes value) {
  (void)key;
  (void)value;
  ++*(int *)context;
  return true;
}

static void expect_damaged(mp_table table, const char *key) {
  mp_bytes value;
  mp_error e;
  int seen = 0;
  mp_store *store = must_open(HEX);
  assert_int_equal(mp_store_get(store, table, text(key), &value, &e), MP_ESTORE);
  assert_non_null(strstr(e.message, "was changed or does not belong there"));
  assert_int_equal(mp_store_range(store, table, text(key), text(""), any_row, &seen, &e), MP_ESTORE);
  assert_int_equal(seen, 0);
  mp_store_close(store);
}

static void refuses_a_sealed_row_in_another_place(void **state) {
  (void)state;
  make_sealed(HEX);
  tamper("Gsomebody", "Gelsewhere", false);
  expect_damaged(MP_TABLE_LID, "elsewhere");
  tamper("Gsomebody", "Hsomebody", false);
  expect_damaged(MP_TABLE_JOURNAL, "somebody");
}

static void refuses_a_sealed_row_that_was_changed(void **state) {
  (void)state;
  make_sealed(HEX);
  tamper("Gsomebody", "Gsomebody", true);
  expect_damaged(MP_TABLE_LID, "somebody");
}

static void gives_two_stores_of_one_key_seals_of_their_own(void **state) {
  mp_store_key key = make_key(HEX);
  mp_seal one = {0}, two = {0};
  uint8_t header[MP_SEAL_HEADER];
  mp_error e;
  (void)state;
  assert_int_equal(mp_seal_make(&one, &key, header, &e), MP_OK);
  assert_int_equal(mp_seal_make(&two, &key, header, &e), MP_OK);
  assert_memory_not_equal(one.key, two.key, 32);
}

static void reseal(const char *before, const char *after) {
  mp_store_key key = make_key(after);
  mp_error e;
  mp_store *store = must_open(before);
  if (mp_store_reseal(store, &key, &e) != MP_OK) fail_msg("%s", e.message);
  mp_store_close(store);
}

static void seals_a_plain_store_and_changes_its_key(void **state) {
  (void)state;
  make_sealed(NULL);
  assert_true(holds("traffic.mdb", "a row in the clear"));
  reseal(NULL, HEX);
  assert_false(holds("traffic.mdb", "in the clear"));
  assert_false(holds("keys.mdb", "in the clear"));
  reseal(HEX, "another key, a passphrase");
  expect_refusal(HEX, "wrong key: the store is sealed with a passphrase");
  mp_store *store = must_open("another key, a passphrase");
  expect(store, MP_TABLE_SETTING, "me", "a setting in the clear");
  expect(store, MP_TABLE_LID, "somebody", "a row in the clear");
  put(store, MP_TABLE_LID, "new", "1");
  commit(store);
  mp_store_close(store);
}

/* The files of the store as it was, and as the sealing leaves them. */
typedef struct {
  content keys, traffic, new_keys, new_traffic;
} both;

static both around_a_sealing(void) {
  both b;
  make_sealed(NULL);
  b.keys = read_file("keys.mdb");
  b.traffic = read_file("traffic.mdb");
  reseal(NULL, HEX);
  b.new_keys = read_file("keys.mdb");
  b.new_traffic = read_file("traffic.mdb");
  return b;
}

static void free_both(both *b) {
  free(b->keys.bytes);
  free(b->traffic.bytes);
  free(b->new_keys.bytes);
  free(b->new_traffic.bytes);
}

static void expect_no_left_overs(void) {
  assert_int_equal(access(path_of("keys.mdb.new"), F_OK), -1);
  assert_int_equal(access(path_of("traffic.mdb.new"), F_OK), -1);
}

static void goes_back_when_a_sealing_was_interrupted_early(void **state) {
  both b = around_a_sealing();
  (void)state;
  for (int keys_too = 0; keys_too < 2; keys_too++) {
    write_file("keys.mdb", b.keys.bytes, b.keys.length);
    write_file("traffic.mdb", b.traffic.bytes, b.traffic.length);
    write_file("traffic.mdb.new", b.new_traffic.bytes, b.new_traffic.length / 2);
    if (keys_too) write_file("keys.mdb.new", b.new_keys.bytes, b.new_keys.length);
    mp_store *store = must_open(NULL);
    expect(store, MP_TABLE_LID, "somebody", "a row in the clear");
    mp_store_close(store);
    expect_no_left_overs();
  }
  free_both(&b);
}

static void goes_on_when_a_sealing_was_interrupted_late(void **state) {
  both b = around_a_sealing();
  (void)state;
  write_file("keys.mdb", b.keys.bytes, b.keys.length); /* traffic.mdb is the new one already */
  write_file("keys.mdb.new", b.new_keys.bytes, b.new_keys.length);
  mp_store *store = must_open(HEX);
  expect(store, MP_TABLE_LID, "somebody", "a row in the clear");
  mp_store_close(store);
  expect_no_left_overs();
  free_both(&b);
}

static void seals_nothing_that_is_in_use(void **state) {
  mp_store_key key = make_key(HEX);
  mp_error e;
  (void)state;
  mp_store *store = must_open(NULL), *again = must_open(NULL);
  assert_int_equal(mp_store_reseal(store, &key, &e), MP_EBUSY);
  mp_store_close(again);
  mp_store_close(store);
}

static void shares_a_sealed_store_with_who_has_its_key(void **state) {
  mp_store *again;
  mp_error e;
  (void)state;
  mp_store *store = must_open(HEX);
  assert_int_equal(open_with(OTHER_HEX, &again, &e), MP_EKEY);
  assert_int_equal(open_with(NULL, &again, &e), MP_EKEY);
  again = must_open(HEX);
  assert_ptr_equal(again, store);
  mp_store_close(again);
  mp_store_close(store);
}

static void tells_how_a_store_is_sealed_without_its_key(void **state) {
  uint8_t header[MP_SEAL_HEADER];
  size_t length = 1;
  mp_error e;
  (void)state;
  assert_int_equal(mp_store_read_seal(folder, header, &length, &e), MP_OK);
  assert_int_equal(length, 0);
  make_sealed(HEX);
  assert_int_equal(mp_store_read_seal(folder, header, &length, &e), MP_OK);
  assert_int_equal(length, MP_SEAL_HEADER);
  mp_store_key key = make_key(OTHER_HEX);
  assert_int_equal(mp_store_key_derive(&key, header, length, &e), MP_OK);
  header[2] = 0xff;
  header[1] = 'p';
  assert_int_equal(mp_store_key_derive(&key, header, length, &e), MP_EMALFORMED);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      in_folder(keeps_values_from_who_reads_the_disk),
      in_folder(takes_a_passphrase_and_a_line_end_behind_it),
      in_folder(says_what_is_wrong_with_a_key_and_touches_nothing),
      in_folder(refuses_a_key_for_a_plain_store),
      cmocka_unit_test(refuses_keys_that_are_too_short_or_too_long),
      in_folder(refuses_a_sealed_row_in_another_place),
      in_folder(refuses_a_sealed_row_that_was_changed),
      cmocka_unit_test(gives_two_stores_of_one_key_seals_of_their_own),
      in_folder(seals_a_plain_store_and_changes_its_key),
      in_folder(goes_back_when_a_sealing_was_interrupted_early),
      in_folder(goes_on_when_a_sealing_was_interrupted_late),
      in_folder(seals_nothing_that_is_in_use),
      in_folder(shares_a_sealed_store_with_who_has_its_key),
      in_folder(tells_how_a_store_is_sealed_without_its_key),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
