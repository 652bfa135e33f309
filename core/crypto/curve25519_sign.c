/* libsignal-protocol-c signs with a slow Ed25519 under this name, called like curve25519_donna (curve25519_donna.c): ours, by
 * libsodium, takes its place. The same signature comes of the same random bytes (fact sheet 02 §12.7): with A = k * B,
 * r = SHA-512(FE FF.. k message random), R = r * B and h = SHA-512(R A message) it is R and h * k + r, its last bit the sign of
 * A. Nothing here branches on a secret or looks anything up by one; what is secret is wiped.
 */
#include <sodium.h>
#include <string.h>

#include "base/buffer.h"
#include "crypto/curve25519_donna.h"

static unsigned long calls;

/* libsignal's own, exported like what is replaced: s = a * b + c modulo the group's order, in constant time. */
void crypto_sign_ed25519_ref10_sc_muladd(uint8_t *s, const uint8_t *a, const uint8_t *b, const uint8_t *c);

/* What the signature hides its secret behind, modulo the group's order: never the same twice. */
static void make_nonce(uint8_t out[32], const uint8_t secret[32], const uint8_t *message, unsigned long length,
                       const uint8_t random[64]) {
  uint8_t prefix[32], digest[64];
  crypto_hash_sha512_state state;
  memset(prefix, 0xff, sizeof prefix);
  prefix[0] = 0xfe;
  crypto_hash_sha512_init(&state);
  crypto_hash_sha512_update(&state, prefix, sizeof prefix);
  crypto_hash_sha512_update(&state, secret, 32);
  crypto_hash_sha512_update(&state, message, length);
  crypto_hash_sha512_update(&state, random, 64);
  crypto_hash_sha512_final(&state, digest);
  crypto_core_ed25519_scalar_reduce(out, digest);
  mp_wipe(&state, sizeof state);
  mp_wipe(digest, sizeof digest);
}

static void make_challenge(uint8_t out[32], const uint8_t point[32], const uint8_t key[32], const uint8_t *message,
                           unsigned long length) {
  uint8_t digest[64];
  crypto_hash_sha512_state state;
  crypto_hash_sha512_init(&state);
  crypto_hash_sha512_update(&state, point, 32);
  crypto_hash_sha512_update(&state, key, 32);
  crypto_hash_sha512_update(&state, message, length);
  crypto_hash_sha512_final(&state, digest);
  crypto_core_ed25519_scalar_reduce(out, digest);
}

__attribute__((visibility("default"))) int curve25519_sign(uint8_t *signature, const uint8_t *secret, const uint8_t *message,
                                                           unsigned long length, const uint8_t *random) {
  uint8_t key[32], nonce[32], challenge[32];
  calls++;
  make_nonce(nonce, secret, message, length, random);
  /* -1 tells of a scalar that is zero, which no clamped key is. */
  int rc = crypto_scalarmult_ed25519_base_noclamp(key, secret);
  if (rc == 0) rc = crypto_scalarmult_ed25519_base_noclamp(signature, nonce);
  if (rc == 0) {
    make_challenge(challenge, signature, key, message, length);
    crypto_sign_ed25519_ref10_sc_muladd(signature + 32, challenge, secret, nonce);
    signature[63] = (uint8_t)((signature[63] & 0x7f) | (key[31] & 0x80));
  } else {
    memset(signature, 0, 64);
  }
  mp_wipe(nonce, sizeof nonce);
  return rc;
}

unsigned long mp_curve25519_sign_calls(void) {
  return calls;
}
