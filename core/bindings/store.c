#include "store.h"

#include <string.h>

#include "keypair.h"

#define STORE "moonpost.store"

typedef struct {
  mp_store *store;
} handle;

static const struct {
  const char *name;
  mp_table table;
} tables[] = {
    {"setting", MP_TABLE_SETTING},
    {"device-list", MP_TABLE_DEVICE_LIST},
    {"lid", MP_TABLE_LID},
    {"journal", MP_TABLE_JOURNAL},
    {"outbox", MP_TABLE_OUTBOX},
    {"dedupe", MP_TABLE_DEDUPE},
    {"secret", MP_TABLE_SECRET},
    {"appstate-key", MP_TABLE_APPSTATE_KEY},
    {"raw", MP_TABLE_RAW},
    {"cache", MP_TABLE_CACHE},
    {"world", MP_TABLE_WORLD},
    {"queue", MP_TABLE_QUEUE},
    {"sender-key", MP_TABLE_SENDER_KEY},
};

mp_store *mpl_check_store(lua_State *L, int arg) {
  handle *h = luaL_checkudata(L, arg, STORE);
  if (h->store == NULL) luaL_error(L, "the store is closed");
  return h->store;
}

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

static int raise(lua_State *L, const mp_error *e) {
  mpl_push_error(L, e);
  return lua_error(L);
}

/* open{path=, durability="power"|"process", map_size=} -> store | nil, err */
static int store_open(lua_State *L) {
  static const char *const durabilities[] = {"power", "process", NULL};
  mp_store_options options = {0};
  mp_error e;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "path");
  lua_getfield(L, 1, "durability");
  lua_getfield(L, 1, "map_size");
  options.path = luaL_optstring(L, 2, NULL);
  options.durability = luaL_checkoption(L, 3, "power", durabilities) == 0 ? MP_DURABLE_POWER : MP_DURABLE_PROCESS;
  options.map_size = (size_t)luaL_optinteger(L, 4, 0);
  handle *h = lua_newuserdatauv(L, sizeof *h, 1);
  h->store = NULL;
  luaL_setmetatable(L, STORE);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1); /* the after-commit list */
  return mp_store_open(&options, &h->store, &e) == MP_OK ? 1 : mpl_fail(L, &e);
}

/* get(table, key) -> value | nil */
static int store_get(lua_State *L) {
  mp_bytes value;
  mp_error e;
  int rc = mp_store_get(mpl_check_store(L, 1), check_table(L, 2), check_bytes(L, 3), &value, &e);
  if (rc == MP_ENOTFOUND) return 0;
  if (rc != MP_OK) return raise(L, &e);
  lua_pushlstring(L, value.data, value.length);
  return 1;
}

static int store_put(lua_State *L) {
  mp_error e;
  if (mp_store_put(mpl_check_store(L, 1), check_table(L, 2), check_bytes(L, 3), check_bytes(L, 4), &e) != MP_OK)
    return raise(L, &e);
  return 0;
}

static int store_delete(lua_State *L) {
  mp_error e;
  if (mp_store_delete(mpl_check_store(L, 1), check_table(L, 2), check_bytes(L, 3), &e) != MP_OK) return raise(L, &e);
  return 0;
}

typedef struct {
  lua_State *L;
  lua_Integer count, limit;
} collector;

static bool collect_row(void *context, mp_bytes key, mp_bytes value) {
  collector *c = context;
  lua_createtable(c->L, 2, 0);
  lua_pushlstring(c->L, key.data, key.length);
  lua_rawseti(c->L, -2, 1);
  lua_pushlstring(c->L, value.data, value.length);
  lua_rawseti(c->L, -2, 2);
  lua_rawseti(c->L, -2, ++c->count);
  return c->limit == 0 || c->count < c->limit;
}

/* range(table, prefix [, limit [, after]]) -> array of {key, value} in key order */
static int store_range(lua_State *L) {
  mp_error e;
  mp_store *store = mpl_check_store(L, 1);
  mp_table table = check_table(L, 2);
  mp_bytes prefix = check_bytes(L, 3), after = {"", 0};
  collector c = {.L = L, .limit = luaL_optinteger(L, 4, 0)};
  if (!lua_isnoneornil(L, 5)) after = check_bytes(L, 5);
  lua_newtable(L);
  if (mp_store_range(store, table, prefix, after, collect_row, &c, &e) != MP_OK) return raise(L, &e);
  return 1;
}

static bool count_row(void *context, mp_bytes key, mp_bytes value) {
  (void)key;
  (void)value;
  ++*(lua_Integer *)context;
  return true;
}

/* count(table, prefix) -> number of rows */
static int store_count(lua_State *L) {
  mp_error e;
  lua_Integer count = 0;
  int rc = mp_store_range(mpl_check_store(L, 1), check_table(L, 2), check_bytes(L, 3), (mp_bytes){"", 0}, count_row, &count, &e);
  if (rc != MP_OK) return raise(L, &e);
  lua_pushinteger(L, count);
  return 1;
}

/* last(table, prefix) -> the last key that begins with the prefix | nil */
static int store_last(lua_State *L) {
  mp_bytes key;
  mp_error e;
  int rc = mp_store_last(mpl_check_store(L, 1), check_table(L, 2), check_bytes(L, 3), &key, &e);
  if (rc == MP_ENOTFOUND) return 0;
  if (rc != MP_OK) return raise(L, &e);
  lua_pushlstring(L, key.data, key.length);
  return 1;
}

/* put_keypair(name, kp): in the keys environment */
static int store_put_keypair(lua_State *L) {
  mp_error e;
  mp_store *store = mpl_check_store(L, 1);
  const mp_keypair *pair = mpl_check_keypair(L, 3);
  if (mp_store_put(store, MP_TABLE_KEYPAIR, check_bytes(L, 2), (mp_bytes){pair, sizeof *pair}, &e) != MP_OK) return raise(L, &e);
  return 0;
}

/* get_keypair(name) -> kp | nil */
static int store_get_keypair(lua_State *L) {
  mp_error e;
  mp_bytes value;
  mp_keypair pair;
  int rc = mp_store_get(mpl_check_store(L, 1), MP_TABLE_KEYPAIR, check_bytes(L, 2), &value, &e);
  if (rc == MP_ENOTFOUND) return 0;
  if (rc != MP_OK) return raise(L, &e);
  if (value.length != sizeof pair) return luaL_error(L, "the store's key pair is damaged");
  memcpy(&pair, value.data, sizeof pair);
  mpl_push_keypair(L, &pair);
  mp_wipe(&pair, sizeof pair);
  return 1;
}

static lua_Integer waiting(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  lua_pop(L, 1);
  return count;
}

/* Takes what was put on the after-commit list beyond `count` off it. */
static void forget_waiting(lua_State *L, lua_Integer count) {
  lua_getiuservalue(L, 1, 1);
  for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i > count; i--) {
    lua_pushnil(L);
    lua_rawseti(L, -2, i);
  }
  lua_pop(L, 1);
}

/* atomic(fn, ...) -> fn's results; any error rolls back what fn wrote and put on the after-commit list, and goes on */
static int store_atomic(lua_State *L) {
  mp_error e;
  mp_store *store = mpl_check_store(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_Integer before = waiting(L);
  if (mp_store_begin(store, &e) != MP_OK) return raise(L, &e);
  if (lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0) != LUA_OK) {
    mp_store_rollback(store);
    forget_waiting(L, before);
    return lua_error(L);
  }
  if (mp_store_release(store, &e) != MP_OK) return raise(L, &e);
  return lua_gettop(L) - 1;
}

/* after_commit(fn): fn runs when this turn's commit has succeeded, in order */
static int store_after_commit(lua_State *L) {
  mpl_check_store(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  return 0;
}

/* commit() -> true | nil, err; on an error the turn and its after-commit list are gone */
static int store_commit(lua_State *L) {
  mp_error e;
  mp_store *store = mpl_check_store(L, 1);
  int rc = mp_store_commit(store, &e);
  lua_getiuservalue(L, 1, 1);
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  if (count > 0) {
    lua_newtable(L);
    lua_setiuservalue(L, 1, 1);
  }
  if (rc != MP_OK) return mpl_fail(L, &e);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, i);
    mpl_call(L, 0);
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* dirty() -> boolean: whether commit would do anything */
static int store_dirty(lua_State *L) {
  bool dirty = mp_store_dirty(mpl_check_store(L, 1));
  lua_getiuservalue(L, 1, 1);
  lua_pushboolean(L, dirty || lua_rawlen(L, -1) > 0);
  return 1;
}

static int store_path(lua_State *L) {
  lua_pushstring(L, mp_store_path(mpl_check_store(L, 1)));
  return 1;
}

static int store_close(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, STORE);
  if (h->store != NULL) mp_store_close(h->store);
  h->store = NULL;
  return 0;
}

static int store_tostring(lua_State *L) {
  const handle *h = luaL_checkudata(L, 1, STORE);
  lua_pushfstring(L, "%s (%s)", STORE, h->store != NULL ? mp_store_path(h->store) : "closed");
  return 1;
}

static const luaL_Reg methods[] = {
    {"get", store_get},
    {"put", store_put},
    {"delete", store_delete},
    {"range", store_range},
    {"count", store_count},
    {"last", store_last},
    {"put_keypair", store_put_keypair},
    {"get_keypair", store_get_keypair},
    {"atomic", store_atomic},
    {"after_commit", store_after_commit},
    {"commit", store_commit},
    {"dirty", store_dirty},
    {"path", store_path},
    {"close", store_close},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {{"open", store_open}, {NULL, NULL}};

int mpl_open_store(lua_State *L) {
  mpl_new_type(L, STORE, methods, store_close, store_tostring);
  luaL_newlib(L, functions);
  return 1;
}
