#include "proto.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mpl_proto_push_names(lua_State *L, const ProtobufCMessageDescriptor *message) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, message) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_createtable(L, (int)message->n_fields, (int)message->n_fields);
  for (unsigned i = 0; i < message->n_fields; i++) {
    lua_pushstring(L, message->fields[i].name);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, i + 1);
    lua_pushinteger(L, i);
    lua_rawset(L, -3);
  }
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, message);
}

const ProtobufCMessageDescriptor *mpl_proto_check_message(lua_State *L, int arg) {
  static const char cache; /* name -> descriptor, so that a name is looked for once */
  luaL_checkstring(L, arg);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &cache) != LUA_TTABLE) {
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &cache);
    lua_remove(L, -2);
  }
  lua_pushvalue(L, arg);
  if (lua_rawget(L, -2) != LUA_TLIGHTUSERDATA) {
    const ProtobufCMessageDescriptor *found = mp_schema_message(lua_tostring(L, arg));
    if (found == NULL) luaL_argerror(L, arg, lua_pushfstring(L, "the schema has no message '%s'", lua_tostring(L, arg)));
    lua_pop(L, 1);
    lua_pushvalue(L, arg);
    lua_pushlightuserdata(L, (void *)found);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return found;
  }
  const ProtobufCMessageDescriptor *message = lua_touserdata(L, -1);
  lua_pop(L, 2);
  return message;
}

bool mpl_proto_fail(mpl_proto *p, int code, const char *format, ...) {
  va_list args;
  va_start(args, format);
  p->error.code = code;
  vsnprintf(p->error.message, sizeof p->error.message, format, args);
  va_end(args);
  p->path[0] = 0;
  return false;
}

bool mpl_proto_in(mpl_proto *p, const char *name) {
  char longer[sizeof p->path];
  snprintf(longer, sizeof longer, "%.120s%s%.120s", name, p->path[0] != 0 ? "." : "", p->path);
  memcpy(p->path, longer, sizeof longer);
  return false;
}

int mpl_proto_raise(mpl_proto *p, const ProtobufCMessageDescriptor *message) {
  mp_error full;
  mp_fail(&full, p->error.code, "%s%s%s: %.150s", mp_schema_name(message), p->path[0] != 0 ? "." : "", p->path, p->error.message);
  return mpl_fail(p->L, &full);
}

static const luaL_Reg functions[] = {
    {"decode", mpl_proto_decode},
    {"encode", mpl_proto_encode},
    {"enum", mpl_proto_enum},
    {"enums", mpl_proto_enums},
    {"fields", mpl_proto_fields},
    {"messages", mpl_proto_messages},
    {NULL, NULL},
};

int mpl_open_proto(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
