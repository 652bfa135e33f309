#include "proto/schema.h"

#include <stdio.h>
#include <string.h>

static const char package[] = "wa.";

const char *mp_schema_name(const ProtobufCMessageDescriptor *message) {
  return message->name + sizeof package - 1;
}

const ProtobufCMessageDescriptor *mp_schema_message(const char *name) {
  for (size_t i = 0; mp_schema_messages[i] != NULL; i++) {
    if (strcmp(mp_schema_name(mp_schema_messages[i]), name) == 0) return mp_schema_messages[i];
  }
  return NULL;
}

/* Every enum is wrapped in a message of its own name (schema: "X.Value"), since values of sibling enums would share a scope. */
const ProtobufCEnumDescriptor *mp_schema_enum(const char *name) {
  char wrapped[256];
  snprintf(wrapped, sizeof wrapped, "%s%s.Value", package, name);
  for (size_t i = 0; mp_schema_enums[i] != NULL; i++) {
    if (strcmp(mp_schema_enums[i]->name, wrapped) == 0) return mp_schema_enums[i];
  }
  return NULL;
}
