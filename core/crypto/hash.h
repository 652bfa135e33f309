/* Digests and key derivation. All sizes in bytes. SHA-256 is libcrypto's, which uses the processor's instructions for it, by its
 * plain functions: what OpenSSL 3 offers in their place costs more than the hash of a key, and a message takes a score of those.
 */
#ifndef MOONPOST_CRYPTO_HASH_H
#define MOONPOST_CRYPTO_HASH_H
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
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

/* HMAC-SHA256 in pieces; a copy of one that was begun goes on by itself. */
typedef struct {
  SHA256_CTX inner, outer;
} mp_hmac;

void mp_hmac_init(mp_hmac *hmac, const void *key, size_t length);
void mp_hmac_update(mp_hmac *hmac, const void *bytes, size_t length);
/* Wipes the state. */
void mp_hmac_final(mp_hmac *hmac, uint8_t out[32]);
void mp_hmac_sha256(uint8_t out[32], const void *key, size_t key_length, const void *bytes, size_t length);
/* HKDF-SHA256 (RFC 5869); `salt` may be NULL (32 zero bytes). `length` at most 255 * 32, else MP_EINVAL. */
int mp_hkdf(uint8_t *out, size_t length, const void *ikm, size_t ikm_length, const void *salt, size_t salt_length,
            const void *info, size_t info_length);

#endif
