/* A file that is being written and has no name yet: it gets one when it is whole and on the disk, or leaves nothing. Where the
 * file system can, it has no name at all until then, so that not even a killed process leaves something; else a temporary one in
 * the same folder. */
#ifndef MOONPOST_STORE_DRAFT_H
#define MOONPOST_STORE_DRAFT_H
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct mp_draft mp_draft;

/* In that folder. `named`: with a temporary name though none would be needed. Close it whatever becomes of it. MP_EFULL,
 * MP_ESTORE. */
int mp_draft_open(mp_draft **out, const char *folder, bool named, mp_error *e);
/* Appends. MP_EFULL: no room on the disk, or the file may not grow. */
int mp_draft_write(mp_draft *draft, const void *bytes, size_t length, mp_error *e);
/* Begins anew: what was written is gone. */
int mp_draft_restart(mp_draft *draft, mp_error *e);
/* Brings all of it to the disk and gives it its name in the folder (no `/` in it); blocks, so it is a job for another thread. A
 * file that has the name is replaced, or left alone: MP_EBUSY, and another name may be tried. */
int mp_draft_publish(mp_draft *draft, const char *name, bool replace, mp_error *e);
/* Without a name, it is gone. NULL is fine. */
void mp_draft_close(mp_draft *draft);

#endif
