#include "syncd.h"

#include <sodium.h>
#include <string.h>

#include "crypto/aes.h"
#include "crypto/hash.h"

void mp_syncd_expand(mp_syncd_keys *keys, const uint8_t key_data[MP_SYNCD_KEY]) {
  static const char info[] = "WhatsApp Mutation Keys";
  uint8_t okm[5 * MP_SYNCD_KEY];
  mp_hkdf(okm, sizeof okm, key_data, MP_SYNCD_KEY, NULL, 0, info, sizeof info - 1);
  memcpy(keys->index, okm, MP_SYNCD_KEY);
  memcpy(keys->value, okm + MP_SYNCD_KEY, MP_SYNCD_KEY);
  memcpy(keys->value_mac, okm + 2 * MP_SYNCD_KEY, MP_SYNCD_KEY);
  memcpy(keys->snapshot_mac, okm + 3 * MP_SYNCD_KEY, MP_SYNCD_KEY);
  memcpy(keys->patch_mac, okm + 4 * MP_SYNCD_KEY, MP_SYNCD_KEY);
  mp_wipe(okm, sizeof okm);
}

void mp_syncd_index_mac(uint8_t out[MP_SYNCD_MAC], const mp_syncd_keys *keys, const void *index, size_t length) {
  mp_hmac_sha256(out, keys->index, MP_SYNCD_KEY, index, length);
}

/* Over operation, key id, iv and ciphertext, and the length of the first two as a 64-bit number: half of an HMAC-SHA512. */
static void value_mac(uint8_t out[MP_SYNCD_MAC], const mp_syncd_keys *keys, mp_syncd_operation operation, const void *key_id,
                      size_t key_id_length, const uint8_t *sealed, size_t length) {
  uint8_t first = (uint8_t)operation, end[8] = {0}, full[crypto_auth_hmacsha512_BYTES];
  end[7] = (uint8_t)(1 + key_id_length);
  crypto_auth_hmacsha512_state state;
  crypto_auth_hmacsha512_init(&state, keys->value_mac, MP_SYNCD_KEY);
  crypto_auth_hmacsha512_update(&state, &first, 1);
  crypto_auth_hmacsha512_update(&state, key_id, key_id_length);
  crypto_auth_hmacsha512_update(&state, sealed, length);
  crypto_auth_hmacsha512_update(&state, end, sizeof end);
  crypto_auth_hmacsha512_final(&state, full);
  memcpy(out, full, MP_SYNCD_MAC);
}

int mp_syncd_seal(mp_buffer *out, const mp_syncd_keys *keys, mp_syncd_operation operation, const void *key_id,
                  size_t key_id_length, const uint8_t iv[MP_SYNCD_IV], const void *plaintext, size_t length, mp_error *e) {
  size_t start = out->length, sealed = 0;
  if (key_id_length > MP_SYNCD_KEY_ID_MAX) return mp_fail(e, MP_EINVAL, "an app-state key id of %zu bytes", key_id_length);
  int rc = mp_buffer_reserve(out, MP_SYNCD_IV + length + 16 + MP_SYNCD_MAC);
  if (rc != MP_OK) return mp_fail(e, rc, "no room for an app-state record of %zu bytes", length);
  uint8_t *blob = out->data + start;
  memcpy(blob, iv, MP_SYNCD_IV);
  rc = mp_aes_cbc_encrypt(blob + MP_SYNCD_IV, &sealed, keys->value, iv, plaintext, length);
  if (rc != MP_OK) return mp_fail(e, rc, "an app-state record could not be encrypted");
  sealed += MP_SYNCD_IV;
  value_mac(blob + sealed, keys, operation, key_id, key_id_length, blob, sealed);
  out->length = start + sealed + MP_SYNCD_MAC;
  return MP_OK;
}

int mp_syncd_open(uint8_t *out, size_t *out_length, const mp_syncd_keys *keys, mp_syncd_operation operation, const void *key_id,
                  size_t key_id_length, const uint8_t *blob, size_t length, mp_error *e) {
  uint8_t mac[MP_SYNCD_MAC];
  if (key_id_length > MP_SYNCD_KEY_ID_MAX) return mp_fail(e, MP_EINVAL, "an app-state key id of %zu bytes", key_id_length);
  if (length < MP_SYNCD_IV + 16 + MP_SYNCD_MAC) return mp_fail(e, MP_EMALFORMED, "an app-state record of %zu bytes", length);
  size_t sealed = length - MP_SYNCD_MAC;
  value_mac(mac, keys, operation, key_id, key_id_length, blob, sealed);
  if (sodium_memcmp(mac, blob + sealed, sizeof mac) != 0) return mp_fail(e, MP_ECRYPTO, "an app-state record's MAC is wrong");
  int rc = mp_aes_cbc_decrypt(out, out_length, keys->value, blob, blob + MP_SYNCD_IV, sealed - MP_SYNCD_IV);
  return rc == MP_OK ? MP_OK : mp_fail(e, rc, "an app-state record could not be decrypted");
}

/* The hash is 64 little-endian 16-bit words, each summed for itself. */
static void sum(uint8_t hash[MP_SYNCD_HASH], const uint8_t mac[MP_SYNCD_MAC], int subtract) {
  static const char info[] = "WhatsApp Patch Integrity";
  uint8_t expanded[MP_SYNCD_HASH];
  mp_hkdf(expanded, sizeof expanded, mac, MP_SYNCD_MAC, NULL, 0, info, sizeof info - 1);
  for (size_t i = 0; i < MP_SYNCD_HASH; i += 2) {
    unsigned a = hash[i] | (unsigned)hash[i + 1] << 8, b = expanded[i] | (unsigned)expanded[i + 1] << 8;
    unsigned word = subtract ? a - b : a + b;
    hash[i] = (uint8_t)word;
    hash[i + 1] = (uint8_t)(word >> 8);
  }
}

void mp_syncd_add(uint8_t hash[MP_SYNCD_HASH], const uint8_t mac[MP_SYNCD_MAC]) {
  sum(hash, mac, 0);
}

void mp_syncd_subtract(uint8_t hash[MP_SYNCD_HASH], const uint8_t mac[MP_SYNCD_MAC]) {
  sum(hash, mac, 1);
}

/* HMAC-SHA256 over two parts, the version in 8 bytes and the collection's name. */
static void versioned_mac(uint8_t out[MP_SYNCD_MAC], const uint8_t key[MP_SYNCD_KEY], const void *a, size_t a_length,
                          const void *b, size_t b_length, uint64_t version, const char *collection) {
  uint8_t number[8];
  for (int i = 0; i < 8; i++) number[i] = (uint8_t)(version >> (56 - 8 * i));
  mp_hmac hmac;
  mp_hmac_init(&hmac, key, MP_SYNCD_KEY);
  mp_hmac_update(&hmac, a, a_length);
  mp_hmac_update(&hmac, b, b_length);
  mp_hmac_update(&hmac, number, sizeof number);
  mp_hmac_update(&hmac, collection, strlen(collection));
  mp_hmac_final(&hmac, out);
}

void mp_syncd_snapshot_mac(uint8_t out[MP_SYNCD_MAC], const mp_syncd_keys *keys, const uint8_t hash[MP_SYNCD_HASH],
                           uint64_t version, const char *collection) {
  versioned_mac(out, keys->snapshot_mac, hash, MP_SYNCD_HASH, NULL, 0, version, collection);
}

void mp_syncd_patch_mac(uint8_t out[MP_SYNCD_MAC], const mp_syncd_keys *keys, const uint8_t snapshot_mac[MP_SYNCD_MAC],
                        const void *value_macs, size_t length, uint64_t version, const char *collection) {
  versioned_mac(out, keys->patch_mac, snapshot_mac, MP_SYNCD_MAC, value_macs, length, version, collection);
}
