#include "keypair.h"

#include "base/buffer.h"

#define TYPE "moonpost.keypair"

/* A clamped private key is never zero: a closed handle is. */
static bool is_closed(const mp_keypair *pair) {
  return pair->private_key[31] == 0;
}

mp_keypair *mpl_check_keypair(lua_State *L, int arg) {
  mp_keypair *pair = luaL_checkudata(L, arg, TYPE);
  if (is_closed(pair)) luaL_error(L, "the key pair is closed");
  return pair;
}

mp_keypair *mpl_keypair_option(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  mp_keypair *pair = luaL_testudata(L, -1, TYPE);
  if (pair == NULL) {
    luaL_error(L, "%s: a key pair expected, got %s", name, luaL_typename(L, -1));
  } else if (is_closed(pair)) {
    luaL_error(L, "%s: the key pair is closed", name);
  }
  return pair;
}

/* kp:public() -> its public key, 32 bytes */
static int keypair_public(lua_State *L) {
  lua_pushlstring(L, (const char *)mpl_check_keypair(L, 1)->public_key, MP_KEY_SIZE);
  return 1;
}

/* kp:sign(message) -> 64 bytes, XEdDSA (fact sheet 02 §12.7) */
static int keypair_sign(lua_State *L) {
  size_t length;
  const mp_keypair *pair = mpl_check_keypair(L, 1);
  const char *message = luaL_checklstring(L, 2, &length);
  uint8_t signature[MP_SIGNATURE_SIZE];
  if (mp_sign(signature, pair, message, length) != MP_OK) return luaL_error(L, "signing failed");
  lua_pushlstring(L, (const char *)signature, sizeof signature);
  return 1;
}

static int keypair_close(lua_State *L) {
  mp_wipe(luaL_checkudata(L, 1, TYPE), sizeof(mp_keypair));
  return 0;
}

static int keypair_tostring(lua_State *L) {
  const mp_keypair *pair = luaL_checkudata(L, 1, TYPE);
  lua_pushfstring(L, is_closed(pair) ? "%s (closed)" : "%s (%p)", TYPE, (const void *)pair);
  return 1;
}

void mpl_push_keypair(lua_State *L, const mp_keypair *pair) {
  static const luaL_Reg methods[] = {{"public", keypair_public}, {"sign", keypair_sign}, {NULL, NULL}};
  mp_keypair *handle = lua_newuserdatauv(L, sizeof *handle, 0);
  *handle = *pair;
  if (luaL_getmetatable(L, TYPE) != LUA_TTABLE) {
    lua_pop(L, 1);
    mpl_new_type(L, TYPE, methods, keypair_close, keypair_tostring);
    luaL_getmetatable(L, TYPE);
  }
  lua_setmetatable(L, -2);
}
