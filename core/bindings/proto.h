/* What the two halves of the protobuf binding share: descriptors as Lua tables of names, and errors that name the path. */
#ifndef MOONPOST_BINDINGS_PROTO_H
#define MOONPOST_BINDINGS_PROTO_H
#include "base/protobuf.h"
#include "bindings.h"
#include "proto/schema.h"

typedef struct {
  lua_State *L;
  mp_error error;
  char path[256]; /* "Message.extendedTextMessage.contextInfo", built from the inside out when something fails */
  int depth;
  unsigned messages, merges; /* decoded in all; merged into one that came before */
} mpl_proto;

/* One field of a message's `_unknown`, and the list of them, in number order. */
typedef struct {
  uint32_t number;
  const uint8_t *at;
  size_t length;
} mpl_proto_unknown_field;

typedef struct {
  mpl_proto_unknown_field *fields;
  size_t count, next;
} mpl_proto_unknown;

/* Pushes the table of a message's field names: [index + 1] = name, [name] = index. Made once per message and state. */
void mpl_proto_push_names(lua_State *L, const ProtobufCMessageDescriptor *message);
/* The message an argument names; raises when the schema has none of that name. */
const ProtobufCMessageDescriptor *mpl_proto_check_message(lua_State *L, int arg);
/* Notes an error, its place still empty. Returns false. */
bool mpl_proto_fail(mpl_proto *p, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Puts a name in front of the failing path. Returns false. */
bool mpl_proto_in(mpl_proto *p, const char *name);
/* Pushes nil and the error with its path; returns 2. */
int mpl_proto_raise(mpl_proto *p, const ProtobufCMessageDescriptor *message);

/* Lists the `_unknown` of the message table at `table`; pushes what keeps the list alive (at most two values). */
bool mpl_proto_list_unknown(mpl_proto *p, int table, mpl_proto_unknown *list);
/* Brings the `_unknown` of the message table at `table` into number order. */
bool mpl_proto_sort_unknown(mpl_proto *p, int table);

/* The functions of moonpost.core.proto. */
int mpl_proto_decode(lua_State *L);
int mpl_proto_encode(lua_State *L);
int mpl_proto_enum(lua_State *L);
int mpl_proto_enums(lua_State *L);
int mpl_proto_fields(lua_State *L);
int mpl_proto_messages(lua_State *L);

#endif
