/* Files that appear whole or not at all: without a name until then, and by way of a temporary one. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/draft.h"
#include "unit.h"

static char folder[64];
static const bool ways[] = {false, true};

static int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/moonpost-draft-XXXXXX");
  return mkdtemp(folder) == NULL ? -1 : 0;
}

static const char *path_of(const char *name) {
  static char path[320];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static int count_files(void) {
  int count = 0;
  DIR *list = opendir(folder);
  assert_non_null(list);
  for (const struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list))
    count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  closedir(list);
  return count;
}

static int remove_folder(void **state) {
  (void)state;
  assert_int_equal(count_files(), 0);
  return rmdir(folder);
}

static void expect_content(const char *name, const char *expected) {
  char content[64] = "";
  FILE *file = fopen(path_of(name), "r");
  assert_non_null(file);
  size_t length = fread(content, 1, sizeof content - 1, file);
  fclose(file);
  assert_int_equal(length, strlen(expected));
  assert_string_equal(content, expected);
}

static mp_draft *draft_of(const char *text, bool named) {
  mp_draft *draft;
  mp_error e;
  assert_int_equal(mp_draft_open(&draft, folder, named, &e), MP_OK);
  assert_int_equal(mp_draft_write(draft, text, strlen(text), &e), MP_OK);
  return draft;
}

static void appears_when_it_is_published_and_not_before(void **state) {
  mp_error e;
  (void)state;
  for (size_t i = 0; i < COUNT(ways); i++) {
    mp_draft *draft = draft_of("whole", ways[i]);
    assert_int_equal(access(path_of("a"), F_OK), -1);
    assert_int_equal(mp_draft_publish(draft, "a", true, &e), MP_OK);
    mp_draft_close(draft);
    expect_content("a", "whole");
    assert_int_equal(unlink(path_of("a")), 0);
  }
}

static void leaves_nothing_without_being_published(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(ways); i++) {
    mp_draft *draft = draft_of("half", ways[i]);
    assert_int_equal(count_files(), ways[i] ? 1 : 0);
    mp_draft_close(draft);
    assert_int_equal(count_files(), 0);
  }
}

static void replaces_a_file_only_when_told_so(void **state) {
  mp_error e;
  (void)state;
  for (size_t i = 0; i < COUNT(ways); i++) {
    mp_draft *draft = draft_of("one", ways[i]);
    assert_int_equal(mp_draft_publish(draft, "a", false, &e), MP_OK);
    mp_draft_close(draft);
    draft = draft_of("two", ways[i]);
    assert_int_equal(mp_draft_publish(draft, "a", false, &e), MP_EBUSY);
    expect_content("a", "one");
    assert_int_equal(mp_draft_publish(draft, "b", false, &e), MP_OK); /* another name is free */
    mp_draft_close(draft);
    draft = draft_of("three", ways[i]);
    assert_int_equal(mp_draft_publish(draft, "a", true, &e), MP_OK);
    mp_draft_close(draft);
    expect_content("a", "three");
    expect_content("b", "two");
    assert_int_equal(count_files(), 2);
    assert_int_equal(unlink(path_of("a")), 0);
    assert_int_equal(unlink(path_of("b")), 0);
  }
}

static void begins_anew(void **state) {
  mp_error e;
  (void)state;
  for (size_t i = 0; i < COUNT(ways); i++) {
    mp_draft *draft = draft_of("a longer text", ways[i]);
    assert_int_equal(mp_draft_restart(draft, &e), MP_OK);
    assert_int_equal(mp_draft_write(draft, "short", 5, &e), MP_OK);
    assert_int_equal(mp_draft_publish(draft, "a", true, &e), MP_OK);
    mp_draft_close(draft);
    expect_content("a", "short");
    assert_int_equal(unlink(path_of("a")), 0);
  }
}

static void takes_no_folder_s_place_and_no_name_outside(void **state) {
  mp_error e;
  (void)state;
  assert_int_equal(mkdir(path_of("a"), 0700), 0);
  for (size_t i = 0; i < COUNT(ways); i++) {
    mp_draft *draft = draft_of("text", ways[i]);
    assert_int_equal(mp_draft_publish(draft, "a", true, &e), MP_ESTORE);
    assert_int_equal(mp_draft_publish(draft, "../a", true, &e), MP_EINVAL);
    mp_draft_close(draft);
    assert_int_equal(count_files(), 1);
  }
  assert_int_equal(rmdir(path_of("a")), 0);
}

static void says_so_when_there_is_no_room(void **state) {
  struct rlimit before, little = {.rlim_cur = 4};
  mp_error e;
  (void)state;
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  little.rlim_max = before.rlim_max;
  for (size_t i = 0; i < COUNT(ways); i++) {
    mp_draft *draft = draft_of("text", ways[i]);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    int rc = mp_draft_write(draft, "more", 4, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, MP_EFULL);
    mp_draft_close(draft);
    assert_int_equal(count_files(), 0);
  }
}

static void tells_of_a_folder_that_is_none(void **state) {
  mp_draft *draft;
  mp_error e;
  (void)state;
  assert_int_equal(mp_draft_open(&draft, path_of("nowhere"), false, &e), MP_ESTORE);
  assert_null(draft);
  mp_draft_close(draft);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(appears_when_it_is_published_and_not_before),
      cmocka_unit_test(leaves_nothing_without_being_published),
      cmocka_unit_test(replaces_a_file_only_when_told_so),
      cmocka_unit_test(begins_anew),
      cmocka_unit_test(takes_no_folder_s_place_and_no_name_outside),
      cmocka_unit_test(says_so_when_there_is_no_room),
      cmocka_unit_test(tells_of_a_folder_that_is_none),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
