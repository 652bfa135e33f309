/* App-state cryptography (fact sheet 06 §4): keys, sealed records, the homomorphic hash over a collection's live records, MACs.
 * Knows no collection and no action: bytes in, bytes out. */
#ifndef MOONPOST_SYNCD_SYNCD_H
#define MOONPOST_SYNCD_SYNCD_H
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

#define MP_SYNCD_KEY 32
#define MP_SYNCD_MAC 32
#define MP_SYNCD_IV 16
#define MP_SYNCD_HASH 128      /* all zero for an empty collection */
#define MP_SYNCD_KEY_ID_MAX 64 /* real ones have 6 bytes */

typedef enum { MP_SYNCD_SET = 1, MP_SYNCD_REMOVE = 2 } mp_syncd_operation; /* the byte in a value's MAC: the enum's value + 1 */

/* One app-state key, expanded (§4.1). Secret: mp_wipe it. */
typedef struct {
  uint8_t index[MP_SYNCD_KEY], value[MP_SYNCD_KEY], value_mac[MP_SYNCD_KEY], snapshot_mac[MP_SYNCD_KEY], patch_mac[MP_SYNCD_KEY];
} mp_syncd_keys;

void mp_syncd_expand(mp_syncd_keys *keys, const uint8_t key_data[MP_SYNCD_KEY]);

/* The name of a record: the MAC of its index, a compact JSON array (§3.2). */
void mp_syncd_index_mac(uint8_t out[MP_SYNCD_MAC], const mp_syncd_keys *keys, const void *index, size_t length);

/* Appends a value blob to `out`: iv, ciphertext of `plaintext` (a SyncActionData), value MAC (§4.2). MP_EINVAL for a key id that
 * is too long, MP_ENOMEM. */
int mp_syncd_seal(mp_buffer *out, const mp_syncd_keys *keys, mp_syncd_operation operation, const void *key_id,
                  size_t key_id_length, const uint8_t iv[MP_SYNCD_IV], const void *plaintext, size_t length, mp_error *e);

/* Opens a value blob (§4.2): writes its plaintext to `out`, which has room for `length` bytes. MP_EINVAL for a key id that is too
 * long, MP_EMALFORMED for a blob that is too short or no SyncActionData's, MP_ECRYPTO for a MAC of another key, operation or
 * content. */
int mp_syncd_open(uint8_t *out, size_t *out_length, const mp_syncd_keys *keys, mp_syncd_operation operation, const void *key_id,
                  size_t key_id_length, const uint8_t *blob, size_t length, mp_error *e);

/* Adds a record's value MAC to a collection's hash, or takes it out (§4.3). */
void mp_syncd_add(uint8_t hash[MP_SYNCD_HASH], const uint8_t value_mac[MP_SYNCD_MAC]);
void mp_syncd_subtract(uint8_t hash[MP_SYNCD_HASH], const uint8_t value_mac[MP_SYNCD_MAC]);

/* MAC of a collection as it stands at `version` (§4.5). */
void mp_syncd_snapshot_mac(uint8_t out[MP_SYNCD_MAC], const mp_syncd_keys *keys, const uint8_t hash[MP_SYNCD_HASH],
                           uint64_t version, const char *collection);

/* MAC of the patch that leads to `version`; `value_macs` are those of its mutations, one behind the other (§4.5). */
void mp_syncd_patch_mac(uint8_t out[MP_SYNCD_MAC], const mp_syncd_keys *keys, const uint8_t snapshot_mac[MP_SYNCD_MAC],
                        const void *value_macs, size_t length, uint64_t version, const char *collection);

#endif
