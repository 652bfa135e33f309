#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "keypair.h"
#include "signal/account.h"
#include "store.h"

#define ACCOUNT "moonpost.signal.account"
#define PREKEYS_MAX 1000 /* per call; callers slice, so that the loop is not held */

typedef struct {
  mp_account account;
  bool open;
} handle;

static mp_account *check_account(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, ACCOUNT);
  if (!h->open) luaL_error(L, "the account is closed");
  lua_getiuservalue(L, 1, 1); /* raises when the store was closed under it */
  mpl_check_store(L, -1);
  lua_pop(L, 1);
  return &h->account;
}

static mp_account *check_created(lua_State *L) {
  mp_account *account = check_account(L);
  if (!account->loaded) luaL_error(L, "the account has no credentials yet");
  return account;
}

static int raise(lua_State *L, const mp_error *e) {
  mpl_push_error(L, e);
  return lua_error(L);
}

static const uint8_t *check_size(lua_State *L, int arg, size_t size, const char *what) {
  size_t length;
  const char *bytes = lua_tolstring(L, arg, &length);
  if (bytes == NULL || length != size) luaL_error(L, "%s: %d bytes expected", what, (int)size);
  return (const uint8_t *)bytes;
}

/* account(store, scope) -> account */
static int signal_account(lua_State *L) {
  size_t length;
  mp_error e;
  mp_store *store = mpl_check_store(L, 1);
  const char *scope = luaL_checklstring(L, 2, &length);
  luaL_argcheck(L, memchr(scope, 0, length) == NULL, 2, "a scope holds no zero byte");
  handle *h = lua_newuserdatauv(L, sizeof *h, 1);
  h->open = false;
  luaL_setmetatable(L, ACCOUNT);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  if (mp_account_open(&h->account, store, scope, length, &e) != MP_OK) return mpl_fail(L, &e);
  h->open = true;
  return 1;
}

static int account_exists(lua_State *L) {
  lua_pushboolean(L, check_account(L)->loaded);
  return 1;
}

static int account_create(lua_State *L) {
  mp_error e;
  if (mp_account_create(check_account(L), &e) != MP_OK) return raise(L, &e);
  return 0;
}

static int account_delete(lua_State *L) {
  mp_error e;
  if (mp_account_delete(check_account(L), &e) != MP_OK) return raise(L, &e);
  return 0;
}

static void set_bytes(lua_State *L, const char *name, const uint8_t *bytes, size_t length) {
  lua_pushlstring(L, (const char *)bytes, length);
  lua_setfield(L, -2, name);
}

static void set_integer(lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

/* public() -> {registration_id=, identity=, noise=, signed_prekey={id=, public=, signature=}} */
static int account_public(lua_State *L) {
  const mp_account *account = check_created(L);
  lua_createtable(L, 0, 4);
  set_integer(L, "registration_id", account->registration_id);
  set_bytes(L, "identity", account->identity.public_key, 32);
  set_bytes(L, "noise", account->noise.public_key, 32);
  lua_createtable(L, 0, 3);
  set_integer(L, "id", account->signed_prekey_id);
  set_bytes(L, "public", account->signed_prekey.public_key, 32);
  set_bytes(L, "signature", account->signed_prekey_signature, 64);
  lua_setfield(L, -2, "signed_prekey");
  return 1;
}

static int account_identity(lua_State *L) {
  mpl_push_keypair(L, &check_created(L)->identity);
  return 1;
}

static int account_noise(lua_State *L) {
  mpl_push_keypair(L, &check_created(L)->noise);
  return 1;
}

/* adv_secret_text() -> base64, for the QR only */
static int account_adv_secret_text(lua_State *L) {
  char text[sodium_base64_ENCODED_LEN(32, sodium_base64_VARIANT_ORIGINAL)];
  sodium_bin2base64(text, sizeof text, check_created(L)->adv_secret, 32, sodium_base64_VARIANT_ORIGINAL);
  lua_pushstring(L, text);
  mp_wipe(text, sizeof text);
  return 1;
}

static int account_renew_adv_secret(lua_State *L) {
  mp_error e;
  if (mp_account_renew_adv_secret(check_created(L), &e) != MP_OK) return raise(L, &e);
  return 0;
}

/* adv_hmac_ok(bytes, hmac) -> boolean */
static int account_adv_hmac_ok(lua_State *L) {
  size_t length, hmac_length;
  uint8_t mac[32];
  const mp_account *account = check_created(L);
  const char *bytes = luaL_checklstring(L, 2, &length), *hmac = luaL_checklstring(L, 3, &hmac_length);
  mp_hmac_sha256(mac, account->adv_secret, 32, bytes, length);
  lua_pushboolean(L, hmac_length == sizeof mac && sodium_memcmp(mac, hmac, sizeof mac) == 0);
  return 1;
}

/* derive(bytes) -> 32 bytes, HMAC-SHA256 under the store's secret */
static int account_derive(lua_State *L) {
  size_t length;
  uint8_t mac[32];
  const mp_account *account = check_created(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  mp_hmac_sha256(mac, account->store_secret, 32, bytes, length);
  lua_pushlstring(L, (const char *)mac, sizeof mac);
  return 1;
}

static void push_prekey(lua_State *L, const mp_prekey *prekey) {
  lua_createtable(L, 0, 2);
  set_integer(L, "id", prekey->id);
  set_bytes(L, "public", prekey->public_key, 32);
}

/* new_prekeys(count) -> array of {id=, public=} */
static int account_new_prekeys(lua_State *L) {
  mp_error e;
  mp_account *account = check_created(L);
  lua_Integer count = luaL_checkinteger(L, 2);
  luaL_argcheck(L, count > 0 && count <= PREKEYS_MAX, 2, "1 to 1000 prekeys a call");
  mp_prekey *made = lua_newuserdatauv(L, (size_t)count * sizeof *made, 0);
  if (mp_prekeys_make(account, (uint32_t)count, made, &e) != MP_OK) return raise(L, &e);
  lua_createtable(L, (int)count, 0);
  for (lua_Integer i = 0; i < count; i++) {
    push_prekey(L, &made[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int account_mark_uploaded(lua_State *L) {
  mp_error e;
  mp_account *account = check_created(L);
  uint32_t first = (uint32_t)luaL_checkinteger(L, 2), last = (uint32_t)luaL_checkinteger(L, 3);
  if (mp_prekeys_mark_uploaded(account, first, last, &e) != MP_OK) return raise(L, &e);
  return 0;
}

typedef struct {
  lua_State *L;
  int wanted; /* -1: all, else uploaded or not */
  lua_Integer count, limit;
} prekey_list;

static bool list_prekey(void *context, const mp_prekey *prekey) {
  prekey_list *list = context;
  if (list->wanted >= 0 && list->wanted != prekey->uploaded) return true;
  push_prekey(list->L, prekey);
  lua_rawseti(list->L, -2, ++list->count);
  return list->limit == 0 || list->count < list->limit;
}

/* prekeys(uploaded boolean|nil [, limit]) -> array of {id=, public=} */
static int account_prekeys(lua_State *L) {
  mp_error e;
  mp_account *account = check_created(L);
  prekey_list list = {.L = L, .wanted = lua_isnoneornil(L, 2) ? -1 : lua_toboolean(L, 2), .limit = luaL_optinteger(L, 3, 0)};
  lua_newtable(L);
  if (mp_prekeys_list(account, list_prekey, &list, &e) != MP_OK) return raise(L, &e);
  return 1;
}

static int account_has_session(lua_State *L) {
  lua_pushboolean(L, mp_session_exists(check_created(L), luaL_checkstring(L, 2)));
  return 1;
}

static uint32_t check_id(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  if (!lua_isinteger(L, -1)) luaL_error(L, "bundle: '%s' must be an integer", name);
  uint32_t id = (uint32_t)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return id;
}

static void read_key(lua_State *L, int table, const char *name, uint8_t *out, size_t size) {
  lua_getfield(L, table, name);
  memcpy(out, check_size(L, -1, size, name), size);
  lua_pop(L, 1);
}

static void read_bundle(lua_State *L, int table, mp_bundle *bundle) {
  memset(bundle, 0, sizeof *bundle);
  bundle->registration_id = check_id(L, table, "registration_id");
  read_key(L, table, "identity", bundle->identity, 32);
  lua_getfield(L, table, "signed_prekey");
  luaL_checktype(L, -1, LUA_TTABLE);
  bundle->signed_prekey_id = check_id(L, lua_gettop(L), "id");
  read_key(L, lua_gettop(L), "public", bundle->signed_prekey, 32);
  read_key(L, lua_gettop(L), "signature", bundle->signature, 64);
  bundle->has_prekey = lua_getfield(L, table, "prekey") == LUA_TTABLE;
  if (bundle->has_prekey) {
    bundle->prekey_id = check_id(L, lua_gettop(L), "id");
    read_key(L, lua_gettop(L), "public", bundle->prekey, 32);
  }
}

/* process_bundle(jid, bundle) -> true | nil, err */
static int account_process_bundle(lua_State *L) {
  mp_error e;
  mp_bundle bundle;
  mp_account *account = check_created(L);
  const char *jid = luaL_checkstring(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  read_bundle(L, 3, &bundle);
  if (mp_session_start(account, jid, &bundle, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushboolean(L, 1);
  return 1;
}

static void encrypt_one(lua_State *L, mp_account *account, const char *jid, const mp_buffer *padded, mp_buffer *out) {
  mp_error e;
  bool prekey_message = false;
  out->length = 0;
  lua_createtable(L, 0, 3);
  lua_pushstring(L, jid);
  lua_setfield(L, -2, "jid");
  if (mp_encrypt(account, jid, padded->data, padded->length, out, &prekey_message, &e) != MP_OK) {
    mpl_push_error(L, &e);
    lua_setfield(L, -2, "error");
    return;
  }
  lua_pushstring(L, prekey_message ? "pkmsg" : "msg");
  lua_setfield(L, -2, "type");
  set_bytes(L, "ciphertext", out->data, out->length);
}

/* encrypt({jid, ...}, plaintext) -> array of {jid=, type=, ciphertext=} or {jid=, error=} */
static int account_encrypt(lua_State *L) {
  size_t length;
  mp_account *account = check_created(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  const char *plain = luaL_checklstring(L, 3, &length);
  lua_settop(L, 3);
  lua_Integer count = (lua_Integer)lua_rawlen(L, 2);
  mp_buffer padded;
  mp_buffer_init(&padded, 0);
  if (mp_pad(&padded, (const uint8_t *)plain, length) != MP_OK) return luaL_error(L, "no memory for the plaintext");
  lua_createtable(L, (int)count, 0);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, 2, i);
    const char *jid = lua_tostring(L, -1);
    if (jid == NULL) break;
    encrypt_one(L, account, jid, &padded, mpl_output(L));
    lua_rawseti(L, 4, i);
    lua_pop(L, 1);
  }
  bool wrong = lua_gettop(L) > 4;
  mp_buffer_wipe_free(&padded);
  if (wrong) return luaL_argerror(L, 2, "an array of JIDs is expected");
  return 1;
}

/* decrypt(jid, "msg"|"pkmsg", ciphertext) -> plaintext, identity|nil | nil, err */
static int account_decrypt(lua_State *L) {
  static const char *const types[] = {"msg", "pkmsg", NULL};
  size_t length;
  mp_error e;
  mp_buffer plain;
  uint8_t identity[32];
  mp_account *account = check_created(L);
  const char *jid = luaL_checkstring(L, 2);
  bool prekey_message = luaL_checkoption(L, 3, NULL, types) == 1;
  const char *bytes = luaL_checklstring(L, 4, &length);
  mp_buffer_init(&plain, 0);
  int rc = mp_decrypt(account, jid, prekey_message, (const uint8_t *)bytes, length, &plain, identity, &e);
  if (rc == MP_OK) lua_pushlstring(L, plain.data != NULL ? (const char *)plain.data : "", plain.length);
  mp_buffer_wipe_free(&plain);
  if (rc != MP_OK) return mpl_fail(L, &e);
  if (!prekey_message) return 1;
  lua_pushlstring(L, (const char *)identity, sizeof identity);
  return 2;
}

/* remote_identity(jid) -> 32 bytes | nil */
static int account_remote_identity(lua_State *L) {
  mp_error e;
  uint8_t key[32];
  int rc = mp_peer_identity(check_created(L), luaL_checkstring(L, 2), key, &e);
  if (rc == MP_ENOTFOUND) return 0;
  if (rc != MP_OK) return raise(L, &e);
  lua_pushlstring(L, (const char *)key, sizeof key);
  return 1;
}

static int account_trust_identity(lua_State *L) {
  mp_error e;
  mp_account *account = check_created(L);
  const char *jid = luaL_checkstring(L, 2);
  if (mp_peer_trust(account, jid, check_size(L, 3, 32, "identity"), &e) != MP_OK) return raise(L, &e);
  return 0;
}

static int account_delete_session(lua_State *L) {
  mp_error e;
  if (mp_session_delete(check_created(L), luaL_checkstring(L, 2), &e) != MP_OK) return raise(L, &e);
  return 0;
}

/* migrate(from, to) -> boolean */
static int account_migrate(lua_State *L) {
  mp_error e;
  bool moved;
  if (mp_session_migrate(check_created(L), luaL_checkstring(L, 2), luaL_checkstring(L, 3), &moved, &e) != MP_OK)
    return raise(L, &e);
  lua_pushboolean(L, moved);
  return 1;
}

/* base_key(jid) -> 33 bytes | nil, err */
static int account_base_key(lua_State *L) {
  mp_error e;
  uint8_t key[33];
  if (mp_session_base_key(check_created(L), luaL_checkstring(L, 2), key, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushlstring(L, (const char *)key, sizeof key);
  return 1;
}

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
    {"derive", account_derive},
    {"new_prekeys", account_new_prekeys},
    {"mark_uploaded", account_mark_uploaded},
    {"prekeys", account_prekeys},
    {"has_session", account_has_session},
    {"process_bundle", account_process_bundle},
    {"encrypt", account_encrypt},
    {"decrypt", account_decrypt},
    {"remote_identity", account_remote_identity},
    {"trust_identity", account_trust_identity},
    {"delete_session", account_delete_session},
    {"migrate", account_migrate},
    {"base_key", account_base_key},
    {"close", account_close},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {{"account", signal_account}, {NULL, NULL}};

int mpl_open_signal(lua_State *L) {
  mpl_new_type(L, ACCOUNT, methods, account_close, account_tostring);
  luaL_newlib(L, functions);
  return 1;
}
