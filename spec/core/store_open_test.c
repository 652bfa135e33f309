/* Opening: who may, what is refused and left as it is, and the way from one version to the next. */
#include <errno.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "store/internal.h"
#include "store/version.h"
#include "store_support.h"

/* A store with some rows, and its two files as they are when nobody has it open. */
static void make_store(content *keys, content *traffic) {
  static uint8_t value[3000];
  char key[16];
  mp_error e;
  mp_store *store = open_store();
  put(store, MP_TABLE_SETTING, "me", "1");
  for (int i = 0; i < 100; i++) {
    snprintf(key, sizeof key, "k%d", i);
    assert_int_equal(mp_store_put(store, MP_TABLE_RAW, text(key), (mp_bytes){value, sizeof value}, &e), MP_OK);
  }
  commit(store);
  mp_store_close(store);
  *keys = read_file("keys.mdb");
  *traffic = read_file("traffic.mdb");
}

static void free_contents(content *keys, content *traffic) {
  free(keys->bytes);
  free(traffic->bytes);
}

static pid_t holder;

static int open_held(void) {
  mp_store *store;
  mp_error e;
  char expected[128];
  snprintf(expected, sizeof expected, "store is in use by process %ld (%s)", (long)holder, folder);
  if (try_open(&store, &e) != MP_EBUSY) return 1;
  return strcmp(e.message, expected) == 0 ? 0 : 2;
}

static void tells_a_second_process_who_has_it(void **state) {
  (void)state;
  holder = getpid();
  mp_store *store = open_store();
  in_child(open_held);
  in_child(open_held);
  put(store, MP_TABLE_LID, "a", "1");
  commit(store);
  mp_store_close(store);
  store = open_store();
  expect(store, MP_TABLE_LID, "a", "1");
  mp_store_close(store);
}

static int open_and_close(void) {
  mp_store *store;
  mp_error e;
  if (try_open(&store, &e) != MP_OK) return 1;
  mp_store_close(store);
  return 0;
}

static void is_free_again_when_it_is_closed(void **state) {
  (void)state;
  mp_store *store = open_store();
  mp_store_close(store);
  in_child(open_and_close);
}

/* Opening must fail with one of the codes of damage, and both files stay byte-identical. */
static void expect_refused(const content *keys, const content *traffic) {
  mp_store *store;
  mp_error e;
  int rc = try_open(&store, &e);
  if (rc != MP_EMALFORMED && rc != MP_ETRUNCATED && rc != MP_EVERSION) fail_msg("%d: %s", rc, e.message);
  assert_non_null(strstr(e.message, folder));
  expect_content("keys.mdb", keys->bytes, keys->length);
  expect_content("traffic.mdb", traffic->bytes, traffic->length);
}

static void write_byte(const char *name, size_t at, uint8_t byte) {
  int fd = open(path_of(name), O_WRONLY | O_CLOEXEC);
  assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
  close(fd);
}

/* Every byte of both headers, changed in two ways: refused and left alone, or harmless; never a crash. */
static void reads_no_damaged_header(void **state) {
  static const uint8_t changes[] = {0x01, 0xff};
  content keys, traffic;
  mp_store *store;
  mp_error e;
  int refused = 0;
  (void)state;
  make_store(&keys, &traffic);
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  for (size_t at = 0; at < 2 * 152 * 2; at++) {
    size_t byte = (at / 2) % 152 + (at / 2 >= 152 ? page : 0);
    traffic.bytes[byte] ^= changes[at % 2];
    write_byte("traffic.mdb", byte, traffic.bytes[byte]);
    bool opened = try_open(&store, &e) == MP_OK;
    if (opened) {
      mp_store_close(store);
    } else {
      refused++;
      expect_refused(&keys, &traffic);
    }
    traffic.bytes[byte] ^= changes[at % 2];
    if (opened) write_file("traffic.mdb", traffic.bytes, traffic.length); /* its margin may have grown */
    write_byte("traffic.mdb", byte, traffic.bytes[byte]);
  }
  assert_true(refused > 100);
  mp_store_close(open_store());
  free_contents(&keys, &traffic);
}

static void damage(content *file, size_t at, const char *expected, const content *keys, const content *traffic) {
  mp_store *store;
  mp_error e;
  file->bytes[at] ^= 0xff;
  write_file("keys.mdb", keys->bytes, keys->length);
  write_file("traffic.mdb", traffic->bytes, traffic->length);
  expect_refused(keys, traffic);
  assert_int_not_equal(try_open(&store, &e), MP_OK);
  assert_non_null(strstr(e.message, expected));
  file->bytes[at] ^= 0xff;
}

static void says_what_is_wrong_with_a_header(void **state) {
  content keys, traffic;
  (void)state;
  make_store(&keys, &traffic);
  damage(&keys, 16, "keys.mdb is damaged: its header is not that of a store", &keys, &traffic);
  damage(&traffic, 16, "traffic.mdb is damaged: its header is not that of a store", &keys, &traffic);
  damage(&keys, 20, "keys.mdb has another LMDB format", &keys, &traffic);
  damage(&traffic, 41, "traffic.mdb is damaged, or from a machine with another page size", &keys, &traffic);
  free_contents(&keys, &traffic);
}

static void refuses_what_is_no_store_at_all(void **state) {
  content keys, traffic;
  (void)state;
  make_store(&keys, &traffic);
  memset(traffic.bytes, 'x', traffic.length);
  write_file("traffic.mdb", traffic.bytes, traffic.length);
  expect_refused(&keys, &traffic);
  traffic.length = 7;
  write_file("traffic.mdb", traffic.bytes, traffic.length);
  expect_refused(&keys, &traffic);
  free_contents(&keys, &traffic);
}

/* The number of pages the newer of a file's two headers counts. */
static size_t pages_of(const content *file) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  uint64_t last[2], txn[2];
  for (size_t i = 0; i < 2; i++) {
    memcpy(&last[i], file->bytes + i * page + 136, 8);
    memcpy(&txn[i], file->bytes + i * page + 144, 8);
  }
  return (size_t)(txn[0] >= txn[1] ? last[0] : last[1]) + 1;
}

static void refuses_a_truncated_file(void **state) {
  content keys, traffic;
  mp_store *store;
  mp_error e;
  (void)state;
  make_store(&keys, &traffic);
  size_t page = (size_t)sysconf(_SC_PAGESIZE), needed = pages_of(&traffic) * page, whole = traffic.length;
  assert_true(whole > needed); /* a margin holds nothing: losing it loses nothing */
  for (size_t length = 1; length < needed; length += length < 3 * page ? 511 : 3 * page - 7) {
    traffic.length = length;
    write_file("traffic.mdb", traffic.bytes, length);
    expect_refused(&keys, &traffic);
  }
  traffic.length = needed - 1;
  write_file("traffic.mdb", traffic.bytes, traffic.length);
  expect_refused(&keys, &traffic);
  assert_int_equal(try_open(&store, &e), MP_ETRUNCATED);
  assert_non_null(strstr(e.message, "traffic.mdb is truncated"));
  write_file("traffic.mdb", traffic.bytes, whole);
  keys.length = page + 10;
  write_file("keys.mdb", keys.bytes, keys.length);
  traffic.length = whole;
  expect_refused(&keys, &traffic);
  free_contents(&keys, &traffic);
}

static void refuses_to_make_an_empty_or_missing_file_anew(void **state) {
  static const char *const names[] = {"keys.mdb", "traffic.mdb"};
  content keys, traffic;
  mp_store *store;
  mp_error e;
  char expected[128];
  (void)state;
  make_store(&keys, &traffic);
  for (size_t i = 0; i < 2; i++) {
    snprintf(expected, sizeof expected, "store %s is damaged: its %s is missing or empty", folder, names[i]);
    write_file(names[i], NULL, 0);
    assert_int_equal(try_open(&store, &e), MP_EMALFORMED);
    assert_string_equal(e.message, expected);
    expect_content(names[i], NULL, 0);
    unlink(path_of(names[i]));
    assert_int_equal(try_open(&store, &e), MP_EMALFORMED);
    assert_string_equal(e.message, expected);
    assert_int_equal(access(path_of(names[i]), F_OK), -1);
    write_file("keys.mdb", keys.bytes, keys.length);
    write_file("traffic.mdb", traffic.bytes, traffic.length);
  }
  mp_store_close(open_store());
  free_contents(&keys, &traffic);
}

static void set_version(const char *bytes, size_t length) {
  mp_error e;
  mp_store *store = open_store();
  assert_int_equal(mp_store_put(store, MP_TABLE_META, text("version"), (mp_bytes){bytes, length}, &e), MP_OK);
  mp_store_close(store);
}

static void delete_meta(const char *key) {
  mp_error e;
  mp_store *store = open_store();
  assert_int_equal(mp_store_delete(store, MP_TABLE_META, text(key), &e), MP_OK);
  mp_store_close(store);
}

/* Else it would pass for a new one, and be given new keys. */
static void refuses_a_store_whose_version_is_lost(void **state) {
  content keys, traffic;
  mp_store *store;
  mp_error e;
  char expected[128];
  (void)state;
  snprintf(expected, sizeof expected, "store %s is damaged: it has rows, and no version", folder);
  store = open_store();
  put(store, MP_TABLE_LID, "p1", "l1");
  commit(store);
  mp_store_close(store);
  delete_meta("version");
  assert_int_equal(try_open(&store, &e), MP_EMALFORMED);
  assert_string_equal(e.message, expected);
  unlink(path_of("keys.mdb"));
  unlink(path_of("traffic.mdb"));
  make_store(&keys, &traffic);
  free_contents(&keys, &traffic);
  delete_meta("version");
  assert_int_equal(try_open(&store, &e), MP_EMALFORMED);
  assert_string_equal(e.message, expected);
}

static uint64_t read_u64(const content *file, size_t at) {
  uint64_t value;
  memcpy(&value, file->bytes + at, sizeof value);
  return value;
}

enum { FREE_ROOT = 80, ROWS_ROOT = 128 }; /* in a header: the first page of the tree of free pages, and of that of rows */

/* Where that page begins, by the later of the two headers. */
static size_t root_page(const content *file, size_t root) {
  size_t header = read_u64(file, 144) >= read_u64(file, 4096 + 144) ? 0 : 4096;
  return (size_t)read_u64(file, header + root) * 4096;
}

/* A page that lists one row less than there are, the first: what is not found would pass for what never was. */
static void refuses_keys_of_which_rows_are_lost(void **state) {
  content keys, traffic;
  mp_store *store;
  mp_error e;
  uint16_t lower;
  (void)state;
  make_store(&keys, &traffic);
  uint8_t *page = keys.bytes + root_page(&keys, ROWS_ROOT);
  memcpy(&lower, page + 12, sizeof lower); /* where its list of rows ends, which begins at 16 */
  lower = (uint16_t)(lower - 2);
  memcpy(page + 12, &lower, sizeof lower);
  memmove(page + 16, page + 18, lower - 16u);
  write_file("keys.mdb", keys.bytes, keys.length);
  assert_int_equal(try_open(&store, &e), MP_EMALFORMED);
  assert_non_null(strstr(e.message, "keys.mdb is damaged: its rows end after"));
  expect_content("keys.mdb", keys.bytes, keys.length);
  free_contents(&keys, &traffic);
}

/* LMDB would write over a page in use, or beyond the file. */
static void refuses_keys_whose_free_pages_are_none(void **state) {
  content keys, traffic;
  mp_store *store;
  mp_error e;
  uint16_t at;
  (void)state;
  make_store(&keys, &traffic);
  uint8_t *page = keys.bytes + root_page(&keys, FREE_ROOT);
  memcpy(&at, page + 16, sizeof at);             /* its first record: header 8, key 8, count 8, page numbers */
  memcpy(page + at + 24, "\0\0\0\0\0\1\0\0", 8); /* the first one */
  write_file("keys.mdb", keys.bytes, keys.length);
  assert_int_equal(try_open(&store, &e), MP_EMALFORMED);
  assert_string_equal(e.message, "keys.mdb is damaged: its list of free pages makes no sense");
  free_contents(&keys, &traffic);
}

static void refuses_a_newer_or_unreadable_version(void **state) {
  content keys, traffic;
  mp_store *store;
  mp_error e;
  char expected[128];
  (void)state;
  make_store(&keys, &traffic);
  free_contents(&keys, &traffic);
  set_version("\x02\x01\0\0", 4);
  keys = read_file("keys.mdb");
  traffic = read_file("traffic.mdb");
  expect_refused(&keys, &traffic);
  assert_int_equal(try_open(&store, &e), MP_EVERSION);
  snprintf(expected, sizeof expected, "store %s is of version 258, this moonpost knows up to %d", folder, MP_STORE_VERSION);
  assert_string_equal(e.message, expected);
  free_contents(&keys, &traffic);
}

static void refuses_an_unreadable_version(void **state) {
  mp_store *store;
  mp_error e;
  (void)state;
  set_version("\x01\0\0", 3);
  assert_int_equal(try_open(&store, &e), MP_EMALFORMED);
  assert_non_null(strstr(e.message, "its version is unreadable"));
}

static char log_of_steps[64];

static int step_one(mp_store *store, mp_error *e) {
  strcat(log_of_steps, "1 ");
  return mp_store_put(store, MP_TABLE_LID, text("one"), text("1"), e);
}

static int step_two(mp_store *store, mp_error *e) {
  strcat(log_of_steps, "2 ");
  expect(store, MP_TABLE_LID, "one", "1");
  assert_false(mp_store_dirty(store)); /* the step before is committed */
  return mp_store_put(store, MP_TABLE_LID, text("two"), text("1"), e);
}

static int step_that_fails(mp_store *store, mp_error *e) {
  strcat(log_of_steps, "x ");
  put(store, MP_TABLE_LID, "half", "1");
  return mp_fail(e, MP_EMALFORMED, "this row cannot be moved");
}

static uint32_t version_of(mp_store *store) {
  uint32_t version;
  mp_error e;
  assert_int_equal(mp_store_read_version(store, &version, &e), MP_OK);
  return version;
}

static void takes_a_store_from_version_to_version(void **state) {
  const mp_migration steps[] = {NULL, step_one, step_two};
  mp_error e;
  (void)state;
  log_of_steps[0] = 0;
  mp_store *store = open_store();
  assert_int_equal(mp_store_migrate(store, 1, 3, steps, &e), MP_OK);
  assert_string_equal(log_of_steps, "1 2 ");
  assert_int_equal(version_of(store), 3);
  assert_false(mp_store_dirty(store));
  expect(store, MP_TABLE_LID, "two", "1");
  mp_store_close(store);
}

static void stays_at_the_version_before_a_step_that_fails(void **state) {
  const mp_migration failing[] = {NULL, step_one, step_that_fails}, steps[] = {NULL, step_one, step_two};
  mp_error e;
  (void)state;
  log_of_steps[0] = 0;
  mp_store *store = open_store();
  assert_int_equal(mp_store_migrate(store, 1, 3, failing, &e), MP_EMALFORMED);
  assert_string_equal(e.message, "this row cannot be moved");
  assert_int_equal(version_of(store), 2);
  expect(store, MP_TABLE_LID, "one", "1");
  expect(store, MP_TABLE_LID, "half", NULL);
  assert_int_equal(mp_store_migrate(store, version_of(store), 3, steps, &e), MP_OK);
  assert_string_equal(log_of_steps, "1 x 2 ");
  assert_int_equal(version_of(store), 3);
  mp_store_close(store);
}

static void moves_nothing_in_a_new_store(void **state) {
  const mp_migration steps[] = {NULL, step_that_fails};
  mp_error e;
  (void)state;
  mp_store *store = open_store();
  assert_int_equal(version_of(store), MP_STORE_VERSION);
  assert_int_equal(mp_store_migrate(store, 0, 2, steps, &e), MP_OK);
  assert_int_equal(version_of(store), 2);
  mp_store_close(store);
}

/* As somebody who is not root; exit code 0 when opening fails with "Permission denied". */
static int open_as_somebody_else(void) {
  mp_store *store;
  mp_error e;
  if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) return 1;
  if (try_open(&store, &e) != MP_ESTORE) return 2;
  return strstr(e.message, "Permission denied") != NULL && strstr(e.message, folder) != NULL ? 0 : 3;
}

static void says_when_the_folder_may_not_be_read_or_written(void **state) {
  (void)state;
  assert_int_equal(chmod(folder, 0000), 0);
  in_child(open_as_somebody_else);
  assert_int_equal(chmod(folder, 0555), 0);
  in_child(open_as_somebody_else);
  assert_int_equal(chmod(folder, 0700), 0);
  mp_store_close(open_store());
  assert_int_equal(chmod(folder, 0755), 0);
  assert_int_equal(chmod(path_of("lock"), 0000), 0);
  in_child(open_as_somebody_else);
  assert_int_equal(chmod(path_of("lock"), 0666), 0);
  assert_int_equal(chmod(path_of("keys.mdb"), 0000), 0);
  in_child(open_as_somebody_else);
}

static void says_when_the_path_leads_nowhere(void **state) {
  mp_store *store;
  mp_error e;
  char path[5000];
  (void)state;
  assert_int_equal(mp_store_open(&(mp_store_options){.path = ""}, &store, &e), MP_EINVAL);
  snprintf(path, sizeof path, "%s/none/store", folder);
  assert_int_equal(mp_store_open(&(mp_store_options){.path = path}, &store, &e), MP_ESTORE);
  assert_non_null(strstr(e.message, "No such file or directory"));
  write_file("lock", (const uint8_t *)"", 0);
  assert_int_equal(mp_store_open(&(mp_store_options){.path = path_of("lock")}, &store, &e), MP_ESTORE);
  assert_non_null(strstr(e.message, "is a file"));
  memset(path, 'x', sizeof path - 1);
  path[sizeof path - 1] = 0;
  assert_int_equal(mp_store_open(&(mp_store_options){.path = path}, &store, &e), MP_ESTORE);
}

static int write_much(mp_store *store, mp_error *e) {
  static uint8_t value[100000];
  char key[16];
  for (int i = 0; i < 40; i++) {
    snprintf(key, sizeof key, "k%d", i);
    int rc = mp_store_put(store, MP_TABLE_RAW, text(key), (mp_bytes){value, sizeof value}, e);
    if (rc != MP_OK) return rc;
  }
  return mp_store_commit(store, e);
}

/* The disk is full: the turn is lost, the one before is not, and the store works again when there is room. */
static int fill_the_disk(int code, void (*make_room)(void)) {
  mp_store *store;
  mp_bytes value;
  mp_error e;
  if (try_open(&store, &e) != MP_OK) return 1;
  if (mp_store_put(store, MP_TABLE_LID, text("old"), text("1"), &e) != MP_OK || mp_store_commit(store, &e) != MP_OK) return 2;
  if (write_much(store, &e) != code) return 3;
  if (strstr(e.message, "the store") == NULL || mp_store_dirty(store)) return 4;
  if (mp_store_get(store, MP_TABLE_RAW, text("k0"), &value, &e) != MP_ENOTFOUND) return 5;
  if (mp_store_get(store, MP_TABLE_LID, text("old"), &value, &e) != MP_OK) return 6;
  make_room();
  if (write_much(store, &e) != MP_OK) return 7;
  mp_store_close(store);
  if (try_open(&store, &e) != MP_OK) return 8;
  if (mp_store_get(store, MP_TABLE_RAW, text("k39"), &value, &e) != MP_OK) return 9;
  mp_store_close(store);
  return 0;
}

static void lift_the_limit(void) {
  setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
}

static int write_beyond_the_file_limit(void) {
  setrlimit(RLIMIT_FSIZE, &(struct rlimit){2 << 20, RLIM_INFINITY});
  return fill_the_disk(MP_EFULL, lift_the_limit);
}

static void survives_a_file_that_may_not_grow(void **state) {
  (void)state;
  in_child(write_beyond_the_file_limit);
}

static void enlarge(void) {
  mount("none", folder, NULL, MS_REMOUNT, "size=64m");
}

static int write_beyond_the_disk(void) {
  return fill_the_disk(MP_EFULL, enlarge);
}

/* A disk of 3 MB, where one may be mounted; elsewhere the limit of the test above stands for it. */
static void survives_a_full_disk(void **state) {
  (void)state;
  if (mount("none", folder, "tmpfs", 0, "size=3m") != 0) {
    assert_true(errno == EPERM || errno == EACCES);
    print_message("no disk can be mounted here (%s): only the limit of a file's size was tried\n", strerror(errno));
    return;
  }
  in_child(write_beyond_the_disk);
  assert_int_equal(umount(folder), 0);
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      in_folder(tells_a_second_process_who_has_it),
      in_folder(is_free_again_when_it_is_closed),
      in_folder(reads_no_damaged_header),
      in_folder(says_what_is_wrong_with_a_header),
      in_folder(refuses_what_is_no_store_at_all),
      in_folder(refuses_a_truncated_file),
      in_folder(refuses_to_make_an_empty_or_missing_file_anew),
      in_folder(refuses_a_store_whose_version_is_lost),
      in_folder(refuses_keys_of_which_rows_are_lost),
      in_folder(refuses_keys_whose_free_pages_are_none),
      in_folder(refuses_a_newer_or_unreadable_version),
      in_folder(refuses_an_unreadable_version),
      in_folder(takes_a_store_from_version_to_version),
      in_folder(stays_at_the_version_before_a_step_that_fails),
      in_folder(moves_nothing_in_a_new_store),
      in_folder(says_when_the_folder_may_not_be_read_or_written),
      in_folder(says_when_the_path_leads_nowhere),
      in_folder(survives_a_file_that_may_not_grow),
      in_folder(survives_a_full_disk),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
