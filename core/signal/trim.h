/* Bounds a session record: libsignal keeps 40 archived states and 2,000 skipped keys for each of 5 chains of each of them,
 * megabytes that every message would read and write. */
#ifndef MOONPOST_SIGNAL_TRIM_H
#define MOONPOST_SIGNAL_TRIM_H
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"

#define MP_ARCHIVED_MAX 5
#define MP_RECORD_MAX (64u * 1024) /* bytes */
#define MP_CHAIN_KEYS_MAX 32       /* skipped keys of a chain; when there are more, all but these are set aside: */
#define MP_CHAIN_KEYS_LEFT 16

/* A key that was skipped: of which chain, for which message, and libsignal's form of it. */
typedef struct {
  const uint8_t *ratchet_key, *bytes;
  size_t ratchet_key_length, length;
  uint32_t counter;
} mp_skipped_key;

/* Takes a key that is set aside; what it returns but MP_OK ends the trimming. */
typedef int (*mp_set_aside)(void *context, const mp_skipped_key *key);

/* Sets skipped keys aside where a chain has too many, the oldest first; leaves out archived states beyond the newest
 * MP_ARCHIVED_MAX, then the oldest skipped keys, until the record holds at most MP_RECORD_MAX bytes. *trimmed tells whether `out`
 * holds the shorter record; when not, the record is good as it is. A message whose skipped key is gone counts as a duplicate.
 * MP_EMALFORMED when the bytes are no record. */
int mp_session_trim(const uint8_t *record, size_t length, mp_buffer *out, bool *trimmed, mp_set_aside set_aside, void *context);

/* The record with a key back in its chain; without it when it has no such chain. */
int mp_session_give_back(const uint8_t *record, size_t length, const mp_skipped_key *key, mp_buffer *out);

#endif
