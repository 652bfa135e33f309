/* X25519 key pairs, agreement, and XEdDSA signatures (fact sheet 02 §12.7). Public keys are the raw 32 bytes. */
#ifndef MOONPOST_CRYPTO_CURVE_H
#define MOONPOST_CRYPTO_CURVE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MP_KEY_SIZE 32
#define MP_SIGNATURE_SIZE 64

typedef struct {
  uint8_t private_key[MP_KEY_SIZE]; /* clamped */
  uint8_t public_key[MP_KEY_SIZE];
} mp_keypair;

/* A new random pair. */
void mp_keypair_generate(mp_keypair *pair);
/* Fills the public key from the private one, which it clamps. */
int mp_keypair_derive(mp_keypair *pair);
/* X25519. MP_ECRYPTO for an all-zero result: a peer's key of small order. */
int mp_agree(uint8_t shared[32], const uint8_t private_key[32], const uint8_t public_key[32]);
/* XEdDSA in Signal's original form: the sign bit rides in the signature's last byte; randomised. MP_ECRYPTO when it fails. */
int mp_sign(uint8_t signature[64], const mp_keypair *pair, const void *message, size_t length);
/* Whether a signature of 64 bytes is the key's over the message. */
bool mp_verify(const uint8_t public_key[32], const void *message, size_t length, const uint8_t signature[64]);

/* Whether libsignal's Curve25519 calls reach our override (curve25519_donna.c): 131 µs an agreement without it, 33 with. */
bool mp_curve_override_active(void);

#endif
