/* Linking by phone number (fact sheet 02 §3): the code a user types at the phone hides each side's ephemeral key from the server,
 * and both sides come to the same secret for what the phone then says of the new device. Codes are 8 characters without a dash.
 */
#ifndef MOONPOST_CRYPTO_LINK_CODE_H
#define MOONPOST_CRYPTO_LINK_CODE_H
#include <stdint.h>

#include "base/error.h"
#include "crypto/curve.h"

#define MP_LINK_CODE 8     /* characters of a code */
#define MP_LINK_HEADER 48  /* bytes: a salt of 32, then an iv of 16 */
#define MP_LINK_WRAPPED 80 /* header and hidden key */
#define MP_LINK_BUNDLE 156 /* salt 32, nonce 12, three keys sealed */
#define MP_LINK_ROUNDS 131072

/* Spells 40 bits as a code: `out` gets MP_LINK_CODE characters and no ending 0. */
void mp_link_code_spell(char out[MP_LINK_CODE], const uint8_t bits[5]);
/* Whether 8 characters are a code: of the alphabet, upper case. */
int mp_link_code_is_valid(const char code[MP_LINK_CODE]);

/* Hides a public key under a code, and shows it again: the same both ways. Some 30 ms: not for the loop's thread. Nothing tells a
 * wrong code but that another key comes out. MP_ECRYPTO when libcrypto fails. */
int mp_link_hide(uint8_t out[32], const char code[MP_LINK_CODE], const uint8_t header[MP_LINK_HEADER], const uint8_t in[32],
                 mp_error *e);

typedef struct {
  const mp_keypair *ephemeral, *identity;          /* own */
  const uint8_t *their_ephemeral, *their_identity; /* 32 bytes each */
} mp_link_keys;

/* What the new device draws for its bundle. */
typedef struct {
  uint8_t secret[32], salt[32], nonce[12];
} mp_link_draw;

/* The new device: seals its identity, the phone's and its part of the secret for the phone; `adv_secret` gets what both then
 * share. MP_ECRYPTO for a key of small order. */
int mp_link_seal(uint8_t bundle[MP_LINK_BUNDLE], uint8_t adv_secret[32], const mp_link_keys *keys, const mp_link_draw *draw,
                 mp_error *e);
/* The phone: opens a bundle and comes to the same secret. MP_ECRYPTO when it was sealed under another code, for another phone, or
 * by another device than `their_identity`. */
int mp_link_open(uint8_t adv_secret[32], const mp_link_keys *keys, const uint8_t bundle[MP_LINK_BUNDLE], mp_error *e);

#endif
