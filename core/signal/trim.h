/* Bounds a session record: libsignal keeps 40 archived states and 2,000 skipped keys for each of 5 chains of each of them,
 * megabytes that every message would read and write. */
#ifndef MOONPOST_SIGNAL_TRIM_H
#define MOONPOST_SIGNAL_TRIM_H
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

#define MP_ARCHIVED_MAX 5
#define MP_RECORD_MAX (64u * 1024) /* bytes */

/* Leaves out archived states beyond the newest MP_ARCHIVED_MAX, then the oldest skipped keys, until the record holds at most
 * MP_RECORD_MAX bytes. *trimmed tells whether `out` holds the shorter record; when not, the record is good as it is. A message
 * whose skipped key is gone counts as a duplicate. MP_EMALFORMED when the bytes are no record. */
int mp_session_trim(const uint8_t *record, size_t length, mp_buffer *out, bool *trimmed);

#endif
