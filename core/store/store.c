#include "store/store.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/header.h"
#include "store/lock.h"

#define MAP_SIZE ((size_t)64 << 30)
#define KEYS_MAP_SIZE ((size_t)64 << 20)
#define SLACK_PAGES 256 /* the file is kept this much longer than its last page, so that a short one is a truncated one */

typedef struct {
  MDB_env *env;
  MDB_dbi dbi;
  int fd;
} environment;

struct mp_store {
  environment keys, traffic;
  MDB_txn *nested[MP_STORE_NESTING + 1]; /* [0] is the turn's own */
  int depth;                             /* transactions open: 0 none, 1 the turn's */
  bool broken;                           /* a write of the turn failed outside a nested transaction */
  mp_buffer scratch;
  char *path;
  int lock;
  dev_t device;
  ino_t inode;
  int users;
  mp_store *next;
};

static mp_store *open_stores; /* an environment may be opened once per process */

static int lmdb_error(int rc, const char *what, mp_error *e) {
  if (rc == ENOSPC || rc == MDB_MAP_FULL) return mp_fail(e, MP_EFULL, "no room for the store: %s", mdb_strerror(rc));
  if (rc == MDB_NOTFOUND) return mp_fail(e, MP_ENOTFOUND, "no such row");
  return mp_fail(e, rc == ENOMEM ? MP_ENOMEM : MP_ESTORE, "the store cannot %s: %s", what, mdb_strerror(rc));
}

static void close_environment(environment *env) {
  if (env->env != NULL) mdb_env_close(env->env);
  env->env = NULL;
}

/* Extends the file (sparsely) when its pages come near its end. */
static void keep_slack(environment *env) {
  MDB_envinfo info;
  MDB_stat stat;
  struct stat file;
  if (mdb_env_info(env->env, &info) != 0 || mdb_env_stat(env->env, &stat) != 0 || fstat(env->fd, &file) != 0) return;
  off_t least = (off_t)((info.me_last_pgno + 1 + SLACK_PAGES / 2) * stat.ms_psize);
  off_t wanted = (off_t)((info.me_last_pgno + 1 + SLACK_PAGES) * stat.ms_psize);
  if (file.st_size < least && ftruncate(env->fd, wanted) != 0) return; /* only a margin: the data is safe without it */
}

static int open_environment(environment *env, const char *folder, const char *name, unsigned flags, size_t size, mp_error *e) {
  char path[4096], lock[4096 + 8];
  MDB_txn *txn;
  snprintf(path, sizeof path, "%s/%s.mdb", folder, name);
  snprintf(lock, sizeof lock, "%s-lock", path);
  int rc = mp_store_check_file(path, e);
  if (rc != MP_OK) return rc;
  if ((rc = mdb_env_create(&env->env)) != 0) return lmdb_error(rc, "start", e);
  if ((rc = mdb_env_set_mapsize(env->env, size)) != 0 ||
      (rc = mdb_env_open(env->env, path, flags | MDB_NOSUBDIR | MDB_NOTLS, 0600)) != 0) {
    return lmdb_error(rc, "be opened", e);
  }
  if ((rc = mdb_txn_begin(env->env, NULL, 0, &txn)) != 0) return lmdb_error(rc, "begin", e);
  if ((rc = mdb_dbi_open(txn, NULL, 0, &env->dbi)) != 0) {
    mdb_txn_abort(txn);
    return lmdb_error(rc, "open its table", e);
  }
  if ((rc = mdb_txn_commit(txn)) != 0) return lmdb_error(rc, "open its table", e);
  if ((rc = mdb_env_get_fd(env->env, &env->fd)) != 0) return lmdb_error(rc, "be opened", e);
  keep_slack(env);
  return MP_OK;
}

/* Migrations: entry i takes a layout of version i to i + 1; a new store (version 0) has nothing to move. */
typedef int (*migration)(mp_store *store, mp_error *e);
static const migration migrations[MP_STORE_VERSION] = {NULL};

static int check_version(mp_store *store, mp_error *e) {
  static const mp_bytes key = {"version", 7};
  mp_bytes found;
  uint8_t bytes[4];
  uint32_t version = 0;
  int rc = mp_store_get(store, MP_TABLE_META, key, &found, e);
  if (rc == MP_OK && found.length == 4) {
    const uint8_t *raw = found.data;
    version = raw[0] | (uint32_t)raw[1] << 8 | (uint32_t)raw[2] << 16 | (uint32_t)raw[3] << 24;
  } else if (rc != MP_ENOTFOUND) {
    return rc == MP_OK ? mp_fail(e, MP_EMALFORMED, "store %s is damaged: its version is unreadable", store->path) : rc;
  }
  if (version > MP_STORE_VERSION) {
    return mp_fail(e, MP_EVERSION, "store %s is of version %u, this moonpost knows up to %d", store->path, version,
                   MP_STORE_VERSION);
  }
  if (version == MP_STORE_VERSION) return MP_OK;
  for (uint32_t from = version; from < MP_STORE_VERSION; from++) {
    if (migrations[from] != NULL && (rc = migrations[from](store, e)) != MP_OK) return rc;
  }
  for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)((uint32_t)MP_STORE_VERSION >> (8 * i));
  return mp_store_put(store, MP_TABLE_META, key, (mp_bytes){bytes, 4}, e);
}

static int make_folder(const char *path, mp_error *e) {
  struct stat info;
  if (mkdir(path, 0700) != 0 && errno != EEXIST)
    return mp_fail(e, MP_ESTORE, "cannot make the store's folder %s: %s", path, strerror(errno));
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
  char path[4200];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    unlink(path);
  }
  rmdir(folder);
}

static void free_store(mp_store *store) {
  close_environment(&store->traffic);
  close_environment(&store->keys);
  if (store->lock >= 0) close(store->lock);
  mp_buffer_wipe_free(&store->scratch);
  free(store->path);
  free(store);
}

static mp_store *find_open(const struct stat *info) {
  for (mp_store *store = open_stores; store != NULL; store = store->next) {
    if (store->device == info->st_dev && store->inode == info->st_ino) return store;
  }
  return NULL;
}

static int open_files(mp_store *store, const char *folder, const mp_store_options *options, mp_error *e) {
  bool temporary = options->path == NULL;
  unsigned flags = temporary || options->durability == MP_DURABLE_PROCESS ? MDB_NOSYNC : 0;
  int rc = mp_store_lock(folder, &store->lock, e);
  if (rc == MP_OK) rc = open_environment(&store->keys, folder, "keys", temporary ? MDB_NOSYNC : 0, KEYS_MAP_SIZE, e);
  if (rc == MP_OK)
    rc = open_environment(&store->traffic, folder, "traffic", flags, options->map_size != 0 ? options->map_size : MAP_SIZE, e);
  return rc == MP_OK ? check_version(store, e) : rc;
}

int mp_store_open(const mp_store_options *options, mp_store **out, mp_error *e) {
  char temporary[256];
  const char *folder = options->path != NULL ? options->path : temporary;
  struct stat info;
  int rc = options->path != NULL ? make_folder(folder, e) : make_temporary(temporary, sizeof temporary, e);
  if (rc != MP_OK) return rc;
  if (stat(folder, &info) != 0) return mp_fail(e, MP_ESTORE, "cannot open the store's folder %s: %s", folder, strerror(errno));
  mp_store *store = find_open(&info);
  if (store != NULL) {
    store->users++;
    *out = store;
    return MP_OK;
  }
  store = calloc(1, sizeof *store);
  if (store == NULL) return mp_fail(e, MP_ENOMEM, "no memory for the store");
  store->lock = -1;
  store->users = 1;
  store->device = info.st_dev;
  store->inode = info.st_ino;
  store->path = strdup(options->path != NULL ? folder : "(memory)");
  rc = store->path == NULL ? mp_fail(e, MP_ENOMEM, "no memory for the store") : open_files(store, folder, options, e);
  if (options->path == NULL) remove_temporary(folder);
  if (rc != MP_OK) {
    free_store(store);
    return rc;
  }
  store->next = open_stores;
  open_stores = store;
  *out = store;
  return MP_OK;
}

static void drop_turn(mp_store *store) {
  while (store->depth > 0) mdb_txn_abort(store->nested[--store->depth]);
  store->broken = false;
}

void mp_store_close(mp_store *store) {
  if (--store->users > 0) return;
  drop_turn(store);
  for (mp_store **at = &open_stores; *at != NULL; at = &(*at)->next) {
    if (*at == store) {
      *at = store->next;
      break;
    }
  }
  free_store(store);
}

const char *mp_store_path(const mp_store *store) {
  return store->path;
}

static bool in_keys(mp_table table) {
  return table >= 'a';
}

static int full_key(mp_table table, mp_bytes key, uint8_t *out, MDB_val *val, mp_error *e) {
  if (key.length > MP_STORE_KEY_MAX)
    return mp_fail(e, MP_EINVAL, "a store key of %zu bytes (at most %d)", key.length, MP_STORE_KEY_MAX);
  out[0] = (uint8_t)table;
  memcpy(out + 1, key.data, key.length);
  *val = (MDB_val){key.length + 1, out};
  return MP_OK;
}

/* A transaction to read in: the turn's, or one that ends with the call. */
static int begin_read(mp_store *store, mp_table table, MDB_txn **txn, bool *own, mp_error *e) {
  environment *env = in_keys(table) ? &store->keys : &store->traffic;
  *own = in_keys(table) || store->depth == 0;
  if (!*own) {
    *txn = store->nested[store->depth - 1];
    return MP_OK;
  }
  int rc = mdb_txn_begin(env->env, NULL, MDB_RDONLY, txn);
  return rc == 0 ? MP_OK : lmdb_error(rc, "be read", e);
}

int mp_store_get(mp_store *store, mp_table table, mp_bytes key, mp_bytes *value, mp_error *e) {
  uint8_t bytes[MP_STORE_KEY_MAX + 1];
  MDB_val k, v;
  MDB_txn *txn;
  bool own;
  int rc = full_key(table, key, bytes, &k, e);
  if (rc != MP_OK || (rc = begin_read(store, table, &txn, &own, e)) != MP_OK) return rc;
  rc = mdb_get(txn, in_keys(table) ? store->keys.dbi : store->traffic.dbi, &k, &v);
  if (rc == 0) {
    store->scratch.length = 0;
    rc = mp_buffer_append(&store->scratch, v.mv_data, v.mv_size) == MP_OK ? 0 : ENOMEM;
    *value = (mp_bytes){store->scratch.data != NULL ? (const void *)store->scratch.data : "", v.mv_size};
  }
  if (own) mdb_txn_abort(txn);
  return rc == 0 ? MP_OK : lmdb_error(rc, "be read", e);
}

static int open_turn(mp_store *store, mp_error *e) {
  if (store->depth > 0) return MP_OK;
  int rc = mdb_txn_begin(store->traffic.env, NULL, 0, &store->nested[0]);
  if (rc != 0) return lmdb_error(rc, "begin a transaction", e);
  store->depth = 1;
  return MP_OK;
}

/* One change: in the keys environment a synced transaction of its own, else part of the turn. `v` NULL deletes. */
static int change(mp_store *store, mp_table table, mp_bytes key, MDB_val *v, mp_error *e) {
  uint8_t bytes[MP_STORE_KEY_MAX + 1];
  MDB_val k;
  MDB_txn *txn;
  int rc = full_key(table, key, bytes, &k, e);
  if (rc != MP_OK) return rc;
  if (in_keys(table)) {
    if ((rc = mdb_txn_begin(store->keys.env, NULL, 0, &txn)) != 0) return lmdb_error(rc, "begin a transaction", e);
  } else {
    if ((rc = open_turn(store, e)) != MP_OK) return rc;
    txn = store->nested[store->depth - 1];
  }
  MDB_dbi dbi = in_keys(table) ? store->keys.dbi : store->traffic.dbi;
  rc = v != NULL ? mdb_put(txn, dbi, &k, v, 0) : mdb_del(txn, dbi, &k, NULL);
  if (v == NULL && rc == MDB_NOTFOUND) rc = 0;
  if (in_keys(table)) {
    if (rc == 0)
      rc = mdb_txn_commit(txn);
    else
      mdb_txn_abort(txn);
    keep_slack(&store->keys);
  } else if (rc != 0 && store->depth == 1) {
    store->broken = true;
  }
  return rc == 0 ? MP_OK : lmdb_error(rc, "be written", e);
}

int mp_store_put(mp_store *store, mp_table table, mp_bytes key, mp_bytes value, mp_error *e) {
  MDB_val v = {value.length, (void *)value.data};
  return change(store, table, key, &v, e);
}

int mp_store_delete(mp_store *store, mp_table table, mp_bytes key, mp_error *e) {
  return change(store, table, key, NULL, e);
}

int mp_store_range(mp_store *store, mp_table table, mp_bytes prefix, mp_bytes after, mp_store_row row, void *context,
                   mp_error *e) {
  uint8_t from[MP_STORE_KEY_MAX + 1], head[MP_STORE_KEY_MAX + 1];
  MDB_val k, v, start = {0}, first = {0};
  MDB_txn *txn;
  MDB_cursor *cursor;
  bool own;
  int rc = full_key(table, prefix, head, &first, e);
  if (rc == MP_OK) rc = full_key(table, after.length > 0 ? after : prefix, from, &start, e);
  if (rc != MP_OK || (rc = begin_read(store, table, &txn, &own, e)) != MP_OK) return rc;
  if ((rc = mdb_cursor_open(txn, in_keys(table) ? store->keys.dbi : store->traffic.dbi, &cursor)) == 0) {
    k = start;
    for (rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE); rc == 0; rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) {
      if (k.mv_size < first.mv_size || memcmp(k.mv_data, first.mv_data, first.mv_size) != 0) break;
      if (after.length > 0 && k.mv_size == start.mv_size && memcmp(k.mv_data, start.mv_data, start.mv_size) == 0) continue;
      mp_bytes key = {(const uint8_t *)k.mv_data + 1, k.mv_size - 1}, value = {v.mv_data, v.mv_size};
      if (!row(context, key, value)) break;
    }
    mdb_cursor_close(cursor);
  }
  if (own) mdb_txn_abort(txn);
  return rc == 0 || rc == MDB_NOTFOUND ? MP_OK : lmdb_error(rc, "be read", e);
}

/* Turns a full key into the smallest one behind all that begin with it; a table's byte is never 0xff, so there is one. */
static void step_behind(MDB_val *key) {
  uint8_t *bytes = key->mv_data;
  while (bytes[key->mv_size - 1] == 0xff) key->mv_size--;
  bytes[key->mv_size - 1]++;
}

int mp_store_last(mp_store *store, mp_table table, mp_bytes prefix, mp_bytes *key, mp_error *e) {
  uint8_t head[MP_STORE_KEY_MAX + 1], behind[MP_STORE_KEY_MAX + 1];
  MDB_val first = {0}, k = {0}, v;
  MDB_txn *txn;
  MDB_cursor *cursor;
  bool own;
  int rc = full_key(table, prefix, head, &first, e);
  if (rc == MP_OK) rc = full_key(table, prefix, behind, &k, e);
  if (rc != MP_OK || (rc = begin_read(store, table, &txn, &own, e)) != MP_OK) return rc;
  step_behind(&k);
  if ((rc = mdb_cursor_open(txn, in_keys(table) ? store->keys.dbi : store->traffic.dbi, &cursor)) == 0) {
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    rc = mdb_cursor_get(cursor, &k, &v, rc == 0 ? MDB_PREV : MDB_LAST);
    if (rc == 0 && (k.mv_size < first.mv_size || memcmp(k.mv_data, first.mv_data, first.mv_size) != 0)) rc = MDB_NOTFOUND;
    store->scratch.length = 0;
    if (rc == 0 && mp_buffer_append(&store->scratch, k.mv_data, k.mv_size) != MP_OK) rc = ENOMEM;
    mdb_cursor_close(cursor);
  }
  if (own) mdb_txn_abort(txn);
  if (rc != 0) return lmdb_error(rc, "be read", e);
  *key = (mp_bytes){store->scratch.data + 1, store->scratch.length - 1};
  return MP_OK;
}

int mp_store_begin(mp_store *store, mp_error *e) {
  int rc = open_turn(store, e);
  if (rc != MP_OK) return rc;
  if (store->depth > MP_STORE_NESTING)
    return mp_fail(e, MP_ELIMIT, "transactions are nested more than %d deep", MP_STORE_NESTING);
  rc = mdb_txn_begin(store->traffic.env, store->nested[store->depth - 1], 0, &store->nested[store->depth]);
  if (rc != 0) return lmdb_error(rc, "begin a transaction", e);
  store->depth++;
  return MP_OK;
}

int mp_store_release(mp_store *store, mp_error *e) {
  if (store->depth < 2) return mp_fail(e, MP_EINVAL, "no nested transaction is open");
  int rc = mdb_txn_commit(store->nested[--store->depth]);
  return rc == 0 ? MP_OK : lmdb_error(rc, "end a transaction", e);
}

void mp_store_rollback(mp_store *store) {
  if (store->depth >= 2) mdb_txn_abort(store->nested[--store->depth]);
}

int mp_store_commit(mp_store *store, mp_error *e) {
  if (store->depth == 0) return MP_OK;
  if (store->depth > 1) return mp_fail(e, MP_EINVAL, "a nested transaction is still open");
  if (store->broken) {
    drop_turn(store);
    return mp_fail(e, MP_EFULL, "a write of this turn failed: all of it is dropped");
  }
  store->depth = 0;
  int rc = mdb_txn_commit(store->nested[0]);
  if (rc != 0) return lmdb_error(rc, "be committed", e);
  keep_slack(&store->traffic);
  return MP_OK;
}

bool mp_store_dirty(const mp_store *store) {
  return store->depth > 0;
}
