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
  crypto_hash_sha256(out, bytes, length);
}

void mp_sha256_join(uint8_t out[32], const void *a, size_t a_length, const void *b, size_t b_length) {
  crypto_hash_sha256_state state;
  crypto_hash_sha256_init(&state);
  crypto_hash_sha256_update(&state, a, a_length);
  crypto_hash_sha256_update(&state, b, b_length);
  crypto_hash_sha256_final(&state, out);
}

void mp_hmac_sha256(uint8_t out[32], const void *key, size_t key_length, const void *bytes, size_t length) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, key, key_length);
  crypto_auth_hmacsha256_update(&state, bytes, length);
  crypto_auth_hmacsha256_final(&state, out);
  mp_wipe(&state, sizeof state);
}

int mp_hkdf(uint8_t *out, size_t length, const void *ikm, size_t ikm_length, const void *salt, size_t salt_length,
            const void *info, size_t info_length) {
  static const uint8_t no_salt[32];
  uint8_t key[32], block[32];
  if (length > 255 * 32) return MP_EINVAL;
  if (salt == NULL) {
    salt = no_salt;
    salt_length = sizeof no_salt;
  }
  mp_hmac_sha256(key, salt, salt_length, ikm, ikm_length);
  for (uint8_t i = 1; length > 0; i++) {
    crypto_auth_hmacsha256_state state;
    size_t part = length < 32 ? length : 32;
    crypto_auth_hmacsha256_init(&state, key, sizeof key);
    if (i > 1) crypto_auth_hmacsha256_update(&state, block, sizeof block);
    crypto_auth_hmacsha256_update(&state, info, info_length);
    crypto_auth_hmacsha256_update(&state, &i, 1);
    crypto_auth_hmacsha256_final(&state, block);
    memcpy(out, block, part);
    out += part;
    length -= part;
    mp_wipe(&state, sizeof state);
  }
  mp_wipe(key, sizeof key);
  mp_wipe(block, sizeof block);
  return MP_OK;
}
