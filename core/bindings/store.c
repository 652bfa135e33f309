/* moonpost.core.store: opening, turns, what waits for their commit. Rows are in store_rows.c. */
#include "store.h"

#include <string.h>

#define STORE "moonpost.store"
#define MAP_SIZE_MIN (64 * 1024) /* bytes */

typedef struct {
  mp_store *store;
} handle;

mp_store *mpl_check_store(lua_State *L, int arg) {
  handle *h = luaL_checkudata(L, arg, STORE);
  if (h->store == NULL) luaL_error(L, "the store is closed");
  return h->store;
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

/* open{path=, durability=, map_size=, kind=} -> store | nil, err. path: its folder, relative to the working folder; without one
 * the store is in memory. durability: "power" (the default: every commit is synced) or "process" (survives a killed process
 * only). map_size: most bytes it may grow to (64 GiB). kind: "client" or "world", noted in the store; one of the other kind is
 * refused
 * ("invalid"). err.code: "busy" (in use by another process), "malformed", "truncated",
 * "version", "store", "full". */
static int store_open(lua_State *L) {
  mp_store_options options = {0};
  mp_error e;
  luaL_checktype(L, 1, LUA_TTABLE);
  options.path = path_option(L);
  options.durability = durability_option(L);
  options.map_size = map_size_option(L);
  options.kind = kind_option(L);
  handle *h = lua_newuserdatauv(L, sizeof *h, 1);
  h->store = NULL;
  luaL_setmetatable(L, STORE);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1); /* the after-commit list */
  return mp_store_open(&options, &h->store, &e) == MP_OK ? 1 : mpl_fail(L, &e);
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
  lua_getiuservalue(L, 1, 1);
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

/* close(): drops an open turn and its after-commit list; closing twice is no error */
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
    {"get", mpl_store_get},
    {"put", mpl_store_put},
    {"delete", mpl_store_delete},
    {"range", mpl_store_range},
    {"count", mpl_store_count},
    {"last", mpl_store_last},
    {"put_keypair", mpl_store_put_keypair},
    {"get_keypair", mpl_store_get_keypair},
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
  luaL_newlib(L, functions);
  return 1;
}
