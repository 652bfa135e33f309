#include "syncd/syncd.h"

#include <string.h>

#include "bindings.h"
#include "crypto/hash.h"

#define TYPE "moonpost.syncd_keys"

typedef struct {
  mp_syncd_keys keys;
  bool closed;
} handle;

static const char *check_size(lua_State *L, int arg, size_t size, const char *what) {
  size_t length;
  const char *bytes = luaL_checklstring(L, arg, &length);
  if (length != size) luaL_argerror(L, arg, lua_pushfstring(L, "%s of %d bytes expected, got %d", what, (int)size, (int)length));
  return bytes;
}

static const mp_syncd_keys *check_keys(lua_State *L) {
  const handle *h = luaL_checkudata(L, 1, TYPE);
  if (h->closed) luaL_error(L, "the app-state keys are closed");
  return &h->keys;
}

static uint64_t check_version(lua_State *L, int arg) {
  lua_Integer version = luaL_checkinteger(L, arg);
  luaL_argcheck(L, version >= 0, arg, "a version of 0 or more expected");
  return (uint64_t)version;
}

static mp_syncd_operation check_operation(lua_State *L, int arg) {
  static const char *const operations[] = {"set", "remove", NULL};
  return luaL_checkoption(L, arg, NULL, operations) == 0 ? MP_SYNCD_SET : MP_SYNCD_REMOVE;
}

/* keys:index_mac(index) -> 32 bytes, the record's name; `index` is a compact JSON array (fact sheet 06 §3.2) */
static int keys_index_mac(lua_State *L) {
  size_t length;
  uint8_t out[MP_SYNCD_MAC];
  const mp_syncd_keys *keys = check_keys(L);
  const char *index = luaL_checklstring(L, 2, &length);
  mp_syncd_index_mac(out, keys, index, length);
  lua_pushlstring(L, (const char *)out, sizeof out);
  return 1;
}

/* keys:seal("set"|"remove", key id, plaintext [, iv of 16 bytes]) -> value blob, its last 32 bytes the value MAC | nil, err
 * (§4.2). Without an iv a random one is taken. */
static int keys_seal(lua_State *L) {
  size_t id_length, length;
  uint8_t iv[MP_SYNCD_IV];
  mp_error e;
  const mp_syncd_keys *keys = check_keys(L);
  mp_syncd_operation operation = check_operation(L, 2);
  const char *id = luaL_checklstring(L, 3, &id_length), *plaintext = luaL_checklstring(L, 4, &length);
  if (lua_isnoneornil(L, 5)) {
    mp_random(iv, sizeof iv);
  } else {
    memcpy(iv, check_size(L, 5, sizeof iv, "an iv"), sizeof iv);
  }
  mp_buffer *out = mpl_output(L);
  if (mp_syncd_seal(out, keys, operation, id, id_length, iv, plaintext, length, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushlstring(L, (const char *)out->data, out->length);
  return 1;
}

/* keys:open("set"|"remove", key id, value blob) -> plaintext, value MAC of 32 bytes | nil, err (§4.2) */
static int keys_open(lua_State *L) {
  size_t id_length, length, opened;
  mp_error e;
  const mp_syncd_keys *keys = check_keys(L);
  mp_syncd_operation operation = check_operation(L, 2);
  const char *id = luaL_checklstring(L, 3, &id_length), *blob = luaL_checklstring(L, 4, &length);
  mp_buffer *out = mpl_output(L);
  if (mp_buffer_reserve(out, length) != MP_OK) return luaL_error(L, "no memory");
  int rc = mp_syncd_open(out->data, &opened, keys, operation, id, id_length, (const uint8_t *)blob, length, &e);
  if (rc != MP_OK) return mpl_fail(L, &e);
  lua_pushlstring(L, (const char *)out->data, opened);
  lua_pushlstring(L, blob + length - MP_SYNCD_MAC, MP_SYNCD_MAC);
  return 2;
}

/* keys:snapshot_mac(hash, version, collection) -> 32 bytes (§4.5) */
static int keys_snapshot_mac(lua_State *L) {
  uint8_t out[MP_SYNCD_MAC];
  const mp_syncd_keys *keys = check_keys(L);
  const char *hash = check_size(L, 2, MP_SYNCD_HASH, "a hash");
  mp_syncd_snapshot_mac(out, keys, (const uint8_t *)hash, check_version(L, 3), luaL_checkstring(L, 4));
  lua_pushlstring(L, (const char *)out, sizeof out);
  return 1;
}

/* keys:patch_mac(snapshot MAC, value MACs one behind the other, version, collection) -> 32 bytes (§4.5) */
static int keys_patch_mac(lua_State *L) {
  size_t length;
  uint8_t out[MP_SYNCD_MAC];
  const mp_syncd_keys *keys = check_keys(L);
  const char *snapshot = check_size(L, 2, MP_SYNCD_MAC, "a snapshot MAC"), *macs = luaL_checklstring(L, 3, &length);
  luaL_argcheck(L, length % MP_SYNCD_MAC == 0, 3, "MACs of 32 bytes each expected");
  mp_syncd_patch_mac(out, keys, (const uint8_t *)snapshot, macs, length, check_version(L, 4), luaL_checkstring(L, 5));
  lua_pushlstring(L, (const char *)out, sizeof out);
  return 1;
}

static int keys_close(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, TYPE);
  mp_wipe(&h->keys, sizeof h->keys);
  h->closed = true;
  return 0;
}

static int keys_tostring(lua_State *L) {
  const handle *h = luaL_checkudata(L, 1, TYPE);
  lua_pushfstring(L, h->closed ? "%s (closed)" : "%s (%p)", TYPE, (const void *)h);
  return 1;
}

/* keys(key data of 32 bytes) -> the keys it expands to (§4.1), zeroed when closed or collected */
static int syncd_keys(lua_State *L) {
  const char *data = check_size(L, 1, MP_SYNCD_KEY, "an app-state key");
  handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  h->closed = false;
  mp_syncd_expand(&h->keys, (const uint8_t *)data);
  luaL_setmetatable(L, TYPE);
  return 1;
}

static int sum(lua_State *L, void (*change)(uint8_t *, const uint8_t *)) {
  uint8_t hash[MP_SYNCD_HASH];
  memcpy(hash, check_size(L, 1, MP_SYNCD_HASH, "a hash"), sizeof hash);
  change(hash, (const uint8_t *)check_size(L, 2, MP_SYNCD_MAC, "a value MAC"));
  lua_pushlstring(L, (const char *)hash, sizeof hash);
  return 1;
}

/* add(hash, value MAC), subtract(hash, value MAC) -> the hash with that record, or without it (§4.3) */
static int syncd_add(lua_State *L) {
  return sum(L, mp_syncd_add);
}

static int syncd_subtract(lua_State *L) {
  return sum(L, mp_syncd_subtract);
}

static const luaL_Reg methods[] = {
    {"index_mac", keys_index_mac}, {"seal", keys_seal},   {"open", keys_open}, {"snapshot_mac", keys_snapshot_mac},
    {"patch_mac", keys_patch_mac}, {"close", keys_close}, {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"keys", syncd_keys},
    {"add", syncd_add},
    {"subtract", syncd_subtract},
    {NULL, NULL},
};

/* syncd.EMPTY is the hash of an empty collection. */
int mpl_open_syncd(lua_State *L) {
  static const char empty[MP_SYNCD_HASH];
  mpl_new_type(L, TYPE, methods, keys_close, keys_tostring);
  luaL_newlib(L, functions);
  lua_pushlstring(L, empty, sizeof empty);
  lua_setfield(L, -2, "EMPTY");
  return 1;
}
