/* Rows and transactions. Reads in the keys environment, and in the other while no turn is open, are transactions of their own
 * that end with the call. */
#include "store/store.h"

#include <errno.h>
#include <string.h>

#include "store/internal.h"

typedef struct {
  MDB_txn *txn;
  MDB_dbi dbi;
  mp_environment *env;
  bool own; /* ends with the call */
} view;

bool mp_store_is_shared(const mp_store *store) {
  return store->users > 1;
}

const char *mp_store_path(const mp_store *store) {
  return store->path;
}

static bool in_keys(mp_table table) {
  return table >= MP_TABLE_SETTING;
}

static int full_key(mp_table table, mp_bytes key, uint8_t *out, MDB_val *val, mp_error *e) {
  if (key.length > MP_STORE_KEY_MAX)
    return mp_fail(e, MP_EINVAL, "a store key of %zu bytes (at most %d)", key.length, MP_STORE_KEY_MAX);
  out[0] = (uint8_t)table;
  if (key.length > 0) memcpy(out + 1, key.data, key.length);
  *val = (MDB_val){key.length + 1, out};
  return MP_OK;
}

static int lost_turn(const mp_store *store, mp_error *e) {
  return mp_fail(e, store->failure.code, "this turn is lost, a write of it failed: %.240s", store->failure.message);
}

static int begin_read(mp_store *store, mp_table table, view *v, mp_error *e) {
  v->env = in_keys(table) ? &store->keys : &store->traffic;
  v->dbi = v->env->dbi;
  v->own = in_keys(table) || store->depth == 0;
  if (!v->own) {
    v->txn = store->nested[store->depth - 1];
    return store->failure.code == MP_OK ? MP_OK : lost_turn(store, e);
  }
  return mp_environment_begin(v->env, MDB_RDONLY, &v->txn, "be read", e);
}

static void end_read(view *v) {
  if (v->own) mdb_txn_abort(v->txn);
}

void mp_store_forget(mp_store *store) {
  if (store->scratch.data != NULL) mp_wipe(store->scratch.data, store->scratch.length);
  store->scratch.length = 0;
}

static bool is_sealed(const mp_store *store, mp_table table) {
  return store->seal.on && table != MP_TABLE_META;
}

/* The value as it was put, at the end of `out`, which is empty. */
static int copy_value(const mp_store *store, const MDB_val *key, const MDB_val *found, mp_buffer *out) {
  if (!is_sealed(store, *(const uint8_t *)key->mv_data)) return mp_buffer_append(out, found->mv_data, found->mv_size);
  return mp_seal_unseal(&store->seal, key->mv_data, key->mv_size, found->mv_data, found->mv_size, out);
}

/* MP_ESTORE, not MP_ECRYPTO: it must not pass for a wrong message. */
static int unreadable(int rc, mp_table table, mp_error *e) {
  if (rc != MP_ECRYPTO) return mp_fail(e, rc, "no memory for a row");
  return mp_fail(e, MP_ESTORE, "the store is damaged: a sealed row of table '%c' was changed or does not belong there", table);
}

int mp_store_get(mp_store *store, mp_table table, mp_bytes key, mp_bytes *value, mp_error *e) {
  uint8_t bytes[MP_STORE_KEY_MAX + 1];
  MDB_val k, found;
  view v;
  int rc = full_key(table, key, bytes, &k, e);
  if (rc != MP_OK || (rc = begin_read(store, table, &v, e)) != MP_OK) return rc;
  mp_store_forget(store);
  int copied = MP_OK;
  rc = mdb_get(v.txn, v.dbi, &k, &found);
  if (rc == 0) copied = copy_value(store, &k, &found, &store->scratch);
  end_read(&v);
  if (rc != 0) return mp_environment_error(v.env, rc, "be read", e);
  if (copied != MP_OK) return unreadable(copied, table, e);
  *value = (mp_bytes){store->scratch.data != NULL ? (const void *)store->scratch.data : "", store->scratch.length};
  return MP_OK;
}

static int open_turn(mp_store *store, mp_error *e) {
  if (store->failure.code != MP_OK) return lost_turn(store, e);
  if (store->depth > 0) return MP_OK;
  int rc = mp_environment_begin(&store->traffic, 0, &store->nested[0], "begin a transaction", e);
  if (rc == MP_OK) store->depth = 1;
  return rc;
}

static int change_row(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *value) {
  if (value != NULL) return mdb_put(txn, dbi, key, value, 0);
  int rc = mdb_del(txn, dbi, key, NULL);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

/* A synced transaction of its own. */
static int change_keys(mp_store *store, MDB_val *key, MDB_val *value, mp_error *e) {
  MDB_txn *txn;
  int rc = mp_environment_begin(&store->keys, 0, &txn, "begin a transaction", e);
  if (rc != MP_OK) return rc;
  if ((rc = change_row(txn, store->keys.dbi, key, value)) != 0) {
    mdb_txn_abort(txn);
    return mp_environment_error(&store->keys, rc, "be written", e);
  }
  rc = mp_environment_commit(&store->keys, txn, e);
  if (rc == MP_OK) mp_environment_keep_slack(&store->keys);
  return rc;
}

/* Part of the turn. Outside a nested transaction there is nothing to go back to: the turn is lost when it fails. */
static int change_traffic(mp_store *store, MDB_val *key, MDB_val *value, mp_error *e) {
  mp_error failure;
  int rc = open_turn(store, e);
  if (rc != MP_OK) return rc;
  if ((rc = change_row(store->nested[store->depth - 1], store->traffic.dbi, key, value)) == 0) return MP_OK;
  rc = mp_environment_error(&store->traffic, rc, "be written", &failure);
  if (store->depth == 1) store->failure = failure;
  return mp_fail(e, rc, "%s", failure.message);
}

static int change(mp_store *store, mp_table table, mp_bytes key, MDB_val *value, mp_error *e) {
  uint8_t bytes[MP_STORE_KEY_MAX + 1];
  MDB_val k;
  int rc = full_key(table, key, bytes, &k, e);
  if (rc != MP_OK) return rc;
  if (value != NULL && is_sealed(store, table)) {
    rc = mp_seal_value(&store->seal, k.mv_data, k.mv_size, value->mv_data, value->mv_size, &store->sealed);
    if (rc != MP_OK) return mp_fail(e, rc, "no memory to seal a row");
    *value = (MDB_val){store->sealed.length, store->sealed.data};
  }
  return in_keys(table) ? change_keys(store, &k, value, e) : change_traffic(store, &k, value, e);
}

int mp_store_put(mp_store *store, mp_table table, mp_bytes key, mp_bytes value, mp_error *e) {
  MDB_val v = {value.length, (void *)value.data};
  return change(store, table, key, &v, e);
}

int mp_store_delete(mp_store *store, mp_table table, mp_bytes key, mp_error *e) {
  return change(store, table, key, NULL, e);
}

static bool begins_with(const MDB_val *key, const MDB_val *prefix) {
  return key->mv_size >= prefix->mv_size && memcmp(key->mv_data, prefix->mv_data, prefix->mv_size) == 0;
}

/* *sealed is MP_OK, or why a row could not be unsealed: the walk ends there. */
static int walk(mp_store *store, view *v, const MDB_val *prefix, const MDB_val *after, mp_store_row row, void *context,
                int *sealed) {
  MDB_cursor *cursor;
  MDB_val k = after != NULL ? *after : *prefix, value;
  int rc = mdb_cursor_open(v->txn, v->dbi, &cursor);
  if (rc != 0) return rc;
  for (rc = mdb_cursor_get(cursor, &k, &value, MDB_SET_RANGE); rc == 0; rc = mdb_cursor_get(cursor, &k, &value, MDB_NEXT)) {
    if (!begins_with(&k, prefix)) break;
    if (after != NULL && k.mv_size == after->mv_size && begins_with(&k, after)) continue;
    mp_bytes key = {(const uint8_t *)k.mv_data + 1, k.mv_size - 1}, content = {value.mv_data, value.mv_size};
    if (is_sealed(store, *(const uint8_t *)k.mv_data)) {
      if ((*sealed = copy_value(store, &k, &value, &store->unsealed)) != MP_OK) break;
      content = (mp_bytes){store->unsealed.data, store->unsealed.length};
    }
    if (!row(context, key, content)) break;
  }
  mdb_cursor_close(cursor);
  return rc == MDB_NOTFOUND ? 0 : rc;
}

int mp_store_range(mp_store *store, mp_table table, mp_bytes prefix, mp_bytes after, mp_store_row row, void *context,
                   mp_error *e) {
  uint8_t first_bytes[MP_STORE_KEY_MAX + 1], after_bytes[MP_STORE_KEY_MAX + 1];
  MDB_val first = {0}, start = {0};
  view v;
  int rc = full_key(table, prefix, first_bytes, &first, e);
  if (rc == MP_OK) rc = full_key(table, after, after_bytes, &start, e);
  if (rc != MP_OK || (rc = begin_read(store, table, &v, e)) != MP_OK) return rc;
  int sealed = MP_OK;
  rc = walk(store, &v, &first, after.length > 0 ? &start : NULL, row, context, &sealed);
  if (store->unsealed.data != NULL) mp_wipe(store->unsealed.data, store->unsealed.length);
  end_read(&v);
  if (sealed != MP_OK) return unreadable(sealed, table, e);
  return rc == 0 ? MP_OK : mp_environment_error(v.env, rc, "be read", e);
}

/* Turns a full key into the smallest one behind all that begin with it; a table's byte is never 0xff, so there is one. */
static void step_behind(MDB_val *key) {
  uint8_t *bytes = key->mv_data;
  while (bytes[key->mv_size - 1] == 0xff) key->mv_size--;
  bytes[key->mv_size - 1]++;
}

/* `key` goes in as the one to stay in front of. */
static int find_before(view *v, MDB_val *key) {
  MDB_cursor *cursor;
  MDB_val value;
  int rc = mdb_cursor_open(v->txn, v->dbi, &cursor);
  if (rc != 0) return rc;
  rc = mdb_cursor_get(cursor, key, &value, MDB_SET_RANGE);
  rc = mdb_cursor_get(cursor, key, &value, rc == 0 ? MDB_PREV : MDB_LAST);
  mdb_cursor_close(cursor);
  return rc;
}

int mp_store_last(mp_store *store, mp_table table, mp_bytes prefix, mp_bytes *key, mp_error *e) {
  uint8_t first_bytes[MP_STORE_KEY_MAX + 1], behind[MP_STORE_KEY_MAX + 1];
  MDB_val first = {0}, k = {0};
  view v;
  int rc = full_key(table, prefix, first_bytes, &first, e);
  if (rc == MP_OK) rc = full_key(table, prefix, behind, &k, e);
  if (rc != MP_OK || (rc = begin_read(store, table, &v, e)) != MP_OK) return rc;
  step_behind(&k);
  mp_store_forget(store);
  rc = find_before(&v, &k);
  if (rc == 0 && !begins_with(&k, &first)) rc = MDB_NOTFOUND;
  if (rc == 0 && mp_buffer_append(&store->scratch, k.mv_data, k.mv_size) != MP_OK) rc = ENOMEM;
  end_read(&v);
  if (rc != 0) return mp_environment_error(v.env, rc, "be read", e);
  *key = (mp_bytes){store->scratch.data + 1, store->scratch.length - 1};
  return MP_OK;
}

int mp_store_begin(mp_store *store, mp_error *e) {
  int rc = open_turn(store, e);
  if (rc != MP_OK) return rc;
  if (store->depth > MP_STORE_NESTING)
    return mp_fail(e, MP_ELIMIT, "transactions are nested more than %d deep", MP_STORE_NESTING);
  rc = mdb_txn_begin(store->traffic.env, store->nested[store->depth - 1], 0, &store->nested[store->depth]);
  if (rc != 0) return mp_environment_error(&store->traffic, rc, "begin a transaction", e);
  store->depth++;
  return MP_OK;
}

int mp_store_release(mp_store *store, mp_error *e) {
  if (store->depth < 2) return mp_fail(e, MP_EINVAL, "no nested transaction is open");
  int rc = mdb_txn_commit(store->nested[--store->depth]);
  return rc == 0 ? MP_OK : mp_environment_error(&store->traffic, rc, "end a transaction", e);
}

void mp_store_rollback(mp_store *store) {
  if (store->depth >= 2) mdb_txn_abort(store->nested[--store->depth]);
}

void mp_store_drop_turn(mp_store *store) {
  while (store->depth > 0) mdb_txn_abort(store->nested[--store->depth]);
  store->failure = (mp_error){0};
}

int mp_store_commit(mp_store *store, mp_error *e) {
  if (store->depth == 0) return MP_OK;
  if (store->depth > 1) return mp_fail(e, MP_EINVAL, "a nested transaction is still open");
  if (store->failure.code != MP_OK) {
    int rc = lost_turn(store, e);
    mp_store_drop_turn(store);
    return rc;
  }
  store->depth = 0;
  int rc = mp_environment_commit(&store->traffic, store->nested[0], e);
  if (rc == MP_OK) mp_environment_keep_slack(&store->traffic);
  return rc;
}

/* A row as large as what a disk must have left for not being full, so that there is room for what comes next too. */
int mp_store_probe(mp_store *store, mp_error *e) {
  static const uint8_t bytes[64 * 1024];
  static const mp_bytes key = {"probe", 5};
  int rc = mp_store_put(store, MP_TABLE_META, key, (mp_bytes){bytes, 1}, e);
  if (rc == MP_OK) rc = mp_store_delete(store, MP_TABLE_META, key, e);
  if (rc == MP_OK) rc = mp_store_put(store, MP_TABLE_COUNTER, key, (mp_bytes){bytes, sizeof bytes}, e);
  if (rc == MP_OK) rc = mp_store_commit(store, e);
  if (rc == MP_OK) rc = mp_store_delete(store, MP_TABLE_COUNTER, key, e);
  if (rc == MP_OK) rc = mp_store_commit(store, e);
  if (rc != MP_OK) mp_store_drop_turn(store);
  return rc;
}

bool mp_store_dirty(const mp_store *store) {
  return store->depth > 0;
}
