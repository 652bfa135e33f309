/* Files of messages: what was encrypted comes back whatever the pieces; a blob that was changed, cut or lengthened is refused;
 * and whatever bytes are taken for a blob, behind a MAC that holds, decrypt to what encrypts to them again, or are refused.
 * Input: kind of file, then how the blob is changed (place, by what, how much is cut or added), then the file or blob. */
#include "media/media.h"

#include <string.h>

#include "crypto/running.h"
#include "fuzz.h"

#define HEAD 6

static const uint8_t key[MP_MEDIA_KEY] = "of thirty-two bytes, for a file";
static const char *const names[] = {"image", "video", "audio", "document", "md-msg-hist", "sticker-pack"};

typedef struct {
  mp_buffer blob;
  mp_media_sealed sealed;
} sample;

static sample encrypt(const mp_media_type *type, const uint8_t *bytes, size_t length, uint32_t seed, size_t most) {
  sample s = {0};
  mp_media_encryptor *encryptor;
  HOLDS(mp_media_encryptor_new(&encryptor, key, type, NULL) == MP_OK);
  for (size_t at = 0; at < length;) {
    size_t part = 1 + next_choice(&seed) % most;
    if (part > length - at) part = length - at;
    HOLDS(mp_media_encrypt(encryptor, bytes + at, part, &s.blob, NULL) == MP_OK);
    at += part;
  }
  HOLDS(mp_media_encrypt_end(encryptor, &s.blob, &s.sealed, NULL) == MP_OK);
  s.sealed.sidecar = NULL;
  mp_media_encryptor_free(encryptor);
  HOLDS(s.blob.length == mp_media_blob_length(length) && s.sealed.length == length);
  return s;
}

static int decrypt(const mp_media_told *told, const uint8_t *blob, size_t length, uint32_t seed, mp_buffer *out) {
  mp_media_decryptor *decryptor;
  mp_media_sealed opened;
  mp_error e = {0};
  int rc = MP_OK;
  HOLDS(mp_media_decryptor_new(&decryptor, told, &e) == MP_OK);
  for (size_t at = 0; at < length && rc == MP_OK;) {
    size_t part = 1 + next_choice(&seed) % 100;
    if (part > length - at) part = length - at;
    rc = mp_media_decrypt(decryptor, blob + at, part, out, &e);
    HOLDS(out->length <= at + part);
    at += part;
  }
  if (rc == MP_OK) rc = mp_media_decrypt_end(decryptor, out, &opened, &e);
  HOLDS(rc == MP_OK ? opened.length == out->length : rc == e.code && e.message[0] != 0);
  mp_media_decryptor_free(decryptor);
  return rc;
}

static void comes_back(const mp_media_type *type, const uint8_t *bytes, size_t length, uint32_t seed) {
  sample s = encrypt(type, bytes, length, seed, 50), whole = encrypt(type, bytes, length, seed, length + 1);
  mp_media_told told = {type, key, s.sealed.hash, s.sealed.enc_hash, true, true, length};
  mp_buffer out = {0};
  HOLDS(s.blob.length == whole.blob.length && memcmp(s.blob.data, whole.blob.data, s.blob.length) == 0);
  HOLDS(memcmp(s.sealed.enc_hash, whole.sealed.enc_hash, MP_MEDIA_HASH) == 0);
  HOLDS(decrypt(&told, s.blob.data, s.blob.length, seed, &out) == MP_OK);
  HOLDS(out.length == length && (length == 0 || memcmp(out.data, bytes, length) == 0));
  mp_buffer_free(&out);
  mp_buffer_free(&s.blob);
  mp_buffer_free(&whole.blob);
}

static void changes_are_seen(const mp_media_type *type, const uint8_t *head, const uint8_t *bytes, size_t length, uint32_t seed) {
  sample s = encrypt(type, bytes, length, seed, 1000);
  mp_media_told told = {type, key, s.sealed.hash, s.sealed.enc_hash, true, true, length};
  mp_buffer out = {0};
  size_t place = (head[1] | (size_t)head[2] << 8) % s.blob.length;
  bool changed = head[3] != 0 || head[4] != 0;
  s.blob.data[place] ^= head[3];
  if (head[4] < 128) {
    s.blob.length -= head[4] < s.blob.length ? head[4] : s.blob.length;
  } else {
    for (int i = 128; i <= head[4]; i++) HOLDS(mp_buffer_push(&s.blob, head[5]) == MP_OK);
  }
  HOLDS((decrypt(&told, s.blob.data, s.blob.length, seed, &out) != MP_OK) == changed);
  told = (mp_media_told){.type = type, .key = key}; /* the MAC alone */
  out.length = 0;
  HOLDS((decrypt(&told, s.blob.data, s.blob.length, seed, &out) != MP_OK) == changed);
  mp_buffer_free(&out);
  mp_buffer_free(&s.blob);
}

/* The bytes as ciphertext, with the MAC they would have. */
static void any_blob(const mp_media_type *type, const uint8_t *bytes, size_t length, uint32_t seed) {
  mp_buffer blob = {0}, out = {0};
  mp_media_keys keys;
  uint8_t mac[32];
  HOLDS(mp_media_expand(&keys, key, type) == MP_OK);
  mp_running_mac *running = mp_running_mac_new(keys.mac);
  HOLDS(running != NULL && mp_running_mac_update(running, keys.iv, sizeof keys.iv) == MP_OK);
  HOLDS(mp_running_mac_update(running, bytes, length) == MP_OK && mp_running_mac_finish(running, mac) == MP_OK);
  mp_running_mac_free(running);
  HOLDS(mp_buffer_append(&blob, bytes, length) == MP_OK && mp_buffer_append(&blob, mac, MP_MEDIA_MAC) == MP_OK);
  const mp_media_told told = {.type = type, .key = key};
  int rc = decrypt(&told, blob.data, blob.length, seed, &out);
  if (rc == MP_OK) {
    sample again = encrypt(type, out.data, out.length, seed, 100);
    HOLDS(again.blob.length == blob.length && memcmp(again.blob.data, blob.data, blob.length) == 0);
    mp_buffer_free(&again.blob);
  } else {
    HOLDS(rc == (length == 0 || length % MP_MEDIA_BLOCK != 0 ? MP_EMEDIA_TRUNCATED : MP_EMEDIA_PADDING));
  }
  mp_buffer_free(&blob);
  mp_buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  uint32_t seed = 7;
  if (length < HEAD) return 0;
  const mp_media_type *type = mp_media_type_find(names[bytes[0] % (sizeof names / sizeof *names)]);
  for (size_t i = 0; i < HEAD; i++) seed = seed * 31 + bytes[i];
  comes_back(type, bytes + HEAD, length - HEAD, seed);
  changes_are_seen(type, bytes, bytes + HEAD, length - HEAD, seed);
  any_blob(type, bytes + HEAD, length - HEAD, seed);
  return 0;
}
