/* AES-256 over libcrypto: CBC with PKCS#7 padding, CTR, and a GCM object for many messages under one key. */
#ifndef MOONPOST_CRYPTO_AES_H
#define MOONPOST_CRYPTO_AES_H
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MP_GCM_TAG 16

/* CBC: `out` has room for length + 16 bytes (encrypt) or length bytes (decrypt). MP_ECRYPTO at wrong padding. */
int mp_aes_cbc_encrypt(uint8_t *out, size_t *out_length, const uint8_t key[32], const uint8_t iv[16], const void *in,
                       size_t length);
int mp_aes_cbc_decrypt(uint8_t *out, size_t *out_length, const uint8_t key[32], const uint8_t iv[16], const void *in,
                       size_t length);
/* CTR with a 128-bit big-endian counter that begins at `iv`; both ways. `out` has room for length bytes. */
int mp_aes_ctr(uint8_t *out, const uint8_t key[32], const uint8_t iv[16], const void *in, size_t length);

/* GCM: one key, one direction (encrypt or not); the key is expanded once. */
typedef struct mp_gcm mp_gcm;
mp_gcm *mp_gcm_new(const uint8_t key[32], int encrypt); /* NULL without memory */
void mp_gcm_free(mp_gcm *gcm);
/* `out` has room for length + 16 bytes; the tag stands behind the ciphertext. */
int mp_gcm_encrypt(mp_gcm *gcm, uint8_t *out, const uint8_t iv[12], const void *aad, size_t aad_length, const void *in,
                   size_t length);
/* `length` counts the tag; `out` has room for length - 16 bytes. MP_ECRYPTO when the tag does not fit: `out` is then zeroed. */
int mp_gcm_decrypt(mp_gcm *gcm, uint8_t *out, const uint8_t iv[12], const void *aad, size_t aad_length, const void *in,
                   size_t length);

#endif
