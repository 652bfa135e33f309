/* What the two halves of the wire binding share: tokens as pinned Lua strings. */
#ifndef MOONPOST_BINDINGS_WIRE_H
#define MOONPOST_BINDINGS_WIRE_H
#include "bindings.h"
#include "wire/codec.h"
#include "wire/tokens.h"

#define MPL_NAME_JID 0x10000  /* an attribute of this name holds a JID */
#define MPL_NAME_PLAIN 0x8000 /* it is no token */

#define MPL_NAME_SLOTS 2048 /* a power of two, well above the tokens and names together */

/* Names by the address of their string: short strings of Lua are one object each, and these are pinned. */
typedef struct {
  size_t short_most; /* bytes of the longest string that is one object; 0 when this Lua has none */
  const char *texts[MPL_NAME_SLOTS];
  int32_t codes[MPL_NAME_SLOTS];
} mpl_names;

/* Pins the strings of all tokens and JID names, and pushes the mpl_names that finds them. Once for each state. */
void mpl_wire_push_names(lua_State *L);
/* Pushes the table that pins the token strings: [code] = string. */
void mpl_wire_push_tokens(lua_State *L);
/* The code of a Lua string, with its MPL_NAME_* bits; MPL_NAME_PLAIN alone when it is no token and no JID's name. */
int mpl_wire_code(const mpl_names *names, const char *text, size_t length);
int mpl_wire_encode(lua_State *L);
int mpl_wire_decode(lua_State *L);

#endif
