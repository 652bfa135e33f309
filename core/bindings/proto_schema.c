/* The schema as Lua sees it: which messages and enums there are, and what they hold. */
#include "proto.h"

/* Enums stand in messages of their own name, which are no messages of the schema. */
static bool wraps_enum(const ProtobufCMessageDescriptor *message) {
  return message->n_fields == 0 && mp_schema_enum(mp_schema_name(message)) != NULL;
}

static void push_enum_name(lua_State *L, const ProtobufCEnumDescriptor *type) {
  size_t length;
  const char *name = mp_schema_enum_name(type, &length);
  lua_pushlstring(L, name, length);
}

/* messages() -> array of the names of all messages */
int mpl_proto_messages(lua_State *L) {
  lua_Integer count = 0;
  lua_newtable(L);
  for (size_t i = 0; mp_schema_messages[i] != NULL; i++) {
    if (wraps_enum(mp_schema_messages[i])) continue;
    lua_pushstring(L, mp_schema_name(mp_schema_messages[i]));
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

/* enums() -> array of the names of all enums */
int mpl_proto_enums(lua_State *L) {
  lua_newtable(L);
  for (size_t i = 0; mp_schema_enums[i] != NULL; i++) {
    push_enum_name(L, mp_schema_enums[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* enum(name) -> {NAME = number, ...}; raises when there is none of that name */
int mpl_proto_enum(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const ProtobufCEnumDescriptor *found = mp_schema_enum(name);
  if (found == NULL) return luaL_argerror(L, 1, lua_pushfstring(L, "the schema has no enum '%s'", name));
  lua_createtable(L, 0, (int)found->n_value_names);
  for (unsigned i = 0; i < found->n_value_names; i++) {
    lua_pushinteger(L, found->values[found->values_by_name[i].index].value);
    lua_setfield(L, -2, found->values_by_name[i].name);
  }
  return 1;
}

static void push_type(lua_State *L, const ProtobufCFieldDescriptor *field) {
  static const char *const types[] = {"int32",  "sint32",  "sfixed32", "int64",   "sint64", "sfixed64",
                                      "uint32", "fixed32", "uint64",   "fixed64", "float",  "double",
                                      "bool",   "enum",    "string",   "bytes",   "message"};
  lua_pushstring(L, types[field->type]);
  lua_setfield(L, -2, "type");
  if (field->type == PROTOBUF_C_TYPE_MESSAGE)
    lua_pushstring(L, mp_schema_name(field->descriptor));
  else if (field->type == PROTOBUF_C_TYPE_ENUM)
    push_enum_name(L, field->descriptor);
  else
    return;
  lua_setfield(L, -2, "of");
}

/* fields(name) -> array in order of number of {name=, number=, label=, type=, of=, packed=, oneof=}: label "required", "optional"
 * or "repeated"; `of` the name of the message or enum; `oneof` the same number in fields of which only one may be set. Raises
 * when there is no such message. */
int mpl_proto_fields(lua_State *L) {
  static const char *const labels[] = {"required", "optional", "repeated", "optional"};
  const ProtobufCMessageDescriptor *message = mpl_proto_check_message(L, 1);
  lua_createtable(L, (int)message->n_fields, 0);
  for (unsigned i = 0; i < message->n_fields; i++) {
    const ProtobufCFieldDescriptor *field = &message->fields[i];
    lua_createtable(L, 0, 5);
    lua_pushstring(L, field->name);
    lua_setfield(L, -2, "name");
    lua_pushinteger(L, field->id);
    lua_setfield(L, -2, "number");
    lua_pushstring(L, labels[field->label]);
    lua_setfield(L, -2, "label");
    push_type(L, field);
    lua_pushboolean(L, (field->flags & PROTOBUF_C_FIELD_FLAG_PACKED) != 0);
    lua_setfield(L, -2, "packed");
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
      lua_pushinteger(L, field->quantifier_offset);
      lua_setfield(L, -2, "oneof");
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}
