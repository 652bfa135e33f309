/* The version of a store's layout, and the steps from one to the next. */
#ifndef MOONPOST_STORE_VERSION_H
#define MOONPOST_STORE_VERSION_H
#include "store/store.h"

/* Brings a store from one version to the next, by the functions of store.h; what it writes is committed behind it. A step that
 * was interrupted runs again. */
typedef int (*mp_migration)(mp_store *store, mp_error *e);

/* *version is 0 when the store is new. */
int mp_store_read_version(mp_store *store, uint32_t *version, mp_error *e);
/* Takes a store from version `from` to `to`, step by step, each committed and noted before the next; steps[n] leads from n to n +
 * 1 and may be NULL. A new store (from 0) has nothing to move. On an error the store stays at the version it had reached. */
int mp_store_migrate(mp_store *store, uint32_t from, uint32_t to, const mp_migration *steps, mp_error *e);

#endif
