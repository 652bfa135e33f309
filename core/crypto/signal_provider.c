#include "crypto/signal_provider.h"

#include <sodium.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "crypto/aes.h"
#include "crypto/hash.h"

static int provider_random(uint8_t *data, size_t length, void *user_data) {
  (void)user_data;
  mp_random(data, length);
  return SG_SUCCESS;
}

static int hmac_init(void **context, const uint8_t *key, size_t key_length, void *user_data) {
  (void)user_data;
  mp_hmac *hmac = malloc(sizeof *hmac);
  if (hmac == NULL) return SG_ERR_NOMEM;
  mp_hmac_init(hmac, key, key_length);
  *context = hmac;
  return SG_SUCCESS;
}

static int hmac_update(void *context, const uint8_t *data, size_t length, void *user_data) {
  (void)user_data;
  mp_hmac_update(context, data, length);
  return SG_SUCCESS;
}

static int hmac_final(void *context, signal_buffer **output, void *user_data) {
  (void)user_data;
  uint8_t mac[32];
  mp_hmac_final(context, mac);
  *output = signal_buffer_create(mac, sizeof mac);
  mp_wipe(mac, sizeof mac);
  return *output != NULL ? SG_SUCCESS : SG_ERR_NOMEM;
}

static void hmac_cleanup(void *context, void *user_data) {
  (void)user_data;
  if (context != NULL) mp_wipe(context, sizeof(mp_hmac));
  free(context);
}

static int sha512_init(void **context, void *user_data) {
  (void)user_data;
  crypto_hash_sha512_state *state = malloc(sizeof *state);
  if (state == NULL) return SG_ERR_NOMEM;
  crypto_hash_sha512_init(state);
  *context = state;
  return SG_SUCCESS;
}

static int sha512_update(void *context, const uint8_t *data, size_t length, void *user_data) {
  (void)user_data;
  crypto_hash_sha512_update(context, data, length);
  return SG_SUCCESS;
}

static int sha512_final(void *context, signal_buffer **output, void *user_data) {
  (void)user_data;
  uint8_t digest[64];
  crypto_hash_sha512_final(context, digest);
  crypto_hash_sha512_init(context); /* the contract: ready for the next digest */
  *output = signal_buffer_create(digest, sizeof digest);
  mp_wipe(digest, sizeof digest);
  return *output != NULL ? SG_SUCCESS : SG_ERR_NOMEM;
}

static void sha512_cleanup(void *context, void *user_data) {
  (void)user_data;
  if (context != NULL) mp_wipe(context, sizeof(crypto_hash_sha512_state));
  free(context);
}

typedef int (*cbc_function)(uint8_t *, size_t *, const uint8_t *, const uint8_t *, const void *, size_t);

static int run_cbc(cbc_function function, size_t room, signal_buffer **output, int cipher, const uint8_t *key, size_t key_length,
                   const uint8_t *iv, size_t iv_length, const uint8_t *in, size_t length) {
  if (cipher != SG_CIPHER_AES_CBC_PKCS5 || key_length != 32 || iv_length != 16) return SG_ERR_INVALID_MESSAGE;
  signal_buffer *buffer = signal_buffer_alloc(length + room);
  if (buffer == NULL) return SG_ERR_NOMEM;
  size_t written = 0;
  int rc = function(signal_buffer_data(buffer), &written, key, iv, in, length);
  *output = rc == MP_OK ? signal_buffer_create(signal_buffer_data(buffer), written) : NULL;
  signal_buffer_bzero_free(buffer);
  if (rc == MP_ENOMEM || (rc == MP_OK && *output == NULL)) return SG_ERR_NOMEM;
  /* Wrong padding must look like a wrong message: any other code ends libsignal's walk over archived states. */
  return rc == MP_OK ? SG_SUCCESS : SG_ERR_INVALID_MESSAGE;
}

static int provider_encrypt(signal_buffer **output, int cipher, const uint8_t *key, size_t key_length, const uint8_t *iv,
                            size_t iv_length, const uint8_t *in, size_t length, void *user_data) {
  (void)user_data;
  return run_cbc(mp_aes_cbc_encrypt, 16, output, cipher, key, key_length, iv, iv_length, in, length);
}

static int provider_decrypt(signal_buffer **output, int cipher, const uint8_t *key, size_t key_length, const uint8_t *iv,
                            size_t iv_length, const uint8_t *in, size_t length, void *user_data) {
  (void)user_data;
  return run_cbc(mp_aes_cbc_decrypt, 16, output, cipher, key, key_length, iv, iv_length, in, length);
}

static void no_lock(void *user_data) {
  (void)user_data;
}

signal_context *mp_signal_context_new(void) {
  static const signal_crypto_provider provider = {
      .random_func = provider_random,
      .hmac_sha256_init_func = hmac_init,
      .hmac_sha256_update_func = hmac_update,
      .hmac_sha256_final_func = hmac_final,
      .hmac_sha256_cleanup_func = hmac_cleanup,
      .sha512_digest_init_func = sha512_init,
      .sha512_digest_update_func = sha512_update,
      .sha512_digest_final_func = sha512_final,
      .sha512_digest_cleanup_func = sha512_cleanup,
      .encrypt_func = provider_encrypt,
      .decrypt_func = provider_decrypt,
  };
  signal_context *context = NULL;
  if (mp_crypto_init() != MP_OK || signal_context_create(&context, NULL) != SG_SUCCESS) return NULL;
  if (signal_context_set_crypto_provider(context, &provider) != SG_SUCCESS ||
      signal_context_set_locking_functions(context, no_lock, no_lock) != SG_SUCCESS) {
    signal_context_destroy(context);
    return NULL;
  }
  return context;
}
