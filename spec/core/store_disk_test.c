/* What a disk does that fails: a turn is lost, nothing before it, and the store goes on when the disk does. */
#include "failing_disk.h"
#include "store_support.h"

static disk_call failing;
static int fault; /* errno; 0: all is well */
#define DIES (-1) /* the process ends in place of the call */

static int disk_fault(disk_call call, int fd, const char *path) {
  (void)fd;
  (void)path;
  if (fault == DIES && call == failing) _exit(0);
  return fault != 0 && call == failing ? fault : 0;
}

static void let_fail(disk_call call, int reason) {
  failing = call;
  fault = reason;
}

static mp_store *store_with_a_row(void) {
  mp_store *store = open_store();
  put(store, MP_TABLE_SETTING, "me", "before");
  put(store, MP_TABLE_LID, "p1", "before");
  commit(store);
  return store;
}

/* A turn that fails loses what it wrote, reads go on, and the next one succeeds once the disk works: for all who have it open. */
static void lose_a_turn(disk_call call, int reason, int code) {
  mp_error e;
  mp_store *store = store_with_a_row(), *shared = open_store();
  put(store, MP_TABLE_LID, "p1", "lost");
  let_fail(call, reason);
  assert_int_equal(mp_store_commit(store, &e), code);
  expect(store, MP_TABLE_LID, "p1", "before");
  put(shared, MP_TABLE_LID, "p1", "lost too");
  assert_int_equal(mp_store_commit(shared, &e), code);
  assert_int_not_equal(mp_store_probe(store, &e), MP_OK);
  fault = 0;
  assert_int_equal(mp_store_probe(store, &e), MP_OK);
  expect(shared, MP_TABLE_LID, "p1", "before");
  put(store, MP_TABLE_LID, "p2", "after");
  commit(store);
  expect(shared, MP_TABLE_LID, "p2", "after");
  mp_store_close(shared);
  mp_store_close(store);
  store = open_store();
  expect(store, MP_TABLE_LID, "p1", "before");
  expect(store, MP_TABLE_LID, "p2", "after");
  mp_store_close(store);
}

static void goes_on_after_its_header_could_not_be_written(void **state) {
  (void)state;
  lose_a_turn(DISK_HEADER, EIO, MP_ESTORE);
}

static void goes_on_after_there_was_no_room_for_its_header(void **state) {
  (void)state;
  lose_a_turn(DISK_HEADER, ENOSPC, MP_EFULL);
}

static void goes_on_after_a_sync_failed(void **state) {
  (void)state;
  lose_a_turn(DISK_SYNC, EIO, MP_ESTORE);
}

static void goes_on_after_the_disk_was_read_only(void **state) {
  (void)state;
  lose_a_turn(DISK_WRITE, EROFS, MP_ESTORE);
}

static void keeps_its_settings_when_their_header_could_not_be_written(void **state) {
  mp_error e;
  (void)state;
  mp_store *store = store_with_a_row();
  let_fail(DISK_HEADER, EIO);
  assert_int_equal(mp_store_put(store, MP_TABLE_SETTING, text("me"), text("lost"), &e), MP_ESTORE);
  expect(store, MP_TABLE_SETTING, "me", "before");
  fault = 0;
  put(store, MP_TABLE_SETTING, "me", "after");
  expect(store, MP_TABLE_SETTING, "me", "after");
  mp_store_close(store);
}

static void lose_header(mp_store *store) {
  mp_error e;
  put(store, MP_TABLE_LID, "p1", "lost");
  let_fail(DISK_HEADER, EIO);
  assert_int_equal(mp_store_commit(store, &e), MP_ESTORE);
  fault = 0;
}

static void expect_unreadable(mp_store *store, int code, const char *message) {
  mp_error e;
  mp_bytes value;
  assert_int_equal(mp_store_get(store, MP_TABLE_LID, text("p1"), &value, &e), code);
  assert_string_equal(e.message, message);
}

static void opens_no_other_file_in_its_place(void **state) {
  char moved[140];
  (void)state;
  mp_store *store = store_with_a_row();
  lose_header(store);
  snprintf(moved, sizeof moved, "%s/moved", folder);
  assert_int_equal(rename(path_of("traffic.mdb"), moved), 0);
  expect_unreadable(store, MP_ESTORE, "the store cannot be opened again: traffic.mdb: No such file or directory");
  write_file("traffic.mdb", (const uint8_t *)"x", 1);
  expect_unreadable(store, MP_EDAMAGED, "the store cannot be opened again: its traffic.mdb is another file now");
  assert_int_equal(rename(moved, path_of("traffic.mdb")), 0);
  expect(store, MP_TABLE_LID, "p1", "before");
  mp_store_close(store);
}

static void waits_to_be_opened_again_until_that_can_be(void **state) {
  mp_error e;
  (void)state;
  mp_store *store = store_with_a_row();
  lose_header(store);
  let_fail(DISK_OPEN, EROFS);
  expect_unreadable(store, MP_ESTORE, "the store cannot be opened: Read-only file system");
  assert_int_equal(mp_store_probe(store, &e), MP_ESTORE);
  fault = 0;
  assert_int_equal(mp_store_probe(store, &e), MP_OK);
  expect(store, MP_TABLE_LID, "p1", "before");
  mp_store_close(store);
}

/* A path of the copy, which is beside the store. */
static const char *copy_of(const char *name) {
  static char path[128];
  snprintf(path, sizeof path, "%s-copy%s", folder, name);
  return path;
}

/* Dies as the copy is to learn that it is one. */
static int back_up_and_die(void) {
  mp_store *store = open_store();
  let_fail(DISK_HEADER, DIES);
  mp_store_backup(store, copy_of(""), NULL);
  return 1;
}

static void leaves_no_copy_that_does_not_know_it_is_one(void **state) {
  static const char *const parts[] = {"/keys.mdb.part", "/traffic.mdb.part", "/keys.mdb.part-lock"};
  mp_error e;
  mp_store *store = store_with_a_row();
  (void)state;
  mp_store_close(store);
  in_child(back_up_and_die);
  assert_int_equal(mp_store_open(&(mp_store_options){.path = copy_of(""), .reader = true}, &store, &e), MP_ENOTFOUND);
  assert_int_equal(access(copy_of("/traffic.mdb.part"), F_OK), 0);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) unlink(copy_of(parts[i]));
  assert_int_equal(rmdir(copy_of("")), 0);
}

static int mend_disk(void **state) {
  fault = 0;
  return remove_folder(state);
}

#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, mend_disk)

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(goes_on_after_its_header_could_not_be_written),
      STORE_TEST(goes_on_after_there_was_no_room_for_its_header),
      STORE_TEST(goes_on_after_a_sync_failed),
      STORE_TEST(goes_on_after_the_disk_was_read_only),
      STORE_TEST(keeps_its_settings_when_their_header_could_not_be_written),
      STORE_TEST(opens_no_other_file_in_its_place),
      STORE_TEST(leaves_no_copy_that_does_not_know_it_is_one),
      STORE_TEST(waits_to_be_opened_again_until_that_can_be),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
