#include <string.h>

#include "base/numbers.h"
#include "signal/account.h"

/* Row: flags, private key, public key (tables.h). */
enum { FLAGS = 0, PRIVATE = 1, PUBLIC = 33, ROW = 65 };
#define UPLOADED 0x01

static mp_bytes prekey_key(const mp_account *account, uint32_t id, uint8_t out[MP_STORE_KEY_MAX]) {
  uint8_t bytes[4];
  mp_put_u32(bytes, id);
  return mp_account_key(account, bytes, 4, out);
}

static int next_id(mp_account *account, uint32_t *id, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  mp_bytes found;
  int rc = mp_store_get(account->store, MP_TABLE_COUNTER, mp_account_key(account, "prekey", 6, key), &found, e);
  if (rc != MP_OK && rc != MP_ENOTFOUND) return rc;
  *id = rc == MP_OK && found.length == 4 ? mp_get_u32(found.data) : 1;
  return MP_OK;
}

/* Ids go round at MP_PREKEY_ID_MAX. */
int mp_prekeys_make(mp_account *account, uint32_t count, mp_prekey *out, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX], row[ROW], counter[4];
  uint32_t id;
  int rc = next_id(account, &id, e);
  for (uint32_t i = 0; i < count && rc == MP_OK; i++) {
    mp_keypair pair;
    mp_keypair_generate(&pair);
    row[FLAGS] = 0;
    memcpy(row + PRIVATE, pair.private_key, 32);
    memcpy(row + PUBLIC, pair.public_key, 32);
    rc = mp_store_put(account->store, MP_TABLE_PREKEY, prekey_key(account, id, key), (mp_bytes){row, ROW}, e);
    out[i].id = id;
    out[i].uploaded = false;
    memcpy(out[i].public_key, pair.public_key, 32);
    id = id % MP_PREKEY_ID_MAX + 1;
    mp_wipe(&pair, sizeof pair);
  }
  mp_wipe(row, sizeof row);
  mp_put_u32(counter, id);
  if (rc != MP_OK) return rc;
  return mp_store_put(account->store, MP_TABLE_COUNTER, mp_account_key(account, "prekey", 6, key), (mp_bytes){counter, 4}, e);
}

int mp_prekeys_mark_uploaded(mp_account *account, uint32_t first, uint32_t last, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX], row[ROW];
  mp_bytes found;
  for (uint32_t id = first; id <= last; id++) {
    int rc = mp_store_get(account->store, MP_TABLE_PREKEY, prekey_key(account, id, key), &found, e);
    if (rc == MP_ENOTFOUND) continue; /* used up meanwhile */
    if (rc != MP_OK) return rc;
    if (found.length != ROW) return mp_fail(e, MP_ESTORE, "prekey %u in the store is damaged", id);
    memcpy(row, found.data, ROW);
    row[FLAGS] |= UPLOADED;
    rc = mp_store_put(account->store, MP_TABLE_PREKEY, prekey_key(account, id, key), (mp_bytes){row, ROW}, e);
    mp_wipe(row, sizeof row);
    if (rc != MP_OK) return rc;
  }
  return MP_OK;
}

typedef struct {
  bool (*each)(void *context, const mp_prekey *prekey);
  void *context;
} lister;

static bool list_row(void *context, mp_bytes key, mp_bytes value) {
  const lister *l = context;
  mp_prekey prekey;
  const uint8_t *row = value.data;
  if (value.length != ROW || key.length < 4) return true;
  prekey.id = mp_get_u32((const uint8_t *)key.data + key.length - 4);
  prekey.uploaded = row[FLAGS] & UPLOADED;
  memcpy(prekey.public_key, row + PUBLIC, 32);
  return l->each(l->context, &prekey);
}

int mp_prekeys_list(mp_account *account, bool (*each)(void *context, const mp_prekey *prekey), void *context, mp_error *e) {
  uint8_t prefix[MP_STORE_KEY_MAX];
  lister l = {each, context};
  return mp_store_range(account->store, MP_TABLE_PREKEY, mp_account_key(account, "", 0, prefix), (mp_bytes){"", 0}, list_row, &l,
                        e);
}

int mp_prekey_load(mp_account *account, uint32_t id, mp_keypair *pair, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  mp_bytes found;
  int rc = mp_store_get(account->store, MP_TABLE_PREKEY, prekey_key(account, id, key), &found, e);
  if (rc != MP_OK) return rc;
  if (found.length != ROW) return mp_fail(e, MP_ESTORE, "prekey %u in the store is damaged", id);
  memcpy(pair->private_key, (const uint8_t *)found.data + PRIVATE, 32);
  memcpy(pair->public_key, (const uint8_t *)found.data + PUBLIC, 32);
  mp_store_forget(account->store);
  return MP_OK;
}

int mp_prekey_remove(mp_account *account, uint32_t id, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  return mp_store_delete(account->store, MP_TABLE_PREKEY, prekey_key(account, id, key), e);
}
