/* Lua tables to protobuf bytes, straight from the descriptors; fields in number order, the unknown ones among them. */
#include <limits.h>
#include <string.h>

#include "base/limits.h"
#include "proto.h"
#include "wire/utf8.h"

#define FIELDS_MAX 160 /* more keys than any message of the schema has fields */

typedef struct {
  mpl_proto p;
  mp_buffer *out;
} encoder;

static bool encode_message(encoder *e, const ProtobufCMessageDescriptor *message, int table);

static bool out_of_memory(encoder *e, int rc) {
  return rc == MP_OK || mpl_proto_fail(&e->p, rc, "no memory for the encoded message");
}

static bool write_enum(encoder *e, const ProtobufCFieldDescriptor *field) {
  lua_State *L = e->p.L;
  int32_t number;
  if (lua_type(L, -1) == LUA_TSTRING) {
    const char *name = lua_tostring(L, -1);
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(field->descriptor, name);
    if (value == NULL) return mpl_proto_fail(&e->p, MP_EINVAL, "'%.60s' is no value of this enum", name);
    number = value->value;
  } else {
    int exact;
    lua_Integer integer = lua_tointegerx(L, -1, &exact);
    if (!exact || integer < INT32_MIN || integer > INT32_MAX)
      return mpl_proto_fail(&e->p, MP_EINVAL, "an enum name or number is expected");
    number = (int32_t)integer;
  }
  return out_of_memory(e, mp_proto_write_varint(e->out, (uint64_t)(int64_t)number));
}

static bool in_range(ProtobufCType type, lua_Integer value) {
  switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
      return value >= INT32_MIN && value <= INT32_MAX;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
      return value >= 0 && value <= UINT32_MAX;
    default:
      return true;
  }
}

static bool write_integer(encoder *e, const ProtobufCFieldDescriptor *field) {
  int exact;
  lua_Integer value = lua_tointegerx(e->p.L, -1, &exact);
  if (lua_type(e->p.L, -1) != LUA_TNUMBER)
    return mpl_proto_fail(&e->p, MP_EINVAL, "an integer is expected, got %s", luaL_typename(e->p.L, -1));
  if (!exact) return mpl_proto_fail(&e->p, MP_EINVAL, "an integer is expected, got %.14g", lua_tonumber(e->p.L, -1));
  if (!in_range(field->type, value)) return mpl_proto_fail(&e->p, MP_EINVAL, "%lld does not fit the field", (long long)value);
  switch (field->type) {
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SINT64:
      return out_of_memory(e, mp_proto_write_varint(e->out, (uint64_t)value << 1 ^ (uint64_t)(value >> 63)));
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
      return out_of_memory(e, mp_proto_write_fixed(e->out, 4, (uint64_t)value));
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
      return out_of_memory(e, mp_proto_write_fixed(e->out, 8, (uint64_t)value));
    default:
      return out_of_memory(e, mp_proto_write_varint(e->out, (uint64_t)value));
  }
}

static bool write_float(encoder *e, const ProtobufCFieldDescriptor *field) {
  if (lua_type(e->p.L, -1) != LUA_TNUMBER)
    return mpl_proto_fail(&e->p, MP_EINVAL, "a number is expected, got %s", luaL_typename(e->p.L, -1));
  double full = lua_tonumber(e->p.L, -1);
  if (field->type == PROTOBUF_C_TYPE_FLOAT) {
    float single = (float)full;
    uint32_t raw;
    memcpy(&raw, &single, sizeof raw);
    return out_of_memory(e, mp_proto_write_fixed(e->out, 4, raw));
  }
  uint64_t raw;
  memcpy(&raw, &full, sizeof raw);
  return out_of_memory(e, mp_proto_write_fixed(e->out, 8, raw));
}

static bool write_text(encoder *e, const ProtobufCFieldDescriptor *field) {
  size_t length;
  if (lua_type(e->p.L, -1) != LUA_TSTRING)
    return mpl_proto_fail(&e->p, MP_EINVAL, "a string is expected, got %s", luaL_typename(e->p.L, -1));
  const char *bytes = lua_tolstring(e->p.L, -1, &length);
  if (field->type == PROTOBUF_C_TYPE_STRING) {
    size_t good = mp_utf8_prefix((const uint8_t *)bytes, length);
    if (good < length) return mpl_proto_fail(&e->p, MP_EINVAL, "the text is not UTF-8 (byte %zu)", good + 1);
  }
  return out_of_memory(e, mp_proto_write_bytes(e->out, bytes, length));
}

static bool write_submessage(encoder *e, const ProtobufCFieldDescriptor *field) {
  size_t mark;
  if (!lua_istable(e->p.L, -1)) return mpl_proto_fail(&e->p, MP_EINVAL, "a table is expected, got %s", luaL_typename(e->p.L, -1));
  if (!out_of_memory(e, mp_proto_begin(e->out, &mark))) return false;
  if (!encode_message(e, field->descriptor, lua_gettop(e->p.L))) return false;
  return out_of_memory(e, mp_proto_end(e->out, mark));
}

/* Writes the value on top of the stack, without its tag. */
static bool write_value(encoder *e, const ProtobufCFieldDescriptor *field) {
  switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
      if (!lua_isboolean(e->p.L, -1))
        return mpl_proto_fail(&e->p, MP_EINVAL, "a boolean is expected, got %s", luaL_typename(e->p.L, -1));
      return out_of_memory(e, mp_buffer_push(e->out, (uint8_t)lua_toboolean(e->p.L, -1)));
    case PROTOBUF_C_TYPE_ENUM:
      return write_enum(e, field);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
      return write_text(e, field);
    case PROTOBUF_C_TYPE_MESSAGE:
      return write_submessage(e, field);
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
      return write_float(e, field);
    default:
      return write_integer(e, field);
  }
}

static bool write_repeated(encoder *e, const ProtobufCFieldDescriptor *field) {
  lua_State *L = e->p.L;
  size_t mark = 0;
  bool packed = field->flags & PROTOBUF_C_FIELD_FLAG_PACKED;
  if (!lua_istable(L, -1)) return mpl_proto_fail(&e->p, MP_EINVAL, "an array is expected, got %s", luaL_typename(L, -1));
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  if (packed && count > 0) {
    if (!out_of_memory(e, mp_proto_write_tag(e->out, field->id, MP_PROTO_BYTES))) return false;
    if (!out_of_memory(e, mp_proto_begin(e->out, &mark))) return false;
  }
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, -1, i);
    if (!packed && !out_of_memory(e, mp_proto_write_tag(e->out, field->id, mp_schema_wire_type(field->type)))) return false;
    if (!write_value(e, field)) return false;
    lua_pop(L, 1);
  }
  return !packed || count == 0 || out_of_memory(e, mp_proto_end(e->out, mark));
}

/* The indexes of the fields that are set, in number order; -1 after an error. The names table is on top of the stack. */
static int collect(encoder *e, int table, uint16_t *indexes) {
  lua_State *L = e->p.L;
  int count = 0, names = lua_gettop(L);
  lua_pushnil(L);
  while (lua_next(L, table) != 0) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) {
      mpl_proto_fail(&e->p, MP_EINVAL, "a field's name is expected, got a %s", luaL_typename(L, -1));
      return -1;
    }
    lua_pushvalue(L, -1);
    if (lua_rawget(L, names) == LUA_TNUMBER && count < FIELDS_MAX) {
      uint16_t index = (uint16_t)lua_tointeger(L, -1);
      int at = count++;
      for (; at > 0 && indexes[at - 1] > index; at--) indexes[at] = indexes[at - 1];
      indexes[at] = index;
    } else if (strcmp(lua_tostring(L, -2), "_unknown") != 0) {
      mpl_proto_fail(&e->p, MP_EINVAL, "there is no field '%.60s'", lua_tostring(L, -2));
      return -1;
    }
    lua_pop(L, 1);
  }
  return count;
}

static bool write_unknown(encoder *e, mpl_proto_unknown *unknown, uint32_t below) {
  for (; unknown->next < unknown->count && unknown->fields[unknown->next].number < below; unknown->next++) {
    const mpl_proto_unknown_field *field = &unknown->fields[unknown->next];
    if (!out_of_memory(e, mp_buffer_append(e->out, field->at, field->length))) return false;
  }
  return true;
}

/* Writes a field with its tag; its value is on top of the stack. */
static bool write_field(encoder *e, const ProtobufCFieldDescriptor *field) {
  if (field->label == PROTOBUF_C_LABEL_REPEATED) return write_repeated(e, field);
  return out_of_memory(e, mp_proto_write_tag(e->out, field->id, mp_schema_wire_type(field->type))) && write_value(e, field);
}

static bool encode_message(encoder *e, const ProtobufCMessageDescriptor *message, int table) {
  lua_State *L = e->p.L;
  uint16_t indexes[FIELDS_MAX];
  mpl_proto_unknown unknown;
  if (++e->p.depth > MP_PROTO_DEPTH_MAX)
    return mpl_proto_fail(&e->p, MP_ELIMIT, "nested deeper than %d messages", MP_PROTO_DEPTH_MAX);
  if (!lua_checkstack(L, 10)) return mpl_proto_fail(&e->p, MP_ENOMEM, "no room on the Lua stack");
  mpl_proto_push_names(L, message);
  int names = lua_gettop(L), count = collect(e, table, indexes);
  if (count < 0 || !mpl_proto_list_unknown(&e->p, table, &unknown)) return false;
  for (int i = 0; i < count; i++) {
    const ProtobufCFieldDescriptor *field = &message->fields[indexes[i]];
    if (!write_unknown(e, &unknown, field->id)) return false;
    lua_rawgeti(L, names, indexes[i] + 1);
    lua_rawget(L, table);
    if (!write_field(e, field)) return mpl_proto_in(&e->p, field->name);
    lua_pop(L, 1);
  }
  if (!write_unknown(e, &unknown, UINT32_MAX)) return false;
  lua_settop(L, names - 1);
  e->p.depth--;
  return true;
}

/* encode(name, table) -> bytes | nil, err. Takes what decode gives, enums by name or number. Fields are written in number order;
 * a text that is not UTF-8 is refused. */
int mpl_proto_encode(lua_State *L) {
  const ProtobufCMessageDescriptor *message = mpl_proto_check_message(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  encoder e = {.p = {.L = L}, .out = mpl_output(L)};
  if (!encode_message(&e, message, 2)) return mpl_proto_raise(&e.p, message);
  lua_pushlstring(L, (const char *)e.out->data, e.out->length);
  return 1;
}
