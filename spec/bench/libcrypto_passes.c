/* What the row `cipher` is measured against: the passes of a file's encryption (fact sheet 05 §13.2), each by libcrypto alone.
 * Prints CPU seconds per MiB as JSON: the four passes, and with the one of a sidecar. */
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define SLICE 65536
#define SLICES 512 /* 32 MiB */

static uint8_t plain[SLICE], cipher[SLICE + 32];

static EVP_MAC_CTX *new_mac(void) {
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end()};
  EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(EVP_MAC_fetch(NULL, "HMAC", NULL));
  return ctx != NULL && EVP_MAC_init(ctx, plain, 32, params) ? ctx : NULL;
}

static EVP_MD_CTX *new_hash(void) {
  EVP_MD_CTX *ctx = EVP_MD_CTX_new();
  return ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) ? ctx : NULL;
}

/* Seconds of CPU for all slices; below 0: libcrypto failed. */
static double passes(int macs) {
  EVP_CIPHER_CTX *aes = EVP_CIPHER_CTX_new();
  EVP_MD_CTX *file = new_hash(), *blob = new_hash();
  EVP_MAC_CTX *mac[] = {new_mac(), new_mac()};
  if (aes == NULL || file == NULL || blob == NULL || mac[0] == NULL || mac[1] == NULL) return -1;
  if (!EVP_EncryptInit_ex(aes, EVP_aes_256_cbc(), NULL, plain, plain)) return -1;
  clock_t began = clock();
  for (int i = 0; i < SLICES; i++) {
    int length;
    if (!EVP_EncryptUpdate(aes, cipher, &length, plain, SLICE) || !EVP_DigestUpdate(file, plain, SLICE)) return -1;
    if (!EVP_DigestUpdate(blob, cipher, (size_t)length)) return -1;
    for (int j = 0; j < macs; j++) {
      if (!EVP_MAC_update(mac[j], cipher, (size_t)length)) return -1;
    }
  }
  return (double)(clock() - began) / CLOCKS_PER_SEC;
}

static double best(int macs) {
  double least = passes(macs);
  for (int i = 1; i < 5; i++) {
    double seconds = passes(macs);
    if (seconds < least) least = seconds;
  }
  return least / (SLICES * (SLICE / 1048576.0));
}

int main(void) {
  printf("{\"plain\":%.9f,\"streamed\":%.9f}\n", best(1), best(2));
  return 0;
}
