/* Rows, turns, nested transactions, sharing and the layout of keys. */
#include <lmdb.h>
#include <signal.h>

#include "store/internal.h"
#include "store_support.h"

static void keeps_rows_of_both_environments(void **state) {
  (void)state;
  mp_store *store = open_store();
  put(store, MP_TABLE_SETTING, "me", "a");
  put(store, MP_TABLE_LID, "p1", "l1");
  put(store, MP_TABLE_LID, "empty", "");
  expect(store, MP_TABLE_LID, "p1", "l1");
  commit(store);
  mp_store_close(store);
  store = open_store();
  expect(store, MP_TABLE_SETTING, "me", "a");
  expect(store, MP_TABLE_LID, "p1", "l1");
  expect(store, MP_TABLE_LID, "empty", "");
  expect(store, MP_TABLE_JOURNAL, "p1", NULL);
  mp_store_close(store);
}

static void deletes_rows_and_minds_no_missing_one(void **state) {
  mp_error e;
  (void)state;
  mp_store *store = open_store();
  put(store, MP_TABLE_SETTING, "a", "1");
  put(store, MP_TABLE_LID, "a", "1");
  assert_int_equal(mp_store_delete(store, MP_TABLE_SETTING, text("a"), &e), MP_OK);
  assert_int_equal(mp_store_delete(store, MP_TABLE_LID, text("a"), &e), MP_OK);
  assert_int_equal(mp_store_delete(store, MP_TABLE_LID, text("a"), &e), MP_OK);
  expect(store, MP_TABLE_SETTING, "a", NULL);
  expect(store, MP_TABLE_LID, "a", NULL);
  mp_store_close(store);
}

static void refuses_keys_that_are_too_long(void **state) {
  char key[MP_STORE_KEY_MAX + 2];
  mp_bytes value;
  mp_error e;
  (void)state;
  mp_store *store = open_store();
  memset(key, 'k', sizeof key - 1);
  key[sizeof key - 1] = 0;
  assert_int_equal(mp_store_put(store, MP_TABLE_LID, text(key), text(""), &e), MP_EINVAL);
  assert_string_equal(e.message, "a store key of 501 bytes (at most 500)");
  assert_int_equal(mp_store_get(store, MP_TABLE_LID, text(key), &value, &e), MP_EINVAL);
  key[MP_STORE_KEY_MAX] = 0;
  put(store, MP_TABLE_LID, key, "fits");
  expect(store, MP_TABLE_LID, key, "fits");
  commit(store);
  mp_store_close(store);
}

/* The only key of a file, which no store may have open. */
static void expect_only_key(const char *name, const char *key, const char *value) {
  MDB_env *env;
  MDB_txn *txn;
  MDB_dbi dbi;
  MDB_cursor *cursor;
  MDB_val k, v;
  assert_int_equal(mdb_env_create(&env), 0);
  assert_int_equal(mdb_env_open(env, path_of(name), MDB_NOSUBDIR | MDB_RDONLY, 0600), 0);
  assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
  assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
  assert_int_equal(mdb_cursor_open(txn, dbi, &cursor), 0);
  assert_int_equal(mdb_cursor_get(cursor, &k, &v, MDB_FIRST), 0);
  assert_int_equal(k.mv_size, strlen(key));
  assert_memory_equal(k.mv_data, key, k.mv_size);
  assert_memory_equal(v.mv_data, value, v.mv_size);
  assert_int_equal(mdb_cursor_get(cursor, &k, &v, MDB_NEXT), MDB_NOTFOUND);
  mdb_cursor_close(cursor);
  mdb_txn_abort(txn);
  mdb_env_close(env);
}

static void writes_keys_as_tables_h_says(void **state) {
  (void)state;
  mp_store *store = open_store();
  put(store, MP_TABLE_LID, "p4917", "10000");
  commit(store);
  mp_store_close(store);
  expect_only_key("traffic.mdb", "Gp4917", "10000");
  expect_only_key("keys.mdb", "dversion", "\3\0\0\0");
}

typedef struct {
  char keys[64];
  size_t wanted; /* 0: all */
} walk;

static bool note_key(void *context, mp_bytes key, mp_bytes value) {
  walk *w = context;
  (void)value;
  strncat(w->keys, key.data, key.length);
  strcat(w->keys, " ");
  return w->wanted == 0 || --w->wanted > 0;
}

static void expect_range(mp_store *store, const char *prefix, const char *after, size_t wanted, const char *expected) {
  walk w = {"", wanted};
  mp_error e;
  assert_int_equal(mp_store_range(store, MP_TABLE_OUTBOX, text(prefix), text(after), note_key, &w, &e), MP_OK);
  assert_string_equal(w.keys, expected);
}

static void walks_rows_in_order(void **state) {
  (void)state;
  mp_store *store = open_store();
  put(store, MP_TABLE_JOURNAL, "a9", "of another table");
  put(store, MP_TABLE_DEDUPE, "a0", "of another table");
  static const char *const keys[] = {"b1", "a2", "a", "a1", "a22"};
  for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) put(store, MP_TABLE_OUTBOX, keys[i], "");
  for (int committed = 0; committed < 2; committed++) {
    expect_range(store, "", "", 0, "a a1 a2 a22 b1 ");
    expect_range(store, "a", "", 0, "a a1 a2 a22 ");
    expect_range(store, "a2", "", 0, "a2 a22 ");
    expect_range(store, "a", "a1", 0, "a2 a22 ");
    expect_range(store, "a", "a11", 0, "a2 a22 ");
    expect_range(store, "a", "", 2, "a a1 ");
    expect_range(store, "c", "", 0, "");
    commit(store);
  }
  mp_store_close(store);
}

static void expect_last(mp_store *store, const char *prefix, const char *expected) {
  mp_bytes key;
  mp_error e;
  int rc = mp_store_last(store, MP_TABLE_OUTBOX, text(prefix), &key, &e);
  assert_int_equal(rc, expected != NULL ? MP_OK : MP_ENOTFOUND);
  if (expected == NULL) return;
  assert_int_equal(key.length, strlen(expected));
  assert_memory_equal(key.data, expected, key.length);
}

static void finds_the_last_row_of_a_prefix(void **state) {
  (void)state;
  mp_store *store = open_store();
  expect_last(store, "", NULL);
  put(store, MP_TABLE_JOURNAL, "z", "of another table");
  expect_last(store, "", NULL);
  put(store, MP_TABLE_OUTBOX, "a1", "");
  put(store, MP_TABLE_OUTBOX, "a\xff\xff", "");
  put(store, MP_TABLE_OUTBOX, "b1", "");
  put(store, MP_TABLE_DEDUPE, "a", "of another table");
  expect_last(store, "", "b1");
  expect_last(store, "a", "a\xff\xff");
  expect_last(store, "a\xff", "a\xff\xff");
  expect_last(store, "a1", "a1");
  expect_last(store, "c", NULL);
  mp_store_close(store);
}

static void drops_what_a_nested_transaction_wrote(void **state) {
  mp_error e;
  (void)state;
  mp_store *store = open_store();
  put(store, MP_TABLE_LID, "turn", "1");
  assert_int_equal(mp_store_begin(store, &e), MP_OK);
  put(store, MP_TABLE_LID, "kept", "1");
  assert_int_equal(mp_store_begin(store, &e), MP_OK);
  put(store, MP_TABLE_LID, "dropped", "1");
  put(store, MP_TABLE_LID, "kept", "2");
  expect(store, MP_TABLE_LID, "dropped", "1");
  mp_store_rollback(store);
  expect(store, MP_TABLE_LID, "dropped", NULL);
  expect(store, MP_TABLE_LID, "kept", "1");
  assert_int_equal(mp_store_release(store, &e), MP_OK);
  commit(store);
  mp_store_close(store);
  store = open_store();
  expect(store, MP_TABLE_LID, "turn", "1");
  expect(store, MP_TABLE_LID, "kept", "1");
  expect(store, MP_TABLE_LID, "dropped", NULL);
  mp_store_close(store);
}

static void keeps_settings_whatever_becomes_of_the_turn(void **state) {
  mp_error e;
  (void)state;
  mp_store *store = open_store();
  assert_int_equal(mp_store_begin(store, &e), MP_OK);
  put(store, MP_TABLE_SETTING, "me", "1");
  mp_store_rollback(store);
  expect(store, MP_TABLE_SETTING, "me", "1");
  mp_store_close(store);
}

static void drops_an_open_turn_when_it_is_closed(void **state) {
  mp_error e;
  (void)state;
  mp_store *store = open_store();
  put(store, MP_TABLE_LID, "a", "1");
  assert_int_equal(mp_store_begin(store, &e), MP_OK);
  put(store, MP_TABLE_LID, "b", "1");
  assert_true(mp_store_dirty(store));
  mp_store_close(store);
  store = open_store();
  assert_false(mp_store_dirty(store));
  expect(store, MP_TABLE_LID, "a", NULL);
  expect(store, MP_TABLE_LID, "b", NULL);
  mp_store_close(store);
}

static void says_when_transactions_do_not_pair(void **state) {
  mp_error e;
  (void)state;
  mp_store *store = open_store();
  assert_int_equal(mp_store_release(store, &e), MP_EINVAL);
  mp_store_rollback(store);
  for (int i = 0; i < MP_STORE_NESTING; i++) assert_int_equal(mp_store_begin(store, &e), MP_OK);
  assert_int_equal(mp_store_begin(store, &e), MP_ELIMIT);
  put(store, MP_TABLE_LID, "deep", "1");
  assert_int_equal(mp_store_commit(store, &e), MP_EINVAL);
  assert_string_equal(e.message, "a nested transaction is still open");
  for (int i = 0; i < MP_STORE_NESTING; i++) assert_int_equal(mp_store_release(store, &e), MP_OK);
  commit(store);
  expect(store, MP_TABLE_LID, "deep", "1");
  mp_store_close(store);
}

/* A full map, which is as a full disk to the writes of a turn. */
static mp_store *open_small(void) {
  mp_store *store = NULL;
  mp_error e;
  assert_int_equal(mp_store_open(&(mp_store_options){.path = folder, .map_size = 256 * 1024}, &store, &e), MP_OK);
  return store;
}

static int fill(mp_store *store, mp_error *e) {
  static uint8_t value[4000];
  char key[16];
  int rc = MP_OK;
  for (int i = 0; i < 1000 && rc == MP_OK; i++) {
    snprintf(key, sizeof key, "k%d", i);
    rc = mp_store_put(store, MP_TABLE_RAW, text(key), (mp_bytes){value, sizeof value}, e);
  }
  return rc;
}

static void goes_on_after_a_nested_transaction_filled_the_map(void **state) {
  mp_error e;
  (void)state;
  mp_store *store = open_small();
  put(store, MP_TABLE_LID, "before", "1");
  assert_int_equal(mp_store_begin(store, &e), MP_OK);
  assert_int_equal(fill(store, &e), MP_EFULL);
  mp_store_rollback(store);
  put(store, MP_TABLE_LID, "after", "1");
  commit(store);
  expect(store, MP_TABLE_LID, "before", "1");
  expect(store, MP_TABLE_LID, "after", "1");
  expect(store, MP_TABLE_RAW, "k0", NULL);
  mp_store_close(store);
}

static void loses_a_turn_that_filled_the_map_and_works_again(void **state) {
  mp_error e;
  mp_bytes value;
  (void)state;
  mp_store *store = open_small();
  put(store, MP_TABLE_LID, "old", "1");
  commit(store);
  assert_int_equal(fill(store, &e), MP_EFULL);
  assert_int_equal(mp_store_put(store, MP_TABLE_LID, text("more"), text("1"), &e), MP_EFULL);
  assert_int_equal(mp_store_get(store, MP_TABLE_LID, text("old"), &value, &e), MP_EFULL);
  assert_int_equal(mp_store_begin(store, &e), MP_EFULL);
  assert_int_equal(mp_store_commit(store, &e), MP_EFULL);
  assert_non_null(strstr(e.message, "this turn is lost, a write of it failed: no room for the store"));
  expect(store, MP_TABLE_RAW, "k0", NULL);
  put(store, MP_TABLE_LID, "new", "1");
  commit(store);
  expect(store, MP_TABLE_LID, "old", "1");
  expect(store, MP_TABLE_LID, "new", "1");
  mp_store_close(store);
}

static void shares_a_folder_within_a_process(void **state) {
  mp_store *again;
  mp_error e;
  char other[80];
  (void)state;
  mp_store *store = open_store();
  put(store, MP_TABLE_LID, "a", "1");
  snprintf(other, sizeof other, "%s/.", folder);
  assert_int_equal(mp_store_open(&(mp_store_options){.path = other}, &again, &e), MP_OK);
  assert_ptr_equal(again, store);
  mp_store_close(again);
  expect(store, MP_TABLE_LID, "a", "1");
  commit(store);
  mp_store_close(store);
}

static void keeps_stores_in_memory_apart(void **state) {
  mp_store *stores[20];
  mp_error e;
  (void)state;
  for (size_t i = 0; i < 20; i++) {
    assert_int_equal(mp_store_open(&(mp_store_options){0}, &stores[i], &e), MP_OK);
    expect(stores[i], MP_TABLE_LID, "a", NULL);
    put(stores[i], MP_TABLE_LID, "a", "1");
    assert_string_equal(mp_store_path(stores[i]), "(memory)");
  }
  for (size_t i = 0; i < 20; i++) mp_store_close(stores[i]);
}

static void expect_no_reader(MDB_env *env) {
  MDB_txn *txn;
  int dead;
  assert_int_equal(mdb_reader_check(env, &dead), 0);
  /* LMDB lets a map grow only when nothing reads or writes in this process. */
  assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
  mdb_txn_abort(txn);
}

static int count_reader(const char *line, void *context) {
  if (strstr(line, "no active readers") == NULL) ++*(int *)context;
  return 0;
}

static void leaves_no_read_transaction_behind(void **state) {
  int readers = 0;
  walk w = {"", 1};
  mp_error e;
  (void)state;
  mp_store *store = open_store();
  put(store, MP_TABLE_OUTBOX, "a", "1");
  put(store, MP_TABLE_OUTBOX, "b", "1");
  put(store, MP_TABLE_SETTING, "s", "1");
  commit(store);
  expect(store, MP_TABLE_OUTBOX, "a", "1");
  expect(store, MP_TABLE_OUTBOX, "c", NULL);
  expect(store, MP_TABLE_SETTING, "s", "1");
  assert_int_equal(mp_store_range(store, MP_TABLE_OUTBOX, text(""), text(""), note_key, &w, &e), MP_OK);
  expect_last(store, "", "b");
  assert_int_equal(mdb_reader_list(store->traffic.env, count_reader, &readers), 0);
  assert_int_equal(mdb_reader_list(store->keys.env, count_reader, &readers), 0);
  assert_int_equal(readers, 0);
  expect_no_reader(store->traffic.env);
  mp_store_close(store);
}

static void expect_flags(MDB_env *env, bool synced, size_t map) {
  unsigned flags;
  MDB_envinfo info;
  assert_int_equal(mdb_env_get_flags(env, &flags), 0);
  assert_int_equal(mdb_env_info(env, &info), 0);
  assert_false(flags & (MDB_WRITEMAP | MDB_MAPASYNC | MDB_NOMETASYNC));
  assert_int_equal((flags & MDB_NOSYNC) == 0, synced);
  assert_int_equal(info.me_mapsize, map);
}

static void syncs_as_its_durability_says_and_never_writes_through_the_map(void **state) {
  mp_error e;
  (void)state;
  mp_store *store = open_store();
  expect_flags(store->keys.env, true, (size_t)64 << 20);
  expect_flags(store->traffic.env, true, (size_t)64 << 30);
  mp_store_close(store);
  assert_int_equal(mp_store_open(&(mp_store_options){.path = folder, .durability = MP_DURABLE_PROCESS}, &store, &e), MP_OK);
  expect_flags(store->keys.env, true, (size_t)64 << 20);
  expect_flags(store->traffic.env, false, (size_t)64 << 30);
  mp_store_close(store);
}

static void zeroes_what_it_is_told_to_forget(void **state) {
  mp_bytes value;
  mp_error e;
  (void)state;
  mp_store *store = open_store();
  put(store, MP_TABLE_SETTING, "secret", "0123456789");
  assert_int_equal(mp_store_get(store, MP_TABLE_SETTING, text("secret"), &value, &e), MP_OK);
  mp_store_forget(store);
  for (size_t i = 0; i < 10; i++) assert_int_equal(((const uint8_t *)value.data)[i], 0);
  mp_store_close(store);
}

static int commit_then_die(void) {
  mp_store *store;
  mp_error e;
  if (try_open(&store, &e) != MP_OK) return 1;
  if (mp_store_put(store, MP_TABLE_LID, text("committed"), text("1"), &e) != MP_OK) return 2;
  if (mp_store_commit(store, &e) != MP_OK) return 3;
  if (mp_store_put(store, MP_TABLE_LID, text("open"), text("1"), &e) != MP_OK) return 4;
  raise(SIGKILL);
  return 5;
}

static void survives_a_killed_process(void **state) {
  int status;
  (void)state;
  pid_t child = fork();
  if (child == 0) _exit(commit_then_die());
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  mp_store *store = open_store();
  expect(store, MP_TABLE_LID, "committed", "1");
  expect(store, MP_TABLE_LID, "open", NULL);
  mp_store_close(store);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      in_folder(keeps_rows_of_both_environments),
      in_folder(deletes_rows_and_minds_no_missing_one),
      in_folder(refuses_keys_that_are_too_long),
      in_folder(writes_keys_as_tables_h_says),
      in_folder(walks_rows_in_order),
      in_folder(finds_the_last_row_of_a_prefix),
      in_folder(drops_what_a_nested_transaction_wrote),
      in_folder(keeps_settings_whatever_becomes_of_the_turn),
      in_folder(drops_an_open_turn_when_it_is_closed),
      in_folder(says_when_transactions_do_not_pair),
      in_folder(goes_on_after_a_nested_transaction_filled_the_map),
      in_folder(loses_a_turn_that_filled_the_map_and_works_again),
      in_folder(shares_a_folder_within_a_process),
      in_folder(keeps_stores_in_memory_apart),
      in_folder(leaves_no_read_transaction_behind),
      in_folder(syncs_as_its_durability_says_and_never_writes_through_the_map),
      in_folder(zeroes_what_it_is_told_to_forget),
      in_folder(survives_a_killed_process),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
