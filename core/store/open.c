/* Opening and closing a store: its folder, its lock, its two files, its version. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/boot.h"
#include "store/check.h"
#include "store/folder.h"
#include "store/guard.h"
#include "store/header.h"
#include "store/internal.h"
#include "store/kind.h"
#include "store/lock.h"
#include "store/scopes.h"
#include "store/sealing.h"
#include "store/version.h"

#define MAP_SIZE ((size_t)64 << 30)
#define KEYS_MAP_SIZE ((size_t)64 << 20)

/* steps[n] leads from version n to n + 1. What version 2 has in other tables each account moves when its client connects. */
static const mp_migration steps[MP_STORE_VERSION] = {NULL, mp_store_add_scopes, NULL};

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
  if (store->lock >= 0 && store->owner == getpid()) mp_store_unlock(store->lock);
  if (store->lock >= 0 && store->owner != getpid()) close(store->lock); /* of a process that was forked off */
  if (store->folder >= 0) close(store->folder);
  mp_buffer_wipe_free(&store->scratch);
  mp_buffer_wipe_free(&store->unsealed);
  mp_buffer_free(&store->sealed);
  mp_seal_wipe(&store->seal);
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
  if (rc == MP_OK) mp_guard_close_path(file->path, MP_GUARD_OTHERS);
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

static int check_version(const mp_store *store, uint32_t version, bool has_traffic, mp_error *e) {
  if (version > MP_STORE_VERSION) {
    return mp_fail(e, MP_EVERSION, "store %s is of version %u, this moonpost knows up to %d", store->path, version,
                   MP_STORE_VERSION);
  }
  if (version > 0 && !has_traffic)
    return mp_fail(e, MP_EMALFORMED, "store %s is damaged: its traffic.mdb is missing or empty", store->path);
  return MP_OK;
}

/* The version is written when all is made, behind nothing but the seal: where there is more, it has been lost. */
static int check_new(const mp_store *store, const mp_environment *env, size_t most, mp_error *e) {
  MDB_stat stat;
  int rc = mdb_env_stat(env->env, &stat);
  if (rc != 0) return mp_environment_error(env, rc, "be read", e);
  return stat.ms_entries <= most ? MP_OK
                                 : mp_fail(e, MP_EMALFORMED, "store %s is damaged: it has rows, and no version", store->path);
}

/* A reader cannot bring a store up to date, and would see rows where they no longer belong. Copying is another thing. */
static int check_readable(const mp_store *store, const mp_store_options *options, uint32_t version, mp_error *e) {
  if (!options->reader || options->sealed || version == MP_STORE_VERSION) return MP_OK;
  if (version == 0) return mp_fail(e, MP_ENOTFOUND, "there is no whole store in %s", store->path);
  return mp_fail(e, MP_EVERSION,
                 "store %s is of version %u: it is brought up to version %d when a bot opens it, and can be read then",
                 store->path, version, MP_STORE_VERSION);
}

/* Reads version, seal and kind before anything is written, and before the second file is opened. */
static int open_keys(mp_store *store, const data_file *keys, const data_file *traffic, const mp_store_options *options,
                     uint32_t *version, mp_error *e) {
  unsigned flags = options->path == NULL ? MDB_NOSYNC : options->reader ? MDB_RDONLY : 0;
  if (traffic->exists && !keys->exists)
    return mp_fail(e, MP_EMALFORMED, "store %s is damaged: its keys.mdb is missing or empty", store->path);
  int rc = open_file(&store->keys, keys, flags, KEYS_MAP_SIZE, e);
  if (rc == MP_OK) rc = mp_store_read_version(store, version, e);
  if (rc == MP_OK && *version == 0) rc = check_new(store, &store->keys, 1, e);
  if (rc == MP_OK) rc = check_version(store, *version, traffic->exists, e);
  if (rc == MP_OK) rc = check_readable(store, options, *version, e);
  if (rc == MP_OK && !(options->reader && options->sealed))
    rc = mp_store_unseal(store, options->key, *version == 0, &store->seal, e);
  if (rc == MP_OK && !options->reader) rc = mp_store_check_keys(store, e);
  return rc == MP_OK ? mp_store_check_kind(store, options->kind, e) : rc;
}

/* Before a version says that there is a whole store. Some file systems sync no folders. */
static bool is_on_disk(const mp_store *store) {
  return fsync(store->traffic.fd) == 0 && (fsync(store->folder) == 0 || errno == EINVAL);
}

/* What an open store gets before it is used: its key, its version, whose it is, what the last boot left. */
static int settle(mp_store *store, const mp_store_options *options, uint32_t version, mp_error *e) {
  bool temporary = options->path == NULL;
  mp_environment_keep_slack(&store->keys);
  mp_environment_keep_slack(&store->traffic);
  if (version == 0 && !temporary && !is_on_disk(store))
    return mp_fail(e, errno == ENOSPC ? MP_EFULL : MP_ESTORE, "cannot write store %s: %s", store->path, strerror(errno));
  int rc = version == 0 && options->key != NULL && !store->seal.on ? mp_store_begin_sealed(store, options->key, e) : MP_OK;
  if (rc == MP_OK && version < MP_STORE_VERSION) rc = mp_store_migrate(store, version, MP_STORE_VERSION, steps, e);
  if (rc == MP_OK) rc = mp_store_note_kind(store, options->kind, e);
  return rc == MP_OK && !temporary ? mp_store_note_boot(store, options->durability, e) : rc;
}

/* A store is never made among things that are not its own; a folder that was there gets closed to others when one is made in it.
 */
static int check_folder(const mp_store *store, mp_error *e) {
  struct stat info;
  bool empty;
  int rc = mp_folder_check_ours(store->folder, store->path, &empty, e);
  if (rc == MP_OK && empty && fstat(store->folder, &info) == 0 && (info.st_mode & S_ISVTX) == 0)
    mp_guard_close(store->folder, MP_GUARD_OTHERS);
  return rc;
}

/* The lock; or, for a reader, what must be there without one. */
static int enter(mp_store *store, const char *folder, mp_error *e) {
  if (!store->reader) {
    int rc = check_folder(store, e);
    if (rc == MP_OK) rc = mp_store_lock(folder, &store->lock, e);
    return rc == MP_OK ? mp_store_finish_sealing(folder, e) : rc;
  }
  if (!mp_store_sealing_interrupted(folder)) return MP_OK;
  return mp_fail(e, MP_EBUSY, "store %s is being sealed, or that was interrupted: its next start ends it", store->path);
}

static int open_files(mp_store *store, const char *folder, const mp_store_options *options, mp_error *e) {
  bool unsynced = options->path == NULL || options->durability == MP_DURABLE_PROCESS;
  unsigned flags = store->reader ? MDB_RDONLY : unsynced ? MDB_NOSYNC : 0;
  data_file keys = {0}, traffic = {0};
  uint32_t version = 0;
  int rc = enter(store, folder, e);
  if (rc == MP_OK) rc = check_file(&keys, folder, "keys.mdb", e);
  if (rc == MP_OK) rc = check_file(&traffic, folder, "traffic.mdb", e);
  if (rc == MP_OK && store->reader && !keys.exists && !traffic.exists)
    rc = mp_fail(e, MP_ENOTFOUND, "there is no store in %s", store->path);
  if (rc == MP_OK) rc = open_keys(store, &keys, &traffic, options, &version, e);
  if (rc == MP_OK) rc = open_file(&store->traffic, &traffic, flags, options->map_size != 0 ? options->map_size : MAP_SIZE, e);
  if (rc == MP_OK && version == 0) rc = check_new(store, &store->traffic, 0, e);
  if (rc == MP_OK && options->path != NULL) {
    mp_environment_remember(&store->keys, store->folder, "keys.mdb");
    mp_environment_remember(&store->traffic, store->folder, "traffic.mdb");
  }
  return rc == MP_OK && !store->reader ? settle(store, options, version, e) : rc;
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
  store->reader = options->reader;
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

/* What is open already, once more. */
static int share(mp_store *store, const mp_store_options *options, mp_store **out, mp_error *e) {
  mp_seal seal;
  if (store->reader && !options->reader) return mp_fail(e, MP_EBUSY, "store %s is being read in this process", store->path);
  int rc = mp_store_check_kind(store, options->kind, e);
  if (rc == MP_OK) rc = mp_store_unseal(store, options->key, false, &seal, e);
  mp_seal_wipe(&seal);
  if (rc != MP_OK) return rc;
  store->users++;
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
  bool anybody_writes = !options->reader && (info.st_mode & S_IWOTH) != 0 && (info.st_mode & S_ISVTX) == 0;
  if (anybody_writes) mp_guard_close(descriptor, MP_GUARD_WRITE); /* who may write there may put another store in its place */
  mp_store *shared = find_open(&info);
  if (shared == NULL) return open_in(descriptor, &info, folder, options, out, e);
  close(descriptor);
  return share(shared, options, out, e);
}

int mp_store_open(const mp_store_options *options, mp_store **out, mp_error *e) {
  char temporary[256];
  int rc = options->path == NULL ? make_temporary(temporary, sizeof temporary, e)
           : options->reader     ? MP_OK
                                 : make_folder(options->path, e);
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

int mp_store_read_seal(const char *path, uint8_t header[MP_SEAL_HEADER], size_t *length, mp_error *e) {
  struct stat info;
  data_file keys = {0};
  mp_bytes found;
  mp_store probe = {.path = (char *)path};
  *length = 0;
  if (stat(path, &info) != 0) return MP_OK; /* a new one: opening tells what else it may be */
  mp_store *store = find_open(&info);
  int rc = store == NULL ? check_file(&keys, path, "keys.mdb", e) : MP_OK;
  if (rc != MP_OK || (store == NULL && !keys.exists)) return rc;
  if (store == NULL) rc = mp_environment_open(&probe.keys, keys.path, MDB_RDONLY, KEYS_MAP_SIZE, e);
  if (rc == MP_OK) {
    rc =
        mp_store_get(store != NULL ? store : &probe, MP_TABLE_META, (mp_bytes){MP_META_SEAL, sizeof MP_META_SEAL - 1}, &found, e);
  }
  if (rc == MP_OK && found.length == MP_SEAL_HEADER) memcpy(header, found.data, *length = MP_SEAL_HEADER);
  mp_environment_close(&probe.keys);
  mp_buffer_free(&probe.scratch);
  return rc == MP_ENOTFOUND ? MP_OK : rc;
}
