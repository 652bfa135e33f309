#include <string.h>

#include "base/numbers.h"
#include "signal/account.h"

/* Row: private key, public key, signature, when it was replaced (u64; 0: it is the next one) (tables.h). */
enum { PRIVATE = 0, PUBLIC = 32, SIGNATURE = 64, RETIRED = 128, ROW = 136 };
static const char name[] = "signed-prekey";

static mp_bytes row_key(const mp_account *account, uint32_t id, uint8_t out[MP_STORE_KEY_MAX]) {
  uint8_t bytes[sizeof name - 1 + 4];
  memcpy(bytes, name, sizeof name - 1);
  mp_put_u32(bytes + sizeof name - 1, id);
  return mp_account_key(account, bytes, sizeof bytes, out);
}

static int put(mp_account *account, const mp_signed_prekey *key, uint64_t retired, mp_error *e) {
  uint8_t at[MP_STORE_KEY_MAX], row[ROW];
  memcpy(row + PRIVATE, key->pair.private_key, 32);
  memcpy(row + PUBLIC, key->pair.public_key, 32);
  memcpy(row + SIGNATURE, key->signature, 64);
  mp_put_u64(row + RETIRED, retired);
  int rc = mp_store_put(account->store, MP_TABLE_CREDENTIAL, row_key(account, key->id, at), (mp_bytes){row, ROW}, e);
  mp_wipe(row, sizeof row);
  return rc;
}

static int drop(mp_account *account, uint32_t id, mp_error *e) {
  uint8_t at[MP_STORE_KEY_MAX];
  return mp_store_delete(account->store, MP_TABLE_CREDENTIAL, row_key(account, id, at), e);
}

static mp_signed_prekey current(const mp_account *account) {
  mp_signed_prekey key = {.id = account->signed_prekey_id, .pair = account->signed_prekey};
  memcpy(key.signature, account->signed_prekey_signature, 64);
  return key;
}

static uint32_t next_id(const mp_account *account) {
  return account->signed_prekey_id % MP_PREKEY_ID_MAX + 1;
}

int mp_signed_prekey_load(mp_account *account, uint32_t id, mp_signed_prekey *key, mp_error *e) {
  uint8_t at[MP_STORE_KEY_MAX];
  mp_bytes row;
  if (id == account->signed_prekey_id) {
    *key = current(account);
    return MP_OK;
  }
  int rc = mp_store_get(account->store, MP_TABLE_CREDENTIAL, row_key(account, id, at), &row, e);
  if (rc != MP_OK) return rc;
  if (row.length != ROW) return mp_fail(e, MP_ESTORE, "signed prekey %u in the store is damaged", id);
  key->id = id;
  const uint8_t *bytes = row.data;
  memcpy(key->pair.private_key, bytes + PRIVATE, 32);
  memcpy(key->pair.public_key, bytes + PUBLIC, 32);
  memcpy(key->signature, bytes + SIGNATURE, 64);
  mp_store_forget(account->store);
  return MP_OK;
}

int mp_signed_prekey_make(mp_account *account, uint32_t id, mp_signed_prekey *key, mp_error *e) {
  uint8_t typed[33] = {0x05};
  key->id = id;
  mp_keypair_generate(&key->pair);
  memcpy(typed + 1, key->pair.public_key, 32);
  if (mp_sign(key->signature, &account->identity, typed, sizeof typed) == MP_OK) return MP_OK;
  return mp_fail(e, MP_ECRYPTO, "cannot sign the prekey");
}

int mp_signed_prekey_next(mp_account *account, mp_signed_prekey *key, mp_error *e) {
  int rc = mp_signed_prekey_load(account, next_id(account), key, e);
  if (rc != MP_ENOTFOUND) return rc;
  rc = mp_signed_prekey_make(account, next_id(account), key, e);
  return rc == MP_OK ? put(account, key, 0, e) : rc;
}

int mp_signed_prekey_drop_next(mp_account *account, mp_error *e) {
  return drop(account, next_id(account), e);
}

static bool is_older(void *oldest, mp_bytes row) {
  uint64_t retired = row.length == ROW ? mp_get_u64((const uint8_t *)row.data + RETIRED) : 0;
  return retired != 0 && retired < *(const uint64_t *)oldest;
}

/* Each write stands alone: whatever of them a crash leaves out, both keys are there, and the next one is offered again. */
int mp_signed_prekey_adopt(mp_account *account, uint64_t now, mp_error *e) {
  mp_signed_prekey key, old = current(account);
  uint64_t oldest = now > MP_SIGNED_PREKEY_KEPT ? now - MP_SIGNED_PREKEY_KEPT : 0;
  int rc = mp_signed_prekey_load(account, next_id(account), &key, e);
  if (rc == MP_OK) rc = put(account, &old, now, e);
  if (rc == MP_OK) rc = mp_account_set_signed_prekey(account, &key, e);
  if (rc == MP_OK) rc = drop(account, key.id, e);
  if (rc == MP_OK) {
    rc = mp_account_sweep(account, MP_TABLE_CREDENTIAL, (mp_bytes){name, sizeof name - 1}, is_older, &oldest, 0, NULL, e);
  }
  mp_wipe(&key, sizeof key);
  mp_wipe(&old, sizeof old);
  return rc;
}
