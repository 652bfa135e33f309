/* Opening and closing a store: its folder, its lock, its two files, its version. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/guard.h"
#include "store/header.h"
#include "store/internal.h"
#include "store/kind.h"
#include "store/lock.h"
#include "store/scopes.h"
#include "store/version.h"

#define MAP_SIZE ((size_t)64 << 30)
#define KEYS_MAP_SIZE ((size_t)64 << 20)

/* steps[n] leads from version n to n + 1. */
static const mp_migration steps[MP_STORE_VERSION] = {NULL, mp_store_add_scopes};

static mp_store *open_stores; /* an environment may be opened once per process */

static int make_folder(const char *path, mp_error *e) {
  struct stat info;
  if (path[0] == 0) return mp_fail(e, MP_EINVAL, "the store's path is empty");
  if (mkdir(path, 0700) != 0 && errno != EEXIST)
    return mp_fail(e, errno == ENOSPC ? MP_EFULL : MP_ESTORE, "cannot make the store's folder %s: %s", path, strerror(errno));
  if (stat(path, &info) != 0) return mp_fail(e, MP_ESTORE, "cannot open the store's folder %s: %s", path, strerror(errno));
  if (!S_ISDIR(info.st_mode)) return mp_fail(e, MP_ESTORE, "the store's folder %s is a file", path);
  return MP_OK;
}

/* A folder nobody sees: its files are unlinked as soon as they are open. */
static int make_temporary(char *path, size_t size, mp_error *e) {
  const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
  snprintf(path, size, "%s/moonpost-XXXXXX", base);
  return mkdtemp(path) != NULL ? MP_OK : mp_fail(e, MP_ESTORE, "cannot make a temporary folder in %s: %s", base, strerror(errno));
}

static void remove_temporary(const char *folder) {
  static const char *const names[] = {"keys.mdb", "keys.mdb-lock", "traffic.mdb", "traffic.mdb-lock", "lock"};
  char path[MP_STORE_PATH_MAX];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    unlink(path);
  }
  rmdir(folder);
}

static void free_store(mp_store *store) {
  mp_environment_close(&store->traffic);
  mp_environment_close(&store->keys);
  if (store->lock >= 0) close(store->lock);
  if (store->folder >= 0) close(store->folder);
  mp_buffer_wipe_free(&store->scratch);
  free(store->path);
  free(store);
}

static mp_store *find_open(const struct stat *info) {
  for (mp_store *store = open_stores; store != NULL; store = store->next) {
    if (store->device == info->st_dev && store->inode == info->st_ino && store->owner == getpid()) return store;
  }
  return NULL;
}

typedef struct {
  char path[MP_STORE_PATH_MAX];
  bool exists;
} data_file;

static int check_file(data_file *file, const char *folder, const char *name, mp_error *e) {
  snprintf(file->path, sizeof file->path, "%s/%s-lock", folder, name); /* LMDB's, beside it */
  int rc = mp_guard_file(file->path, e);
  snprintf(file->path, sizeof file->path, "%s/%s", folder, name);
  if (rc == MP_OK) rc = mp_guard_file(file->path, e);
  return rc == MP_OK ? mp_store_check_file(file->path, &file->exists, e) : rc;
}

/* A file that was not there before goes away again when it cannot be made whole. */
static int open_file(mp_environment *env, const data_file *file, unsigned flags, size_t size, mp_error *e) {
  int rc = mp_environment_open(env, file->path, flags, size, e);
  if (rc != MP_OK && !file->exists) unlink(file->path);
  return rc;
}

/* Reads version and kind before anything is written, and before the second file is opened. */
static int open_keys(mp_store *store, const data_file *keys, const data_file *traffic, const mp_store_options *options,
                     uint32_t *version, mp_error *e) {
  unsigned flags = options->path == NULL ? MDB_NOSYNC : 0;
  if (traffic->exists && !keys->exists)
    return mp_fail(e, MP_EMALFORMED, "store %s is damaged: its keys.mdb is missing or empty", store->path);
  int rc = open_file(&store->keys, keys, flags, KEYS_MAP_SIZE, e);
  if (rc == MP_OK) rc = mp_store_read_version(store, version, e);
  if (rc != MP_OK) return rc;
  if (*version > MP_STORE_VERSION) {
    return mp_fail(e, MP_EVERSION, "store %s is of version %u, this moonpost knows up to %d", store->path, *version,
                   MP_STORE_VERSION);
  }
  if (*version > 0 && !traffic->exists)
    return mp_fail(e, MP_EMALFORMED, "store %s is damaged: its traffic.mdb is missing or empty", store->path);
  return mp_store_check_kind(store, options->kind, e);
}

/* Before a version says that there is a whole store. Some file systems sync no folders. */
static bool is_on_disk(const mp_store *store) {
  return fsync(store->traffic.fd) == 0 && (fsync(store->folder) == 0 || errno == EINVAL);
}

static int open_files(mp_store *store, const char *folder, const mp_store_options *options, mp_error *e) {
  bool temporary = options->path == NULL;
  unsigned flags = temporary || options->durability == MP_DURABLE_PROCESS ? MDB_NOSYNC : 0;
  data_file keys = {0}, traffic = {0};
  uint32_t version;
  int rc = mp_store_lock(folder, &store->lock, e);
  if (rc == MP_OK) rc = check_file(&keys, folder, "keys.mdb", e);
  if (rc == MP_OK) rc = check_file(&traffic, folder, "traffic.mdb", e);
  if (rc == MP_OK) rc = open_keys(store, &keys, &traffic, options, &version, e);
  if (rc == MP_OK) rc = open_file(&store->traffic, &traffic, flags, options->map_size != 0 ? options->map_size : MAP_SIZE, e);
  if (rc != MP_OK) return rc;
  mp_environment_keep_slack(&store->keys);
  mp_environment_keep_slack(&store->traffic);
  if (version == 0 && !temporary && !is_on_disk(store))
    return mp_fail(e, errno == ENOSPC ? MP_EFULL : MP_ESTORE, "cannot write store %s: %s", store->path, strerror(errno));
  if (version < MP_STORE_VERSION) rc = mp_store_migrate(store, version, MP_STORE_VERSION, steps, e);
  return rc == MP_OK ? mp_store_note_kind(store, options->kind, e) : rc;
}

/* A store over an open folder descriptor, which it takes. */
static int open_in(int descriptor, const struct stat *info, const char *folder, const mp_store_options *options, mp_store **out,
                   mp_error *e) {
  mp_store *store = calloc(1, sizeof *store);
  if (store == NULL) {
    close(descriptor);
    return mp_fail(e, MP_ENOMEM, "no memory for the store");
  }
  store->lock = -1;
  store->users = 1;
  store->folder = descriptor;
  store->device = info->st_dev;
  store->inode = info->st_ino;
  store->owner = getpid();
  store->path = strdup(options->path != NULL ? folder : "(memory)");
  int rc = store->path == NULL ? mp_fail(e, MP_ENOMEM, "no memory for the store") : open_files(store, folder, options, e);
  if (rc != MP_OK) {
    free_store(store);
    return rc;
  }
  store->next = open_stores;
  open_stores = store;
  *out = store;
  return MP_OK;
}

static int open_folder(const char *folder, const mp_store_options *options, mp_store **out, mp_error *e) {
  struct stat info;
  int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0 || fstat(descriptor, &info) != 0) {
    int rc = mp_fail(e, MP_ESTORE, "cannot open the store's folder %s: %s", folder, strerror(errno));
    if (descriptor >= 0) close(descriptor);
    return rc;
  }
  bool anybody_writes = (info.st_mode & S_IWOTH) != 0 && (info.st_mode & S_ISVTX) == 0;
  if (anybody_writes) mp_guard_close(descriptor, MP_GUARD_WRITE); /* who may write there may put another store in its place */
  mp_store *shared = find_open(&info);
  if (shared == NULL) return open_in(descriptor, &info, folder, options, out, e);
  close(descriptor);
  int rc = mp_store_check_kind(shared, options->kind, e);
  if (rc != MP_OK) return rc;
  shared->users++;
  *out = shared;
  return MP_OK;
}

int mp_store_open(const mp_store_options *options, mp_store **out, mp_error *e) {
  char temporary[256];
  int rc = options->path != NULL ? make_folder(options->path, e) : make_temporary(temporary, sizeof temporary, e);
  if (rc != MP_OK) return rc;
  rc = open_folder(options->path != NULL ? options->path : temporary, options, out, e);
  if (options->path == NULL) remove_temporary(temporary);
  return rc;
}

void mp_store_close(mp_store *store) {
  if (--store->users > 0) return;
  mp_store_drop_turn(store);
  for (mp_store **at = &open_stores; *at != NULL; at = &(*at)->next) {
    if (*at == store) {
      *at = store->next;
      break;
    }
  }
  free_store(store);
}
