#include "noise/state.h"

#include <string.h>

#include "crypto/hash.h"

const uint8_t mp_noise_root[32] = {0x14, 0x23, 0x75, 0x57, 0x4d, 0x0a, 0x58, 0x71, 0x66, 0xaa, 0xe7,
                                   0x1e, 0xbe, 0x51, 0x64, 0x37, 0xc4, 0xa2, 0x8b, 0x73, 0xe3, 0x69,
                                   0x5c, 0x6c, 0xe1, 0xf7, 0xf9, 0x54, 0x5d, 0xa8, 0xee, 0x6b};
const uint8_t mp_noise_prologue[4] = {'W', 'A', 6, 3};

void mp_noise_mix_hash(mp_noise *noise, const void *bytes, size_t length) {
  mp_sha256_join(noise->h, noise->h, sizeof noise->h, bytes, length);
}

/* A name is padded with zeros when it fits, hashed when it does not (01 §2.1). */
void mp_noise_start(mp_noise *noise, const char *name) {
  size_t length = strlen(name);
  memset(noise->h, 0, sizeof noise->h);
  if (length <= sizeof noise->h) {
    memcpy(noise->h, name, length);
  } else {
    mp_sha256(noise->h, name, length);
  }
  memcpy(noise->ck, noise->h, sizeof noise->ck);
  memcpy(noise->k, noise->h, sizeof noise->k);
  noise->n = 0;
  mp_noise_mix_hash(noise, mp_noise_prologue, sizeof mp_noise_prologue);
}

int mp_noise_mix_key(mp_noise *noise, const uint8_t private_key[32], const uint8_t public_key[32], mp_error *e) {
  uint8_t shared[32], okm[64];
  if (mp_agree(shared, private_key, public_key) != MP_OK) return mp_fail(e, MP_ECRYPTO, "the peer's key is of small order");
  mp_hkdf(okm, sizeof okm, shared, sizeof shared, noise->ck, 32, "", 0);
  memcpy(noise->ck, okm, 32);
  memcpy(noise->k, okm + 32, 32);
  noise->n = 0;
  mp_wipe(shared, sizeof shared);
  mp_wipe(okm, sizeof okm);
  return MP_OK;
}

void mp_noise_make_iv(uint8_t iv[12], uint32_t n) {
  memset(iv, 0, 8);
  for (int i = 0; i < 4; i++) iv[8 + i] = (uint8_t)(n >> (24 - 8 * i));
}

int mp_noise_encrypt_and_hash(mp_noise *noise, const uint8_t *plain, size_t length, mp_buffer *out, mp_error *e) {
  uint8_t iv[12];
  if (mp_buffer_reserve(out, length + MP_GCM_TAG) != MP_OK) return mp_fail(e, MP_ENOMEM, "no memory for the handshake");
  mp_gcm *gcm = mp_gcm_new(noise->k, 1);
  mp_noise_make_iv(iv, noise->n++);
  int rc = gcm == NULL ? MP_ENOMEM : mp_gcm_encrypt(gcm, out->data + out->length, iv, noise->h, 32, plain, length);
  mp_gcm_free(gcm);
  if (rc != MP_OK) return mp_fail(e, rc, "the handshake cannot be encrypted");
  mp_noise_mix_hash(noise, out->data + out->length, length + MP_GCM_TAG);
  out->length += length + MP_GCM_TAG;
  return MP_OK;
}

int mp_noise_decrypt_and_hash(mp_noise *noise, mp_proto_span cipher, const char *what, mp_buffer *out, mp_error *e) {
  uint8_t iv[12];
  size_t length = cipher.at != NULL ? (size_t)(cipher.end - cipher.at) : 0;
  if (length < MP_GCM_TAG) return mp_fail(e, MP_EMALFORMED, "the handshake message has no %s", what);
  if (mp_buffer_reserve(out, length) != MP_OK) return mp_fail(e, MP_ENOMEM, "no memory for the handshake");
  mp_gcm *gcm = mp_gcm_new(noise->k, 0);
  mp_noise_make_iv(iv, noise->n++);
  int rc = gcm == NULL ? MP_ENOMEM : mp_gcm_decrypt(gcm, out->data + out->length, iv, noise->h, 32, cipher.at, length);
  mp_gcm_free(gcm);
  if (rc != MP_OK) return mp_fail(e, rc, "the handshake's %s cannot be decrypted", what);
  mp_noise_mix_hash(noise, cipher.at, length);
  out->length += length - MP_GCM_TAG;
  return MP_OK;
}

int mp_noise_decrypt_static(mp_noise *noise, mp_proto_span cipher, const char *whose, mp_error *e) {
  mp_buffer key;
  mp_buffer_init(&key, 0);
  int rc = mp_noise_decrypt_and_hash(noise, cipher, whose, &key, e);
  if (rc == MP_OK && key.length != 32) rc = mp_fail(e, MP_EMALFORMED, "the handshake's %s is not of 32 bytes", whose);
  if (rc == MP_OK) memcpy(noise->peer_static, key.data, 32);
  mp_buffer_free(&key);
  return rc;
}

void mp_noise_init(mp_noise *noise, const mp_keypair *own_static) {
  memset(noise, 0, sizeof *noise);
  noise->own_static = *own_static;
  mp_keypair_generate(&noise->ephemeral);
  mp_noise_start(noise, NAME_XX);
}

void mp_noise_wipe(mp_noise *noise) {
  mp_wipe(noise, sizeof *noise);
  noise->step = MP_NOISE_BROKEN;
}

int mp_noise_at_step(const mp_noise *noise, mp_noise_step step, mp_error *e) {
  return noise->step == step ? MP_OK : mp_fail(e, MP_EINVAL, "the handshake is at another step, or has failed");
}

int mp_noise_finish_step(mp_noise *noise, int rc, mp_noise_step next) {
  if (rc == MP_OK) {
    noise->step = next;
  } else {
    mp_noise_wipe(noise);
  }
  return rc;
}
