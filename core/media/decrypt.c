/* A file on its way in (fact sheet 05 §13.3): decrypted and hashed as it passes; what it is shows at its end only. The last block
 * and the MAC are held back, since nothing before the end tells which bytes those are. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/running.h"
#include "media/media.h"

#define HELD (MP_MEDIA_BLOCK + MP_MEDIA_MAC)

struct mp_media_decryptor {
  EVP_CIPHER_CTX *cipher; /* NULL: not encrypted */
  mp_running_hash *hash, *enc_hash;
  mp_running_mac *mac;
  mp_media_told told; /* its pointers lead to what follows */
  uint8_t told_hash[MP_MEDIA_HASH], told_enc_hash[MP_MEDIA_HASH];
  uint8_t held[HELD];
  size_t held_length;
  uint64_t came, length; /* bytes of the blob, of the file */
  bool ended;
};

static int broken(mp_media_decryptor *decryptor, int rc, mp_error *e) {
  decryptor->ended = true;
  if (rc == MP_ENOMEM) return mp_fail(e, rc, "no memory to decrypt a file in");
  return mp_fail(e, rc, "libcrypto does not decrypt");
}

static int open_keys(mp_media_decryptor *decryptor, const mp_media_keys *keys) {
  decryptor->cipher = EVP_CIPHER_CTX_new();
  decryptor->enc_hash = mp_running_hash_new();
  decryptor->mac = mp_running_mac_new(keys->mac);
  if (decryptor->cipher == NULL || decryptor->enc_hash == NULL || decryptor->mac == NULL) return MP_ENOMEM;
  if (!EVP_DecryptInit_ex(decryptor->cipher, EVP_aes_256_cbc(), NULL, keys->cipher, keys->iv)) return MP_ECRYPTO;
  EVP_CIPHER_CTX_set_padding(decryptor->cipher, 0); /* the padding is looked at behind the MAC */
  return mp_running_mac_update(decryptor->mac, keys->iv, sizeof keys->iv);
}

static void remember(mp_media_decryptor *decryptor, const mp_media_told *told) {
  decryptor->told = *told;
  decryptor->told.key = NULL;
  if (told->hash != NULL) decryptor->told.hash = memcpy(decryptor->told_hash, told->hash, MP_MEDIA_HASH);
  if (told->enc_hash != NULL) decryptor->told.enc_hash = memcpy(decryptor->told_enc_hash, told->enc_hash, MP_MEDIA_HASH);
}

int mp_media_decryptor_new(mp_media_decryptor **out, const mp_media_told *told, mp_error *e) {
  *out = NULL;
  if (told->key != NULL && told->type->info == NULL) return mp_fail(e, MP_EINVAL, "a %s is never encrypted", told->type->name);
  mp_media_decryptor *decryptor = calloc(1, sizeof *decryptor);
  if (decryptor == NULL) return mp_fail(e, MP_ENOMEM, "no memory to decrypt a file in");
  remember(decryptor, told);
  decryptor->hash = mp_running_hash_new();
  int rc = decryptor->hash != NULL ? MP_OK : MP_ENOMEM;
  if (told->key != NULL && rc == MP_OK) {
    mp_media_keys keys;
    rc = mp_media_expand(&keys, told->key, told->type);
    if (rc == MP_OK) rc = open_keys(decryptor, &keys);
    mp_wipe(&keys, sizeof keys);
  }
  if (rc == MP_OK) {
    *out = decryptor;
    return MP_OK;
  }
  rc = broken(decryptor, rc, e);
  mp_media_decryptor_free(decryptor);
  return rc;
}

void mp_media_decryptor_free(mp_media_decryptor *decryptor) {
  if (decryptor == NULL) return;
  EVP_CIPHER_CTX_free(decryptor->cipher); /* zeroes the key */
  mp_running_hash_free(decryptor->hash);
  mp_running_hash_free(decryptor->enc_hash);
  mp_running_mac_free(decryptor->mac);
  mp_wipe(decryptor->held, sizeof decryptor->held);
  free(decryptor);
}

/* Ciphertext that is not the last block becomes plaintext; `out` has room. */
static int decrypt_slice(mp_media_decryptor *decryptor, const uint8_t *bytes, size_t length, mp_buffer *out) {
  int written, rc = mp_running_mac_update(decryptor->mac, bytes, length);
  uint8_t *plaintext = out->data + out->length;
  if (rc != MP_OK) return rc;
  if (!EVP_DecryptUpdate(decryptor->cipher, plaintext, &written, bytes, (int)length)) return MP_ECRYPTO;
  out->length += (size_t)written;
  decryptor->length += (size_t)written;
  return mp_running_hash_update(decryptor->hash, plaintext, (size_t)written);
}

/* All but the last HELD bytes of what has come are passed on. */
static int pass_on(mp_media_decryptor *decryptor, const uint8_t *bytes, size_t length, mp_buffer *out) {
  size_t ready = decryptor->held_length + length > HELD ? decryptor->held_length + length - HELD : 0;
  size_t old = ready < decryptor->held_length ? ready : decryptor->held_length;
  int rc = old > 0 ? decrypt_slice(decryptor, decryptor->held, old, out) : MP_OK;
  decryptor->held_length -= old;
  memmove(decryptor->held, decryptor->held + old, decryptor->held_length);
  size_t fresh = ready - old;
  if (rc == MP_OK && fresh > 0) rc = decrypt_slice(decryptor, bytes, fresh, out);
  memcpy(decryptor->held + decryptor->held_length, bytes + fresh, length - fresh);
  decryptor->held_length += length - fresh;
  return rc;
}

static int decrypt_all(mp_media_decryptor *decryptor, const uint8_t *bytes, size_t length, mp_buffer *out) {
  int rc = MP_OK;
  while (length > 0 && rc == MP_OK) {
    size_t part = length < MP_MEDIA_SLICE ? length : MP_MEDIA_SLICE;
    rc = mp_running_hash_update(decryptor->enc_hash, bytes, part);
    if (rc == MP_OK) rc = pass_on(decryptor, bytes, part, out);
    bytes += part;
    length -= part;
  }
  return rc;
}

/* How many bytes should come, by what was told. */
static uint64_t expected(const mp_media_decryptor *decryptor) {
  uint64_t length = decryptor->told.length;
  return decryptor->cipher == NULL ? length : mp_media_blob_length(length);
}

static int too_long(mp_media_decryptor *decryptor, mp_error *e) {
  decryptor->ended = true;
  return mp_fail(e, MP_EMEDIA_LENGTH, "the file is longer than the %" PRIu64 " bytes it was said to have",
                 decryptor->told.length);
}

int mp_media_decrypt(mp_media_decryptor *decryptor, const void *bytes, size_t length, mp_buffer *out, mp_error *e) {
  if (decryptor->ended) return mp_fail(e, MP_ECLOSED, "the file has ended");
  if (length > MP_MEDIA_LENGTH_MAX - decryptor->came) return mp_fail(e, MP_ELIMIT, "the file has no end");
  decryptor->came += length;
  if (decryptor->told.strict && decryptor->told.has_length && decryptor->came > expected(decryptor))
    return too_long(decryptor, e);
  int rc;
  if (decryptor->cipher == NULL) {
    rc = mp_buffer_append(out, bytes, length);
    if (rc == MP_OK) rc = mp_running_hash_update(decryptor->hash, bytes, length);
    decryptor->length += length;
  } else {
    rc = mp_buffer_reserve(out, length + HELD + MP_MEDIA_BLOCK);
    if (rc == MP_OK) rc = decrypt_all(decryptor, bytes, length, out);
  }
  return rc == MP_OK ? MP_OK : broken(decryptor, rc, e);
}

static int truncated(const mp_media_decryptor *decryptor, mp_error *e) {
  if (!decryptor->told.has_length)
    return mp_fail(e, MP_EMEDIA_TRUNCATED, "the file ends after %" PRIu64 " bytes", decryptor->came);
  return mp_fail(e, MP_EMEDIA_TRUNCATED, "the file ends after %" PRIu64 " of %" PRIu64 " bytes", decryptor->came,
                 expected(decryptor));
}

/* A hash that does not fit is told as a short file where the length says so. */
static int check_hash(const mp_media_decryptor *decryptor, const uint8_t *is, const uint8_t *told, int code, mp_error *e) {
  if (told == NULL || sodium_memcmp(is, told, MP_MEDIA_HASH) == 0) return MP_OK;
  bool undecrypted = code == MP_EMEDIA_ENC_HASH || decryptor->cipher == NULL;
  if (undecrypted && decryptor->told.has_length && decryptor->came < expected(decryptor)) return truncated(decryptor, e);
  if (code == MP_EMEDIA_ENC_HASH) return mp_fail(e, code, "the bytes that came are not the file that was told");
  return mp_fail(e, code, "the file is not the one that was told");
}

static int check_mac(mp_media_decryptor *decryptor, mp_error *e) {
  uint8_t mac[32];
  int rc = mp_running_mac_update(decryptor->mac, decryptor->held, MP_MEDIA_BLOCK);
  if (rc == MP_OK) rc = mp_running_mac_finish(decryptor->mac, mac);
  if (rc != MP_OK) return mp_fail(e, rc, "libcrypto does not decrypt");
  bool fits = sodium_memcmp(mac, decryptor->held + MP_MEDIA_BLOCK, MP_MEDIA_MAC) == 0;
  mp_wipe(mac, sizeof mac);
  if (!fits) return mp_fail(e, MP_EMEDIA_MAC, "the file's MAC is wrong: another key or kind than it was encrypted with");
  return MP_OK;
}

/* The last block, whose padding is stripped: its plaintext is appended. */
static int open_last(mp_media_decryptor *decryptor, mp_buffer *out, mp_error *e) {
  uint8_t block[2 * MP_MEDIA_BLOCK], wrong = 0;
  int written = 0;
  if (!EVP_DecryptUpdate(decryptor->cipher, block, &written, decryptor->held, MP_MEDIA_BLOCK) || written != MP_MEDIA_BLOCK) {
    return broken(decryptor, MP_ECRYPTO, e);
  }
  size_t padding = block[MP_MEDIA_BLOCK - 1];
  if (padding < 1 || padding > MP_MEDIA_BLOCK) wrong = 1;
  for (size_t i = 1; !wrong && i <= padding; i++) wrong |= (uint8_t)(block[MP_MEDIA_BLOCK - i] ^ padding);
  int rc = MP_OK;
  if (wrong) {
    rc = mp_fail(e, MP_EMEDIA_PADDING, "the file's last block is not padded");
  } else if (mp_buffer_append(out, block, MP_MEDIA_BLOCK - padding) != MP_OK ||
             mp_running_hash_update(decryptor->hash, block, MP_MEDIA_BLOCK - padding) != MP_OK) {
    rc = broken(decryptor, MP_ENOMEM, e);
  } else {
    decryptor->length += MP_MEDIA_BLOCK - padding;
  }
  mp_wipe(block, sizeof block);
  return rc;
}

static int open_end(mp_media_decryptor *decryptor, mp_buffer *out, mp_media_sealed *opened, mp_error *e) {
  if (decryptor->held_length < HELD || (decryptor->came - MP_MEDIA_MAC) % MP_MEDIA_BLOCK != 0) return truncated(decryptor, e);
  int rc = mp_running_hash_finish(decryptor->enc_hash, opened->enc_hash);
  if (rc != MP_OK) return broken(decryptor, rc, e);
  rc = check_hash(decryptor, opened->enc_hash, decryptor->told.enc_hash, MP_EMEDIA_ENC_HASH, e);
  if (rc == MP_OK) rc = check_mac(decryptor, e);
  return rc == MP_OK ? open_last(decryptor, out, e) : rc;
}

int mp_media_decrypt_end(mp_media_decryptor *decryptor, mp_buffer *out, mp_media_sealed *opened, mp_error *e) {
  *opened = (mp_media_sealed){0};
  if (decryptor->ended) return mp_fail(e, MP_ECLOSED, "the file has ended");
  decryptor->ended = true;
  int rc = decryptor->cipher != NULL ? open_end(decryptor, out, opened, e) : MP_OK;
  if (rc != MP_OK) return rc;
  if (mp_running_hash_finish(decryptor->hash, opened->hash) != MP_OK) return broken(decryptor, MP_ECRYPTO, e);
  opened->length = decryptor->length;
  if (decryptor->cipher == NULL) memcpy(opened->enc_hash, opened->hash, MP_MEDIA_HASH);
  rc = check_hash(decryptor, opened->hash, decryptor->told.hash, MP_EMEDIA_HASH, e);
  if (rc != MP_OK || !decryptor->told.strict || !decryptor->told.has_length || opened->length == decryptor->told.length)
    return rc;
  return mp_fail(e, MP_EMEDIA_LENGTH, "the file has %" PRIu64 " bytes, not the %" PRIu64 " it was said to have", opened->length,
                 decryptor->told.length);
}
