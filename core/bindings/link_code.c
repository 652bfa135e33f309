/* moonpost.core.crypto, linking by phone number: codes, keys hidden under them, the bundle that ends it. */
#include <stdlib.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/link_code.h"
#include "keypair.h"
#include "net.h"
#include "signal.h"
#include "store.h"

typedef struct {
  lua_State *L;
  int ref; /* the function */
  char code[MP_LINK_CODE];
  uint8_t wrapped[MP_LINK_WRAPPED]; /* the hidden key stands behind the header, before or after */
  uint8_t key[32];
  bool hides;
  int rc;
  mp_error e;
} job;

static const void *check_size(lua_State *L, int arg, size_t size, const char *what) {
  size_t length;
  const char *bytes = luaL_checklstring(L, arg, &length);
  if (length != size) luaL_argerror(L, arg, lua_pushfstring(L, "%s of %d bytes expected, got %d", what, (int)size, (int)length));
  return bytes;
}

/* link_code() -> a new code of 8 characters */
static int link_code(lua_State *L) {
  uint8_t bits[5];
  char code[MP_LINK_CODE];
  mp_random(bits, sizeof bits);
  mp_link_code_spell(code, bits);
  lua_pushlstring(L, code, sizeof code);
  mp_wipe(bits, sizeof bits);
  return 1;
}

/* is_link_code(text) -> boolean: whether it has the form of one */
static int is_link_code(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_pushboolean(L, length == MP_LINK_CODE && mp_link_code_is_valid(text));
  return 1;
}

static void on_thread(void *user) {
  job *j = user;
  uint8_t *hidden = j->wrapped + MP_LINK_HEADER;
  j->rc = mp_link_hide(j->hides ? hidden : j->key, j->code, j->wrapped, j->hides ? j->key : hidden, &j->e);
}

static void on_done(void *user) {
  job *j = user;
  lua_State *L = j->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->ref);
  luaL_unref(L, LUA_REGISTRYINDEX, j->ref);
  if (j->rc != MP_OK) {
    mpl_fail(L, &j->e);
  } else if (j->hides) {
    lua_pushlstring(L, (const char *)j->wrapped, sizeof j->wrapped);
  } else {
    lua_pushlstring(L, (const char *)j->key, sizeof j->key);
  }
  int results = j->rc == MP_OK ? 1 : 2;
  mp_wipe(j, sizeof *j);
  free(j);
  mpl_call(L, results);
}

/* Sends a job whose function is argument 3 to the pool. */
static int start(lua_State *L, const job *what) {
  mp_error e;
  luaL_checktype(L, 3, LUA_TFUNCTION);
  job *j = malloc(sizeof *j);
  if (j == NULL) return luaL_error(L, "no memory for a linking code");
  *j = *what;
  j->L = mpl_main(L);
  lua_pushvalue(L, 3);
  j->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  if (mp_work(on_thread, on_done, j, &e) != MP_OK) {
    luaL_unref(L, LUA_REGISTRYINDEX, j->ref);
    free(j);
    return mpl_fail(L, &e);
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* link_wrap(code, public key, fn(80 bytes | nil, err)) -> true | nil, err: hides a key under a code, in the thread pool */
static int link_wrap(lua_State *L) {
  job j = {.hides = true};
  memcpy(j.code, check_size(L, 1, MP_LINK_CODE, "a code"), MP_LINK_CODE);
  memcpy(j.key, check_size(L, 2, 32, "a public key"), 32);
  mp_random(j.wrapped, MP_LINK_HEADER);
  return start(L, &j);
}

/* link_unwrap(code, 80 bytes, fn(public key | nil, err)) -> true | nil, err: the key that was hidden, or, under a wrong code,
 * another one; in the thread pool */
static int link_unwrap(lua_State *L) {
  job j = {.hides = false};
  memcpy(j.code, check_size(L, 1, MP_LINK_CODE, "a code"), MP_LINK_CODE);
  memcpy(j.wrapped, check_size(L, 2, MP_LINK_WRAPPED, "a hidden key"), MP_LINK_WRAPPED);
  return start(L, &j);
}

static const uint8_t *key_option(lua_State *L, int table, const char *name, size_t size) {
  size_t length = 0;
  lua_getfield(L, table, name);
  const char *bytes = lua_tolstring(L, -1, &length);
  if (bytes == NULL || length != size) luaL_error(L, "%s: %d bytes expected", name, (int)size);
  return (const uint8_t *)bytes;
}

/* link_open{ephemeral=, identity=, their_ephemeral=, their_identity=, bundle=} -> the shared secret, 32 bytes | nil, err: the
 * phone's side, for simulated ones; `ephemeral` and `identity` are its key pairs */
static int link_open(lua_State *L) {
  mp_error e;
  uint8_t secret[32];
  luaL_checktype(L, 1, LUA_TTABLE);
  const mp_link_keys keys = {.ephemeral = mpl_keypair_option(L, 1, "ephemeral"),
                             .identity = mpl_keypair_option(L, 1, "identity"),
                             .their_ephemeral = key_option(L, 1, "their_ephemeral", 32),
                             .their_identity = key_option(L, 1, "their_identity", 32)};
  if (mp_link_open(secret, &keys, key_option(L, 1, "bundle", MP_LINK_BUNDLE), &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushlstring(L, (const char *)secret, sizeof secret);
  mp_wipe(secret, sizeof secret);
  return 1;
}

/* account:link_seal(ephemeral key pair, phone's ephemeral key, phone's identity key) -> bundle of 156 bytes | nil, err: the
 * secret the phone's word is then checked with takes the place of the one in the QRs (fact sheet 02 §3.4) */
int mpl_account_link_seal(lua_State *L) {
  mp_error e;
  mp_link_draw draw;
  uint8_t bundle[MP_LINK_BUNDLE], secret[32];
  mp_account *account = mpl_check_created(L);
  const mp_link_keys keys = {.ephemeral = mpl_check_keypair(L, 2),
                             .identity = &account->identity,
                             .their_ephemeral = check_size(L, 3, 32, "a public key"),
                             .their_identity = check_size(L, 4, 32, "a public key")};
  mp_random(&draw, sizeof draw);
  int rc = mp_link_seal(bundle, secret, &keys, &draw, &e);
  mp_wipe(&draw, sizeof draw);
  if (rc != MP_OK) return mpl_fail(L, &e);
  rc = mp_account_set_adv_secret(account, secret, &e);
  mp_wipe(secret, sizeof secret);
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  lua_pushlstring(L, (const char *)bundle, sizeof bundle);
  return 1;
}

void mpl_open_link_code(lua_State *L) {
  static const luaL_Reg functions[] = {{"link_code", link_code},     {"is_link_code", is_link_code}, {"link_wrap", link_wrap},
                                       {"link_unwrap", link_unwrap}, {"link_open", link_open},       {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
