/* What the two halves of the wire binding share: tokens as pinned Lua strings. */
#ifndef MOONPOST_BINDINGS_WIRE_H
#define MOONPOST_BINDINGS_WIRE_H
#include "bindings.h"
#include "wire/codec.h"
#include "wire/tokens.h"

#define MPL_NAME_JID 0x10000  /* an attribute of this name holds a JID */
#define MPL_NAME_PLAIN 0x8000 /* it is no token */

/* Pushes the table of token strings: [code] = string, [string] = code, with MPL_NAME_* bits in the second. */
void mpl_wire_push_tokens(lua_State *L);
int mpl_wire_encode(lua_State *L);
int mpl_wire_decode(lua_State *L);

#endif
