#ifndef MOONPOST_CRYPTO_CURVE25519_DONNA_H
#define MOONPOST_CRYPTO_CURVE25519_DONNA_H
#include <stdint.h>

/* The name libsignal gives its scalar multiplication: result, secret and basepoint are 32 bytes each; returns 0. */
int curve25519_donna(uint8_t *result, const uint8_t *secret, const uint8_t *basepoint);
unsigned long mp_curve25519_donna_calls(void);
/* 0 when a signature holds (curve25519_verify.c). */
int curve25519_verify(const uint8_t *signature, const uint8_t *key, const uint8_t *message, unsigned long length);
unsigned long mp_curve25519_verify_calls(void);
/* Signs with a clamped key and 64 random bytes; 0 when it went well (curve25519_sign.c). */
int curve25519_sign(uint8_t *signature, const uint8_t *secret, const uint8_t *message, unsigned long length,
                    const uint8_t *random);
unsigned long mp_curve25519_sign_calls(void);

#endif
