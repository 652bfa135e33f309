#include "crypto/message_secret.h"

#include "base/buffer.h"
#include "crypto/aes.h"
#include "crypto/hash.h"

_Static_assert(MP_MESSAGE_SECRET_TAG == MP_GCM_TAG, "the tag is GCM's");

static mp_gcm *cipher_of(const mp_message_secret *under, int encrypt) {
  uint8_t key[32];
  mp_gcm *gcm = NULL;
  if (mp_hkdf(key, sizeof key, under->secret, MP_MESSAGE_SECRET, NULL, 0, under->info, under->info_length) == MP_OK) {
    gcm = mp_gcm_new(key, encrypt);
  }
  mp_wipe(key, sizeof key);
  return gcm;
}

int mp_message_secret_seal(uint8_t *out, const mp_message_secret *under, const void *in, size_t length) {
  mp_gcm *gcm = cipher_of(under, 1);
  if (gcm == NULL) return MP_ENOMEM;
  int rc = mp_gcm_encrypt(gcm, out, under->iv, under->aad, under->aad_length, in, length);
  mp_gcm_free(gcm);
  return rc;
}

int mp_message_secret_open(uint8_t *out, const mp_message_secret *under, const void *in, size_t length) {
  mp_gcm *gcm = cipher_of(under, 0);
  if (gcm == NULL) return MP_ENOMEM;
  int rc = mp_gcm_decrypt(gcm, out, under->iv, under->aad, under->aad_length, in, length);
  mp_gcm_free(gcm);
  return rc;
}
