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
    luaL_argcheck(L, found != NULL, arg, "the schema has no such message");
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

/* enum(name) -> {NAME = number, ...} */
static int proto_enum(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const ProtobufCEnumDescriptor *found = mp_schema_enum(name);
  luaL_argcheck(L, found != NULL, 1, "the schema has no such enum");
  lua_createtable(L, 0, (int)found->n_value_names);
  for (unsigned i = 0; i < found->n_value_names; i++) {
    lua_pushinteger(L, found->values[found->values_by_name[i].index].value);
    lua_setfield(L, -2, found->values_by_name[i].name);
  }
  return 1;
}

/* fields(name) -> array of {name=, number=, label=, type=}: what the schema holds, for checks. */
static int proto_fields(lua_State *L) {
  static const char *const types[] = {"int32",  "sint32",  "sfixed32", "int64",   "sint64", "sfixed64",
                                      "uint32", "fixed32", "uint64",   "fixed64", "float",  "double",
                                      "bool",   "enum",    "string",   "bytes",   "message"};
  static const char *const labels[] = {"required", "optional", "repeated", "none"};
  const ProtobufCMessageDescriptor *message = mp_schema_message(luaL_checkstring(L, 1));
  if (message == NULL) return 0;
  lua_createtable(L, (int)message->n_fields, 0);
  for (unsigned i = 0; i < message->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->fields[i];
    lua_createtable(L, 0, 4);
    lua_pushstring(L, field->name);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, field->id);
    lua_setfield(L, -2, "number");
    lua_pushstring(L, labels[field->label]);
    lua_setfield(L, -2, "label");
    lua_pushstring(L, types[field->type]);
    lua_setfield(L, -2, "type");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static const luaL_Reg functions[] = {
    {"decode", mpl_proto_decode}, {"encode", mpl_proto_encode}, {"enum", proto_enum}, {"fields", proto_fields}, {NULL, NULL},
};

int mpl_open_proto(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
