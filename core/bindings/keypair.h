/* Key pair handles: private keys never become Lua strings. */
#ifndef MOONPOST_BINDINGS_KEYPAIR_H
#define MOONPOST_BINDINGS_KEYPAIR_H
#include "bindings.h"
#include "crypto/curve.h"

/* The key pair an argument holds; raises when it is none, or closed. */
mp_keypair *mpl_check_keypair(lua_State *L, int arg);
/* The key pair in field `name` of a table of options, which is left on the stack; raises as above, with the field's name. */
mp_keypair *mpl_keypair_option(lua_State *L, int table, const char *name);
/* Pushes a handle with a copy of `pair`, zeroed when it is closed or collected. */
void mpl_push_keypair(lua_State *L, const mp_keypair *pair);

/* Adds the functions of linking by phone number to the table on top of the stack (link_code.c). */
void mpl_open_link_code(lua_State *L);
/* Adds the functions of what is encrypted under a message's secret, likewise (message_secret.c). */
void mpl_open_message_secret(lua_State *L);

#endif
