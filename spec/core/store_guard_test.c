/* Who gets at a store: its files are files of its own, others are kept out, a client and a world do not mix. */
#include "store_support.h"

static const char *const files[] = {"lock", "keys.mdb", "traffic.mdb", "keys.mdb-lock", "traffic.mdb-lock"};
#define FILES (sizeof files / sizeof *files)

static void refused(int code, const char *message) {
  mp_store *store = NULL;
  mp_error e = {0};
  assert_int_equal(try_open(&store, &e), code);
  if (strstr(e.message, message) == NULL) fail_msg("'%s' does not say '%s'", e.message, message);
}

static void follows_no_link_and_leaves_its_target_as_it_is(void **state) {
  char target[128], beside[64]; /* what is not a store's own has no place in its folder */
  (void)state;
  snprintf(beside, sizeof beside, "../precious-%ld", (long)getpid());
  snprintf(target, sizeof target, "%s/%s", folder, beside);
  for (size_t i = 0; i < FILES; i++) {
    write_file(beside, (const uint8_t *)"precious data precious data", 27);
    assert_int_equal(symlink(beside, path_of(files[i])), 0);
    refused(MP_ESTORE, "is a symbolic link");
    expect_content(beside, (const uint8_t *)"precious data precious data", 27);
    assert_int_equal(unlink(target), 0);
    refused(MP_ESTORE, "is a symbolic link"); /* one that leads nowhere */
    assert_int_equal(access(target, F_OK), -1);
    assert_int_equal(unlink(path_of(files[i])), 0);
  }
}

static void takes_no_pipe_or_folder_for_a_file(void **state) {
  (void)state;
  for (size_t i = 0; i < FILES; i++) {
    assert_int_equal(mkfifo(path_of(files[i]), 0600), 0);
    refused(MP_ESTORE, "is no file");
    assert_int_equal(unlink(path_of(files[i])), 0);
    assert_int_equal(mkdir(path_of(files[i]), 0700), 0);
    refused(MP_ESTORE, "is no file");
    assert_int_equal(rmdir(path_of(files[i])), 0);
  }
}

static mode_t mode_of(const char *path) {
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  return info.st_mode & 07777;
}

static void closes_its_files_to_others(void **state) {
  mode_t before = umask(0);
  (void)state;
  mp_store_close(open_store());
  for (size_t i = 0; i < FILES; i++) assert_int_equal(mode_of(path_of(files[i])), 0600);
  for (size_t i = 0; i < 3; i++) assert_int_equal(chmod(path_of(files[i]), 0644), 0);
  mp_store_close(open_store());
  for (size_t i = 0; i < 3; i++) assert_int_equal(mode_of(path_of(files[i])), 0600);
  umask(before);
}

static void lets_nobody_else_write_into_its_folder(void **state) {
  static const mode_t modes[][2] = {{0777, 0755}, {0757, 0755}, {01777, 01777}, {0775, 0775}, {0755, 0755}, {0700, 0700}};
  (void)state;
  mp_store_close(open_store()); /* closes it to all others, since a store is made in it */
  assert_int_equal(mode_of(folder), 0700);
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
    assert_int_equal(chmod(folder, modes[i][0]), 0);
    mp_store_close(open_store());
    assert_int_equal(mode_of(folder), modes[i][1]);
  }
}

static int open_as(const char *kind, mp_store **store, mp_error *e) {
  return mp_store_open(&(mp_store_options){.path = folder, .kind = kind}, store, e);
}

static mp_store *opened_as(const char *kind) {
  mp_store *store = NULL;
  mp_error e = {0};
  if (open_as(kind, &store, &e) != MP_OK) fail_msg("%s", e.message);
  return store;
}

static void not_for(const char *kind, const char *message) {
  mp_store *store = NULL;
  mp_error e = {0};
  assert_int_equal(open_as(kind, &store, &e), MP_EINVAL);
  if (strstr(e.message, message) == NULL) fail_msg("'%s' does not say '%s'", e.message, message);
}

static void is_of_the_kind_it_was_made_as(void **state) {
  (void)state;
  mp_store *store = opened_as(MP_STORE_CLIENT);
  not_for(MP_STORE_WORLD, "is the store of a client: a sandbox needs a folder of its own"); /* also while it is open */
  mp_store_close(store);
  expect(store = opened_as(MP_STORE_CLIENT), MP_TABLE_META, "kind", "client");
  mp_store_close(store);
  not_for(MP_STORE_WORLD, "is the store of a client");
  mp_store_close(open_store()); /* whoever asks for no kind looks at any */
}

static void that_is_a_world_is_no_clients(void **state) {
  (void)state;
  mp_store_close(opened_as(MP_STORE_WORLD));
  not_for(MP_STORE_CLIENT, "is the world of a sandbox: a client needs a folder of its own");
  mp_store_close(opened_as(MP_STORE_WORLD));
}

static void without_a_kind_is_adopted(void **state) {
  (void)state;
  mp_store *store = open_store();
  put(store, MP_TABLE_LID, "a", "1");
  commit(store);
  expect(store, MP_TABLE_META, "kind", NULL);
  mp_store_close(store);
  mp_store_close(opened_as(MP_STORE_CLIENT));
  not_for(MP_STORE_WORLD, "is the store of a client");
}

static void without_a_kind_is_known_by_its_rows(void **state) {
  mp_error e;
  (void)state;
  mp_store *store = open_store();
  put(store, MP_TABLE_KEYPAIR, "root", "key");
  mp_store_close(store);
  not_for(MP_STORE_CLIENT, "is the world of a sandbox");
  store = open_store();
  assert_int_equal(mp_store_delete(store, MP_TABLE_KEYPAIR, text("root"), &e), MP_OK);
  assert_int_equal(mp_store_put(store, MP_TABLE_CREDENTIAL, (mp_bytes){"\0credentials", 12}, text("secret"), &e), MP_OK);
  mp_store_close(store);
  not_for(MP_STORE_WORLD, "is the store of a client");
  mp_store_close(opened_as(MP_STORE_CLIENT));
}

static void with_an_unreadable_kind_is_damaged(void **state) {
  mp_store *store = open_store();
  mp_error e;
  (void)state;
  put(store, MP_TABLE_META, "kind", "something of another time");
  mp_store_close(store);
  assert_int_equal(open_as(MP_STORE_CLIENT, &store, &e), MP_EMALFORMED);
  assert_non_null(strstr(e.message, "its kind is unreadable"));
}

#define in_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
  const struct CMUnitTest tests[] = {
      in_folder(follows_no_link_and_leaves_its_target_as_it_is),
      in_folder(takes_no_pipe_or_folder_for_a_file),
      in_folder(closes_its_files_to_others),
      in_folder(lets_nobody_else_write_into_its_folder),
      in_folder(is_of_the_kind_it_was_made_as),
      in_folder(that_is_a_world_is_no_clients),
      in_folder(without_a_kind_is_adopted),
      in_folder(without_a_kind_is_known_by_its_rows),
      in_folder(with_an_unreadable_kind_is_damaged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
