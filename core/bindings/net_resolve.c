/* Looking up host names. */
#include <stdlib.h>

#include "net.h"

typedef struct {
  lua_State *L;
  int ref; /* the function */
} waiter;

static void on_done(void *user, const char (*addresses)[MP_ADDRESS_SIZE], size_t count, const mp_error *reason) {
  waiter *w = user;
  lua_State *L = w->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, w->ref);
  luaL_unref(L, LUA_REGISTRYINDEX, w->ref);
  free(w);
  if (reason != NULL) {
    lua_pushnil(L);
    mpl_push_error(L, reason);
    mpl_call(L, 2);
    return;
  }
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    lua_pushstring(L, addresses[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  mpl_call(L, 1);
}

/* resolve(host, fn(addresses | nil, err)) -> true | nil, err: the numeric addresses of a host name, in the order to try them */
static int net_resolve(lua_State *L) {
  mp_error e;
  const char *host = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  waiter *w = malloc(sizeof *w);
  if (w == NULL) return luaL_error(L, "no memory for a lookup");
  w->L = mpl_main(L);
  lua_pushvalue(L, 2);
  w->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  if (mp_resolve(host, on_done, w, &e) != MP_OK) {
    luaL_unref(L, LUA_REGISTRYINDEX, w->ref);
    free(w);
    return mpl_fail(L, &e);
  }
  lua_pushboolean(L, 1);
  return 1;
}

void mpl_open_net_resolve(lua_State *L) {
  static const luaL_Reg functions[] = {{"resolve", net_resolve}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
