#include "store/seal.h"

#include <sodium.h>
#include <string.h>

#include "crypto/hash.h"

#define HEADER_VERSION 1
#define PASSES 3u
#define KIB (64u * 1024)
#define PASSES_MAX 64u
#define KIB_MAX (1024u * 1024)

enum { AT_VERSION = 0, AT_KIND = 1, AT_PASSES = 2, AT_KIB = 6, AT_SALT = 10, SALT_SIZE = 16, HEX_DIGITS = 64 };

static const char context[] = "moonpost store seal";

static void put_u32(uint8_t *at, uint32_t value) {
  for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32(const uint8_t *at) {
  return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

int mp_store_key_set(mp_store_key *key, const char *text, size_t length, mp_error *e) {
  size_t decoded;
  memset(key, 0, sizeof *key);
  while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL && text[length - 1] != 0) length--;
  if (length < MP_SEAL_TEXT_MIN || length > MP_SEAL_TEXT_MAX) {
    return mp_fail(e, MP_EKEY, "the store's key is too %s, %zu bytes: 64 hex digits expected, or a passphrase of %d to %d bytes",
                   length < MP_SEAL_TEXT_MIN ? "short" : "long", length, MP_SEAL_TEXT_MIN, MP_SEAL_TEXT_MAX);
  }
  key->raw = length == HEX_DIGITS && sodium_hex2bin(key->text, 32, text, length, NULL, &decoded, NULL) == 0 && decoded == 32;
  if (key->raw) {
    key->length = 32;
    return MP_OK;
  }
  memcpy(key->text, text, length);
  key->length = length;
  return MP_OK;
}

void mp_store_key_wipe(mp_store_key *key) {
  mp_wipe(key, sizeof *key);
}

static void make_parameters(const mp_store_key *key, uint8_t parameters[MP_SEAL_PARAMETERS]) {
  parameters[AT_VERSION] = HEADER_VERSION;
  parameters[AT_KIND] = key->raw ? 'k' : 'p';
  put_u32(parameters + AT_PASSES, key->raw ? 0 : PASSES);
  put_u32(parameters + AT_KIB, key->raw ? 0 : KIB);
  mp_random(parameters + AT_SALT, SALT_SIZE);
}

static int check_parameters(const mp_store_key *key, const uint8_t *parameters, mp_error *e) {
  uint32_t passes = get_u32(parameters + AT_PASSES), kib = get_u32(parameters + AT_KIB);
  uint8_t kind = parameters[AT_KIND];
  if (parameters[AT_VERSION] != HEADER_VERSION) return mp_fail(e, MP_EVERSION, "the store is sealed in a newer way");
  if ((kind != 'k' && kind != 'p') || passes > PASSES_MAX || kib > KIB_MAX || (kind == 'p' && (passes < 1 || kib < 8)))
    return mp_fail(e, MP_EMALFORMED, "the store is damaged: how it is sealed is unreadable");
  if ((kind == 'k') != key->raw) {
    return mp_fail(e, MP_EKEY, "wrong key: the store is sealed with %s", kind == 'k' ? "64 hex digits" : "a passphrase");
  }
  return MP_OK;
}

int mp_store_key_derive(mp_store_key *key, const uint8_t *header, size_t length, mp_error *e) {
  uint8_t parameters[MP_SEAL_PARAMETERS];
  if (header == NULL) {
    make_parameters(key, parameters);
  } else {
    if (length != MP_SEAL_HEADER) return mp_fail(e, MP_EMALFORMED, "the store is damaged: how it is sealed is unreadable");
    memcpy(parameters, header, sizeof parameters);
    int rc = check_parameters(key, parameters, e);
    if (rc != MP_OK) return rc;
  }
  if (key->derived && header != NULL && memcmp(parameters, key->parameters, sizeof parameters) == 0) return MP_OK;
  key->derived = false;
  if (key->raw) {
    mp_hkdf(key->key, sizeof key->key, key->text, key->length, parameters + AT_SALT, SALT_SIZE, context, sizeof context - 1);
  } else if (crypto_pwhash(key->key, sizeof key->key, (const char *)key->text, key->length, parameters + AT_SALT,
                           get_u32(parameters + AT_PASSES), (size_t)get_u32(parameters + AT_KIB) * 1024,
                           crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return mp_fail(e, MP_ENOMEM, "no memory to try the store's passphrase: %u MiB", get_u32(parameters + AT_KIB) / 1024);
  }
  memcpy(key->parameters, parameters, sizeof parameters);
  key->derived = true;
  key->fresh = header == NULL;
  return MP_OK;
}

int mp_seal_value(const mp_seal *seal, const void *place, size_t place_length, const void *value, size_t length, mp_buffer *out) {
  out->length = 0;
  int rc = mp_buffer_reserve(out, length + MP_SEAL_OVERHEAD);
  if (rc != MP_OK) return rc;
  mp_random(out->data, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
  crypto_aead_xchacha20poly1305_ietf_encrypt(out->data + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, NULL, value, length, place,
                                             place_length, NULL, out->data, seal->key);
  out->length = length + MP_SEAL_OVERHEAD;
  return MP_OK;
}

int mp_seal_unseal(const mp_seal *seal, const void *place, size_t place_length, const void *sealed, size_t length,
                   mp_buffer *out) {
  const uint8_t *nonce = sealed;
  out->length = 0;
  if (length < MP_SEAL_OVERHEAD) return MP_ECRYPTO;
  int rc = mp_buffer_reserve(out, length - MP_SEAL_OVERHEAD + 1);
  if (rc != MP_OK) return rc;
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(out->data, NULL, NULL, nonce + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
                                                 length - crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, place, place_length,
                                                 nonce, seal->key) != 0) {
    return MP_ECRYPTO;
  }
  out->length = length - MP_SEAL_OVERHEAD;
  return MP_OK;
}

int mp_seal_open(mp_seal *seal, mp_store_key *key, const uint8_t *header, size_t length, mp_error *e) {
  mp_buffer nothing;
  *seal = (mp_seal){0};
  int rc = mp_store_key_derive(key, header, length, e);
  if (rc != MP_OK) return rc;
  memcpy(seal->key, key->key, sizeof seal->key);
  mp_buffer_init(&nothing, 0);
  rc = mp_seal_unseal(seal, header, MP_SEAL_PARAMETERS, header + MP_SEAL_PARAMETERS, MP_SEAL_OVERHEAD, &nothing);
  mp_buffer_free(&nothing);
  seal->on = rc == MP_OK;
  if (seal->on) return MP_OK;
  mp_seal_wipe(seal);
  return rc == MP_ECRYPTO ? mp_fail(e, MP_EKEY, "wrong key") : mp_fail(e, rc, "no memory to try the store's key");
}

int mp_seal_make(mp_seal *seal, mp_store_key *key, uint8_t header[MP_SEAL_HEADER], mp_error *e) {
  mp_buffer nothing;
  int rc = key->derived && key->fresh ? MP_OK : mp_store_key_derive(key, NULL, 0, e);
  if (rc != MP_OK) return rc;
  key->fresh = false;
  memcpy(seal->key, key->key, sizeof seal->key);
  memcpy(header, key->parameters, MP_SEAL_PARAMETERS);
  mp_buffer_init(&nothing, 0);
  rc = mp_seal_value(seal, header, MP_SEAL_PARAMETERS, "", 0, &nothing);
  if (rc == MP_OK) memcpy(header + MP_SEAL_PARAMETERS, nothing.data, MP_SEAL_OVERHEAD);
  mp_buffer_free(&nothing);
  seal->on = rc == MP_OK;
  return rc == MP_OK ? MP_OK : mp_fail(e, rc, "no memory to seal a store");
}

void mp_seal_wipe(mp_seal *seal) {
  mp_wipe(seal, sizeof *seal);
}
