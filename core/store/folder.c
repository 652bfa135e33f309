#include "store/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 4096 /* more than a path has */

/* The data files come first: either makes a folder a store's, whatever else lies there. */
static const char *const own[] = {
    "keys.mdb", "traffic.mdb",     "keys.mdb-lock", "traffic.mdb-lock", "lock",
    "at-hand",  "traffic.mdb.new", "keys.mdb.new",  "lost+found", /* of a file system of its own */
};
enum { DATA_FILES = 2 };

/* A list of its own: the descriptor's place in the folder is not moved. */
static DIR *list_of(int descriptor, const char *path, mp_error *e) {
  int copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
  if (list != NULL) return list;
  mp_fail(e, MP_ESTORE, "cannot read the folder %s: %s", path, strerror(errno));
  if (copy >= 0) close(copy);
  return NULL;
}

/* The next name but the folder's own and its parent's. */
static const char *next_name(DIR *list) {
  const struct dirent *entry;
  do {
    entry = readdir(list);
  } while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
  return entry != NULL ? entry->d_name : NULL;
}

int mp_folder_check_empty(int descriptor, const char *path, mp_error *e) {
  DIR *list = list_of(descriptor, path, e);
  if (list == NULL) return MP_ESTORE;
  bool empty = next_name(list) == NULL;
  closedir(list);
  return empty ? MP_OK : mp_fail(e, MP_EINVAL, "the folder %s is not empty: a backup needs a new one", path);
}

static size_t find_own(const char *name) {
  size_t i = 0;
  while (i < sizeof own / sizeof *own && strcmp(name, own[i]) != 0) i++;
  return i;
}

int mp_folder_check_ours(int descriptor, const char *path, bool *empty, mp_error *e) {
  char foreign[256] = "";
  DIR *list = list_of(descriptor, path, e);
  if (list == NULL) return MP_ESTORE;
  *empty = true;
  for (const char *name = next_name(list); name != NULL; name = next_name(list)) {
    size_t i = find_own(name);
    if (i < DATA_FILES) *empty = false;
    if (i == sizeof own / sizeof *own) snprintf(foreign, sizeof foreign, "%s", name);
  }
  closedir(list);
  if (!*empty || foreign[0] == 0) return MP_OK;
  return mp_fail(e, MP_EINVAL, "the folder %s holds other things (%.100s) and no store: a new store needs a new or empty folder",
                 path, foreign);
}

bool mp_folder_is_within(int descriptor, dev_t device, ino_t inode) {
  struct stat info, above = {0};
  bool within = false;
  int at = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int i = 0; at >= 0 && i < DEPTH_MAX && fstat(at, &info) == 0; i++) {
    within = info.st_dev == device && info.st_ino == inode;
    bool root = i > 0 && info.st_dev == above.st_dev && info.st_ino == above.st_ino;
    if (within || root) break;
    above = info;
    int parent = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(at);
    at = parent;
  }
  if (at >= 0) close(at);
  return within;
}
