/* moonpost.core.store: opening, turns, what waits for their commit. Rows are in store_rows.c. */
#include "store.h"

#include <string.h>

#define STORE "moonpost.store"
#define MAP_SIZE_MIN (64 * 1024) /* bytes */

static const char turns; /* registry: open store -> what waits for the commit of its turn; its handles keep that alive */

static bool is_open(const mpl_store *h) {
  return h->store != NULL && (h->parent == NULL || is_open(h->parent));
}

const mpl_store *mpl_check_store_handle(lua_State *L, int arg) {
  const mpl_store *h = luaL_checkudata(L, arg, STORE);
  if (!is_open(h)) luaL_error(L, "the store is closed");
  return h;
}

mp_store *mpl_check_store(lua_State *L, int arg) {
  return mpl_check_store_handle(L, arg)->store;
}

/* A handle, closed still, with its two user values: what waits for the commit, the handle it was made from. */
static mpl_store *push_handle(lua_State *L) {
  mpl_store *h = lua_newuserdatauv(L, sizeof *h, 2);
  memset(h, 0, sizeof *h);
  luaL_setmetatable(L, STORE);
  return h;
}

/* All handles of an open store share one turn, and so its after-commit list, which stands in a table of its own. */
static void share_turn(lua_State *L, const mpl_store *h) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &turns);
  lua_rawgetp(L, -1, h->store);
  if (lua_isnil(L, -1) || !mp_store_is_shared(h->store)) { /* one that is left was of a store that stood there before */
    lua_pop(L, 1);
    lua_createtable(L, 1, 0);
    lua_newtable(L);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -3, h->store);
  }
  lua_setiuservalue(L, -3, 1);
  lua_pop(L, 1);
}

int mpl_store_raise(lua_State *L, const mp_error *e) {
  mpl_push_error(L, e);
  return lua_error(L);
}

static const char *path_option(lua_State *L) {
  size_t length;
  int type = lua_getfield(L, 1, "path");
  if (type == LUA_TNIL) return NULL;
  if (type != LUA_TSTRING) luaL_error(L, "path: a string expected, got %s", lua_typename(L, type));
  const char *path = lua_tolstring(L, -1, &length);
  if (strlen(path) != length) luaL_error(L, "path: it holds a zero byte");
  return path;
}

static mp_durability durability_option(lua_State *L) {
  int type = lua_getfield(L, 1, "durability");
  const char *name = type == LUA_TSTRING ? lua_tostring(L, -1) : "";
  if (type == LUA_TNIL || strcmp(name, "power") == 0) return MP_DURABLE_POWER;
  if (strcmp(name, "process") != 0) luaL_error(L, "durability: 'power' or 'process' expected");
  return MP_DURABLE_PROCESS;
}

static size_t map_size_option(lua_State *L) {
  int exact, type = lua_getfield(L, 1, "map_size");
  lua_Integer size = lua_tointegerx(L, -1, &exact);
  if (type == LUA_TNIL) return 0;
  if (!exact || size < MAP_SIZE_MIN) luaL_error(L, "map_size: at least %d bytes expected", MAP_SIZE_MIN);
  return (size_t)size;
}

static const char *kind_option(lua_State *L) {
  int type = lua_getfield(L, 1, "kind");
  const char *name = type == LUA_TSTRING ? lua_tostring(L, -1) : "";
  if (type == LUA_TNIL) return NULL;
  if (strcmp(name, MP_STORE_CLIENT) == 0) return MP_STORE_CLIENT;
  if (strcmp(name, MP_STORE_WORLD) != 0) luaL_error(L, "kind: '%s' or '%s' expected", MP_STORE_CLIENT, MP_STORE_WORLD);
  return MP_STORE_WORLD;
}

/* open{path=, durability=, map_size=, kind=, key=, reader=, sealed=} -> store | nil, err. path: its folder, relative to the
 * working folder; without one the store is in memory. durability: "power" (the default: every commit is synced) or "process"
 * (survives a killed process only). map_size: most bytes it may grow to (64 GiB). kind: "client" or "world", noted in the store;
 * one of the other kind is refused ("invalid"). key: what it is sealed with (store.key). reader: beside whoever uses it, for
 * reading alone; with sealed, values stay as they stand in it. err.code: "busy" (in use by another process), "malformed",
 * "truncated", "version", "store", "full", "key" (wrong, missing, or one too many). */
static int store_open(lua_State *L) {
  mp_store_options options = {0};
  mp_error e;
  luaL_checktype(L, 1, LUA_TTABLE);
  options.path = path_option(L);
  options.durability = durability_option(L);
  options.map_size = map_size_option(L);
  options.kind = kind_option(L);
  options.key = mpl_key_option(L, 1, "key");
  options.reader = lua_getfield(L, 1, "reader") != LUA_TNIL && lua_toboolean(L, -1);
  options.sealed = lua_getfield(L, 1, "sealed") != LUA_TNIL && lua_toboolean(L, -1);
  mpl_store *h = push_handle(L);
  if (mp_store_open(&options, &h->store, &e) != MP_OK) return mpl_fail(L, &e);
  share_turn(L, h);
  return 1;
}

/* account(name) -> store: a handle of the same store for another of its accounts, whose rows are its own; "" is the one of a
 * handle that was opened. Turn and after-commit list are shared. It is closed with the handle it was made from. */
static int store_account(lua_State *L) {
  size_t length;
  const mpl_store *parent = mpl_check_store_handle(L, 1);
  const char *scope = luaL_checklstring(L, 2, &length);
  luaL_argcheck(L, memchr(scope, 0, length) == NULL, 2, "an account's name holds no zero byte");
  luaL_argcheck(L, length <= MP_SCOPE_MAX, 2, "an account's name is too long");
  mpl_store *h = push_handle(L);
  h->store = parent->store;
  h->parent = parent;
  memcpy(h->scope, scope, length);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 2);
  lua_getiuservalue(L, 1, 1);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

/* Pushes the after-commit list. */
static void push_waiting(lua_State *L) {
  lua_getiuservalue(L, 1, 1);
  lua_rawgeti(L, -1, 1);
  lua_remove(L, -2);
}

static lua_Integer waiting(lua_State *L) {
  push_waiting(L);
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  lua_pop(L, 1);
  return count;
}

/* Takes what was put on the after-commit list beyond `count` off it. */
static void forget_waiting(lua_State *L, lua_Integer count) {
  push_waiting(L);
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
  if (mp_store_begin(store, &e) != MP_OK) return mpl_store_raise(L, &e);
  if (lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0) != LUA_OK) {
    mp_store_rollback(store);
    forget_waiting(L, before);
    return lua_error(L);
  }
  if (mp_store_release(store, &e) != MP_OK) {
    forget_waiting(L, before);
    return mpl_store_raise(L, &e);
  }
  return lua_gettop(L) - 1;
}

/* after_commit(fn): fn runs when this turn's commit has succeeded, in order */
static int store_after_commit(lua_State *L) {
  mpl_check_store(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  push_waiting(L);
  lua_pushvalue(L, 2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  return 0;
}

/* commit() -> true | nil, err: ends the turn, then runs its after-commit list; on an error both are gone. Raises inside atomic.
 */
static int store_commit(lua_State *L) {
  mp_error e;
  mp_store *store = mpl_check_store(L, 1);
  int rc = mp_store_commit(store, &e);
  if (rc == MP_EINVAL) return luaL_error(L, "%s", e.message);
  push_waiting(L);
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  if (count > 0) {
    lua_getiuservalue(L, 1, 1);
    lua_newtable(L);
    lua_rawseti(L, -2, 1);
    lua_pop(L, 1);
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
  lua_pushboolean(L, dirty || waiting(L) > 0);
  return 1;
}

/* path() -> its folder as it was given, or "(memory)" */
static int store_path(lua_State *L) {
  lua_pushstring(L, mp_store_path(mpl_check_store(L, 1)));
  return 1;
}

/* identity() -> light userdata: the same for all handles of one open store */
static int store_identity(lua_State *L) {
  lua_pushlightuserdata(L, mpl_check_store(L, 1));
  return 1;
}

/* close(): the last handle of a store that was opened drops an open turn and its after-commit list; closing twice is no error */
static int store_close(lua_State *L) {
  mpl_store *h = luaL_checkudata(L, 1, STORE);
  if (h->store != NULL && h->parent == NULL) mp_store_close(h->store);
  h->store = NULL;
  return 0;
}

static int store_tostring(lua_State *L) {
  const mpl_store *h = luaL_checkudata(L, 1, STORE);
  lua_pushfstring(L, "%s (%s)", STORE, is_open(h) ? mp_store_path(h->store) : "closed");
  return 1;
}

static const luaL_Reg methods[] = {
    {"get", mpl_store_get},
    {"put", mpl_store_put},
    {"delete", mpl_store_delete},
    {"range", mpl_store_range},
    {"count", mpl_store_count},
    {"last", mpl_store_last},
    {"put_keypair", mpl_store_put_keypair},
    {"get_keypair", mpl_store_get_keypair},
    {"account", store_account},
    {"accounts", mpl_store_accounts},
    {"atomic", store_atomic},
    {"after_commit", store_after_commit},
    {"commit", store_commit},
    {"dirty", store_dirty},
    {"path", store_path},
    {"identity", store_identity},
    {"close", store_close},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {{"open", store_open}, {NULL, NULL}};

int mpl_open_store(lua_State *L) {
  mpl_new_type(L, STORE, methods, store_close, store_tostring);
  luaL_getmetatable(L, STORE);
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, mpl_store_tools, 0);
  lua_pop(L, 2);
  lua_createtable(L, 0, 1);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &turns);
  luaL_newlib(L, functions);
  mpl_open_store_key(L);
  mpl_open_store_child(L);
  return 1;
}
