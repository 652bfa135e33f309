/* The store handle, for the bindings that work on one. */
#ifndef MOONPOST_BINDINGS_STORE_H
#define MOONPOST_BINDINGS_STORE_H
#include "bindings.h"
#include "store/store.h"

/* The open store an argument holds; raises when it is none, or closed. */
mp_store *mpl_check_store(lua_State *L, int arg);

#endif
