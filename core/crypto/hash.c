#include "crypto/hash.h"

#include <sodium.h>
#include <string.h>

#include "base/buffer.h"

int mp_crypto_init(void) {
  return sodium_init() < 0 ? MP_ECRYPTO : MP_OK;
}

void mp_random(void *out, size_t length) {
  randombytes_buf(out, length);
}

void mp_sha256(uint8_t out[32], const void *bytes, size_t length) {
  mp_sha256_join(out, bytes, length, NULL, 0);
}

void mp_sha256_join(uint8_t out[32], const void *a, size_t a_length, const void *b, size_t b_length) {
  SHA256_CTX state;
  SHA256_Init(&state);
  if (a_length > 0) SHA256_Update(&state, a, a_length);
  if (b_length > 0) SHA256_Update(&state, b, b_length);
  SHA256_Final(out, &state);
  mp_wipe(&state, sizeof state);
}

void mp_hmac_init(mp_hmac *hmac, const void *key, size_t length) {
  uint8_t pad[SHA256_CBLOCK] = {0};
  if (length > sizeof pad) {
    mp_sha256(pad, key, length);
  } else if (length > 0) {
    memcpy(pad, key, length);
  }
  for (size_t i = 0; i < sizeof pad; i++) pad[i] ^= 0x36;
  SHA256_Init(&hmac->inner);
  SHA256_Update(&hmac->inner, pad, sizeof pad);
  for (size_t i = 0; i < sizeof pad; i++) pad[i] ^= 0x36 ^ 0x5c;
  SHA256_Init(&hmac->outer);
  SHA256_Update(&hmac->outer, pad, sizeof pad);
  mp_wipe(pad, sizeof pad);
}

void mp_hmac_update(mp_hmac *hmac, const void *bytes, size_t length) {
  if (length > 0) SHA256_Update(&hmac->inner, bytes, length);
}

void mp_hmac_final(mp_hmac *hmac, uint8_t out[32]) {
  SHA256_Final(out, &hmac->inner);
  SHA256_Update(&hmac->outer, out, 32);
  SHA256_Final(out, &hmac->outer);
  mp_wipe(hmac, sizeof *hmac);
}

void mp_hmac_sha256(uint8_t out[32], const void *key, size_t key_length, const void *bytes, size_t length) {
  mp_hmac hmac;
  mp_hmac_init(&hmac, key, key_length);
  mp_hmac_update(&hmac, bytes, length);
  mp_hmac_final(&hmac, out);
}

int mp_hkdf(uint8_t *out, size_t length, const void *ikm, size_t ikm_length, const void *salt, size_t salt_length,
            const void *info, size_t info_length) {
  static const uint8_t no_salt[32];
  uint8_t key[32], block[32];
  mp_hmac keyed, hmac;
  if (length > 255 * 32) return MP_EINVAL;
  if (salt == NULL) {
    salt = no_salt;
    salt_length = sizeof no_salt;
  }
  mp_hmac_sha256(key, salt, salt_length, ikm, ikm_length);
  mp_hmac_init(&keyed, key, sizeof key);
  for (uint8_t i = 1; length > 0; i++) {
    size_t part = length < 32 ? length : 32;
    hmac = keyed;
    if (i > 1) mp_hmac_update(&hmac, block, sizeof block);
    mp_hmac_update(&hmac, info, info_length);
    mp_hmac_update(&hmac, &i, 1);
    mp_hmac_final(&hmac, block);
    memcpy(out, block, part);
    out += part;
    length -= part;
  }
  mp_wipe(&keyed, sizeof keyed);
  mp_wipe(key, sizeof key);
  mp_wipe(block, sizeof block);
  return MP_OK;
}
