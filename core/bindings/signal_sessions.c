/* Sessions and peers of an account (fact sheet 02 §10.6-§13): bundles, encryption for many devices, decryption, identities. */
#include <string.h>

#include "signal.h"
#include "store.h"

static const char *check_jid(lua_State *L, int arg) {
  size_t length;
  const char *jid = luaL_checklstring(L, arg, &length);
  luaL_argcheck(L, length > 0 && memchr(jid, 0, length) == NULL, arg, "a device JID expected");
  return jid;
}

/* has_session(jid) -> boolean */
int mpl_account_has_session(lua_State *L) {
  mp_error e;
  int rc = mp_session_check(mpl_check_created(L), check_jid(L, 2), &e);
  if (rc != MP_OK && rc != MP_ENOSESSION) return mpl_store_raise(L, &e);
  lua_pushboolean(L, rc == MP_OK);
  return 1;
}

static uint32_t read_id(lua_State *L, int table, const char *path, const char *name, uint32_t most) {
  int exact;
  lua_getfield(L, table, name);
  lua_Integer id = lua_tointegerx(L, -1, &exact);
  if (!exact || id < 0 || id > most) luaL_error(L, "bundle: %s%s: a number from 0 to %I expected", path, name, (LUAI_UACINT)most);
  lua_pop(L, 1);
  return (uint32_t)id;
}

static void read_key(lua_State *L, int table, const char *path, const char *name, uint8_t *out, size_t size) {
  size_t length = 0;
  int type = lua_getfield(L, table, name);
  const char *bytes = type == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
  if (bytes == NULL || length != size) {
    luaL_error(L, "bundle: %s%s: %d bytes expected", path, name, (int)size);
    return;
  }
  memcpy(out, bytes, size);
  lua_pop(L, 1);
}

#define ID_MAX 0xffffffu /* three bytes on the wire */

static void read_bundle(lua_State *L, int table, mp_bundle *bundle) {
  memset(bundle, 0, sizeof *bundle);
  bundle->registration_id = read_id(L, table, "", "registration_id", UINT32_MAX);
  read_key(L, table, "", "identity", bundle->identity, 32);
  if (lua_getfield(L, table, "signed_prekey") != LUA_TTABLE) luaL_error(L, "bundle: signed_prekey: a table expected");
  bundle->signed_prekey_id = read_id(L, lua_gettop(L), "signed_prekey.", "id", ID_MAX);
  read_key(L, lua_gettop(L), "signed_prekey.", "public", bundle->signed_prekey, 32);
  read_key(L, lua_gettop(L), "signed_prekey.", "signature", bundle->signature, 64);
  int type = lua_getfield(L, table, "prekey");
  bundle->has_prekey = type == LUA_TTABLE;
  if (type != LUA_TTABLE && type != LUA_TNIL) luaL_error(L, "bundle: prekey: a table expected");
  if (!bundle->has_prekey) return;
  bundle->prekey_id = read_id(L, lua_gettop(L), "prekey.", "id", ID_MAX);
  read_key(L, lua_gettop(L), "prekey.", "public", bundle->prekey, 32);
}

/* process_bundle(jid, {registration_id=, identity=, signed_prekey={id=, public=, signature=} [, prekey={id=, public=}]}) -> true
 * | nil, err: starts a session; err.code "crypto" when the signature is wrong */
int mpl_account_process_bundle(lua_State *L) {
  mp_error e;
  mp_bundle bundle;
  mp_account *account = mpl_check_created(L);
  const char *jid = check_jid(L, 2);
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
  mpl_set_bytes(L, "ciphertext", out->data, out->length);
}

/* All of them, before the first ratchet moves. */
static lua_Integer check_jids(lua_State *L, int arg) {
  luaL_checktype(L, arg, LUA_TTABLE);
  lua_Integer count = (lua_Integer)lua_rawlen(L, arg);
  for (lua_Integer i = 1; i <= count; i++) {
    luaL_argcheck(L, lua_rawgeti(L, arg, i) == LUA_TSTRING && lua_rawlen(L, -1) == strlen(lua_tostring(L, -1)), arg,
                  "an array of device JIDs expected");
    lua_pop(L, 1);
  }
  return count;
}

/* encrypt({jid, ...}, plaintext) -> array of {jid=, type=, ciphertext=} or {jid=, error=}, one for each: the plaintext is padded
 * once and encrypted for every device. The ratchets move on in this turn: nothing may leave before its commit. */
int mpl_account_encrypt(lua_State *L) {
  size_t length;
  mp_account *account = mpl_check_created(L);
  lua_Integer count = check_jids(L, 2);
  const char *plain = luaL_checklstring(L, 3, &length);
  mp_buffer padded;
  lua_settop(L, 3);
  lua_createtable(L, (int)count, 0);
  mp_buffer_init(&padded, 0);
  if (mp_pad(&padded, (const uint8_t *)plain, length) != MP_OK) return luaL_error(L, "no memory for the plaintext");
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, 2, i);
    encrypt_one(L, account, lua_tostring(L, -1), &padded, mpl_output(L));
    lua_rawseti(L, 4, i);
    lua_pop(L, 1);
  }
  mp_buffer_wipe_free(&padded);
  return 1;
}

/* decrypt(jid, "msg"|"pkmsg", ciphertext) -> plaintext, identity of the sender (pkmsg only) | nil, err. err.code: "duplicate",
 * "no-session", "invalid-key-id", "crypto" (fits no session), "malformed" (is no message), "padding", "store" and "full" (try
 * again). On every error the session stays as it was. */
int mpl_account_decrypt(lua_State *L) {
  static const char *const types[] = {"msg", "pkmsg", NULL};
  size_t length;
  mp_error e;
  mp_buffer plain;
  uint8_t identity[32];
  mp_account *account = mpl_check_created(L);
  const char *jid = check_jid(L, 2);
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

/* remote_identity(jid) -> 32 bytes | nil: the identity key its last session came with */
int mpl_account_remote_identity(lua_State *L) {
  mp_error e;
  uint8_t key[32];
  int rc = mp_peer_identity(mpl_check_created(L), check_jid(L, 2), key, &e);
  if (rc == MP_ENOTFOUND) return 0;
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  lua_pushlstring(L, (const char *)key, sizeof key);
  return 1;
}

/* trust_identity(jid, 32 bytes): notes a peer's identity that came by another way than a session (02 §2.6 step 9) */
int mpl_account_trust_identity(lua_State *L) {
  mp_error e;
  size_t length;
  mp_account *account = mpl_check_created(L);
  const char *jid = check_jid(L, 2), *key = luaL_checklstring(L, 3, &length);
  luaL_argcheck(L, length == 32, 3, "32 bytes expected");
  if (mp_peer_trust(account, jid, (const uint8_t *)key, &e) != MP_OK) return mpl_store_raise(L, &e);
  return 0;
}

/* delete_session(jid): no session is no error */
int mpl_account_delete_session(lua_State *L) {
  mp_error e;
  if (mp_session_delete(mpl_check_created(L), check_jid(L, 2), &e) != MP_OK) return mpl_store_raise(L, &e);
  return 0;
}

/* sessions(user) -> array of the JIDs with this user part that have a session */
int mpl_account_sessions(lua_State *L) {
  mp_error e;
  mp_account *account = mpl_check_created(L);
  const char *user = luaL_checkstring(L, 2);
  mp_buffer *names = mpl_output(L);
  if (mp_session_names(account, user, names, &e) != MP_OK) return mpl_store_raise(L, &e);
  lua_newtable(L);
  for (size_t at = 0, length; at < names->length; at += length + 1) {
    const char *name = (const char *)names->data + at;
    length = strlen(name);
    lua_pushlstring(L, name, length);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
  return 1;
}

/* migrate(from, to) -> boolean: moves session and identity, when `from` has a session and `to` has none (02 §9.4) */
int mpl_account_migrate(lua_State *L) {
  mp_error e;
  bool moved;
  if (mp_session_migrate(mpl_check_created(L), check_jid(L, 2), check_jid(L, 3), &moved, &e) != MP_OK)
    return mpl_store_raise(L, &e);
  lua_pushboolean(L, moved);
  return 1;
}

/* base_key(jid) -> 33 bytes | nil, err: tells whether a session is the one it was (02 §12.9) */
int mpl_account_base_key(lua_State *L) {
  mp_error e;
  uint8_t key[33];
  if (mp_session_base_key(mpl_check_created(L), check_jid(L, 2), key, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushlstring(L, (const char *)key, sizeof key);
  return 1;
}

/* registration_id(jid) -> integer | nil, err: the peer's when its session was made, 0 when that did not say (02 §12.9) */
int mpl_account_registration_id(lua_State *L) {
  mp_error e;
  uint32_t id = 0;
  if (mp_session_registration(mpl_check_created(L), check_jid(L, 2), &id, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushinteger(L, id);
  return 1;
}
