/* From version 1 of the layout to 2: the rows of the client, which belonged to the one account there was, get its scope. */
#ifndef MOONPOST_STORE_SCOPES_H
#define MOONPOST_STORE_SCOPES_H
#include "store/store.h"

/* Puts a zero byte, the default account's scope, before the keys of the tables that had none. Those of the traffic environment
 * move in one turn, noted in it, so that a step that was interrupted moves none of them twice. */
int mp_store_add_scopes(mp_store *store, mp_error *e);

#endif
