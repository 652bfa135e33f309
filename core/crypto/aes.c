#include "crypto/aes.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/buffer.h"

static int run_cipher(const EVP_CIPHER *cipher, int encrypt, uint8_t *out, size_t *out_length, const uint8_t *key,
                      const uint8_t *iv, const void *in, size_t length) {
  int first = 0, last = 0;
  if (length > INT_MAX - 32) return MP_EINVAL;
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
  if (ctx == NULL) return MP_ENOMEM;
  int ok = EVP_CipherInit_ex(ctx, cipher, NULL, key, iv, encrypt) && EVP_CipherUpdate(ctx, out, &first, in, (int)length) &&
           EVP_CipherFinal_ex(ctx, out + first, &last);
  EVP_CIPHER_CTX_free(ctx);
  *out_length = (size_t)first + (size_t)last;
  return ok ? MP_OK : MP_ECRYPTO;
}

int mp_aes_cbc_encrypt(uint8_t *out, size_t *out_length, const uint8_t key[32], const uint8_t iv[16], const void *in,
                       size_t length) {
  return run_cipher(EVP_aes_256_cbc(), 1, out, out_length, key, iv, in, length);
}

int mp_aes_cbc_decrypt(uint8_t *out, size_t *out_length, const uint8_t key[32], const uint8_t iv[16], const void *in,
                       size_t length) {
  if (length == 0 || length % 16 != 0) return MP_ECRYPTO;
  return run_cipher(EVP_aes_256_cbc(), 0, out, out_length, key, iv, in, length);
}

int mp_aes_ctr(uint8_t *out, const uint8_t key[32], const uint8_t iv[16], const void *in, size_t length) {
  size_t written;
  return run_cipher(EVP_aes_256_ctr(), 1, out, &written, key, iv, in, length);
}

struct mp_gcm {
  EVP_CIPHER_CTX *ctx;
};

mp_gcm *mp_gcm_new(const uint8_t key[32], int encrypt) {
  mp_gcm *gcm = calloc(1, sizeof *gcm);
  if (gcm == NULL) return NULL;
  gcm->ctx = EVP_CIPHER_CTX_new();
  if (gcm->ctx == NULL || !EVP_CipherInit_ex(gcm->ctx, EVP_aes_256_gcm(), NULL, key, NULL, encrypt)) {
    mp_gcm_free(gcm);
    return NULL;
  }
  return gcm;
}

void mp_gcm_free(mp_gcm *gcm) {
  if (gcm == NULL) return;
  EVP_CIPHER_CTX_free(gcm->ctx); /* zeroes the key */
  free(gcm);
}

int mp_gcm_encrypt(mp_gcm *gcm, uint8_t *out, const uint8_t iv[12], const void *aad, size_t aad_length, const void *in,
                   size_t length) {
  int n;
  if (length > INT_MAX - 32) return MP_EINVAL;
  if (!EVP_EncryptInit_ex(gcm->ctx, NULL, NULL, NULL, iv)) return MP_ECRYPTO;
  if (aad_length > 0 && !EVP_EncryptUpdate(gcm->ctx, NULL, &n, aad, (int)aad_length)) return MP_ECRYPTO;
  if (length > 0 && !EVP_EncryptUpdate(gcm->ctx, out, &n, in, (int)length)) return MP_ECRYPTO;
  if (!EVP_EncryptFinal_ex(gcm->ctx, out + length, &n)) return MP_ECRYPTO;
  return EVP_CIPHER_CTX_ctrl(gcm->ctx, EVP_CTRL_AEAD_GET_TAG, MP_GCM_TAG, out + length) ? MP_OK : MP_ECRYPTO;
}

int mp_gcm_decrypt(mp_gcm *gcm, uint8_t *out, const uint8_t iv[12], const void *aad, size_t aad_length, const void *in,
                   size_t length) {
  int n;
  if (length < MP_GCM_TAG || length > INT_MAX - 32) return MP_ECRYPTO;
  size_t plain = length - MP_GCM_TAG;
  uint8_t tag[MP_GCM_TAG];
  for (size_t i = 0; i < sizeof tag; i++) tag[i] = ((const uint8_t *)in)[plain + i];
  if (!EVP_DecryptInit_ex(gcm->ctx, NULL, NULL, NULL, iv)) return MP_ECRYPTO;
  if (aad_length > 0 && !EVP_DecryptUpdate(gcm->ctx, NULL, &n, aad, (int)aad_length)) return MP_ECRYPTO;
  if (plain > 0 && !EVP_DecryptUpdate(gcm->ctx, out, &n, in, (int)plain)) return MP_ECRYPTO;
  if (!EVP_CIPHER_CTX_ctrl(gcm->ctx, EVP_CTRL_AEAD_SET_TAG, MP_GCM_TAG, tag)) return MP_ECRYPTO;
  if (EVP_DecryptFinal_ex(gcm->ctx, out + plain, &n) > 0) return MP_OK;
  mp_wipe(out, plain);
  return MP_ECRYPTO;
}
