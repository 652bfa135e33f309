#include "proto/schema.h"

#include <string.h>

#include "base/protobuf.h"

/* What descriptors add to the schema's names: a package, and enums stand in messages of their name (values of sibling enums would
 * share a scope). */
enum { PACKAGE = sizeof "wa." - 1, WRAPPED = sizeof ".Value" - 1 };

const char *mp_schema_name(const ProtobufCMessageDescriptor *message) {
  return message->name + PACKAGE;
}

const ProtobufCMessageDescriptor *mp_schema_message(const char *name) {
  for (size_t i = 0; mp_schema_messages[i] != NULL; i++) {
    if (strcmp(mp_schema_name(mp_schema_messages[i]), name) == 0) return mp_schema_messages[i];
  }
  return NULL;
}

const char *mp_schema_enum_name(const ProtobufCEnumDescriptor *type, size_t *length) {
  *length = strlen(type->name) - PACKAGE - WRAPPED;
  return type->name + PACKAGE;
}

const ProtobufCEnumDescriptor *mp_schema_enum(const char *name) {
  for (size_t i = 0; mp_schema_enums[i] != NULL; i++) {
    size_t length;
    const char *found = mp_schema_enum_name(mp_schema_enums[i], &length);
    if (strlen(name) == length && memcmp(found, name, length) == 0) return mp_schema_enums[i];
  }
  return NULL;
}

int mp_schema_wire_type(ProtobufCType type) {
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
