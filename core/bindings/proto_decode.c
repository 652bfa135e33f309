/* Protobuf bytes to Lua tables, straight from the descriptors. */
#include <string.h>

#include "base/limits.h"
#include "proto.h"
#include "wire/utf8.h"

static bool decode_message(mpl_proto *p, const ProtobufCMessageDescriptor *message, mp_proto_span span);

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
  int type = mp_schema_wire_type(field->type);
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

/* Pushes the table to decode a message into: an empty one, or that of the same singular field seen before, to merge into. */
static bool push_target(mpl_proto *p, const ProtobufCFieldDescriptor *field, unsigned index) {
  lua_State *L = p->L;
  if (++p->messages > MP_PROTO_MESSAGES_MAX) return mpl_proto_fail(p, MP_ELIMIT, "more than %u messages", MP_PROTO_MESSAGES_MAX);
  if (field->label != PROTOBUF_C_LABEL_REPEATED) {
    lua_rawgeti(L, -1, index + 1);
    if (lua_rawget(L, -3) == LUA_TTABLE) {
      return ++p->merges <= MP_PROTO_MERGES_MAX ||
             mpl_proto_fail(p, MP_ELIMIT, "more than %u repetitions of what may come once", MP_PROTO_MERGES_MAX);
    }
    lua_pop(L, 1);
  }
  lua_createtable(L, 0, 2);
  return true;
}

/* A text that is not UTF-8 is repaired, as official clients read it: a sender's careless cut must not cost the message. */
static void push_text(lua_State *L, mp_proto_span content) {
  size_t length = (size_t)(content.end - content.at);
  if (mp_utf8_ok(content.at, length)) {
    lua_pushlstring(L, (const char *)content.at, length);
    return;
  }
  luaL_Buffer b;
  uint8_t *out = (uint8_t *)luaL_buffinitsize(L, &b, 3 * length);
  luaL_pushresultsize(&b, mp_utf8_repair(content.at, length, out));
}

/* Pushes the value of one field, not packed. */
static bool push_value(mpl_proto *p, const ProtobufCFieldDescriptor *field, unsigned index, int type, mp_proto_span *span) {
  mp_proto_span content;
  uint64_t raw;
  if (type != MP_PROTO_BYTES) {
    if (!read_number(span, type, &raw)) return mpl_proto_fail(p, MP_ETRUNCATED, "the number ends too early or is too long");
    push_number(p->L, field, raw);
    return true;
  }
  if (!mp_proto_read_bytes(span, &content)) return mpl_proto_fail(p, MP_ETRUNCATED, "the length goes beyond the data");
  if (field->type == PROTOBUF_C_TYPE_STRING) {
    push_text(p->L, content);
    return true;
  }
  if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
    lua_pushlstring(p->L, (const char *)content.at, (size_t)(content.end - content.at));
    return true;
  }
  return push_target(p, field, index) && decode_message(p, field->descriptor, content);
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

static bool decode_repeated(mpl_proto *p, const ProtobufCFieldDescriptor *field, unsigned index, int type, mp_proto_span *span) {
  lua_State *L = p->L;
  if (type == MP_PROTO_BYTES && mp_schema_wire_type(field->type) != MP_PROTO_BYTES) {
    mp_proto_span content;
    if (!mp_proto_read_bytes(span, &content)) return mpl_proto_fail(p, MP_ETRUNCATED, "the length goes beyond the data");
    return decode_packed(p, field, index, content);
  }
  push_array(L, index);
  if (!push_value(p, field, index, type, span)) return false;
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_pop(L, 1);
  return true;
}

static bool decode_field(mpl_proto *p, const ProtobufCMessageDescriptor *message, unsigned index, int type, mp_proto_span *span) {
  lua_State *L = p->L;
  const ProtobufCFieldDescriptor *field = &message->fields[index];
  if (field->label == PROTOBUF_C_LABEL_REPEATED) return decode_repeated(p, field, index, type, span);
  if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) clear_oneof(L, message, field);
  if (!push_value(p, field, index, type, span)) return false;
  lua_rawgeti(L, -2, index + 1);
  lua_insert(L, -2);
  lua_rawset(L, -4);
  return true;
}

/* The index of a known field whose wire type fits; -1 keeps the field as unknown. */
static int find_field(const ProtobufCMessageDescriptor *message, uint32_t number, int type) {
  const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(message, number);
  if (field == NULL) return -1;
  bool packed = field->label == PROTOBUF_C_LABEL_REPEATED && type == MP_PROTO_BYTES;
  return type == mp_schema_wire_type(field->type) || packed ? (int)(field - message->fields) : -1;
}

/* Collects the unknown fields in one string; the second walk is only made when there are any. Stack: table, names. */
static bool keep_unknown(mpl_proto *p, const ProtobufCMessageDescriptor *message, mp_proto_span span) {
  lua_State *L = p->L;
  luaL_Buffer kept;
  size_t total = 0, before_length = 0;
  uint32_t last = 0;
  const char *before = lua_getfield(L, -2, "_unknown") == LUA_TSTRING ? lua_tolstring(L, -1, &before_length) : "";
  luaL_buffinit(L, &kept);
  luaL_addlstring(&kept, before, before_length); /* a merged message may have some already */
  bool sorted = before_length == 0;
  while (span.at < span.end) {
    const uint8_t *start = span.at;
    uint32_t number;
    int type;
    if (!mp_proto_read_tag(&span, &number, &type) || !mp_proto_skip(&span, type)) break; /* cannot be: walked before */
    if (find_field(message, number, type) >= 0) continue;
    if (number < last) sorted = false;
    last = number;
    total += (size_t)(span.at - start);
    if (before_length + total > MP_PROTO_UNKNOWN_MAX)
      return mpl_proto_fail(p, MP_ELIMIT, "more than %u bytes of unknown fields", MP_PROTO_UNKNOWN_MAX);
    luaL_addlstring(&kept, (const char *)start, (size_t)(span.at - start));
  }
  luaL_pushresult(&kept);
  lua_setfield(L, -4, "_unknown");
  lua_pop(L, 1);
  return sorted || mpl_proto_sort_unknown(p, lua_gettop(L) - 1);
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

/* decode(name, bytes) -> table | nil, err. Numbers are exact (64-bit ones wrap into Lua's integers), enums are names, or numbers
 * when the schema has no name; a field that is not set is nil, a text is UTF-8, repaired when need be. What the schema does not
 * know stays in `_unknown`, as bytes. */
int mpl_proto_decode(lua_State *L) {
  size_t length;
  const ProtobufCMessageDescriptor *message = mpl_proto_check_message(L, 1);
  const uint8_t *bytes = (const uint8_t *)luaL_checklstring(L, 2, &length);
  mpl_proto p = {.L = L};
  lua_createtable(L, 0, 4);
  if (!decode_message(&p, message, (mp_proto_span){bytes, bytes + length})) return mpl_proto_raise(&p, message);
  return 1;
}
