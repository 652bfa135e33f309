/* The `moonpost` executable: Lua 5.4 with the core module and the Lua files built in; hands the command line to moonpost.cli. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/pool.h"
#include "embedded.h"

int luaopen_moonpost_core(lua_State *L);
int luaopen_cjson_safe(lua_State *L); /* Debian's header declares luaopen_cjson only */

/* A file that was read in is not read again: its pages, clean ones of the executable's, need not stay with this process. A system
 * with larger pages keeps them. */
static void let_go_of_files(void) {
  madvise((void *)(uintptr_t)mp_embedded_bytes, mp_embedded_length, MADV_DONTNEED);
}

/* A searcher like those of package.searchers: the files built in come before the file system. */
static int search_embedded(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  for (const mp_embedded_file *file = mp_embedded_files; file->module != NULL; file++) {
    if (strcmp(file->module, name) != 0) continue;
    char chunk_name[128];
    snprintf(chunk_name, sizeof chunk_name, "=%s", name);
    const char *chunk = (const char *)mp_embedded_bytes + file->offset;
    if (luaL_loadbufferx(L, chunk, file->length, chunk_name, "b") != LUA_OK) return lua_error(L);
    let_go_of_files();
    lua_pushfstring(L, "%s (built in)", name);
    return 2;
  }
  lua_pushfstring(L, "no built-in file '%s'", name);
  return 1;
}

static void install_searcher(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  lua_pushcfunction(L, luaopen_moonpost_core);
  lua_setfield(L, -2, "moonpost.core");
  lua_pushcfunction(L, luaopen_cjson_safe);
  lua_setfield(L, -2, "cjson.safe");
  lua_pop(L, 1);
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 2; i--) {
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushcfunction(L, search_embedded);
  lua_rawseti(L, -2, 2);
  lua_pop(L, 2);
}

static int traceback(lua_State *L) {
  const char *message = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  return 1;
}

/* Runs require("moonpost.cli").main(arg...) and leaves its exit code on the stack. */
static int run(lua_State *L) {
  int argc = (int)lua_tointeger(L, 1);
  char **argv = lua_touserdata(L, 2);
  luaL_openlibs(L);
  install_searcher(L);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "moonpost.cli");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "main");
  luaL_checkstack(L, argc, "too many arguments");
  for (int i = 1; i < argc; i++) lua_pushstring(L, argv[i]);
  lua_call(L, argc - 1, 1);
  return 1;
}

/* Lua's warn(): on standard error, once a script has switched it on with warn "@on". */
static void warning(void *on, const char *message, int continued) {
  static bool within;
  bool *shown = on;
  bool control = !within && !continued && message[0] == '@';
  if (control) {
    if (strcmp(message, "@on") == 0) *shown = true;
    if (strcmp(message, "@off") == 0) *shown = false;
    return;
  }
  if (*shown) fprintf(stderr, "%s%s%s", within ? "" : "Lua warning: ", message, continued ? "" : "\n");
  within = continued;
}

int main(int argc, char **argv) {
  static mp_pool pool;
  static bool warnings;
  lua_State *L = lua_newstate(mp_pool_resize, &pool);
  if (L == NULL) {
    fputs("moonpost: out of memory\n", stderr);
    return 1;
  }
  lua_setwarnf(L, warning, &warnings);
  lua_pushcfunction(L, traceback);
  lua_pushcfunction(L, run);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  int code = 1;
  if (lua_pcall(L, 2, 1, 1) == LUA_OK) {
    code = (int)lua_tointeger(L, -1);
  } else {
    fprintf(stderr, "moonpost: %s\n", lua_tostring(L, -1));
  }
  lua_close(L);
  mp_pool_free(&pool);
  return code;
}
