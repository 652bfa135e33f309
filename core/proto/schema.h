/* The schema compiled in: descriptors of every message and enum, found by the name the schema gives them. */
#ifndef MOONPOST_PROTO_SCHEMA_H
#define MOONPOST_PROTO_SCHEMA_H
#include <protobuf-c/protobuf-c.h>

/* Made at build time from core/proto/schema (all of the .proto files); both end with NULL. */
extern const ProtobufCMessageDescriptor *const mp_schema_messages[];
extern const ProtobufCEnumDescriptor *const mp_schema_enums[];

/* A message by its name without package ("Message.ExtendedTextMessage"); NULL when there is none. */
const ProtobufCMessageDescriptor *mp_schema_message(const char *name);
/* An enum by the name of the schema ("Message.ProtocolMessage.Type"). */
const ProtobufCEnumDescriptor *mp_schema_enum(const char *name);
/* The name without package. */
const char *mp_schema_name(const ProtobufCMessageDescriptor *message);
/* The enum's name in the schema, not terminated: *length bytes. */
const char *mp_schema_enum_name(const ProtobufCEnumDescriptor *type, size_t *length);
/* The wire type a field's single value has (base/protobuf.h). */
int mp_schema_wire_type(ProtobufCType type);

#endif
