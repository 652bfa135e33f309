/* moonpost.core.signal: an account's credentials. Its prekeys and sessions are in files of their own. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "keypair.h"
#include "signal.h"
#include "store.h"

#define ACCOUNT "moonpost.signal.account"

typedef struct {
  mp_account account;
  bool open;
} handle;

mp_account *mpl_check_account(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, ACCOUNT);
  if (!h->open) luaL_error(L, "the account is closed");
  lua_getiuservalue(L, 1, 1); /* raises when the store was closed under it */
  mpl_check_store(L, -1);
  lua_pop(L, 1);
  return &h->account;
}

mp_account *mpl_check_created(lua_State *L) {
  mp_account *account = mpl_check_account(L);
  if (!account->loaded) luaL_error(L, "the account has no credentials yet");
  return account;
}

void mpl_set_bytes(lua_State *L, const char *name, const uint8_t *bytes, size_t length) {
  lua_pushlstring(L, (const char *)bytes, length);
  lua_setfield(L, -2, name);
}

void mpl_set_integer(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

/* Without our Curve25519 everything works, four times slower: said once. */
static void warn_of_slow_curve(void) {
  static bool checked;
  if (!checked && !mp_curve_override_active()) {
    lua_writestringerror(
        "moonpost: %s\n",
        "another module loaded libsignal-protocol-c first, so its slow Curve25519 is used; load moonpost before it");
  }
  checked = true;
}

/* account(store [, scope]) -> account | nil, err: a device's identity in a store; scopes tell the accounts of one store apart.
 * Without one it is that of the handle. */
static int signal_account(lua_State *L) {
  size_t length;
  mp_error e;
  const mpl_store *store = mpl_check_store_handle(L, 1);
  const char *scope = luaL_optlstring(L, 2, store->scope, &length);
  luaL_argcheck(L, memchr(scope, 0, length) == NULL, 2, "a scope holds no zero byte");
  warn_of_slow_curve();
  handle *h = lua_newuserdatauv(L, sizeof *h, 1);
  h->open = false;
  luaL_setmetatable(L, ACCOUNT);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  if (mp_account_open(&h->account, store->store, scope, length, &e) != MP_OK) return mpl_fail(L, &e);
  h->open = true;
  return 1;
}

/* exists() -> boolean: whether it has credentials */
static int account_exists(lua_State *L) {
  lua_pushboolean(L, mpl_check_account(L)->loaded);
  return 1;
}

/* create(): makes credentials and stores them; raises when there are some */
static int account_create(lua_State *L) {
  mp_error e;
  if (mp_account_create(mpl_check_account(L), &e) != MP_OK) return mpl_store_raise(L, &e);
  return 0;
}

/* delete(): removes credentials, prekeys, sessions, identities and sender keys */
static int account_delete(lua_State *L) {
  mp_error e;
  if (mp_account_delete(mpl_check_account(L), &e) != MP_OK) return mpl_store_raise(L, &e);
  return 0;
}

/* public() -> {registration_id=, identity=, noise=, signed_prekey={id=, public=, signature=}} */
static int account_public(lua_State *L) {
  const mp_account *account = mpl_check_created(L);
  lua_createtable(L, 0, 4);
  mpl_set_integer(L, "registration_id", account->registration_id);
  mpl_set_bytes(L, "identity", account->identity.public_key, 32);
  mpl_set_bytes(L, "noise", account->noise.public_key, 32);
  lua_createtable(L, 0, 3);
  mpl_set_integer(L, "id", account->signed_prekey_id);
  mpl_set_bytes(L, "public", account->signed_prekey.public_key, 32);
  mpl_set_bytes(L, "signature", account->signed_prekey_signature, 64);
  lua_setfield(L, -2, "signed_prekey");
  return 1;
}

/* identity() -> key pair handle */
static int account_identity(lua_State *L) {
  mpl_push_keypair(L, &mpl_check_created(L)->identity);
  return 1;
}

/* noise() -> key pair handle, the static key of the Noise handshake */
static int account_noise(lua_State *L) {
  mpl_push_keypair(L, &mpl_check_created(L)->noise);
  return 1;
}

/* adv_secret_text() -> base64, for the QR only */
static int account_adv_secret_text(lua_State *L) {
  char text[sodium_base64_ENCODED_LEN(32, sodium_base64_VARIANT_ORIGINAL)];
  sodium_bin2base64(text, sizeof text, mpl_check_created(L)->adv_secret, 32, sodium_base64_VARIANT_ORIGINAL);
  lua_pushstring(L, text);
  mp_wipe(text, sizeof text);
  return 1;
}

/* renew_adv_secret(): the QRs shown so far are void */
static int account_renew_adv_secret(lua_State *L) {
  mp_error e;
  if (mp_account_renew_adv_secret(mpl_check_created(L), &e) != MP_OK) return mpl_store_raise(L, &e);
  return 0;
}

/* adv_hmac_ok(bytes, hmac) -> boolean */
static int account_adv_hmac_ok(lua_State *L) {
  size_t length, hmac_length;
  uint8_t mac[32];
  const mp_account *account = mpl_check_created(L);
  const char *bytes = luaL_checklstring(L, 2, &length), *hmac = luaL_checklstring(L, 3, &hmac_length);
  mp_hmac_sha256(mac, account->adv_secret, 32, bytes, length);
  lua_pushboolean(L, hmac_length == sizeof mac && sodium_memcmp(mac, hmac, sizeof mac) == 0);
  return 1;
}

/* derive(bytes) -> 32 bytes, HMAC-SHA256 under the store's secret */
static int account_derive(lua_State *L) {
  size_t length;
  uint8_t mac[32];
  const mp_account *account = mpl_check_created(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  mp_hmac_sha256(mac, account->store_secret, 32, bytes, length);
  lua_pushlstring(L, (const char *)mac, sizeof mac);
  return 1;
}

/* close(): zeroes the keys; closing twice is no error */
static int account_close(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, ACCOUNT);
  if (h->open) mp_account_close(&h->account);
  h->open = false;
  return 0;
}

static int account_tostring(lua_State *L) {
  const handle *h = luaL_checkudata(L, 1, ACCOUNT);
  lua_pushfstring(L, "%s (%s)", ACCOUNT, h->open ? h->account.scope : "closed");
  return 1;
}

static const luaL_Reg methods[] = {
    {"exists", account_exists},
    {"create", account_create},
    {"delete", account_delete},
    {"public", account_public},
    {"identity", account_identity},
    {"noise", account_noise},
    {"adv_secret_text", account_adv_secret_text},
    {"renew_adv_secret", account_renew_adv_secret},
    {"adv_hmac_ok", account_adv_hmac_ok},
    {"link_seal", mpl_account_link_seal},
    {"derive", account_derive},
    {"new_prekeys", mpl_account_new_prekeys},
    {"mark_uploaded", mpl_account_mark_uploaded},
    {"prekeys", mpl_account_prekeys},
    {"prekey", mpl_account_prekey},
    {"drop_prekey", mpl_account_drop_prekey},
    {"next_signed_prekey", mpl_account_next_signed_prekey},
    {"adopt_signed_prekey", mpl_account_adopt_signed_prekey},
    {"drop_next_signed_prekey", mpl_account_drop_next_signed_prekey},
    {"has_signed_prekey", mpl_account_has_signed_prekey},
    {"has_session", mpl_account_has_session},
    {"process_bundle", mpl_account_process_bundle},
    {"encrypt", mpl_account_encrypt},
    {"decrypt", mpl_account_decrypt},
    {"remote_identity", mpl_account_remote_identity},
    {"trust_identity", mpl_account_trust_identity},
    {"delete_session", mpl_account_delete_session},
    {"sessions", mpl_account_sessions},
    {"migrate", mpl_account_migrate},
    {"base_key", mpl_account_base_key},
    {"registration_id", mpl_account_registration_id},
    {"process_sender_key", mpl_account_process_sender_key},
    {"decrypt_group", mpl_account_decrypt_group},
    {"sender_key_distribution", mpl_account_sender_key_distribution},
    {"drop_sender_key", mpl_account_drop_sender_key},
    {"encrypt_group", mpl_account_encrypt_group},
    {"sweep_skipped", mpl_account_sweep_skipped},
    {"close", account_close},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {{"account", signal_account}, {NULL, NULL}};

int mpl_open_signal(lua_State *L) {
  mpl_new_type(L, ACCOUNT, methods, account_close, account_tostring);
  luaL_newlib(L, functions);
  return 1;
}
