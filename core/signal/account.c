#include "signal/account.h"

#include <signal/key_helper.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/signal_provider.h"

/* One row holds all credentials, so that they are written together; tables.h has its layout. */
static const char row_name[] = "credentials";
#define ROW_SIZE (4 + 4 + 3 * sizeof(mp_keypair) + 64 + 32 + 32)

mp_bytes mp_account_key(const mp_account *account, const void *name, size_t length, uint8_t out[MP_STORE_KEY_MAX]) {
  size_t scope = strlen(account->scope), total = scope + 1 + length;
  if (total > MP_STORE_KEY_MAX) return (mp_bytes){out, total};
  memcpy(out, account->scope, scope);
  out[scope] = 0;
  memcpy(out + scope + 1, name, length);
  return (mp_bytes){out, total};
}

static size_t put(uint8_t *row, size_t at, const void *bytes, size_t length) {
  memcpy(row + at, bytes, length);
  return at + length;
}

static int save(mp_account *account, mp_error *e) {
  uint8_t row[ROW_SIZE], key[MP_STORE_KEY_MAX];
  size_t at = put(row, 0, &account->registration_id, 4);
  at = put(row, at, &account->signed_prekey_id, 4);
  at = put(row, at, &account->identity, sizeof account->identity);
  at = put(row, at, &account->noise, sizeof account->noise);
  at = put(row, at, &account->signed_prekey, sizeof account->signed_prekey);
  at = put(row, at, account->signed_prekey_signature, 64);
  at = put(row, at, account->adv_secret, 32);
  at = put(row, at, account->store_secret, 32);
  int rc = mp_store_put(account->store, MP_TABLE_CREDENTIAL, mp_account_key(account, row_name, sizeof row_name - 1, key),
                        (mp_bytes){row, at}, e);
  mp_wipe(row, sizeof row);
  return rc;
}

static size_t get(const uint8_t *row, size_t at, void *bytes, size_t length) {
  memcpy(bytes, row + at, length);
  return at + length;
}

static int load(mp_account *account, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  mp_bytes row;
  int rc =
      mp_store_get(account->store, MP_TABLE_CREDENTIAL, mp_account_key(account, row_name, sizeof row_name - 1, key), &row, e);
  if (rc == MP_ENOTFOUND) return MP_OK;
  if (rc != MP_OK) return rc;
  if (row.length != ROW_SIZE) return mp_fail(e, MP_ESTORE, "the store's credentials are damaged");
  size_t at = get(row.data, 0, &account->registration_id, 4);
  at = get(row.data, at, &account->signed_prekey_id, 4);
  at = get(row.data, at, &account->identity, sizeof account->identity);
  at = get(row.data, at, &account->noise, sizeof account->noise);
  at = get(row.data, at, &account->signed_prekey, sizeof account->signed_prekey);
  at = get(row.data, at, account->signed_prekey_signature, 64);
  at = get(row.data, at, account->adv_secret, 32);
  get(row.data, at, account->store_secret, 32);
  mp_store_forget(account->store);
  account->loaded = true;
  return MP_OK;
}

int mp_account_open(mp_account *account, mp_store *store, const char *scope, size_t scope_length, mp_error *e) {
  memset(account, 0, sizeof *account);
  if (scope_length > MP_SCOPE_MAX) return mp_fail(e, MP_EINVAL, "a scope of more than %d bytes", MP_SCOPE_MAX);
  account->store = store;
  memcpy(account->scope, scope, scope_length);
  return load(account, e);
}

void mp_account_close(mp_account *account) {
  if (account->stores != NULL) signal_protocol_store_context_destroy(account->stores);
  if (account->context != NULL) signal_context_destroy(account->context);
  mp_wipe(account, sizeof *account);
}

int mp_account_renew_adv_secret(mp_account *account, mp_error *e) {
  mp_random(account->adv_secret, 32);
  return save(account, e);
}

int mp_account_set_adv_secret(mp_account *account, const uint8_t secret[32], mp_error *e) {
  memcpy(account->adv_secret, secret, 32);
  return save(account, e);
}

static void take_signed_prekey(mp_account *account, const mp_signed_prekey *key) {
  account->signed_prekey_id = key->id;
  account->signed_prekey = key->pair;
  memcpy(account->signed_prekey_signature, key->signature, 64);
}

int mp_account_set_signed_prekey(mp_account *account, const mp_signed_prekey *key, mp_error *e) {
  mp_signed_prekey before = {.id = account->signed_prekey_id, .pair = account->signed_prekey};
  memcpy(before.signature, account->signed_prekey_signature, 64);
  take_signed_prekey(account, key);
  int rc = save(account, e);
  if (rc != MP_OK) take_signed_prekey(account, &before);
  mp_wipe(&before, sizeof before);
  return rc;
}

/* All rows of the traffic environment. */
static int delete_traffic(mp_account *account, mp_error *e) {
  static const mp_table own[] = {MP_TABLE_SESSION, MP_TABLE_STALE,      MP_TABLE_IDENTITY, MP_TABLE_PREKEY,
                                 MP_TABLE_COUNTER, MP_TABLE_SENDER_KEY, MP_TABLE_SKIPPED};
  const mp_bytes all = {"", 0};
  int rc = MP_OK;
  for (size_t i = 0; i < sizeof own / sizeof *own && rc == MP_OK; i++) rc = mp_account_delete_rows(account, own[i], all, e);
  return rc;
}

static void forget_credentials(mp_account *account) {
  mp_wipe(&account->identity, sizeof account->identity);
  mp_wipe(&account->noise, sizeof account->noise);
  mp_wipe(&account->signed_prekey, sizeof account->signed_prekey);
  mp_wipe(account->adv_secret, sizeof account->adv_secret);
  mp_wipe(account->store_secret, sizeof account->store_secret);
  account->loaded = false;
}

int mp_account_delete(mp_account *account, mp_error *e) {
  int rc = delete_traffic(account, e);
  if (rc == MP_OK) rc = mp_account_delete_rows(account, MP_TABLE_CREDENTIAL, (mp_bytes){"", 0}, e);
  if (rc == MP_OK) forget_credentials(account);
  return rc;
}

static int make_credentials(mp_account *account, mp_error *e) {
  mp_signed_prekey key;
  uint32_t random;
  if (mp_crypto_init() != MP_OK) return mp_fail(e, MP_ECRYPTO, "libsodium does not start");
  mp_keypair_generate(&account->identity);
  mp_keypair_generate(&account->noise);
  mp_random(&random, sizeof random);
  account->registration_id = random % 16380 + 1; /* 1-16380 */
  int rc = mp_signed_prekey_make(account, 1, &key, e);
  if (rc == MP_OK) take_signed_prekey(account, &key);
  mp_wipe(&key, sizeof key);
  mp_random(account->adv_secret, 32);
  mp_random(account->store_secret, 32);
  return rc;
}

int mp_account_create(mp_account *account, mp_error *e) {
  if (account->loaded) return mp_fail(e, MP_EINVAL, "the account has credentials already");
  int rc = delete_traffic(account, e);
  if (rc == MP_OK) rc = make_credentials(account, e);
  if (rc == MP_OK) rc = save(account, e);
  if (rc != MP_OK)
    forget_credentials(account);
  else
    account->loaded = true;
  return rc;
}

int mp_signal_error(const mp_account *account, int rc, const char *what, mp_error *e) {
  if (account->failure.code != MP_OK)
    return mp_fail(e, account->failure.code, "cannot %s: %.240s", what, account->failure.message);
  switch (rc) {
    case SG_ERR_NOMEM:
      return mp_fail(e, MP_ENOMEM, "no memory to %s", what);
    case SG_ERR_DUPLICATE_MESSAGE:
      return mp_fail(e, MP_EDUPLICATE, "cannot %s: this message was decrypted before", what);
    case SG_ERR_NO_SESSION:
      return mp_fail(e, MP_ENOSESSION, "cannot %s: there is no session", what);
    case SG_ERR_UNTRUSTED_IDENTITY:
      return mp_fail(e, MP_EUNTRUSTED, "cannot %s: the identity is not trusted", what);
    case SG_ERR_INVALID_KEY_ID:
      return mp_fail(e, MP_EINVALIDKEYID, "cannot %s: it names a prekey we do not have", what);
    case SG_ERR_INVALID_KEY:
      return mp_fail(e, MP_ECRYPTO, "cannot %s: a key or its signature is wrong", what);
    case SG_ERR_INVALID_MAC:
    case SG_ERR_INVALID_MESSAGE:
      return mp_fail(e, MP_ECRYPTO, "cannot %s: it does not fit any session", what);
    case SG_ERR_INVALID_PROTO_BUF:
      return mp_fail(e, MP_EMALFORMED, "cannot %s: it is no message of Signal", what);
    default:
      return mp_fail(e, MP_ECRYPTO, "cannot %s: libsignal says %d", what, rc);
  }
}
