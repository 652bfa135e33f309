/* The rows of a store, for Lua. */
#include <limits.h>
#include <string.h>

#include "keypair.h"
#include "store.h"

static const struct {
  const char *name;
  mp_table table;
} tables[] = {
    {"setting", MP_TABLE_SETTING}, {"device-list", MP_TABLE_DEVICE_LIST},
    {"lid", MP_TABLE_LID},         {"journal", MP_TABLE_JOURNAL},
    {"outbox", MP_TABLE_OUTBOX},   {"dedupe", MP_TABLE_DEDUPE},
    {"secret", MP_TABLE_SECRET},   {"appstate-key", MP_TABLE_APPSTATE_KEY},
    {"raw", MP_TABLE_RAW},         {"world", MP_TABLE_WORLD},
    {"queue", MP_TABLE_QUEUE},
};

static mp_table check_table(lua_State *L, int arg) {
  const char *name = luaL_checkstring(L, arg);
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (strcmp(tables[i].name, name) == 0) return tables[i].table;
  }
  return (mp_table)luaL_argerror(L, arg, lua_pushfstring(L, "the store has no table '%s'", name));
}

static mp_bytes check_bytes(lua_State *L, int arg) {
  mp_bytes bytes;
  bytes.data = luaL_checklstring(L, arg, &bytes.length);
  return bytes;
}

/* Methods. Tables go by the names above, keys and values are strings; what the store refuses is raised as an error object. */

/* get(table, key) -> value | nil */
int mpl_store_get(lua_State *L) {
  mp_bytes value;
  mp_error e;
  int rc = mp_store_get(mpl_check_store(L, 1), check_table(L, 2), check_bytes(L, 3), &value, &e);
  if (rc == MP_ENOTFOUND) return 0;
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  lua_pushlstring(L, value.data, value.length);
  return 1;
}

/* put(table, key, value) */
int mpl_store_put(lua_State *L) {
  mp_error e;
  if (mp_store_put(mpl_check_store(L, 1), check_table(L, 2), check_bytes(L, 3), check_bytes(L, 4), &e) != MP_OK)
    return mpl_store_raise(L, &e);
  return 0;
}

/* delete(table, key): no such row is no error */
int mpl_store_delete(lua_State *L) {
  mp_error e;
  if (mp_store_delete(mpl_check_store(L, 1), check_table(L, 2), check_bytes(L, 3), &e) != MP_OK) return mpl_store_raise(L, &e);
  return 0;
}

typedef struct {
  mp_buffer
      *rows; /* two lengths, key, value, again and again: Lua may raise, and must not do so in the middle of a transaction */
  int rc;
  lua_Integer count, limit;
} collector;

static bool collect_row(void *context, mp_bytes key, mp_bytes value) {
  collector *c = context;
  const size_t lengths[2] = {key.length, value.length};
  c->rc = mp_buffer_append(c->rows, lengths, sizeof lengths);
  if (c->rc == MP_OK) c->rc = mp_buffer_append(c->rows, key.data, key.length);
  if (c->rc == MP_OK) c->rc = mp_buffer_append(c->rows, value.data, value.length);
  ++c->count;
  return c->rc == MP_OK && (c->limit == 0 || c->count < c->limit);
}

static void push_rows(lua_State *L, const collector *c) {
  size_t at = 0, lengths[2];
  lua_createtable(L, c->count < INT_MAX ? (int)c->count : 0, 0);
  for (lua_Integer i = 1; i <= c->count; i++) {
    memcpy(lengths, c->rows->data + at, sizeof lengths);
    at += sizeof lengths;
    lua_createtable(L, 2, 0);
    for (int part = 0; part < 2; part++) {
      lua_pushlstring(L, (const char *)c->rows->data + at, lengths[part]);
      lua_rawseti(L, -2, part + 1);
      at += lengths[part];
    }
    lua_rawseti(L, -2, i);
  }
}

/* range(table, prefix [, limit [, after]]) -> array of {key, value} in key order: rows whose key begins with the prefix and
 * stands behind `after`; at most `limit` of them (0: all) */
int mpl_store_range(lua_State *L) {
  mp_error e;
  mp_store *store = mpl_check_store(L, 1);
  mp_table table = check_table(L, 2);
  mp_bytes prefix = check_bytes(L, 3), after = {"", 0};
  collector c = {.rows = mpl_output(L), .rc = MP_OK, .limit = luaL_optinteger(L, 4, 0)};
  luaL_argcheck(L, c.limit >= 0, 4, "a number of rows expected");
  if (!lua_isnoneornil(L, 5)) after = check_bytes(L, 5);
  int rc = mp_store_range(store, table, prefix, after, collect_row, &c, &e);
  if (rc == MP_OK && c.rc != MP_OK) rc = mp_fail(&e, c.rc, "no memory for the rows");
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  push_rows(L, &c);
  return 1;
}

static bool count_row(void *context, mp_bytes key, mp_bytes value) {
  (void)key;
  (void)value;
  ++*(lua_Integer *)context;
  return true;
}

/* count(table, prefix) -> number of rows */
int mpl_store_count(lua_State *L) {
  mp_error e;
  lua_Integer count = 0;
  int rc = mp_store_range(mpl_check_store(L, 1), check_table(L, 2), check_bytes(L, 3), (mp_bytes){"", 0}, count_row, &count, &e);
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  lua_pushinteger(L, count);
  return 1;
}

/* last(table, prefix) -> the last key that begins with the prefix | nil */
int mpl_store_last(lua_State *L) {
  mp_bytes key;
  mp_error e;
  int rc = mp_store_last(mpl_check_store(L, 1), check_table(L, 2), check_bytes(L, 3), &key, &e);
  if (rc == MP_ENOTFOUND) return 0;
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  lua_pushlstring(L, key.data, key.length);
  return 1;
}

/* put_keypair(name, kp): in the keys environment */
int mpl_store_put_keypair(lua_State *L) {
  mp_error e;
  mp_store *store = mpl_check_store(L, 1);
  const mp_keypair *pair = mpl_check_keypair(L, 3);
  if (mp_store_put(store, MP_TABLE_KEYPAIR, check_bytes(L, 2), (mp_bytes){pair, sizeof *pair}, &e) != MP_OK)
    return mpl_store_raise(L, &e);
  return 0;
}

/* get_keypair(name) -> kp | nil */
int mpl_store_get_keypair(lua_State *L) {
  mp_error e;
  mp_bytes value;
  mp_keypair pair;
  int rc = mp_store_get(mpl_check_store(L, 1), MP_TABLE_KEYPAIR, check_bytes(L, 2), &value, &e);
  if (rc == MP_ENOTFOUND) return 0;
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  if (value.length != sizeof pair) return luaL_error(L, "the store's key pair is damaged");
  memcpy(&pair, value.data, sizeof pair);
  mpl_push_keypair(L, &pair);
  mp_wipe(&pair, sizeof pair);
  return 1;
}
