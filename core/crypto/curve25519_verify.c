/* libsignal-protocol-c verifies signatures with a slow Ed25519 under this name, called like curve25519_donna
 * (curve25519_donna.c): ours, by libsodium, takes its place at two thirds of the time. What is its own is the key (fact sheet 02
 * §12.7): one of Curve25519, taken to Ed25519 by y = (u - 1) / (u + 1), with the sign that the signature carries in its last bit.
 */
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "crypto/curve25519_donna.h"

#define KEPT \
  64 /* keys whose other form is remembered: a bundle is checked with one two, three times, a group hears its writers */

typedef struct {
  uint8_t u[32], y[32];
  bool used;
} mapped_key;

static unsigned long calls;

/* libsignal's own arithmetic, exported like what is replaced: its functions for elements of the field, and y of u. */
typedef int32_t field_element[10];
void crypto_sign_ed25519_ref10_fe_frombytes(field_element out, const uint8_t *bytes);
void crypto_sign_ed25519_ref10_fe_tobytes(uint8_t *out, const field_element in);
void fe_montx_to_edy(field_element y, const field_element u);

static void map_key(uint8_t out[32], const uint8_t key[32]) {
  field_element u, y;
  crypto_sign_ed25519_ref10_fe_frombytes(u, key);
  fe_montx_to_edy(y, u);
  crypto_sign_ed25519_ref10_fe_tobytes(out, y);
}

static void ed25519_key(uint8_t out[32], const uint8_t key[32]) {
  static mapped_key kept[KEPT];
  static size_t next;
  uint8_t u[32];
  memcpy(u, key, 32);
  u[31] &= 0x7f;
  for (size_t i = 0; i < KEPT; i++) {
    if (!kept[i].used || memcmp(kept[i].u, u, 32) != 0) continue;
    memcpy(out, kept[i].y, 32);
    return;
  }
  map_key(out, u);
  memcpy(kept[next].u, u, 32);
  memcpy(kept[next].y, out, 32);
  kept[next].used = true;
  next = (next + 1) % KEPT;
}

__attribute__((visibility("default"))) int curve25519_verify(const uint8_t *signature, const uint8_t *key, const uint8_t *message,
                                                             unsigned long length) {
  uint8_t ed25519[32], plain[64];
  calls++;
  ed25519_key(ed25519, key);
  memcpy(plain, signature, 64);
  ed25519[31] = (uint8_t)((ed25519[31] & 0x7f) | (plain[63] & 0x80));
  plain[63] &= 0x7f;
  return crypto_sign_verify_detached(plain, message, length, ed25519);
}

unsigned long mp_curve25519_verify_calls(void) {
  return calls;
}
