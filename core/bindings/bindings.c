#include "bindings.h"

static int error_tostring(lua_State *L) {
  lua_getfield(L, 1, "message");
  return 1;
}

void mpl_push_error(lua_State *L, const mp_error *e) {
  lua_createtable(L, 0, 2);
  lua_pushstring(L, mp_error_name(e->code));
  lua_setfield(L, -2, "code");
  lua_pushstring(L, e->message);
  lua_setfield(L, -2, "message");
  if (luaL_newmetatable(L, "moonpost.error")) {
    lua_pushcfunction(L, error_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushliteral(L, "moonpost.error");
    lua_setfield(L, -2, "__name");
  }
  lua_setmetatable(L, -2);
}

int mpl_fail(lua_State *L, const mp_error *e) {
  lua_pushnil(L);
  mpl_push_error(L, e);
  return 2;
}

void mpl_new_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close, lua_CFunction tostring) {
  luaL_newmetatable(L, name);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, close);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, close);
  lua_setfield(L, -2, "__close");
  lua_pushcfunction(L, tostring);
  lua_setfield(L, -2, "__tostring");
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

static const char error_handler_key;

void mpl_set_error_handler(lua_State *L, int arg) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &error_handler_key);
  lua_pushvalue(L, arg);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &error_handler_key);
}

static int add_traceback(lua_State *L) {
  if (lua_isstring(L, 1)) luaL_traceback(L, L, lua_tostring(L, 1), 1);
  return 1;
}

static void report(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &error_handler_key) == LUA_TFUNCTION) {
    lua_pushvalue(L, -2);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK) return;
  }
  lua_pop(L, 1);
  lua_writestringerror("moonpost: error in a callback: %s\n", luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
}

bool mpl_call(lua_State *L, int args) {
  int base = lua_gettop(L) - args;
  lua_pushcfunction(L, add_traceback);
  lua_insert(L, base);
  bool ok = lua_pcall(L, args, 0, base) == LUA_OK;
  if (!ok) report(L);
  lua_settop(L, base - 1);
  return ok;
}

static int free_buffer(lua_State *L) {
  mp_buffer_free(lua_touserdata(L, 1));
  return 0;
}

mp_buffer *mpl_output(lua_State *L) {
  static const char key;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) != LUA_TUSERDATA) {
    lua_pop(L, 1);
    mp_buffer_init(lua_newuserdatauv(L, sizeof(mp_buffer), 0), 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, free_buffer);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
  }
  mp_buffer *out = lua_touserdata(L, -1);
  lua_pop(L, 1);
  if (out->capacity > 1024 * 1024) mp_buffer_free(out);
  out->length = 0;
  return out;
}

/* core.error(code, message) -> error object of the same kind as those from C. */
static int make_error(lua_State *L) {
  luaL_checkstring(L, 1);
  luaL_checkstring(L, 2);
  mp_error e = {.code = MP_EINVAL};
  e.message[0] = 0;
  mpl_push_error(L, &e);
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "code");
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "message");
  return 1;
}

static const luaL_Reg rooms[] = {
    {"wire", mpl_open_wire},
    {"proto", mpl_open_proto},
    {"crypto", mpl_open_crypto},
    {"noise", mpl_open_noise},
    {"store", mpl_open_store},
    {"signal", mpl_open_signal},
    {"net", mpl_open_net},
    {"qr", mpl_open_qr},
    {"syncd", mpl_open_syncd},
    {"media", mpl_open_media},
    {"history", mpl_open_history},
    {"system", mpl_open_system},
    {NULL, NULL},
};

int luaopen_moonpost_core(lua_State *L) {
  lua_newtable(L);
  for (const luaL_Reg *room = rooms; room->name != NULL; room++) {
    lua_pushcfunction(L, room->func);
    lua_call(L, 0, 1);
    lua_setfield(L, -2, room->name);
  }
  lua_pushcfunction(L, make_error);
  lua_setfield(L, -2, "error");
  lua_pushliteral(L, MOONPOST_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
