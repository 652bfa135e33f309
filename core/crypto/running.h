/* Digests of what comes in pieces, over libcrypto, which has the processor's instructions for them. Each is made once and started
 * again for the next use; all sizes in bytes. */
#ifndef MOONPOST_CRYPTO_RUNNING_H
#define MOONPOST_CRYPTO_RUNNING_H
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* SHA-256. */
typedef struct evp_md_ctx_st mp_running_hash;
mp_running_hash *mp_running_hash_new(void); /* started; NULL without memory */
void mp_running_hash_free(mp_running_hash *hash);
int mp_running_hash_update(mp_running_hash *hash, const void *bytes, size_t length); /* MP_OK or MP_ECRYPTO */
int mp_running_hash_finish(mp_running_hash *hash, uint8_t out[32]);

/* HMAC-SHA256. */
typedef struct evp_mac_ctx_st mp_running_mac;
mp_running_mac *mp_running_mac_new(const uint8_t key[32]); /* started; NULL without memory */
void mp_running_mac_free(mp_running_mac *mac);             /* zeroes the key */
int mp_running_mac_start(mp_running_mac *mac);             /* again, with the same key */
int mp_running_mac_update(mp_running_mac *mac, const void *bytes, size_t length);
int mp_running_mac_finish(mp_running_mac *mac, uint8_t out[32]);

#endif
