/* A copy of a store that may be in use, by this process or another: LMDB lets readers in beside its writer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/numbers.h"
#include "store/folder.h"
#include "store/internal.h"

#define TRIES 8 /* until the keys stand still while both files are copied */
#define MAP_SIZE ((size_t)64 << 20)
/* The files of a copy until it is whole and knows that it is one: what is left by a copying that was killed is no store. */
#define PART ".part"
#define KEYS_PART "keys.mdb" PART
#define TRAFFIC_PART "traffic.mdb" PART

/* A new or empty folder outside the store, for its owner alone. */
static int open_target(const mp_store *store, const char *path, int *folder, bool *made, mp_error *e) {
  *folder = -1;
  *made = mkdir(path, 0700) == 0;
  if (!*made && errno != EEXIST) return mp_fail(e, MP_ESTORE, "cannot make the folder %s: %s", path, strerror(errno));
  *folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (*folder < 0) return mp_fail(e, MP_ESTORE, "cannot open the folder %s: %s", path, strerror(errno));
  int rc = mp_folder_check_empty(*folder, path, e);
  if (rc == MP_OK && mp_folder_is_within(*folder, store->device, store->inode))
    rc = mp_fail(e, MP_EINVAL, "the folder %s is inside the store: a backup needs a place of its own", path);
  if (rc == MP_OK && fchmod(*folder, 0700) != 0)
    rc = mp_fail(e, MP_ESTORE, "cannot close the folder %s to others: %s", path, strerror(errno));
  if (rc != MP_OK && *made) rmdir(path);
  return rc;
}

static int copy_failed(const mp_environment *to, int rc, const char *name, mp_error *e) {
  if (rc == ENOSPC || rc == EDQUOT) return mp_fail(e, MP_EFULL, "no room for the copy of %s", name);
  return mp_environment_error(to, rc, "be copied", e);
}

static int copy_file(const mp_environment *from, int folder, const char *name, mp_error *e) {
  char part[32];
  snprintf(part, sizeof part, "%s" PART, name);
  int fd = openat(folder, part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return mp_fail(e, errno == ENOSPC ? MP_EFULL : MP_ESTORE, "cannot write the copy of %s: %s", name, strerror(errno));
  int rc = mdb_env_copyfd2(from->env, fd, MDB_CP_COMPACT);
  if (rc == MDB_INCOMPATIBLE) { /* pages nobody uses, which only copying all of them takes along */
    rc = ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0 ? errno : mdb_env_copyfd2(from->env, fd, 0);
  }
  if (rc == 0 && fsync(fd) != 0) rc = errno;
  close(fd);
  return rc == 0 ? MP_OK : copy_failed(from, rc, name, e);
}

static size_t last_change(const mp_environment *env) {
  MDB_envinfo info;
  return mdb_env_info(env->env, &info) == 0 ? info.me_last_txnid : 0;
}

/* Both files, of a time when they were one store: the keys change rarely, so that both are of one time when those have not. */
static int copy_both(const mp_store *store, int folder, mp_error *e) {
  for (int i = 0; i < TRIES; i++) {
    size_t before = last_change(&store->keys);
    int rc = copy_file(&store->keys, folder, "keys.mdb", e);
    if (rc == MP_OK) rc = copy_file(&store->traffic, folder, "traffic.mdb", e);
    if (rc != MP_OK || last_change(&store->keys) == before) return rc;
  }
  return mp_fail(e, MP_EBUSY, "store %s changes its keys all the time: try again later", store->path);
}

/* The copy knows that it is one: see boot.h. */
static int mark_copy(const char *path, mp_error *e) {
  char file[MP_STORE_PATH_MAX];
  uint8_t raw[8];
  mp_store copy = {.path = (char *)path};
  mp_put_u64(raw, (uint64_t)time(NULL));
  snprintf(file, sizeof file, "%s/" KEYS_PART, path);
  int rc = mp_environment_open(&copy.keys, file, MDB_NOLOCK, MAP_SIZE, e);
  if (rc == MP_OK) {
    rc = mp_store_put(&copy, MP_TABLE_META, (mp_bytes){MP_META_COPY, sizeof MP_META_COPY - 1}, (mp_bytes){raw, sizeof raw}, e);
  }
  mp_environment_close(&copy.keys);
  return rc;
}

/* keys.mdb last: without it there is no store. */
static int make_whole(const char *path, int folder, mp_error *e) {
  if (renameat(folder, TRAFFIC_PART, folder, "traffic.mdb") == 0 && renameat(folder, KEYS_PART, folder, "keys.mdb") == 0 &&
      (fsync(folder) == 0 || errno == EINVAL))
    return MP_OK;
  return mp_fail(e, MP_ESTORE, "cannot write the folder %s: %s", path, strerror(errno));
}

static void remove_copy(const char *path, int folder, bool made) {
  static const char *const names[] = {"keys.mdb", KEYS_PART, "traffic.mdb", TRAFFIC_PART};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlinkat(folder, names[i], 0);
  if (made) rmdir(path);
}

int mp_store_backup(mp_store *store, const char *path, mp_error *e) {
  int folder;
  bool made;
  int rc = mp_environment_ready(&store->keys, e);
  if (rc == MP_OK) rc = mp_environment_ready(&store->traffic, e);
  if (rc != MP_OK) return rc;
  int opened = open_target(store, path, &folder, &made, e);
  rc = opened;
  if (rc == MP_OK) rc = copy_both(store, folder, e);
  if (rc == MP_OK) rc = mark_copy(path, e);
  if (rc == MP_OK) rc = make_whole(path, folder, e);
  if (rc != MP_OK && opened == MP_OK) remove_copy(path, folder, made);
  if (folder >= 0) close(folder);
  return rc;
}
