/* The store handle, for the bindings that work on one. */
#ifndef MOONPOST_BINDINGS_STORE_H
#define MOONPOST_BINDINGS_STORE_H
#include "bindings.h"
#include "store/store.h"

/* A handle of an open store, scoped to one of its accounts: the row keys Lua names live under that account's scope. */
typedef struct mpl_store {
  mp_store *store;                /* NULL: closed */
  const struct mpl_store *parent; /* the handle this one was made from, kept alive by it; NULL: it was opened itself */
  char scope[MP_SCOPE_MAX + 1];
} mpl_store;

/* The open store an argument holds; raises when it is none, or closed. */
mp_store *mpl_check_store(lua_State *L, int arg);
/* The handle itself, open. */
const mpl_store *mpl_check_store_handle(lua_State *L, int arg);
/* Raises an error object. */
int mpl_store_raise(lua_State *L, const mp_error *e);

/* Methods of a store in store_rows.c. */
int mpl_store_get(lua_State *L);
int mpl_store_put(lua_State *L);
int mpl_store_delete(lua_State *L);
int mpl_store_range(lua_State *L);
int mpl_store_count(lua_State *L);
int mpl_store_last(lua_State *L);
int mpl_store_accounts(lua_State *L);
/* Those in store_tools.c. */
extern const luaL_Reg mpl_store_tools[];
/* The key in a field of a table, NULL when there is none; raises when it is something else. It stays on the stack. */
mp_store_key *mpl_key_option(lua_State *L, int table, const char *name);
/* Add their functions to the table on the stack. */
void mpl_open_store_key(lua_State *L);
void mpl_open_store_child(lua_State *L);

int mpl_store_put_keypair(lua_State *L);
int mpl_store_get_keypair(lua_State *L);

#endif
