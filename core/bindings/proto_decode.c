/* Protobuf bytes to Lua tables, straight from the descriptors. */
#include <string.h>

#include "base/limits.h"
#include "proto.h"

static bool decode_message(mpl_proto *p, const ProtobufCMessageDescriptor *message, mp_proto_span span);

static int wire_type(ProtobufCType type) {
  switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
      return MP_PROTO_FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
      return MP_PROTO_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
      return MP_PROTO_BYTES;
    default:
      return MP_PROTO_VARINT;
  }
}

static void push_enum(lua_State *L, const ProtobufCEnumDescriptor *type, int32_t number) {
  const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, number);
  if (value != NULL) {
    lua_pushstring(L, value->name);
  } else {
    lua_pushinteger(L, number); /* newer than our schema: kept as it is */
  }
}

static int64_t zigzag(uint64_t raw) {
  return (int64_t)(raw >> 1) ^ -(int64_t)(raw & 1);
}

static void push_number(lua_State *L, const ProtobufCFieldDescriptor *field, uint64_t raw) {
  float single;
  double full;
  uint32_t low = (uint32_t)raw;
  switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
      lua_pushboolean(L, raw != 0);
      break;
    case PROTOBUF_C_TYPE_ENUM:
      push_enum(L, field->descriptor, (int32_t)low);
      break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SFIXED32:
      lua_pushinteger(L, (int32_t)low);
      break;
    case PROTOBUF_C_TYPE_SINT32:
      lua_pushinteger(L, (int32_t)zigzag(low));
      break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
      lua_pushinteger(L, low);
      break;
    case PROTOBUF_C_TYPE_SINT64:
      lua_pushinteger(L, zigzag(raw));
      break;
    case PROTOBUF_C_TYPE_FLOAT:
      memcpy(&single, &low, sizeof single);
      lua_pushnumber(L, single);
      break;
    case PROTOBUF_C_TYPE_DOUBLE:
      memcpy(&full, &raw, sizeof full);
      lua_pushnumber(L, full);
      break;
    default:
      lua_pushinteger(L, (lua_Integer)raw);
      break; /* 64-bit integers wrap, exactly */
  }
}

static bool read_number(mp_proto_span *span, int type, uint64_t *raw) {
  if (type == MP_PROTO_VARINT) return mp_proto_read_varint(span, raw);
  return mp_proto_read_fixed(span, type == MP_PROTO_FIXED64 ? 8 : 4, raw);
}

/* The stack here and below: message table, names. Puts the array of a repeated field on top, making it when it is new. */
static void push_array(lua_State *L, unsigned index) {
  lua_rawgeti(L, -1, index + 1);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -4) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -6);
  }
  lua_remove(L, -2);
}

static bool decode_packed(mpl_proto *p, const ProtobufCFieldDescriptor *field, unsigned index, mp_proto_span content) {
  lua_State *L = p->L;
  int type = wire_type(field->type);
  if (content.at == content.end) return true; /* no element: the field stays unset */
  push_array(L, index);
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  while (content.at < content.end) {
    uint64_t raw;
    if (!read_number(&content, type, &raw)) return mpl_proto_fail(p, MP_ETRUNCATED, "a packed list ends too early");
    push_number(L, field, raw);
    lua_rawseti(L, -2, ++count);
  }
  lua_pop(L, 1);
  return true;
}

/* Pushes the value of one field, not packed. A singular message that came before is merged into. */
static bool push_value(mpl_proto *p, const ProtobufCFieldDescriptor *field, unsigned index, int type, mp_proto_span *span) {
  lua_State *L = p->L;
  mp_proto_span content;
  uint64_t raw;
  if (type != MP_PROTO_BYTES) {
    if (!read_number(span, type, &raw)) return mpl_proto_fail(p, MP_ETRUNCATED, "the number ends too early or is too long");
    push_number(L, field, raw);
    return true;
  }
  if (!mp_proto_read_bytes(span, &content)) return mpl_proto_fail(p, MP_ETRUNCATED, "the length goes beyond the data");
  if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
    lua_pushlstring(L, (const char *)content.at, (size_t)(content.end - content.at));
    return true;
  }
  int found = LUA_TNIL;
  if (field->label != PROTOBUF_C_LABEL_REPEATED) {
    lua_rawgeti(L, -1, index + 1);
    found = lua_rawget(L, -3);
    if (found != LUA_TTABLE) lua_pop(L, 1);
  }
  if (found != LUA_TTABLE) lua_createtable(L, 0, 2);
  return decode_message(p, field->descriptor, content);
}

static void clear_oneof(lua_State *L, const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field) {
  for (unsigned i = 0; i < message->n_fields; i++) {
    const ProtobufCFieldDescriptor *other = &message->fields[i];
    if (other == field || !(other->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) || other->quantifier_offset != field->quantifier_offset)
      continue;
    lua_rawgeti(L, -1, i + 1);
    lua_pushnil(L);
    lua_rawset(L, -4);
  }
}

static bool decode_field(mpl_proto *p, const ProtobufCMessageDescriptor *message, unsigned index, int type, mp_proto_span *span) {
  lua_State *L = p->L;
  const ProtobufCFieldDescriptor *field = &message->fields[index];
  bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
  if (repeated && type == MP_PROTO_BYTES && wire_type(field->type) != MP_PROTO_BYTES) {
    mp_proto_span content;
    if (!mp_proto_read_bytes(span, &content)) return mpl_proto_fail(p, MP_ETRUNCATED, "the length goes beyond the data");
    return decode_packed(p, field, index, content);
  }
  if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) clear_oneof(L, message, field);
  if (!push_value(p, field, index, type, span)) return false;
  if (repeated) {
    lua_insert(L, -2); /* value under names: push_array wants names on top, the table below it */
    lua_pushvalue(L, -3);
    lua_pushvalue(L, -2);
    push_array(L, index);
    lua_pushvalue(L, -5);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    lua_pop(L, 3);
    lua_remove(L, -2);
  } else {
    lua_rawgeti(L, -2, index + 1);
    lua_insert(L, -2);
    lua_rawset(L, -4);
  }
  return true;
}

/* The index of a known field whose wire type fits; -1 keeps the field as unknown. */
static int find_field(const ProtobufCMessageDescriptor *message, uint32_t number, int type) {
  const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(message, number);
  if (field == NULL) return -1;
  bool packed = field->label == PROTOBUF_C_LABEL_REPEATED && type == MP_PROTO_BYTES;
  return type == wire_type(field->type) || packed ? (int)(field - message->fields) : -1;
}

/* Collects the unknown fields in one string; the second walk is only made when there are any. */
static bool keep_unknown(mpl_proto *p, const ProtobufCMessageDescriptor *message, mp_proto_span span) {
  luaL_Buffer kept;
  size_t total = 0;
  luaL_buffinit(p->L, &kept);
  while (span.at < span.end) {
    const uint8_t *start = span.at;
    uint32_t number;
    int type;
    if (!mp_proto_read_tag(&span, &number, &type) || !mp_proto_skip(&span, type)) break; /* cannot be: walked before */
    if (find_field(message, number, type) >= 0) continue;
    total += (size_t)(span.at - start);
    if (total > MP_PROTO_UNKNOWN_MAX)
      return mpl_proto_fail(p, MP_ELIMIT, "more than %u bytes of unknown fields", MP_PROTO_UNKNOWN_MAX);
    luaL_addlstring(&kept, (const char *)start, (size_t)(span.at - start));
  }
  luaL_pushresult(&kept);
  lua_getfield(p->L, -3, "_unknown"); /* a merged message may have some already */
  if (lua_isstring(p->L, -1)) {
    lua_insert(p->L, -2);
    lua_concat(p->L, 2);
  } else {
    lua_pop(p->L, 1);
  }
  lua_setfield(p->L, -3, "_unknown");
  return true;
}

/* Decodes into the table on top of the stack, which stays there. */
static bool decode_message(mpl_proto *p, const ProtobufCMessageDescriptor *message, mp_proto_span span) {
  lua_State *L = p->L;
  const mp_proto_span whole = span;
  bool unknown = false;
  if (++p->depth > MP_PROTO_DEPTH_MAX) return mpl_proto_fail(p, MP_ELIMIT, "nested deeper than %d messages", MP_PROTO_DEPTH_MAX);
  if (!lua_checkstack(L, 12)) return mpl_proto_fail(p, MP_ENOMEM, "no room on the Lua stack");
  mpl_proto_push_names(L, message);
  while (span.at < span.end) {
    uint32_t number;
    int type;
    if (!mp_proto_read_tag(&span, &number, &type)) return mpl_proto_fail(p, MP_EMALFORMED, "a field's tag is malformed");
    int index = find_field(message, number, type);
    if (index >= 0) {
      if (!decode_field(p, message, (unsigned)index, type, &span)) return mpl_proto_in(p, message->fields[index].name);
    } else {
      unknown = true;
      if (!mp_proto_skip(&span, type))
        return mpl_proto_fail(p, MP_EMALFORMED, "unknown field %u of wire type %d is malformed", number, type);
    }
  }
  if (unknown && !keep_unknown(p, message, whole)) return false;
  lua_pop(L, 1);
  p->depth--;
  return true;
}

/* decode(name, bytes) -> table | nil, err */
int mpl_proto_decode(lua_State *L) {
  size_t length;
  const ProtobufCMessageDescriptor *message = mpl_proto_check_message(L, 1);
  const uint8_t *bytes = (const uint8_t *)luaL_checklstring(L, 2, &length);
  mpl_proto p = {.L = L};
  lua_createtable(L, 0, 4);
  if (!decode_message(&p, message, (mp_proto_span){bytes, bytes + length})) return mpl_proto_raise(&p, message);
  return 1;
}
