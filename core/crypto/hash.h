/* Digests and key derivation over libsodium. All sizes in bytes. */
#ifndef MOONPOST_CRYPTO_HASH_H
#define MOONPOST_CRYPTO_HASH_H
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Must run once before anything else of this room; returns 0 or MP_ECRYPTO. */
int mp_crypto_init(void);
/* From the system's generator; cannot fail. */
void mp_random(void *out, size_t length);
void mp_sha256(uint8_t out[32], const void *bytes, size_t length);
/* Of two parts, one behind the other. */
void mp_sha256_join(uint8_t out[32], const void *a, size_t a_length, const void *b, size_t b_length);
void mp_hmac_sha256(uint8_t out[32], const void *key, size_t key_length, const void *bytes, size_t length);
/* HKDF-SHA256 (RFC 5869); `salt` may be NULL (32 zero bytes). `length` at most 255 * 32, else MP_EINVAL. */
int mp_hkdf(uint8_t *out, size_t length, const void *ikm, size_t ikm_length, const void *salt, size_t salt_length,
            const void *info, size_t info_length);

#endif
