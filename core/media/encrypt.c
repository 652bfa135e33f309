/* A file on its way out (fact sheet 05 §13.2): CBC, the hashes of file and blob, the MAC and the sidecar in one pass. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/running.h"
#include "media/media.h"
#include "media/sidecar.h"

struct mp_media_encryptor {
  EVP_CIPHER_CTX *cipher; /* NULL: not encrypted */
  mp_running_hash *hash, *enc_hash;
  mp_running_mac *mac;
  mp_sidecar sidecar;
  bool streamed, ended;
  uint64_t length;
};

static int broken(mp_media_encryptor *encryptor, int rc, mp_error *e) {
  encryptor->ended = true;
  if (rc == MP_ENOMEM) return mp_fail(e, rc, "no memory to encrypt a file in");
  return mp_fail(e, rc, "libcrypto does not encrypt");
}

static int open_keys(mp_media_encryptor *encryptor, const mp_media_keys *keys) {
  encryptor->cipher = EVP_CIPHER_CTX_new();
  encryptor->enc_hash = mp_running_hash_new();
  encryptor->mac = mp_running_mac_new(keys->mac);
  if (encryptor->cipher == NULL || encryptor->enc_hash == NULL || encryptor->mac == NULL) return MP_ENOMEM;
  if (encryptor->streamed) {
    int rc = mp_sidecar_open(&encryptor->sidecar, keys->mac);
    if (rc == MP_OK) rc = mp_sidecar_update(&encryptor->sidecar, keys->iv, sizeof keys->iv);
    if (rc != MP_OK) return rc;
  }
  if (!EVP_EncryptInit_ex(encryptor->cipher, EVP_aes_256_cbc(), NULL, keys->cipher, keys->iv)) return MP_ECRYPTO;
  return mp_running_mac_update(encryptor->mac, keys->iv, sizeof keys->iv);
}

int mp_media_encryptor_new(mp_media_encryptor **out, const uint8_t *key, const mp_media_type *type, mp_error *e) {
  *out = NULL;
  if (key != NULL && type->info == NULL) return mp_fail(e, MP_EINVAL, "a %s is never encrypted", type->name);
  mp_media_encryptor *encryptor = calloc(1, sizeof *encryptor);
  if (encryptor == NULL) return mp_fail(e, MP_ENOMEM, "no memory to encrypt a file in");
  encryptor->hash = mp_running_hash_new();
  int rc = encryptor->hash != NULL ? MP_OK : MP_ENOMEM;
  if (key != NULL && rc == MP_OK) {
    mp_media_keys keys;
    encryptor->streamed = type->streamed;
    rc = mp_media_expand(&keys, key, type);
    if (rc == MP_OK) rc = open_keys(encryptor, &keys);
    mp_wipe(&keys, sizeof keys);
  }
  if (rc == MP_OK) {
    *out = encryptor;
    return MP_OK;
  }
  rc = broken(encryptor, rc, e);
  mp_media_encryptor_free(encryptor);
  return rc;
}

void mp_media_encryptor_free(mp_media_encryptor *encryptor) {
  if (encryptor == NULL) return;
  EVP_CIPHER_CTX_free(encryptor->cipher); /* zeroes the key */
  mp_running_hash_free(encryptor->hash);
  mp_running_hash_free(encryptor->enc_hash);
  mp_running_mac_free(encryptor->mac);
  mp_sidecar_close(&encryptor->sidecar);
  free(encryptor);
}

/* Ciphertext goes through the hash of the blob, the MAC, and the sidecar. */
static int account_for(mp_media_encryptor *encryptor, const uint8_t *ciphertext, size_t length) {
  int rc = mp_running_hash_update(encryptor->enc_hash, ciphertext, length);
  if (rc == MP_OK) rc = mp_running_mac_update(encryptor->mac, ciphertext, length);
  if (rc == MP_OK && encryptor->streamed) rc = mp_sidecar_update(&encryptor->sidecar, ciphertext, length);
  return rc;
}

static int encrypt_slice(mp_media_encryptor *encryptor, const uint8_t *bytes, size_t length, mp_buffer *out) {
  int written, rc = mp_running_hash_update(encryptor->hash, bytes, length);
  if (rc != MP_OK || encryptor->cipher == NULL) return rc;
  uint8_t *ciphertext = out->data + out->length;
  if (!EVP_EncryptUpdate(encryptor->cipher, ciphertext, &written, bytes, (int)length)) return MP_ECRYPTO;
  out->length += (size_t)written;
  return account_for(encryptor, ciphertext, (size_t)written);
}

int mp_media_encrypt(mp_media_encryptor *encryptor, const void *bytes, size_t length, mp_buffer *out, mp_error *e) {
  const uint8_t *from = bytes;
  if (encryptor->ended) return mp_fail(e, MP_ECLOSED, "the file has ended");
  if (length > MP_MEDIA_LENGTH_MAX - encryptor->length) return mp_fail(e, MP_ELIMIT, "the file has no end");
  int rc = encryptor->cipher == NULL ? mp_buffer_append(out, bytes, length) : mp_buffer_reserve(out, length + MP_MEDIA_BLOCK);
  encryptor->length += length;
  while (length > 0 && rc == MP_OK) {
    size_t part = length < MP_MEDIA_SLICE ? length : MP_MEDIA_SLICE;
    rc = encrypt_slice(encryptor, from, part, out);
    from += part;
    length -= part;
  }
  return rc == MP_OK ? MP_OK : broken(encryptor, rc, e);
}

static int seal(mp_media_encryptor *encryptor, mp_buffer *out, mp_media_sealed *sealed) {
  uint8_t mac[32], *last = out->data + out->length;
  int written;
  if (!EVP_EncryptFinal_ex(encryptor->cipher, last, &written)) return MP_ECRYPTO;
  int rc = account_for(encryptor, last, (size_t)written);
  out->length += (size_t)written;
  if (rc == MP_OK) rc = mp_running_mac_finish(encryptor->mac, mac);
  if (rc == MP_OK) rc = mp_running_hash_update(encryptor->enc_hash, mac, MP_MEDIA_MAC);
  if (rc == MP_OK && encryptor->streamed) rc = mp_sidecar_update(&encryptor->sidecar, mac, MP_MEDIA_MAC);
  if (rc == MP_OK && encryptor->streamed) rc = mp_sidecar_end(&encryptor->sidecar);
  if (rc == MP_OK) rc = mp_running_hash_finish(encryptor->enc_hash, sealed->enc_hash);
  if (rc == MP_OK) rc = mp_buffer_append(out, mac, MP_MEDIA_MAC);
  mp_wipe(mac, sizeof mac);
  if (encryptor->streamed) {
    sealed->sidecar = encryptor->sidecar.entries.data;
    sealed->sidecar_length = encryptor->sidecar.entries.length;
  }
  return rc;
}

int mp_media_encrypt_end(mp_media_encryptor *encryptor, mp_buffer *out, mp_media_sealed *sealed, mp_error *e) {
  *sealed = (mp_media_sealed){.length = encryptor->length};
  if (encryptor->ended) return mp_fail(e, MP_ECLOSED, "the file has ended");
  encryptor->ended = true;
  int rc = mp_running_hash_finish(encryptor->hash, sealed->hash);
  if (rc == MP_OK && encryptor->cipher == NULL) {
    memcpy(sealed->enc_hash, sealed->hash, sizeof sealed->hash);
    return MP_OK;
  }
  if (rc == MP_OK) rc = mp_buffer_reserve(out, MP_MEDIA_BLOCK + MP_MEDIA_MAC);
  if (rc == MP_OK) rc = seal(encryptor, out, sealed);
  return rc == MP_OK ? MP_OK : broken(encryptor, rc, e);
}
