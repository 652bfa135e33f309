/* The lock file of a store's folder: flock, with the holder's process id inside. */
#ifndef MOONPOST_STORE_LOCK_H
#define MOONPOST_STORE_LOCK_H
#include "base/error.h"

/* *fd holds the lock until it is closed; -1 after an error. MP_EBUSY "store is in use by process N (folder)". */
int mp_store_lock(const char *folder, int *fd, mp_error *e);

/* Notes that the holder ended well, and gives the lock back. */
void mp_store_unlock(int fd);

#endif
