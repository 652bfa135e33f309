#include "store/check.h"

#include <errno.h>
#include <string.h>

#include "store/internal.h"

#define FREE_PAGES 0 /* LMDB's handle of that tree */

/* Without a default: the compiler tells of a table that is missing here. */
const char *mp_table_name(uint8_t table) {
  switch ((mp_table)table) {
    case MP_TABLE_SETTING:
      return "setting";
    case MP_TABLE_CREDENTIAL:
      return "credential";
    case MP_TABLE_KEYPAIR:
      return "keypair";
    case MP_TABLE_META:
      return "meta";
    case MP_TABLE_SESSION:
      return "session";
    case MP_TABLE_IDENTITY:
      return "identity";
    case MP_TABLE_PREKEY:
      return "prekey";
    case MP_TABLE_COUNTER:
      return "counter";
    case MP_TABLE_SENDER_KEY:
      return "sender-key";
    case MP_TABLE_DEVICE_LIST:
      return "device-list";
    case MP_TABLE_LID:
      return "lid";
    case MP_TABLE_JOURNAL:
      return "journal";
    case MP_TABLE_OUTBOX:
      return "outbox";
    case MP_TABLE_DEDUPE:
      return "dedupe";
    case MP_TABLE_SECRET:
      return "secret";
    case MP_TABLE_APPSTATE_KEY:
      return "appstate-key";
    case MP_TABLE_RAW:
      return "raw";
    case MP_TABLE_STALE:
      return "stale";
    case MP_TABLE_RECENT:
      return "recent";
    case MP_TABLE_SKIPPED:
      return "skipped";
    case MP_TABLE_GROUP:
      return "group";
    case MP_TABLE_TOLD:
      return "told";
    case MP_TABLE_TOKEN:
      return "token";
    case MP_TABLE_MESSAGE:
      return "message";
    case MP_TABLE_APPSTATE:
      return "appstate";
    case MP_TABLE_HISTORY:
      return "history";
    case MP_TABLE_WORLD:
      return "world";
    case MP_TABLE_QUEUE:
      return "queue";
  }
  return NULL;
}

typedef struct {
  mp_store *store;
  const mp_environment *env;
  const mp_store_visitor *visitor;
  size_t *counts, rows;
  mp_buffer before; /* the key of the row before */
} walk;

static bool in_order(const walk *w, const MDB_val *key) {
  size_t shared = key->mv_size < w->before.length ? key->mv_size : w->before.length;
  int order = shared > 0 ? memcmp(w->before.data, key->mv_data, shared) : -1;
  return order < 0 || (order == 0 && w->before.length < key->mv_size);
}

/* What is wrong with a row as the file has it; else `value` is what was put. */
static const char *look(walk *w, const MDB_val *key, MDB_val *value) {
  uint8_t table = *(const uint8_t *)key->mv_data;
  if (!in_order(w, key)) return "it is out of order";
  if (mp_table_name(table) == NULL) return "there is no such table";
  if ((table >= MP_TABLE_SETTING) != (w->env == &w->store->keys)) return "its table belongs to the other file";
  if (!w->store->seal.on || table == MP_TABLE_META) return NULL;
  int rc = mp_seal_unseal(&w->store->seal, key->mv_data, key->mv_size, value->mv_data, value->mv_size, &w->store->unsealed);
  if (rc != MP_OK) return rc == MP_ENOMEM ? "there is no memory for it" : "its seal is broken: it was changed, or moved there";
  *value = (MDB_val){w->store->unsealed.length, w->store->unsealed.data};
  return NULL;
}

static int visit(walk *w, MDB_val *key, MDB_val *value) {
  if (key->mv_size == 0) return MDB_CORRUPTED;
  uint8_t table = *(const uint8_t *)key->mv_data;
  mp_bytes name = {(const uint8_t *)key->mv_data + 1, key->mv_size - 1};
  const char *fault = look(w, key, value);
  if (fault == NULL && w->visitor->row != NULL)
    fault = w->visitor->row(w->visitor->context, (mp_table)table, name, (mp_bytes){value->mv_data, value->mv_size});
  if (fault != NULL) w->visitor->fault(w->visitor->context, table, name, fault);
  w->counts[table]++;
  w->rows++;
  w->before.length = 0;
  return mp_buffer_append(&w->before, key->mv_data, key->mv_size) == MP_OK ? 0 : ENOMEM;
}

/* As many rows as the file counts, and no more: a damaged tree may go round. */
static int walk_file(walk *w, size_t expected) {
  MDB_txn *txn;
  MDB_cursor *cursor = NULL;
  MDB_val key, value;
  int rc = mdb_txn_begin(w->env->env, NULL, MDB_RDONLY, &txn);
  if (rc != 0) return rc;
  rc = mdb_cursor_open(txn, w->env->dbi, &cursor);
  while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
    rc = w->rows < expected ? visit(w, &key, &value) : MDB_CORRUPTED;
  }
  if (cursor != NULL) mdb_cursor_close(cursor);
  mdb_txn_abort(txn);
  return rc == MDB_NOTFOUND ? (w->rows == expected ? 0 : MDB_CORRUPTED) : rc;
}

/* A record of the free pages: how many, then their numbers, falling. LMDB writes where they say. */
static bool is_free_list(const MDB_val *key, const MDB_val *value, size_t last_page) {
  size_t count, page, before = last_page + 1;
  if (key->mv_size != sizeof count || value->mv_size < sizeof count) return false;
  memcpy(&count, value->mv_data, sizeof count);
  if (count > value->mv_size / sizeof count - 1) return false;
  for (size_t i = 1; i <= count; i++, before = page) {
    memcpy(&page, (const uint8_t *)value->mv_data + i * sizeof page, sizeof page);
    if (page < 2 || page >= before) return false;
  }
  return true;
}

/* The other tree of a file, LMDB's own: what is wrong there hurts at the next write. */
static int walk_free_pages(const mp_environment *env) {
  MDB_txn *txn;
  MDB_cursor *cursor = NULL;
  MDB_val key, value;
  MDB_stat stat;
  MDB_envinfo info;
  size_t records = 0;
  int rc = mdb_txn_begin(env->env, NULL, MDB_RDONLY, &txn);
  if (rc != 0) return rc;
  rc = mdb_env_info(env->env, &info);
  if (rc == 0) rc = mdb_stat(txn, FREE_PAGES, &stat);
  if (rc == 0) rc = mdb_cursor_open(txn, FREE_PAGES, &cursor);
  while (rc == 0 && (rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
    if (++records > stat.ms_entries || !is_free_list(&key, &value, info.me_last_pgno)) rc = MDB_CORRUPTED;
  }
  if (cursor != NULL) mdb_cursor_close(cursor);
  mdb_txn_abort(txn);
  return rc == MDB_NOTFOUND ? (records == stat.ms_entries ? 0 : MDB_CORRUPTED) : rc;
}

static int check_file(mp_store *store, mp_environment *env, const char *name, const mp_store_visitor *visitor, size_t counts[256],
                      mp_error *e) {
  MDB_txn *txn;
  MDB_stat stat;
  walk w = {.store = store, .env = env, .visitor = visitor, .counts = counts};
  int begun = mp_environment_begin(env, MDB_RDONLY, &txn, "be read", e);
  if (begun != MP_OK) return begun;
  int rc = mdb_stat(txn, env->dbi, &stat);
  mdb_txn_abort(txn);
  if (rc == 0) rc = walk_file(&w, stat.ms_entries);
  mp_buffer_wipe_free(&w.before);
  if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND)
    return mp_fail(e, MP_EMALFORMED, "%s is damaged: its rows end after %zu of %zu", name, w.rows, stat.ms_entries);
  if (rc == 0 && ((rc = walk_free_pages(env)) == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND))
    return mp_fail(e, MP_EMALFORMED, "%s is damaged: its list of free pages makes no sense", name);
  return rc == 0 ? MP_OK : mp_environment_error(env, rc, "be read", e);
}

static void note_fault(void *context, uint8_t table, mp_bytes key, const char *what) {
  const char **first = context;
  (void)table;
  (void)key;
  if (*first == NULL) *first = what;
}

int mp_store_check_keys(mp_store *store, mp_error *e) {
  size_t counts[256] = {0};
  const char *fault = NULL;
  const mp_store_visitor visitor = {.context = &fault, .fault = note_fault};
  int rc = check_file(store, &store->keys, "keys.mdb", &visitor, counts, e);
  if (rc != MP_OK || fault == NULL) return rc;
  return mp_fail(e, MP_EMALFORMED, "store %s is damaged: a row of its keys.mdb: %s", store->path, fault);
}

int mp_store_check(mp_store *store, const mp_store_visitor *visitor, size_t counts[256], mp_error *e) {
  memset(counts, 0, 256 * sizeof *counts);
  int rc = check_file(store, &store->keys, "keys.mdb", visitor, counts, e);
  return rc == MP_OK ? check_file(store, &store->traffic, "traffic.mdb", visitor, counts, e) : rc;
}
