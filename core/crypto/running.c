#include "crypto/running.h"

#include <openssl/evp.h>
#include <openssl/params.h>

mp_running_hash *mp_running_hash_new(void) {
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL)) return ctx;
  EVP_MD_CTX_free(ctx);
  return NULL;
}

void mp_running_hash_free(mp_running_hash *hash) {
  EVP_MD_CTX_free(hash);
}

int mp_running_hash_update(mp_running_hash *hash, const void *bytes, size_t length) {
  return EVP_DigestUpdate(hash, bytes, length) ? MP_OK : MP_ECRYPTO;
}

int mp_running_hash_finish(mp_running_hash *hash, uint8_t out[32]) {
  return EVP_DigestFinal_ex(hash, out, NULL) ? MP_OK : MP_ECRYPTO;
}

mp_running_mac *mp_running_mac_new(const uint8_t key[32]) {
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end()};
  EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
  EVP_MAC_free(mac); /* the context holds on to it */
  if (ctx == NULL || EVP_MAC_init(ctx, key, 32, params)) return ctx;
  EVP_MAC_CTX_free(ctx);
  return NULL;
}

void mp_running_mac_free(mp_running_mac *mac) {
  EVP_MAC_CTX_free(mac);
}

int mp_running_mac_start(mp_running_mac *mac) {
  return EVP_MAC_init(mac, NULL, 0, NULL) ? MP_OK : MP_ECRYPTO;
}

int mp_running_mac_update(mp_running_mac *mac, const void *bytes, size_t length) {
  return EVP_MAC_update(mac, bytes, length) ? MP_OK : MP_ECRYPTO;
}

int mp_running_mac_finish(mp_running_mac *mac, uint8_t out[32]) {
  size_t length;
  return EVP_MAC_final(mac, out, &length, 32) && length == 32 ? MP_OK : MP_ECRYPTO;
}
