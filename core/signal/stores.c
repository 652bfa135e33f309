/* libsignal's store callbacks: rows of the current turn, one address one row. */
#include <signal/session_pre_key.h>
#include <string.h>
#include <time.h>

#include "crypto/signal_provider.h"
#include "signal/account.h"
#include "signal/aside.h"

/* A failure of the store is noted: libsignal's codes have none for it, and it must not pass for a wrong message. */
static int to_signal(mp_account *account, int rc, const mp_error *e) {
  if (rc == MP_OK) return SG_SUCCESS;
  account->failure = *e;
  return rc == MP_ENOMEM ? SG_ERR_NOMEM : SG_ERR_UNKNOWN;
}

static mp_bytes address_key(const mp_account *account, const signal_protocol_address *address, uint8_t out[MP_STORE_KEY_MAX]) {
  return mp_account_key(account, address->name, address->name_len, out);
}

static int load_session(signal_buffer **record, signal_buffer **user_record, const signal_protocol_address *address,
                        void *user_data) {
  mp_account *account = user_data;
  uint8_t key[MP_STORE_KEY_MAX];
  mp_bytes found;
  mp_error e;
  *user_record = NULL;
  int rc = mp_store_get(account->store, MP_TABLE_SESSION, address_key(account, address, key), &found, &e);
  if (rc == MP_ENOTFOUND) return 0;
  if (rc != MP_OK) return to_signal(account, rc, &e);
  mp_buffer whole;
  mp_buffer_init(&whole, 0);
  rc = mp_aside_give_back(account, found.data, found.length, &whole);
  if (rc == MP_EMALFORMED) rc = mp_fail(&e, MP_ESTORE, "a session in the store is damaged");
  if (rc == MP_OK)
    *record = signal_buffer_create(whole.length > 0 ? whole.data : found.data, whole.length > 0 ? whole.length : found.length);
  mp_buffer_wipe_free(&whole);
  if (rc != MP_OK) return to_signal(account, rc, &e);
  return *record != NULL ? 1 : SG_ERR_NOMEM;
}

static int no_sub_devices(signal_int_list **sessions, const char *name, size_t name_length, void *user_data) {
  (void)name;
  (void)name_length;
  (void)user_data;
  *sessions = signal_int_list_alloc(); /* every device has an address of its own here */
  return *sessions != NULL ? 0 : SG_ERR_NOMEM;
}

static int store_session(const signal_protocol_address *address, uint8_t *record, size_t length, uint8_t *user_record,
                         size_t user_length, void *user_data) {
  mp_account *account = user_data;
  uint8_t key[MP_STORE_KEY_MAX];
  mp_bytes row = {record, length};
  mp_buffer shorter;
  bool trimmed;
  mp_error e;
  (void)user_record;
  (void)user_length;
  mp_buffer_init(&shorter, 0);
  mp_aside aside = {account, address->name, address->name_len, 0, (uint64_t)time(NULL), &e};
  int rc = mp_session_trim(record, length, &shorter, &trimmed, mp_aside_put, &aside);
  if (rc == MP_EMALFORMED) mp_fail(&e, rc, "the session's record cannot be shortened");
  if (rc == MP_ENOMEM) mp_fail(&e, rc, "no memory for the session's record");
  if (rc == MP_OK) rc = mp_aside_bound(&aside, &e);
  if (trimmed) row = (mp_bytes){shorter.data, shorter.length};
  if (rc == MP_OK) rc = mp_store_put(account->store, MP_TABLE_SESSION, address_key(account, address, key), row, &e);
  mp_buffer_wipe_free(&shorter);
  return to_signal(account, rc, &e);
}

static int contains_session(const signal_protocol_address *address, void *user_data) {
  mp_account *account = user_data;
  uint8_t key[MP_STORE_KEY_MAX];
  mp_bytes found;
  mp_error e;
  int rc = mp_store_get(account->store, MP_TABLE_SESSION, address_key(account, address, key), &found, &e);
  if (rc == MP_OK || rc == MP_ENOTFOUND) return rc == MP_OK;
  return to_signal(account, rc, &e);
}

static int delete_session(const signal_protocol_address *address, void *user_data) {
  mp_account *account = user_data;
  uint8_t key[MP_STORE_KEY_MAX];
  mp_error e;
  int rc = mp_store_delete(account->store, MP_TABLE_SESSION, address_key(account, address, key), &e);
  return rc == MP_OK ? 1 : to_signal(account, rc, &e);
}

static int delete_all_sessions(const char *name, size_t name_length, void *user_data) {
  (void)name;
  (void)name_length;
  (void)user_data;
  return 0;
}

static int make_pair(ec_key_pair **out, const mp_keypair *pair, signal_context *context) {
  ec_public_key *public_key = NULL;
  ec_private_key *private_key = NULL;
  uint8_t typed[33] = {0x05};
  memcpy(typed + 1, pair->public_key, 32);
  int rc = curve_decode_point(&public_key, typed, sizeof typed, context);
  if (rc == SG_SUCCESS) rc = curve_decode_private_point(&private_key, pair->private_key, 32, context);
  if (rc == SG_SUCCESS) rc = ec_key_pair_create(out, public_key, private_key);
  SIGNAL_UNREF(public_key);
  SIGNAL_UNREF(private_key);
  return rc;
}

static int load_pre_key(signal_buffer **record, uint32_t id, void *user_data) {
  mp_account *account = user_data;
  mp_keypair pair;
  ec_key_pair *keys = NULL;
  session_pre_key *prekey = NULL;
  mp_error e;
  int found = mp_prekey_load(account, id, &pair, &e);
  if (found == MP_ENOTFOUND) return SG_ERR_INVALID_KEY_ID;
  if (found != MP_OK) return to_signal(account, found, &e);
  int rc = make_pair(&keys, &pair, account->context);
  if (rc == SG_SUCCESS) rc = session_pre_key_create(&prekey, id, keys);
  if (rc == SG_SUCCESS) rc = session_pre_key_serialize(record, prekey);
  SIGNAL_UNREF(prekey);
  SIGNAL_UNREF(keys);
  mp_wipe(&pair, sizeof pair);
  return rc < 0 ? rc : SG_SUCCESS;
}

/* Prekeys are only made by mp_prekeys_make. */
static int refuse_store(uint32_t id, uint8_t *record, size_t length, void *user_data) {
  (void)id;
  (void)record;
  (void)length;
  (void)user_data;
  return SG_ERR_UNKNOWN;
}

static int contains_pre_key(uint32_t id, void *user_data) {
  mp_keypair pair;
  mp_error e;
  int rc = mp_prekey_load(user_data, id, &pair, &e);
  mp_wipe(&pair, sizeof pair);
  return rc == MP_OK || rc == MP_ENOTFOUND ? rc == MP_OK : to_signal(user_data, rc, &e);
}

static int remove_pre_key(uint32_t id, void *user_data) {
  mp_error e;
  return to_signal(user_data, mp_prekey_remove(user_data, id, &e), &e);
}

static int load_signed_pre_key(signal_buffer **record, uint32_t id, void *user_data) {
  mp_account *account = user_data;
  ec_key_pair *keys = NULL;
  session_signed_pre_key *prekey = NULL;
  mp_signed_prekey key;
  mp_error e;
  int rc = mp_signed_prekey_load(account, id, &key, &e);
  if (rc == MP_ENOTFOUND) return SG_ERR_INVALID_KEY_ID;
  if (rc != MP_OK) return to_signal(account, rc, &e);
  rc = make_pair(&keys, &key.pair, account->context);
  if (rc == SG_SUCCESS) rc = session_signed_pre_key_create(&prekey, id, 0, keys, key.signature, 64);
  if (rc == SG_SUCCESS) rc = session_signed_pre_key_serialize(record, prekey);
  mp_wipe(&key, sizeof key);
  SIGNAL_UNREF(prekey);
  SIGNAL_UNREF(keys);
  return rc < 0 ? rc : SG_SUCCESS;
}

static int contains_signed_pre_key(uint32_t id, void *user_data) {
  mp_signed_prekey key;
  mp_error e;
  int rc = mp_signed_prekey_load(user_data, id, &key, &e);
  mp_wipe(&key, sizeof key);
  return rc == MP_OK || rc == MP_ENOTFOUND ? rc == MP_OK : to_signal(user_data, rc, &e);
}

static int keep_signed_pre_key(uint32_t id, void *user_data) {
  (void)id;
  (void)user_data;
  return SG_SUCCESS;
}

static int get_identity(signal_buffer **public_data, signal_buffer **private_data, void *user_data) {
  const mp_account *account = user_data;
  uint8_t typed[33] = {0x05};
  memcpy(typed + 1, account->identity.public_key, 32);
  *public_data = signal_buffer_create(typed, sizeof typed);
  *private_data = signal_buffer_create(account->identity.private_key, 32);
  return *public_data != NULL && *private_data != NULL ? SG_SUCCESS : SG_ERR_NOMEM;
}

static int get_registration_id(void *user_data, uint32_t *id) {
  *id = ((const mp_account *)user_data)->registration_id;
  return SG_SUCCESS;
}

/* Called before a pkmsg's MAC is checked: harmless, the caller rolls the nested transaction back when the MAC is wrong. */
static int save_identity(const signal_protocol_address *address, uint8_t *key_data, size_t key_length, void *user_data) {
  mp_account *account = user_data;
  uint8_t key[MP_STORE_KEY_MAX];
  if (key_data == NULL || key_length != 33) return SG_ERR_INVALID_KEY;
  mp_bytes value = {key_data + 1, 32};
  mp_error e;
  int rc = mp_store_put(account->store, MP_TABLE_IDENTITY, address_key(account, address, key), value, &e);
  return to_signal(account, rc, &e);
}

/* Trust follows the server's answer, as the official client's does (02 §11): a changed identity is a reinstalled phone. */
static int is_trusted(const signal_protocol_address *address, uint8_t *key_data, size_t key_length, void *user_data) {
  (void)address;
  (void)key_data;
  (void)key_length;
  (void)user_data;
  return 1;
}

static int store_sender_key(const signal_protocol_sender_key_name *name, uint8_t *record, size_t length, uint8_t *user_record,
                            size_t user_length, void *user_data) {
  (void)name;
  (void)record;
  (void)length;
  (void)user_record;
  (void)user_length;
  (void)user_data;
  return SG_ERR_UNKNOWN; /* sender keys have a layout of their own, not libsignal's record */
}

static int load_sender_key(signal_buffer **record, signal_buffer **user_record, const signal_protocol_sender_key_name *name,
                           void *user_data) {
  (void)record;
  (void)user_record;
  (void)name;
  (void)user_data;
  return 0;
}

static int set_stores(mp_account *account) {
  const signal_protocol_session_store sessions = {load_session,   no_sub_devices,      store_session, contains_session,
                                                  delete_session, delete_all_sessions, NULL,          account};
  const signal_protocol_pre_key_store prekeys = {load_pre_key, refuse_store, contains_pre_key, remove_pre_key, NULL, account};
  const signal_protocol_signed_pre_key_store signed_prekeys = {load_signed_pre_key, refuse_store, contains_signed_pre_key,
                                                               keep_signed_pre_key, NULL,         account};
  const signal_protocol_identity_key_store identities = {get_identity, get_registration_id, save_identity, is_trusted, NULL,
                                                         account};
  const signal_protocol_sender_key_store sender_keys = {store_sender_key, load_sender_key, NULL, account};
  int rc = signal_protocol_store_context_set_session_store(account->stores, &sessions);
  if (rc == SG_SUCCESS) rc = signal_protocol_store_context_set_pre_key_store(account->stores, &prekeys);
  if (rc == SG_SUCCESS) rc = signal_protocol_store_context_set_signed_pre_key_store(account->stores, &signed_prekeys);
  if (rc == SG_SUCCESS) rc = signal_protocol_store_context_set_identity_key_store(account->stores, &identities);
  if (rc == SG_SUCCESS) rc = signal_protocol_store_context_set_sender_key_store(account->stores, &sender_keys);
  return rc;
}

int mp_account_stores(mp_account *account, mp_error *e) {
  account->failure = (mp_error){0};
  if (!account->loaded) return mp_fail(e, MP_EINVAL, "the account has no credentials yet");
  if (account->stores != NULL) return MP_OK;
  if (account->context == NULL) account->context = mp_signal_context_new();
  if (account->context == NULL) return mp_fail(e, MP_ENOMEM, "no memory for libsignal");
  int rc = signal_protocol_store_context_create(&account->stores, account->context);
  if (rc == SG_SUCCESS) rc = set_stores(account);
  return rc == SG_SUCCESS ? MP_OK : mp_signal_error(account, rc, "start libsignal", e);
}
