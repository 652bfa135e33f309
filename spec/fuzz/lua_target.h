/* Targets whose decoder lives in a Lua binding: the properties are in spec/fuzz/NAME.lua, which returns fn(bytes, extra). */
#ifndef MOONPOST_SPEC_FUZZ_LUA_TARGET_H
#define MOONPOST_SPEC_FUZZ_LUA_TARGET_H
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "fuzz.h"

int luaopen_moonpost_core(lua_State *L);
int luaopen_cjson_safe(lua_State *L);

static int with_traceback(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

/* A state whose stack holds the message handler and the property. */
static lua_State *open_target(const char *path) {
  lua_State *L = luaL_newstate();
  HOLDS(L != NULL);
  luaL_openlibs(L);
  luaL_requiref(L, "moonpost.core", luaopen_moonpost_core, 0);
  luaL_requiref(L, "cjson.safe", luaopen_cjson_safe, 0);
  lua_settop(L, 0);
  if (luaL_dostring(L, "package.path = '" MOONPOST_ROOT "/?.lua'") || luaL_dofile(L, path)) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    abort();
  }
  lua_pushcfunction(L, with_traceback);
  lua_insert(L, 1);
  return L;
}

/* `extra`: a function for the property, or NULL. */
static void run_target(lua_State *L, const uint8_t *bytes, size_t length, lua_CFunction extra) {
  lua_pushvalue(L, 2);
  lua_pushlstring(L, (const char *)bytes, length);
  if (extra != NULL) lua_pushcfunction(L, extra);
  if (lua_pcall(L, extra != NULL ? 2 : 1, 0, 1) != LUA_OK) {
    fprintf(stderr, "does not hold: %s\n", lua_tostring(L, -1));
    abort();
  }
}

#endif
