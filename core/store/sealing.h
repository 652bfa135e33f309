/* A store and its key: trying one at the opening, and giving a store another. */
#ifndef MOONPOST_STORE_SEALING_H
#define MOONPOST_STORE_SEALING_H
#include "store/seal.h"
#include "store/store.h"

/* The seal of an open store: off for a plain one. `fresh`: it is new, and is sealed when there is a key. MP_EKEY when the key is
 * missing (NULL), wrong, or one too many; nothing is written. */
int mp_store_unseal(mp_store *store, mp_store_key *key, bool fresh, mp_seal *seal, mp_error *e);
/* Makes a store that is new a sealed one. */
int mp_store_begin_sealed(mp_store *store, mp_store_key *key, mp_error *e);
/* Ends a sealing that was interrupted in this folder, whose lock is held: forward when both files were whole, else back. */
int mp_store_finish_sealing(const char *folder, mp_error *e);
/* Whether one was interrupted and is still to be ended. */
bool mp_store_sealing_interrupted(const char *folder);

#endif
