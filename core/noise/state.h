/* What the files of this room share: Noise's symmetric state (01 §2.1), and which step comes when. */
#ifndef MOONPOST_NOISE_STATE_H
#define MOONPOST_NOISE_STATE_H
#include "base/protobuf.h"
#include "noise/noise.h"

#define NAME_XX "Noise_XX_25519_AESGCM_SHA256"
#define NAME_IK "Noise_IK_25519_AESGCM_SHA256"
#define NAME_XXFALLBACK "Noise_XXfallback_25519_AESGCM_SHA256"

/* Starts, or starts again, under a pattern's name, with the prologue mixed in. */
void mp_noise_start(mp_noise *noise, const char *name);
void mp_noise_mix_hash(mp_noise *noise, const void *bytes, size_t length);
/* Mixes in the agreement of two keys; MP_ECRYPTO when the public one is of small order. */
int mp_noise_mix_key(mp_noise *noise, const uint8_t private_key[32], const uint8_t public_key[32], mp_error *e);
/* Append to `out`. `what` names the part in the error. */
int mp_noise_encrypt_and_hash(mp_noise *noise, const uint8_t *plain, size_t length, mp_buffer *out, mp_error *e);
int mp_noise_decrypt_and_hash(mp_noise *noise, mp_proto_span cipher, const char *what, mp_buffer *out, mp_error *e);
/* Decrypts the peer's static key into peer_static; `whose` names it in the error. */
int mp_noise_decrypt_static(mp_noise *noise, mp_proto_span cipher, const char *whose, mp_error *e);
/* The nonce of the n-th ciphertext under a key. */
void mp_noise_make_iv(uint8_t iv[12], uint32_t n);

/* MP_OK when `step` is the one the handshake is at. */
int mp_noise_at_step(const mp_noise *noise, mp_noise_step step, mp_error *e);
/* Goes on to `next`, or ends the handshake when rc is an error: it keeps no keys then. Returns rc. */
int mp_noise_finish_step(mp_noise *noise, int rc, mp_noise_step next);

#endif
