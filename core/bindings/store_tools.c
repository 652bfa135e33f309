/* What is done to a store as a whole: copying, sealing, checking. */
#include <stdio.h>
#include <string.h>

#include "crypto/signal_provider.h"
#include "signal/check.h"
#include "store.h"
#include "store/check.h"

/* backup(path) -> true | nil, err: copies the store into a folder that is new or empty; see core/store/store.h */
static int store_backup(lua_State *L) {
  mp_error e;
  if (mp_store_backup(mpl_check_store(L, 1), luaL_checkstring(L, 2), &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushboolean(L, 1);
  return 1;
}

/* reseal{key=} -> true | nil, err: seals the store with a key; afterwards it can only be closed */
static int store_reseal(lua_State *L) {
  mp_error e;
  mp_store *store = mpl_check_store(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  mp_store_key *key = mpl_key_option(L, 2, "key");
  if (key == NULL) return luaL_error(L, "key: a store's key expected");
  if (mp_store_reseal(store, key, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushboolean(L, 1);
  return 1;
}

/* probe() -> true | nil, err: whether both of its files can be written; not within a turn */
static int store_probe(lua_State *L) {
  mp_error e;
  if (mp_store_probe(mpl_check_store(L, 1), &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushboolean(L, 1);
  return 1;
}

/* epoch() -> how often the store may have gone back in time: what was sent by chains of before must not go on */
static int store_epoch(lua_State *L) {
  mp_error e;
  uint32_t epoch;
  if (mp_store_epoch(mpl_check_store(L, 1), &epoch, &e) != MP_OK) return mpl_store_raise(L, &e);
  lua_pushinteger(L, epoch);
  return 1;
}

typedef struct {
  lua_State *L;
  signal_context *context;
  mp_buffer faults; /* table's byte, length of the key (size_t), key, what, 0 */
  char what[256];
} checking;

static bool for_lua(mp_table table) {
  return table == MP_TABLE_SETTING || table == MP_TABLE_RECENT || table == MP_TABLE_GROUP || table == MP_TABLE_TOLD ||
         table == MP_TABLE_TOKEN || table == MP_TABLE_MESSAGE || table == MP_TABLE_APPSTATE ||
         (table >= MP_TABLE_DEVICE_LIST && table <= MP_TABLE_QUEUE && table != MP_TABLE_STALE);
}

static const char *check_row(void *context, mp_table table, mp_bytes key, mp_bytes value) {
  checking *c = context;
  lua_State *L = c->L;
  const char *fault = mp_row_fault(c->context, table, key, value);
  if (fault != NULL || !for_lua(table)) return fault;
  lua_pushvalue(L, 2);
  lua_pushstring(L, mp_table_name((uint8_t)table));
  lua_pushlstring(L, key.data, key.length);
  lua_pushlstring(L, value.data, value.length);
  if (lua_pcall(L, 3, 1, 0) == LUA_OK && lua_isnil(L, -1)) {
    lua_pop(L, 1);
    return NULL;
  }
  snprintf(c->what, sizeof c->what, "%s", lua_isstring(L, -1) ? lua_tostring(L, -1) : "it cannot be read");
  lua_pop(L, 1);
  return c->what;
}

static void note_fault(void *context, uint8_t table, mp_bytes key, const char *what) {
  checking *c = context;
  mp_buffer *faults = &c->faults;
  if (faults->length > 256 * 1024) return; /* more than anybody reads */
  if (mp_buffer_push(faults, table) != MP_OK || mp_buffer_append(faults, &key.length, sizeof key.length) != MP_OK ||
      mp_buffer_append(faults, key.data, key.length) != MP_OK || mp_buffer_append(faults, what, strlen(what) + 1) != MP_OK) {
    faults->length = 0;
  }
}

static void push_counts(lua_State *L, const size_t counts[256]) {
  lua_newtable(L);
  for (int table = 0; table < 256; table++) {
    const char *name = mp_table_name((uint8_t)table);
    if (counts[table] == 0 || name == NULL) continue;
    lua_pushinteger(L, (lua_Integer)counts[table]);
    lua_setfield(L, -2, name);
  }
}

static void push_faults(lua_State *L, const mp_buffer *faults) {
  lua_newtable(L);
  for (size_t at = 0, i = 1; at < faults->length; i++) {
    size_t length;
    const char *name = mp_table_name(faults->data[at]);
    memcpy(&length, faults->data + at + 1, sizeof length);
    const char *key = (const char *)faults->data + at + 1 + sizeof length, *what = key + length;
    lua_createtable(L, 0, 3);
    lua_pushstring(L, name != NULL ? name : "?");
    lua_setfield(L, -2, "table");
    lua_pushlstring(L, key, length);
    lua_setfield(L, -2, "key");
    lua_pushstring(L, what);
    lua_setfield(L, -2, "what");
    lua_rawseti(L, -2, (lua_Integer)i);
    at += 1 + sizeof length + length + strlen(what) + 1;
  }
}

/* check(fn) -> {table = rows}, array of {table=, key=, what=} | nil, err: walks all pages and rows; fn(table, key, value) looks
 * at those the core does not read itself, and returns nil or what is wrong. Keys come with their scope. A damaged page may end
 * the process: to be called in a child. */
static int store_check(lua_State *L) {
  mp_error e;
  size_t counts[256];
  mp_store *store = mpl_check_store(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  checking c = {.L = L, .context = mp_signal_context_new()};
  if (c.context == NULL) return luaL_error(L, "no memory for libsignal");
  mp_buffer_init(&c.faults, 0);
  int rc = mp_store_check(store, &(mp_store_visitor){check_row, note_fault, &c}, counts, &e);
  signal_context_destroy(c.context);
  if (rc == MP_OK) {
    push_counts(L, counts);
    push_faults(L, &c.faults);
  }
  mp_buffer_free(&c.faults);
  return rc == MP_OK ? 2 : mpl_fail(L, &e);
}

const luaL_Reg mpl_store_tools[] = {
    {"backup", store_backup}, {"reseal", store_reseal}, {"probe", store_probe},
    {"epoch", store_epoch},   {"check", store_check},   {NULL, NULL},
};
