#include <signal/session_builder.h>
#include <signal/session_pre_key.h>
#include <signal/session_record.h>
#include <signal/session_state.h>
#include <string.h>

#include "base/limits.h"
#include "signal/account.h"
#include "signal/aside.h"

static int decode_key(ec_public_key **out, const uint8_t key[32], signal_context *context) {
  uint8_t typed[33] = {0x05};
  memcpy(typed + 1, key, 32);
  return curve_decode_point(out, typed, sizeof typed, context);
}

static int process(mp_account *account, const signal_protocol_address *address, const mp_bundle *bundle) {
  ec_public_key *identity = NULL, *signed_prekey = NULL, *prekey = NULL;
  session_pre_key_bundle *made = NULL;
  session_builder *builder = NULL;
  int rc = decode_key(&identity, bundle->identity, account->context);
  if (rc == SG_SUCCESS) rc = decode_key(&signed_prekey, bundle->signed_prekey, account->context);
  if (rc == SG_SUCCESS && bundle->has_prekey) rc = decode_key(&prekey, bundle->prekey, account->context);
  if (rc == SG_SUCCESS) {
    rc = session_pre_key_bundle_create(&made, bundle->registration_id, 0, bundle->prekey_id, prekey, bundle->signed_prekey_id,
                                       signed_prekey, bundle->signature, 64, identity);
  }
  if (rc == SG_SUCCESS) rc = session_builder_create(&builder, account->stores, address, account->context);
  if (rc == SG_SUCCESS) rc = session_builder_process_pre_key_bundle(builder, made);
  if (builder != NULL) session_builder_free(builder);
  SIGNAL_UNREF(made);
  SIGNAL_UNREF(identity);
  SIGNAL_UNREF(signed_prekey);
  SIGNAL_UNREF(prekey);
  return rc;
}

static mp_bytes row_key(const mp_account *account, const char *jid, uint8_t out[MP_STORE_KEY_MAX]) {
  return mp_account_key(account, jid, strlen(jid), out);
}

static int delete_row(mp_account *account, mp_table table, const char *jid, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  return mp_store_delete(account->store, table, row_key(account, jid, key), e);
}

int mp_session_start(mp_account *account, const char *jid, const mp_bundle *bundle, mp_error *e) {
  const signal_protocol_address address = {jid, strlen(jid), 0};
  int rc = mp_account_stores(account, e);
  if (rc != MP_OK || (rc = mp_store_begin(account->store, e)) != MP_OK) return rc;
  int processed = process(account, &address, bundle);
  if (processed == SG_SUCCESS) rc = delete_row(account, MP_TABLE_STALE, jid, e);
  if (processed == SG_SUCCESS && rc == MP_OK) return mp_store_release(account->store, e);
  mp_store_rollback(account->store);
  return processed == SG_SUCCESS ? rc : mp_signal_error(account, processed, "start a session", e);
}

static int has_row(mp_account *account, mp_table table, const char *jid, bool *has, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  mp_bytes found;
  int rc = mp_store_get(account->store, table, row_key(account, jid, key), &found, e);
  *has = rc == MP_OK;
  return rc == MP_ENOTFOUND ? MP_OK : rc;
}

int mp_session_check(mp_account *account, const char *jid, mp_error *e) {
  bool has, stale = false;
  int rc = has_row(account, MP_TABLE_SESSION, jid, &has, e);
  if (rc == MP_OK && has) rc = has_row(account, MP_TABLE_STALE, jid, &stale, e);
  if (rc != MP_OK) return rc;
  if (stale) return mp_fail(e, MP_ENOSESSION, "the session with %s may have gone back in time", jid);
  return has ? MP_OK : mp_fail(e, MP_ENOSESSION, "there is no session with %s", jid);
}

int mp_session_delete(mp_account *account, const char *jid, mp_error *e) {
  int rc = delete_row(account, MP_TABLE_SESSION, jid, e);
  if (rc == MP_OK) rc = delete_row(account, MP_TABLE_STALE, jid, e);
  return rc == MP_OK ? mp_aside_delete(account, jid, e) : rc;
}

typedef struct {
  mp_buffer *out;
  size_t skip; /* bytes of scope and zero before a name */
  int rc;
} naming;

static bool name_row(void *context, mp_bytes key, mp_bytes value) {
  naming *names = context;
  (void)value;
  names->rc = mp_buffer_append(names->out, (const uint8_t *)key.data + names->skip, key.length - names->skip);
  if (names->rc == MP_OK) names->rc = mp_buffer_append(names->out, "", 1);
  return names->rc == MP_OK;
}

int mp_session_names(mp_account *account, const char *user, mp_buffer *out, mp_error *e) {
  static const char ends[] = {'@', ':'}; /* of a user part: the first device's name has no number */
  uint8_t key[MP_STORE_KEY_MAX];
  char name[MP_JID_USER_MAX + 1];
  size_t length = strlen(user);
  if (length > MP_JID_USER_MAX) return MP_OK;
  memcpy(name, user, length);
  for (size_t i = 0; i < sizeof ends; i++) {
    name[length] = ends[i];
    mp_bytes prefix = mp_account_key(account, name, length + 1, key);
    naming names = {out, prefix.length - length - 1, MP_OK};
    int rc = mp_store_range(account->store, MP_TABLE_SESSION, prefix, (mp_bytes){"", 0}, name_row, &names, e);
    if (rc == MP_OK && names.rc != MP_OK) rc = mp_fail(e, names.rc, "no memory for the names of sessions");
    if (rc != MP_OK) return rc;
  }
  return MP_OK;
}

/* Moves one row; *moved tells whether there was one. */
static int move_row(mp_account *account, mp_table table, const char *from, const char *to, bool *moved, mp_error *e) {
  uint8_t from_key[MP_STORE_KEY_MAX], to_key[MP_STORE_KEY_MAX];
  mp_bytes found;
  mp_buffer copy;
  int rc = mp_store_get(account->store, table, row_key(account, from, from_key), &found, e);
  *moved = rc == MP_OK;
  if (rc != MP_OK) return rc == MP_ENOTFOUND ? MP_OK : rc;
  mp_buffer_init(&copy, 0);
  rc = mp_buffer_append(&copy, found.data, found.length);
  if (rc != MP_OK) mp_fail(e, rc, "no memory to move a row");
  if (rc == MP_OK) rc = mp_store_put(account->store, table, row_key(account, to, to_key), (mp_bytes){copy.data, copy.length}, e);
  if (rc == MP_OK) rc = mp_store_delete(account->store, table, row_key(account, from, from_key), e);
  mp_buffer_wipe_free(&copy);
  return rc;
}

int mp_session_migrate(mp_account *account, const char *from, const char *to, bool *moved, mp_error *e) {
  bool also_moved, from_has = false, to_has = false;
  *moved = false;
  int rc = has_row(account, MP_TABLE_SESSION, from, &from_has, e);
  if (rc == MP_OK) rc = has_row(account, MP_TABLE_SESSION, to, &to_has, e);
  if (rc != MP_OK || to_has || !from_has) return rc;
  if ((rc = mp_store_begin(account->store, e)) != MP_OK) return rc;
  rc = move_row(account, MP_TABLE_SESSION, from, to, moved, e);
  if (rc == MP_OK) rc = move_row(account, MP_TABLE_STALE, from, to, &also_moved, e);
  if (rc == MP_OK) rc = move_row(account, MP_TABLE_IDENTITY, from, to, &also_moved, e);
  if (rc == MP_OK) rc = mp_aside_move(account, from, to, e);
  if (rc == MP_OK) return mp_store_release(account->store, e);
  mp_store_rollback(account->store);
  *moved = false;
  return rc;
}

int mp_session_base_key(mp_account *account, const char *jid, uint8_t out[33], mp_error *e) {
  const signal_protocol_address address = {jid, strlen(jid), 0};
  session_record *record = NULL;
  signal_buffer *bytes = NULL;
  int rc = mp_account_stores(account, e);
  if (rc != MP_OK) return rc;
  rc = signal_protocol_session_load_session(account->stores, &record, &address);
  const ec_public_key *key = rc == SG_SUCCESS ? session_state_get_alice_base_key(session_record_get_state(record)) : NULL;
  if (key != NULL) rc = ec_public_key_serialize(&bytes, key);
  bool found = bytes != NULL && signal_buffer_len(bytes) == 33;
  if (found) memcpy(out, signal_buffer_data(bytes), 33);
  signal_buffer_free(bytes);
  SIGNAL_UNREF(record);
  if (rc < 0) return mp_signal_error(account, rc, "read the session", e);
  return found ? MP_OK : mp_fail(e, MP_ENOSESSION, "there is no session with %s", jid);
}

int mp_session_registration(mp_account *account, const char *jid, uint32_t *id, mp_error *e) {
  const signal_protocol_address address = {jid, strlen(jid), 0};
  session_record *record = NULL;
  int rc = mp_account_stores(account, e);
  if (rc != MP_OK || (rc = mp_session_check(account, jid, e)) != MP_OK) return rc;
  rc = signal_protocol_session_load_session(account->stores, &record, &address);
  if (rc == SG_SUCCESS) *id = session_state_get_remote_registration_id(session_record_get_state(record));
  SIGNAL_UNREF(record);
  return rc == SG_SUCCESS ? MP_OK : mp_signal_error(account, rc, "read the session", e);
}

int mp_peer_identity(mp_account *account, const char *jid, uint8_t out[32], mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  mp_bytes found;
  int rc = mp_store_get(account->store, MP_TABLE_IDENTITY, row_key(account, jid, key), &found, e);
  if (rc != MP_OK) return rc;
  if (found.length != 32) return mp_fail(e, MP_ESTORE, "the identity of %s in the store is damaged", jid);
  memcpy(out, found.data, 32);
  return MP_OK;
}

int mp_peer_trust(mp_account *account, const char *jid, const uint8_t identity[32], mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  return mp_store_put(account->store, MP_TABLE_IDENTITY, row_key(account, jid, key), (mp_bytes){identity, 32}, e);
}
