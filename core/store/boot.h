/* Whether a store may have gone back in time: it is a copy, or was used without syncing under a boot that is over. */
#ifndef MOONPOST_STORE_BOOT_H
#define MOONPOST_STORE_BOOT_H
#include "store/store.h"

/* Looks at the marks of a store that was just opened, and leaves its own. When the store may have gone back, every session in it
 * is marked stale, durably, before this returns: a ratchet that went back would encrypt under keys its peer has seen, and the
 * peer drop the message in silence. */
int mp_store_note_boot(mp_store *store, mp_durability durability, mp_error *e);

#endif
