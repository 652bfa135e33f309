#include "crypto/link_code.h"

#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#include "base/buffer.h"
#include "crypto/aes.h"
#include "crypto/hash.h"

static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTVWXYZ"; /* no 0, I, O, U */
static const char bundle_info[] = "link_code_pairing_key_bundle_encryption_key", secret_info[] = "adv_secret";

#define PLAIN 96 /* bytes of a bundle's inside: the device's identity, the phone's, the device's part of the secret */

void mp_link_code_spell(char out[MP_LINK_CODE], const uint8_t bits[5]) {
  uint64_t all = 0;
  for (int i = 0; i < 5; i++) all = all << 8 | bits[i];
  for (int i = 0; i < MP_LINK_CODE; i++) out[i] = alphabet[all >> (35 - 5 * i) & 31];
}

int mp_link_code_is_valid(const char code[MP_LINK_CODE]) {
  for (int i = 0; i < MP_LINK_CODE; i++) {
    if (memchr(alphabet, code[i], sizeof alphabet - 1) == NULL) return 0;
  }
  return 1;
}

int mp_link_hide(uint8_t out[32], const char code[MP_LINK_CODE], const uint8_t header[MP_LINK_HEADER], const uint8_t in[32],
                 mp_error *e) {
  uint8_t key[32];
  int ok = PKCS5_PBKDF2_HMAC(code, MP_LINK_CODE, header, 32, MP_LINK_ROUNDS, EVP_sha256(), sizeof key, key);
  int rc = ok == 1 ? mp_aes_ctr(out, key, header + 32, in, 32) : MP_ECRYPTO;
  mp_wipe(key, sizeof key);
  return rc == MP_OK ? MP_OK : mp_fail(e, rc, "libcrypto cannot derive the key of a linking code");
}

typedef struct {
  uint8_t parts[96]; /* agreement of the ephemeral keys, of the identities, the device's part */
  uint8_t key[32];   /* of the bundle */
} shared;

static int agree(shared *s, const mp_link_keys *keys, const uint8_t salt[32], mp_error *e) {
  if (mp_agree(s->parts, keys->ephemeral->private_key, keys->their_ephemeral) != MP_OK ||
      mp_agree(s->parts + 32, keys->identity->private_key, keys->their_identity) != MP_OK) {
    return mp_fail(e, MP_ECRYPTO, "the other side's key is of small order");
  }
  return mp_hkdf(s->key, 32, s->parts, 32, salt, 32, bundle_info, sizeof bundle_info - 1);
}

static int derive_secret(uint8_t adv_secret[32], const shared *s) {
  return mp_hkdf(adv_secret, 32, s->parts, sizeof s->parts, NULL, 0, secret_info, sizeof secret_info - 1);
}

/* Encrypts the inside of a bundle, or decrypts it. */
static int crypt_bundle(uint8_t *out, const shared *s, const uint8_t nonce[12], const uint8_t *in, size_t length, int encrypt) {
  mp_gcm *gcm = mp_gcm_new(s->key, encrypt);
  if (gcm == NULL) return MP_ENOMEM;
  int rc = encrypt ? mp_gcm_encrypt(gcm, out, nonce, NULL, 0, in, length) : mp_gcm_decrypt(gcm, out, nonce, NULL, 0, in, length);
  mp_gcm_free(gcm);
  return rc;
}

int mp_link_seal(uint8_t bundle[MP_LINK_BUNDLE], uint8_t adv_secret[32], const mp_link_keys *keys, const mp_link_draw *draw,
                 mp_error *e) {
  shared s;
  uint8_t plain[PLAIN];
  int rc = agree(&s, keys, draw->salt, e);
  if (rc == MP_OK) {
    memcpy(plain, keys->identity->public_key, 32);
    memcpy(plain + 32, keys->their_identity, 32);
    memcpy(plain + 64, draw->secret, 32);
    memcpy(s.parts + 64, draw->secret, 32);
    memcpy(bundle, draw->salt, 32);
    memcpy(bundle + 32, draw->nonce, 12);
    rc = crypt_bundle(bundle + 44, &s, draw->nonce, plain, sizeof plain, 1);
    if (rc == MP_OK) rc = derive_secret(adv_secret, &s);
    if (rc != MP_OK) mp_fail(e, rc, "cannot seal the keys for the phone");
  }
  mp_wipe(&s, sizeof s);
  mp_wipe(plain, sizeof plain);
  return rc;
}

int mp_link_open(uint8_t adv_secret[32], const mp_link_keys *keys, const uint8_t bundle[MP_LINK_BUNDLE], mp_error *e) {
  shared s;
  uint8_t plain[PLAIN];
  int rc = agree(&s, keys, bundle, e);
  if (rc == MP_OK) {
    rc = crypt_bundle(plain, &s, bundle + 32, bundle + 44, MP_LINK_BUNDLE - 44, 0);
    if (rc == MP_OK &&
        (sodium_memcmp(plain, keys->their_identity, 32) != 0 || sodium_memcmp(plain + 32, keys->identity->public_key, 32) != 0)) {
      rc = MP_ECRYPTO;
    }
    if (rc == MP_OK) memcpy(s.parts + 64, plain + 64, 32);
    if (rc == MP_OK) rc = derive_secret(adv_secret, &s);
    if (rc != MP_OK) mp_fail(e, rc, "the sealed keys do not open: another code was typed, or they are not the device's");
  }
  mp_wipe(&s, sizeof s);
  mp_wipe(plain, sizeof plain);
  return rc;
}
