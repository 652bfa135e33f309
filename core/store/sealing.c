/* Giving a store a key, or another one, writes both files anew beside the old ones, then puts them in their place, traffic first:
 * keys.mdb.new alone tells that the change is made and only to be ended; in every other state it is dropped. */
#include "store/sealing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

#define GROUP 1000 /* rows of a transaction */

static const mp_bytes seal_key = {MP_META_SEAL, sizeof MP_META_SEAL - 1};

int mp_store_unseal(mp_store *store, mp_store_key *key, bool fresh, mp_seal *seal, mp_error *e) {
  mp_bytes header;
  mp_error why;
  seal->on = false;
  int rc = mp_store_get(store, MP_TABLE_META, seal_key, &header, e);
  if (rc == MP_ENOTFOUND) {
    if (key == NULL || fresh) return MP_OK;
    return mp_fail(e, MP_EKEY, "store %s is not sealed, and a key was given: `moonpost store seal` seals it", store->path);
  }
  if (rc != MP_OK) return rc;
  if (key == NULL) {
    return mp_fail(e, MP_EKEY,
                   "store %s is sealed: give its key, by the environment variable MOONPOST_STORE_KEY, --key-fd N or the option "
                   "'key'",
                   store->path);
  }
  rc = mp_seal_open(seal, key, header.data, header.length, &why);
  return rc == MP_OK ? MP_OK : mp_fail(e, rc, "store %s: %.240s", store->path, why.message);
}

int mp_store_begin_sealed(mp_store *store, mp_store_key *key, mp_error *e) {
  uint8_t header[MP_SEAL_HEADER];
  int rc = mp_seal_make(&store->seal, key, header, e);
  return rc == MP_OK ? mp_store_put(store, MP_TABLE_META, seal_key, (mp_bytes){header, sizeof header}, e) : rc;
}

typedef struct {
  char traffic[MP_STORE_PATH_MAX], keys[MP_STORE_PATH_MAX];         /* the files in use */
  char new_traffic[MP_STORE_PATH_MAX], new_keys[MP_STORE_PATH_MAX]; /* those to come */
  char traffic_lock[MP_STORE_PATH_MAX], keys_lock[MP_STORE_PATH_MAX];
} names;

static void make_names(names *n, const char *folder) {
  snprintf(n->traffic, sizeof n->traffic, "%s/traffic.mdb", folder);
  snprintf(n->keys, sizeof n->keys, "%s/keys.mdb", folder);
  snprintf(n->new_traffic, sizeof n->new_traffic, "%s/traffic.mdb.new", folder);
  snprintf(n->new_keys, sizeof n->new_keys, "%s/keys.mdb.new", folder);
  snprintf(n->traffic_lock, sizeof n->traffic_lock, "%s/traffic.mdb-lock", folder);
  snprintf(n->keys_lock, sizeof n->keys_lock, "%s/keys.mdb-lock", folder);
}

static bool there(const char *path) {
  struct stat info;
  return lstat(path, &info) == 0;
}

/* LMDB's lock files go with the files they were made for. */
static int put_in_place(const names *n, mp_error *e) {
  if (there(n->new_traffic) && rename(n->new_traffic, n->traffic) != 0)
    return mp_fail(e, MP_ESTORE, "cannot replace %s: %s", n->traffic, strerror(errno));
  if (rename(n->new_keys, n->keys) != 0) return mp_fail(e, MP_ESTORE, "cannot replace %s: %s", n->keys, strerror(errno));
  unlink(n->traffic_lock);
  unlink(n->keys_lock);
  return MP_OK;
}

bool mp_store_sealing_interrupted(const char *folder) {
  names n = {.keys = ""};
  make_names(&n, folder);
  return there(n.new_traffic) || there(n.new_keys);
}

int mp_store_finish_sealing(const char *folder, mp_error *e) {
  names n = {.keys = ""};
  make_names(&n, folder);
  if (there(n.new_keys) && !there(n.new_traffic)) return put_in_place(&n, e);
  unlink(n.new_keys);
  unlink(n.new_traffic);
  return MP_OK;
}

/* Copies an environment's rows, which the store's seal opens, under another seal. */
typedef struct {
  const mp_store *store;
  const mp_seal *seal;
  mp_environment *to;
  MDB_txn *txn;
  mp_buffer plain, sealed;
  size_t count;
} copying;

static int copy_row(copying *c, MDB_val *key, MDB_val *value) {
  int rc = 0;
  bool meta = *(const uint8_t *)key->mv_data == MP_TABLE_META;
  MDB_val out = *value;
  if (meta && key->mv_size == seal_key.length + 1 &&
      memcmp((const uint8_t *)key->mv_data + 1, seal_key.data, seal_key.length) == 0)
    return 0; /* the new one is written first */
  if (!meta && c->store->seal.on) {
    if (mp_seal_unseal(&c->store->seal, key->mv_data, key->mv_size, value->mv_data, value->mv_size, &c->plain) != MP_OK)
      return MDB_CORRUPTED;
    out = (MDB_val){c->plain.length, c->plain.data};
  }
  if (!meta && mp_seal_value(c->seal, key->mv_data, key->mv_size, out.mv_data, out.mv_size, &c->sealed) != MP_OK) return ENOMEM;
  if (!meta) out = (MDB_val){c->sealed.length, c->sealed.data};
  rc = mdb_put(c->txn, c->to->dbi, key, &out, 0);
  if (rc != 0 || ++c->count % GROUP != 0) return rc;
  rc = mdb_txn_commit(c->txn);
  c->txn = NULL;
  return rc == 0 ? mdb_txn_begin(c->to->env, NULL, 0, &c->txn) : rc;
}

static int copy_rows(copying *c, MDB_txn *from, MDB_dbi dbi) {
  MDB_cursor *cursor;
  MDB_val key, value;
  int rc = mdb_cursor_open(from, dbi, &cursor);
  if (rc != 0) return rc;
  while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0 && (rc = copy_row(c, &key, &value)) == 0) {
  }
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* One file of the store, written anew and synced. `header` is for the file that holds it, else NULL. */
static int reseal_file(mp_store *store, mp_environment *from, const char *path, const mp_seal *seal, const uint8_t *header,
                       size_t map_size, mp_error *e) {
  uint8_t place[16] = {MP_TABLE_META};
  MDB_val key = {seal_key.length + 1, place}, value = {MP_SEAL_HEADER, (void *)header};
  mp_environment to = {0};
  copying c = {.store = store, .seal = seal, .to = &to};
  MDB_txn *txn = NULL;
  memcpy(place + 1, seal_key.data, seal_key.length);
  int opened = mp_environment_open(&to, path, MDB_NOSYNC | MDB_NOLOCK, map_size, e), rc = 0;
  if (opened == MP_OK) rc = mdb_txn_begin(from->env, NULL, MDB_RDONLY, &txn);
  if (opened == MP_OK && rc == 0) rc = mdb_txn_begin(to.env, NULL, 0, &c.txn);
  if (opened == MP_OK && rc == 0 && header != NULL) rc = mdb_put(c.txn, to.dbi, &key, &value, 0);
  if (opened == MP_OK && rc == 0) rc = copy_rows(&c, txn, from->dbi);
  if (txn != NULL) mdb_txn_abort(txn);
  if (c.txn != NULL && rc != 0) mdb_txn_abort(c.txn);
  if (c.txn != NULL && rc == 0) rc = mdb_txn_commit(c.txn);
  if (opened == MP_OK && rc == 0) rc = mdb_env_sync(to.env, 1);
  if (opened == MP_OK && rc != 0) mp_environment_error(&to, rc, "be sealed", e);
  if (opened == MP_OK && rc == 0) mp_environment_keep_slack(&to);
  mp_environment_close(&to);
  mp_buffer_wipe_free(&c.plain);
  mp_buffer_free(&c.sealed);
  return opened != MP_OK ? opened : rc == 0 ? MP_OK : e != NULL ? e->code : MP_ESTORE;
}

static int write_anew(mp_store *store, const names *n, const mp_seal *seal, const uint8_t *header, mp_error *e) {
  MDB_envinfo info;
  mdb_env_info(store->traffic.env, &info);
  size_t keys_size, traffic_size = info.me_mapsize;
  mdb_env_info(store->keys.env, &info);
  keys_size = info.me_mapsize;
  int rc = reseal_file(store, &store->traffic, n->new_traffic, seal, NULL, traffic_size, e);
  if (rc == MP_OK) rc = reseal_file(store, &store->keys, n->new_keys, seal, header, keys_size, e);
  if (rc == MP_OK && fsync(store->folder) != 0 && errno != EINVAL) rc = mp_fail(e, MP_ESTORE, "cannot write the store's folder");
  return rc;
}

int mp_store_reseal(mp_store *store, mp_store_key *key, mp_error *e) {
  uint8_t header[MP_SEAL_HEADER];
  mp_seal seal = {0};
  mp_error own;
  names n = {.keys = ""};
  if (e == NULL) e = &own;
  if (store->users > 1 || store->depth > 0 || store->reader)
    return mp_fail(e, MP_EBUSY, "store %s is in use: it cannot be sealed now", store->path);
  make_names(&n, store->path);
  int rc = mp_environment_ready(&store->keys, e);
  if (rc == MP_OK) rc = mp_environment_ready(&store->traffic, e);
  if (rc == MP_OK) rc = mp_seal_make(&seal, key, header, e);
  if (rc == MP_OK) rc = write_anew(store, &n, &seal, header, e);
  mp_seal_wipe(&seal);
  if (rc != MP_OK) {
    unlink(n.new_keys);
    unlink(n.new_traffic);
    return rc;
  }
  mp_environment_close(&store->traffic);
  mp_environment_close(&store->keys);
  return put_in_place(&n, e);
}
