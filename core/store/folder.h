/* What else is in a folder: a store, and a copy of one, want theirs to themselves. */
#ifndef MOONPOST_STORE_FOLDER_H
#define MOONPOST_STORE_FOLDER_H
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* The folder `descriptor`, named `path` in errors, holds nothing. MP_EINVAL, MP_ESTORE. */
int mp_folder_check_empty(int descriptor, const char *path, mp_error *e);
/* It holds a store, or nothing that is no store's, so that one can be made there; *empty tells which. MP_EINVAL when it is
 * somebody else's, MP_ESTORE. */
int mp_folder_check_ours(int descriptor, const char *path, bool *empty, mp_error *e);
/* Whether it is the folder of this device and inode, or lies in it, at whatever depth. */
bool mp_folder_is_within(int descriptor, dev_t device, ino_t inode);

#endif
