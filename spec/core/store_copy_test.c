/* Copies of a store, and a store that may have gone back in time. */
#include <lmdb.h>
#include <signal.h>
#include <sys/prctl.h>

#include "store/internal.h"
#include "store_support.h"

static char target[80];

static int make_both(void **state) {
  int rc = make_folder(state);
  snprintf(target, sizeof target, "%s-copy", folder);
  return rc;
}

static void remove_copy(void) {
  static const char *const names[] = {"keys.mdb", "keys.mdb-lock", "traffic.mdb", "traffic.mdb-lock", "lock"};
  char path[128];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(path, sizeof path, "%s/%s", target, names[i]);
    unlink(path);
  }
  rmdir(target);
}

static int remove_both(void **state) {
  remove_copy();
  return remove_folder(state);
}

static mp_store *open_at(const char *path, mp_durability durability, bool reader) {
  mp_store *store = NULL;
  mp_error e = {0};
  if (mp_store_open(&(mp_store_options){.path = path, .durability = durability, .reader = reader}, &store, &e) != MP_OK)
    fail_msg("%s", e.message);
  return store;
}

static void back_up(void) {
  mp_error e;
  mp_store *store = open_at(folder, MP_DURABLE_POWER, true);
  int result, tries = 100; /* a writer that leaves the keys no rest is told of: then it is tried again, as it says */
  do {
    result = mp_store_backup(store, target, &e);
  } while (result == MP_EBUSY && --tries > 0);
  if (result != MP_OK) fail_msg("%s", e.message);
  mp_store_close(store);
}

static uint32_t epoch_of(mp_store *store) {
  uint32_t epoch;
  mp_error e;
  assert_int_equal(mp_store_epoch(store, &epoch, &e), MP_OK);
  return epoch;
}

static void make_store(void) {
  mp_store *store = open_store();
  put(store, MP_TABLE_SETTING, "me", "1");
  put(store, MP_TABLE_SESSION, "s", "a session");
  put(store, MP_TABLE_LID, "a", "1");
  commit(store);
  mp_store_close(store);
}

static mode_t mode_of(const char *path) {
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  return info.st_mode & 07777;
}

static void is_for_its_owner_alone(void **state) {
  char path[128];
  (void)state;
  make_store();
  mode_t before = umask(0);
  back_up();
  umask(before);
  assert_int_equal(mode_of(target), 0700);
  snprintf(path, sizeof path, "%s/keys.mdb", target);
  assert_int_equal(mode_of(path), 0600);
  snprintf(path, sizeof path, "%s/traffic.mdb", target);
  assert_int_equal(mode_of(path), 0600);
  snprintf(path, sizeof path, "%s/keys.mdb-lock", target);
  assert_int_equal(access(path, F_OK), -1);
}

static void goes_into_no_folder_that_holds_something(void **state) {
  mp_error e;
  (void)state;
  make_store();
  mp_store *store = open_at(folder, MP_DURABLE_POWER, true);
  assert_int_equal(mp_store_backup(store, folder, &e), MP_EINVAL);
  assert_non_null(strstr(e.message, "is not empty: a backup needs a new one"));
  assert_int_equal(mkdir(target, 0755), 0);
  assert_int_equal(mp_store_backup(store, target, &e), MP_OK);
  assert_int_equal(mode_of(target), 0700);
  assert_int_equal(mp_store_backup(store, target, &e), MP_EINVAL);
  mp_store_close(store);
}

static void knows_that_it_is_one_and_marks_its_sessions_once(void **state) {
  (void)state;
  make_store();
  back_up();
  mp_store *store = open_at(target, MP_DURABLE_POWER, false);
  expect(store, MP_TABLE_STALE, "s", "");
  expect(store, MP_TABLE_LID, "a", "1");
  assert_int_equal(epoch_of(store), 1);
  mp_error e;
  assert_int_equal(mp_store_delete(store, MP_TABLE_STALE, text("s"), &e), MP_OK);
  commit(store);
  mp_store_close(store);
  store = open_at(target, MP_DURABLE_POWER, false);
  expect(store, MP_TABLE_STALE, "s", NULL);
  assert_int_equal(epoch_of(store), 1);
  mp_store_close(store);
  store = open_store(); /* the original goes on as it was */
  expect(store, MP_TABLE_STALE, "s", NULL);
  assert_int_equal(epoch_of(store), 0);
  mp_store_close(store);
}

/* Writes pairs of rows, each pair in a turn, and a setting now and then, until it is killed. */
static void write_pairs(void) {
  char value[32];
  mp_store *store = open_store();
  for (unsigned i = 1;; i++) {
    snprintf(value, sizeof value, "%u", i);
    put(store, MP_TABLE_LID, "a", value);
    put(store, MP_TABLE_RAW, "b", value);
    commit(store);
    if (i % 64 == 1) put(store, MP_TABLE_SETTING, "me", value);
  }
}

static void expect_a_pair(unsigned *last) {
  char value[32];
  mp_bytes found;
  mp_error e;
  mp_store *store = open_at(target, MP_DURABLE_POWER, true);
  assert_int_equal(mp_store_get(store, MP_TABLE_LID, text("a"), &found, &e), MP_OK);
  snprintf(value, sizeof value, "%.*s", (int)found.length, (const char *)found.data);
  expect(store, MP_TABLE_RAW, "b", value);
  unsigned traffic = (unsigned)strtoul(value, NULL, 10);
  assert_true(traffic >= *last);
  *last = traffic;
  assert_int_equal(mp_store_get(store, MP_TABLE_SETTING, text("me"), &found, &e), MP_OK);
  snprintf(value, sizeof value, "%.*s", (int)found.length, (const char *)found.data);
  unsigned keys = (unsigned)strtoul(value, NULL, 10);
  assert_true(keys <= traffic && traffic <= keys + 64); /* both files are of one time */
  mp_store_close(store);
}

static void is_of_one_time_while_another_process_writes(void **state) {
  unsigned last = 1;
  (void)state;
  mp_store *store = open_store();
  put(store, MP_TABLE_LID, "a", "1");
  put(store, MP_TABLE_RAW, "b", "1");
  commit(store);
  put(store, MP_TABLE_SETTING, "me", "1");
  mp_store_close(store);
  pid_t writer = fork();
  if (writer == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails must not leave it behind */
    write_pairs();
    _exit(0);
  }
  for (int i = 0; i < 10; i++) {
    back_up();
    expect_a_pair(&last);
    remove_copy();
  }
  kill(writer, SIGKILL);
  assert_int_equal(waitpid(writer, NULL, 0), writer);
}

static void is_read_beside_its_writer_and_never_written(void **state) {
  mp_error e;
  (void)state;
  make_store();
  mp_store *store = open_at(folder, MP_DURABLE_POWER, true);
  expect(store, MP_TABLE_LID, "a", "1");
  assert_int_equal(mp_store_put(store, MP_TABLE_LID, text("a"), text("2"), &e), MP_ESTORE);
  assert_int_equal(mp_store_put(store, MP_TABLE_SETTING, text("me"), text("2"), &e), MP_ESTORE);
  assert_int_equal(mp_store_open(&(mp_store_options){.path = folder}, &store, &e), MP_EBUSY);
  mp_store_close(store);
  assert_int_equal(mp_store_open(&(mp_store_options){.path = target, .reader = true}, &store, &e), MP_ESTORE);
  assert_int_equal(mkdir(target, 0700), 0);
  assert_int_equal(mp_store_open(&(mp_store_options){.path = target, .reader = true}, &store, &e), MP_ENOTFOUND);
}

static void is_copied_but_not_read_while_it_is_of_an_older_version(void **state) {
  mp_error e;
  (void)state;
  make_store();
  mp_store *store = open_store();
  assert_int_equal(mp_store_put(store, MP_TABLE_META, text("version"), (mp_bytes){"\1\0\0", 4}, &e), MP_OK);
  mp_store_close(store);
  assert_int_equal(mp_store_open(&(mp_store_options){.path = folder, .reader = true}, &store, &e), MP_EVERSION);
  assert_non_null(strstr(e.message, "is of version 1: it is brought up to version"));
  assert_int_equal(mp_store_open(&(mp_store_options){.path = folder, .reader = true, .sealed = true}, &store, &e), MP_OK);
  assert_int_equal(mp_store_backup(store, target, &e), MP_OK);
  mp_store_close(store);
}

static void use_without_syncing(const char *boot) {
  mp_error e;
  mp_store_close(open_at(folder, MP_DURABLE_PROCESS, false));
  if (boot == NULL) return;
  mp_store *store = open_at(folder, MP_DURABLE_PROCESS, false);
  assert_int_equal(mp_store_put(store, MP_TABLE_META, text(MP_META_BOOT), text(boot), &e), MP_OK);
  mp_store_close(store);
}

static const char other_boot[] = "01234567-89ab-cdef-0123-456789abcdef";

static void marks_its_sessions_after_unsynced_use_under_another_boot(void **state) {
  (void)state;
  make_store();
  for (int durability = MP_DURABLE_POWER; durability <= MP_DURABLE_PROCESS; durability++) {
    use_without_syncing(other_boot);
    mp_store *store = open_at(folder, (mp_durability)durability, false);
    expect(store, MP_TABLE_STALE, "s", "");
    assert_int_equal(epoch_of(store), durability + 1);
    mp_error e;
    assert_int_equal(mp_store_delete(store, MP_TABLE_STALE, text("s"), &e), MP_OK);
    commit(store);
    mp_store_close(store);
    store = open_at(folder, (mp_durability)durability, false);
    expect(store, MP_TABLE_STALE, "s", NULL);
    mp_store_close(store);
  }
}

static void keeps_its_sessions_within_one_boot_and_when_it_was_synced(void **state) {
  (void)state;
  make_store();
  use_without_syncing(NULL);
  mp_store *store = open_at(folder, MP_DURABLE_PROCESS, false);
  expect(store, MP_TABLE_STALE, "s", NULL);
  mp_store_close(store);
  store = open_store(); /* syncs what was not, and takes the mark away */
  expect(store, MP_TABLE_STALE, "s", NULL);
  expect(store, MP_TABLE_META, MP_META_BOOT, NULL);
  assert_int_equal(epoch_of(store), 0);
  mp_store_close(store);
}

static void tells_whether_it_can_be_written_and_leaves_no_trace(void **state) {
  mp_error e;
  (void)state;
  make_store();
  mp_store *store = open_store();
  assert_int_equal(mp_store_probe(store, &e), MP_OK);
  assert_false(mp_store_dirty(store));
  expect(store, MP_TABLE_META, "probe", NULL);
  expect(store, MP_TABLE_COUNTER, "probe", NULL);
  mp_store_close(store);
  store = open_at(folder, MP_DURABLE_POWER, true);
  assert_int_equal(mp_store_probe(store, &e), MP_ESTORE);
  mp_store_close(store);
}

static void closes_lmdbs_lock_files_to_others(void **state) {
  (void)state;
  make_store();
  assert_int_equal(chmod(path_of("traffic.mdb-lock"), 0666), 0);
  assert_int_equal(chmod(path_of("keys.mdb-lock"), 0644), 0);
  mp_store_close(open_store());
  assert_int_equal(mode_of(path_of("traffic.mdb-lock")), 0600);
  assert_int_equal(mode_of(path_of("keys.mdb-lock")), 0600);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_both, remove_both)

int main(void) {
  const struct CMUnitTest tests[] = {
      in_folder(is_for_its_owner_alone),
      in_folder(goes_into_no_folder_that_holds_something),
      in_folder(knows_that_it_is_one_and_marks_its_sessions_once),
      in_folder(is_of_one_time_while_another_process_writes),
      in_folder(is_read_beside_its_writer_and_never_written),
      in_folder(is_copied_but_not_read_while_it_is_of_an_older_version),
      in_folder(marks_its_sessions_after_unsynced_use_under_another_boot),
      in_folder(keeps_its_sessions_within_one_boot_and_when_it_was_synced),
      in_folder(tells_whether_it_can_be_written_and_leaves_no_trace),
      in_folder(closes_lmdbs_lock_files_to_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
