/* What the store's units share: a folder of their own, files as bytes, errors that must come. */
#ifndef SPEC_CORE_STORE_SUPPORT_H
#define SPEC_CORE_STORE_SUPPORT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"

static char folder[64]; /* of the running test */

static inline const char *path_of(const char *name) {
  static char path[128];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

static inline int make_folder(void **state) {
  (void)state;
  strcpy(folder, "/tmp/moonpost-store-XXXXXX");
  return mkdtemp(folder) == NULL;
}

static inline int remove_folder(void **state) {
  static const char *const names[] = {"keys.mdb", "keys.mdb-lock", "traffic.mdb", "traffic.mdb-lock", "lock"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink(path_of(names[i]));
  return rmdir(folder);
}

static inline mp_bytes text(const char *string) {
  return (mp_bytes){string, strlen(string)};
}

static inline int try_open(mp_store **store, mp_error *e) {
  return mp_store_open(&(mp_store_options){.path = folder}, store, e);
}

static inline mp_store *open_store(void) {
  mp_store *store = NULL;
  mp_error e = {0};
  if (try_open(&store, &e) != MP_OK) fail_msg("%s", e.message);
  return store;
}

static inline void put(mp_store *store, mp_table table, const char *key, const char *value) {
  mp_error e;
  if (mp_store_put(store, table, text(key), text(value), &e) != MP_OK) fail_msg("%s", e.message);
}

static inline void commit(mp_store *store) {
  mp_error e;
  if (mp_store_commit(store, &e) != MP_OK) fail_msg("%s", e.message);
}

/* The row's value must be `expected`; NULL: there must be no row. */
static inline void expect(mp_store *store, mp_table table, const char *key, const char *expected) {
  mp_bytes value;
  mp_error e;
  int rc = mp_store_get(store, table, text(key), &value, &e);
  if (expected == NULL) {
    assert_int_equal(rc, MP_ENOTFOUND);
    return;
  }
  assert_int_equal(rc, MP_OK);
  assert_int_equal(value.length, strlen(expected));
  assert_memory_equal(value.data, expected, value.length);
}

typedef struct {
  uint8_t *bytes;
  size_t length;
} content;

static inline content read_file(const char *name) {
  content c = {NULL, 0};
  struct stat info;
  int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
  assert_true(fd >= 0 && fstat(fd, &info) == 0);
  c.length = (size_t)info.st_size;
  c.bytes = malloc(c.length + 1);
  assert_int_equal(pread(fd, c.bytes, c.length, 0), c.length);
  close(fd);
  return c;
}

static inline void write_file(const char *name, const uint8_t *bytes, size_t length) {
  int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, bytes, length), length);
  close(fd);
}

static inline void expect_content(const char *name, const uint8_t *bytes, size_t length) {
  content now = read_file(name);
  assert_int_equal(now.length, length);
  assert_memory_equal(now.bytes, bytes, length);
  free(now.bytes);
}

/* Runs `body` in a process of its own, whose exit code must be 0. */
static inline void in_child(int (*body)(void)) {
  int status;
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) _exit(body());
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

#endif
