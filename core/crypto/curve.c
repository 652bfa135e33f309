#include "crypto/curve.h"

#include <signal/curve.h>
#include <signal/signal_protocol.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "crypto/curve25519_donna.h"
#include "crypto/hash.h"

#define KEY_TYPE_DJB 0x05 /* libsignal's keys carry their type in front */

static void clamp(uint8_t key[32]) {
  key[0] &= 248;
  key[31] &= 127;
  key[31] |= 64;
}

int mp_keypair_derive(mp_keypair *pair) {
  clamp(pair->private_key);
  return crypto_scalarmult_curve25519_base(pair->public_key, pair->private_key) == 0 ? MP_OK : MP_ECRYPTO;
}

void mp_keypair_generate(mp_keypair *pair) {
  do mp_random(pair->private_key, sizeof pair->private_key);
  while (mp_keypair_derive(pair) != MP_OK);
}

int mp_agree(uint8_t shared[32], const uint8_t private_key[32], const uint8_t public_key[32]) {
  return crypto_scalarmult_curve25519(shared, private_key, public_key) == 0 ? MP_OK : MP_ECRYPTO;
}

static int decode_public(ec_public_key **out, const uint8_t public_key[32]) {
  uint8_t typed[33] = {KEY_TYPE_DJB};
  memcpy(typed + 1, public_key, 32);
  return curve_decode_point(out, typed, sizeof typed, NULL);
}

int mp_sign(uint8_t signature[64], const mp_keypair *pair, const void *message, size_t length) {
  uint8_t random[64];
  mp_random(random, sizeof random);
  int rc = curve25519_sign(signature, pair->private_key, message, length, random);
  mp_wipe(random, sizeof random);
  return rc == 0 ? MP_OK : MP_ECRYPTO;
}

bool mp_verify(const uint8_t public_key[32], const void *message, size_t length, const uint8_t signature[64]) {
  return curve25519_verify(signature, public_key, message, length) == 0;
}

bool mp_curve_override_active(void) {
  mp_keypair pair;
  ec_public_key *public_key = NULL;
  ec_private_key *private_key = NULL;
  uint8_t *shared = NULL;
  unsigned long before = mp_curve25519_donna_calls();
  mp_keypair_generate(&pair);
  int length = -1;
  if (decode_public(&public_key, pair.public_key) == SG_SUCCESS &&
      curve_decode_private_point(&private_key, pair.private_key, 32, NULL) == SG_SUCCESS) {
    length = curve_calculate_agreement(&shared, public_key, private_key);
  }
  if (length == 32) mp_wipe(shared, 32);
  free(shared);
  SIGNAL_UNREF(public_key);
  SIGNAL_UNREF(private_key);
  mp_wipe(&pair, sizeof pair);
  return length == 32 && mp_curve25519_donna_calls() > before;
}
