/* Whose a store is: a client's and a sandbox's world must not mix in one folder. */
#ifndef MOONPOST_STORE_KIND_H
#define MOONPOST_STORE_KIND_H
#include "store/store.h"

/* MP_EINVAL when the store is of another kind than `kind` (NULL: any will do). Writes nothing. */
int mp_store_check_kind(mp_store *store, const char *kind, mp_error *e);
/* Notes the kind in a store that has none yet: a new one, or one from before kinds were noted. */
int mp_store_note_kind(mp_store *store, const char *kind, mp_error *e);

#endif
