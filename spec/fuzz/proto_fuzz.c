/* The protobuf codec through its binding; properties in proto.lua, and protobuf-c's own reader as a second opinion. */
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <string.h>

#include "base/protobuf.h"
#include "lua_target.h"
#include "proto/schema.h"
#include "wire/utf8.h"

/* Whether protobuf-c reads a message in another way: where a submessage that is not repeated comes twice it loses the unknown
 * fields of the first; unknown fields that are not in number order it leaves so; a boolean it takes of any wire type; a text that
 * is not UTF-8 it leaves so. */
static bool reads_otherwise(const ProtobufCMessageDescriptor *type, mp_proto_span span) {
  bool seen[200] = {false}; /* more than any message of the schema has fields */
  uint32_t number, last_unknown = 0;
  int wire;
  HOLDS(type->n_fields <= sizeof seen);
  while (span.at < span.end && mp_proto_read_tag(&span, &number, &wire)) {
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(type, number);
    if (field != NULL && field->type == PROTOBUF_C_TYPE_BOOL && wire != MP_PROTO_VARINT) return true;
    if (field == NULL) {
      if (number < last_unknown) return true;
      last_unknown = number;
    }
    if (field != NULL && field->type == PROTOBUF_C_TYPE_STRING && wire == MP_PROTO_BYTES) {
      mp_proto_span text;
      if (!mp_proto_read_bytes(&span, &text)) return false;
      if (!mp_utf8_ok(text.at, (size_t)(text.end - text.at))) return true;
      continue;
    }
    if (field == NULL || field->type != PROTOBUF_C_TYPE_MESSAGE || wire != MP_PROTO_BYTES) {
      if (!mp_proto_skip(&span, wire)) return false;
      continue;
    }
    mp_proto_span inner;
    size_t index = (size_t)(field - type->fields);
    if (!mp_proto_read_bytes(&span, &inner)) return false;
    if (reads_otherwise(field->descriptor, inner) || (seen[index] && field->label != PROTOBUF_C_LABEL_REPEATED)) return true;
    seen[index] = true;
  }
  return false;
}

/* same(name, bytes, again) -> boolean, or nil when protobuf-c does not read the first as we do: both hold the same message.
 * protobuf-c sorts fields and keeps unknown ones as we do, but refuses a known field of another wire type and a missing required
 * one. */
static int same(lua_State *L) {
  size_t sizes[2];
  uint8_t *packed[2] = {NULL, NULL};
  size_t lengths[2] = {0, 0};
  const ProtobufCMessageDescriptor *type = mp_schema_message(luaL_checkstring(L, 1));
  for (int i = 0; i < 2; i++) {
    const uint8_t *bytes = (const uint8_t *)luaL_checklstring(L, 2 + i, &sizes[i]);
    if (i == 0 && reads_otherwise(type, (mp_proto_span){bytes, bytes + sizes[i]})) return 0;
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, sizes[i], bytes);
    if (message == NULL) {
      free(packed[0]);
      if (i == 0) return 0;
      return luaL_error(L, "protobuf-c reads the bytes that came, and not those we wrote");
    }
    lengths[i] = protobuf_c_message_get_packed_size(message);
    packed[i] = malloc(lengths[i] + 1);
    HOLDS(packed[i] != NULL && protobuf_c_message_pack(message, packed[i]) == lengths[i]);
    protobuf_c_message_free_unpacked(message, NULL);
  }
  lua_pushboolean(L, lengths[0] == lengths[1] && memcmp(packed[0], packed[1], lengths[0]) == 0);
  free(packed[0]);
  free(packed[1]);
  return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  static lua_State *L;
  if (L == NULL) L = open_target(MOONPOST_ROOT "/spec/fuzz/proto.lua");
  run_target(L, bytes, length, same);
  return 0;
}
