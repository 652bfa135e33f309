/* Sealing of a store's values: XChaCha20-Poly1305 with a nonce of their own, bound to their table and key; keys stay readable.
 * The user's key is 64 hex digits (32 bytes) or a passphrase, which goes through Argon2id. What it is tried against, the header,
 * is a row of the store; the key itself never touches the disk. */
#ifndef MOONPOST_STORE_SEAL_H
#define MOONPOST_STORE_SEAL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

#define MP_SEAL_OVERHEAD 40      /* bytes a sealed value is longer: nonce 24, tag 16 */
#define MP_SEAL_PARAMETERS 26    /* bytes: version 1, kind 1, Argon2id's passes and KiB (u32 LE each), salt 16 */
#define MP_SEAL_HEADER (26 + 40) /* bytes: the parameters, and nothing, sealed: it tells a wrong key */
#define MP_SEAL_TEXT_MAX 1024    /* bytes of a passphrase */
#define MP_SEAL_TEXT_MIN 8

/* A user's key, with what was derived from it last: Argon2id takes its time. */
typedef struct {
  uint8_t text[MP_SEAL_TEXT_MAX]; /* the passphrase, or the 32 bytes */
  size_t length;
  bool raw;
  bool derived, fresh; /* fresh: for a new store, and no store has it yet */
  uint8_t parameters[MP_SEAL_PARAMETERS], key[32];
} mp_store_key;

/* MP_EKEY when the text is too short or too long. Spaces and a line's end behind it do not count. */
int mp_store_key_set(mp_store_key *key, const char *text, size_t length, mp_error *e);
void mp_store_key_wipe(mp_store_key *key);
/* Derives for a store with this header, or for a new one (NULL). Takes a tenth of a second or more for a passphrase; touches
 * nothing but `key`, so that it may run in another thread. MP_EKEY, MP_ENOMEM, MP_EMALFORMED (the header is none). */
int mp_store_key_derive(mp_store_key *key, const uint8_t *header, size_t length, mp_error *e);

typedef struct {
  bool on;
  uint8_t key[32];
} mp_seal;

/* The seal of a store with this header. MP_EKEY: it is not this key. */
int mp_seal_open(mp_seal *seal, mp_store_key *key, const uint8_t *header, size_t length, mp_error *e);
/* A new one, and its header. */
int mp_seal_make(mp_seal *seal, mp_store_key *key, uint8_t header[MP_SEAL_HEADER], mp_error *e);
void mp_seal_wipe(mp_seal *seal);

/* `place` is where the value stands: its table's byte and its key. `out` is emptied first. MP_ENOMEM. */
int mp_seal_value(const mp_seal *seal, const void *place, size_t place_length, const void *value, size_t length, mp_buffer *out);
/* MP_ECRYPTO when the value was changed, or sealed for another place or by another key. */
int mp_seal_unseal(const mp_seal *seal, const void *place, size_t place_length, const void *sealed, size_t length,
                   mp_buffer *out);

#endif
