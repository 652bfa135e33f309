/* The rows of a store, for Lua. */
#include <limits.h>
#include <string.h>

#include "keypair.h"
#include "store.h"

/* Those that every message asks for come first. */
static const struct {
  const char *name;
  mp_table table;
} tables[] = {
    {"message", MP_TABLE_MESSAGE},
    {"dedupe", MP_TABLE_DEDUPE},
    {"outbox", MP_TABLE_OUTBOX},
    {"lid", MP_TABLE_LID},
    {"journal", MP_TABLE_JOURNAL},
    {"device-list", MP_TABLE_DEVICE_LIST},
    {"token", MP_TABLE_TOKEN},
    {"group", MP_TABLE_GROUP},
    {"setting", MP_TABLE_SETTING},
    {"secret", MP_TABLE_SECRET},
    {"appstate-key", MP_TABLE_APPSTATE_KEY},
    {"raw", MP_TABLE_RAW},
    {"world", MP_TABLE_WORLD},
    {"queue", MP_TABLE_QUEUE},
    {"recent", MP_TABLE_RECENT},
    {"told", MP_TABLE_TOLD},
    {"appstate", MP_TABLE_APPSTATE},
    {"history", MP_TABLE_HISTORY},
};

/* What the arguments of a method name: store, table, and the scope that keys of the table are under. */
typedef struct {
  mp_store *store;
  mp_table table;
  const char *scope;
  size_t skip; /* bytes of scope and zero before a key; 0 in a sandbox's tables, which know no accounts */
} place;

static place check_place(lua_State *L) {
  const mpl_store *h = mpl_check_store_handle(L, 1);
  const char *name = luaL_checkstring(L, 2);
  for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
    if (strcmp(tables[i].name, name) != 0) continue;
    size_t skip = mp_table_has_scope(tables[i].table) ? strlen(h->scope) + 1 : 0;
    return (place){h->store, tables[i].table, h->scope, skip};
  }
  luaL_argerror(L, 2, lua_pushfstring(L, "the store has no table '%s'", name));
  return (place){0};
}

static mp_bytes check_bytes(lua_State *L, int arg) {
  mp_bytes bytes;
  bytes.data = luaL_checklstring(L, arg, &bytes.length);
  return bytes;
}

/* A key of the place. One that is too long is refused by the store. */
static mp_bytes check_key(lua_State *L, const place *at, int arg, uint8_t out[MP_STORE_KEY_MAX]) {
  mp_bytes key = check_bytes(L, arg);
  if (at->skip + key.length > MP_STORE_KEY_MAX) return (mp_bytes){out, at->skip + key.length};
  memcpy(out, at->scope, at->skip);
  if (key.length > 0) memcpy(out + at->skip, key.data, key.length);
  return (mp_bytes){out, at->skip + key.length};
}

/* Methods. Tables go by the names above, keys and values are strings; what the store refuses is raised as an error object. A
 * handle sees the rows of its account alone. */

/* get(table, key) -> value | nil */
int mpl_store_get(lua_State *L) {
  mp_bytes value;
  mp_error e;
  uint8_t key[MP_STORE_KEY_MAX];
  place at = check_place(L);
  int rc = mp_store_get(at.store, at.table, check_key(L, &at, 3, key), &value, &e);
  if (rc == MP_ENOTFOUND) return 0;
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  lua_pushlstring(L, value.data, value.length);
  return 1;
}

/* put(table, key, value) */
int mpl_store_put(lua_State *L) {
  mp_error e;
  uint8_t key[MP_STORE_KEY_MAX];
  place at = check_place(L);
  mp_bytes name = check_key(L, &at, 3, key);
  if (mp_store_put(at.store, at.table, name, check_bytes(L, 4), &e) != MP_OK) return mpl_store_raise(L, &e);
  return 0;
}

/* delete(table, key): no such row is no error */
int mpl_store_delete(lua_State *L) {
  mp_error e;
  uint8_t key[MP_STORE_KEY_MAX];
  place at = check_place(L);
  if (mp_store_delete(at.store, at.table, check_key(L, &at, 3, key), &e) != MP_OK) return mpl_store_raise(L, &e);
  return 0;
}

typedef struct {
  mp_buffer
      *rows; /* two lengths, key, value, again and again: Lua may raise, and must not do so in the middle of a transaction */
  int rc;
  lua_Integer count, limit;
  size_t skip; /* of each key */
} collector;

static bool collect_row(void *context, mp_bytes key, mp_bytes value) {
  collector *c = context;
  key = (mp_bytes){(const uint8_t *)key.data + c->skip, key.length - c->skip};
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
  uint8_t prefix_bytes[MP_STORE_KEY_MAX], after_bytes[MP_STORE_KEY_MAX];
  place at = check_place(L);
  mp_bytes prefix = check_key(L, &at, 3, prefix_bytes), after = {"", 0};
  collector c = {.rows = mpl_output(L), .rc = MP_OK, .limit = luaL_optinteger(L, 4, 0), .skip = at.skip};
  luaL_argcheck(L, c.limit >= 0, 4, "a number of rows expected");
  if (!lua_isnoneornil(L, 5) && check_bytes(L, 5).length > 0) after = check_key(L, &at, 5, after_bytes);
  int rc = mp_store_range(at.store, at.table, prefix, after, collect_row, &c, &e);
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
  uint8_t prefix[MP_STORE_KEY_MAX];
  place at = check_place(L);
  int rc = mp_store_range(at.store, at.table, check_key(L, &at, 3, prefix), (mp_bytes){"", 0}, count_row, &count, &e);
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  lua_pushinteger(L, count);
  return 1;
}

/* last(table, prefix) -> the last key that begins with the prefix | nil */
int mpl_store_last(lua_State *L) {
  mp_bytes key;
  mp_error e;
  uint8_t prefix[MP_STORE_KEY_MAX];
  place at = check_place(L);
  int rc = mp_store_last(at.store, at.table, check_key(L, &at, 3, prefix), &key, &e);
  if (rc == MP_ENOTFOUND) return 0;
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  lua_pushlstring(L, (const char *)key.data + at.skip, key.length - at.skip);
  return 1;
}

static bool collect_scope(void *context, mp_bytes key, mp_bytes value) {
  static const char name[] = "\0credentials";
  collector *c = context;
  (void)value;
  size_t length = sizeof name - 1; /* its zero at the front is that behind the scope */
  if (key.length < length || memcmp((const char *)key.data + key.length - length, name, length) != 0) return true;
  return collect_row(c, (mp_bytes){key.data, key.length - length}, (mp_bytes){"", 0});
}

/* accounts() -> array of names: the accounts that have credentials, linked or about to be; "" is the unnamed one */
int mpl_store_accounts(lua_State *L) {
  mp_error e;
  mp_store *store = mpl_check_store(L, 1);
  collector c = {.rows = mpl_output(L), .rc = MP_OK};
  int rc = mp_store_range(store, MP_TABLE_CREDENTIAL, (mp_bytes){"", 0}, (mp_bytes){"", 0}, collect_scope, &c, &e);
  if (rc == MP_OK && c.rc != MP_OK) rc = mp_fail(&e, c.rc, "no memory for the accounts");
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  push_rows(L, &c);
  for (lua_Integer i = 1; i <= c.count; i++) {
    lua_rawgeti(L, -1, i);
    lua_rawgeti(L, -1, 1);
    lua_rawseti(L, -3, i);
    lua_pop(L, 1);
  }
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
