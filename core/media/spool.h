/* Bytes set aside till they are needed, as those of a file whose hash must be known before it is sent: in memory while they are
 * few, then in a temporary file without a name, which is gone when the process is. */
#ifndef MOONPOST_MEDIA_SPOOL_H
#define MOONPOST_MEDIA_SPOOL_H
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

#define MP_SPOOL_MEMORY (256u * 1024) /* bytes that stay in memory */

typedef struct mp_spool mp_spool;
/* `folder`: where its file would go; NULL: TMPDIR, else /var/tmp. NULL without memory. */
mp_spool *mp_spool_new(const char *folder);
void mp_spool_free(mp_spool *spool); /* zeroes what is in memory */
/* Appends. MP_EFULL without room on the disk, MP_ESTORE for what else a file can have, MP_ENOMEM; the spool is as it was then. */
int mp_spool_write(mp_spool *spool, const void *bytes, size_t length, mp_error *e);
/* Appends to `out` what it has from `offset` on, `length` bytes at most; nothing behind its end. */
int mp_spool_read(mp_spool *spool, uint64_t offset, size_t length, mp_buffer *out, mp_error *e);
uint64_t mp_spool_size(const mp_spool *spool);

#endif
