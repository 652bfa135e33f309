#include "crypto/message_secret.h"

#include "base/buffer.h"
#include "keypair.h"

#define BYTES_MAX (16 << 20) /* of a plaintext or ciphertext: no stanza is larger */

static const uint8_t *check_size(lua_State *L, int arg, size_t size, const char *what) {
  size_t length;
  const char *bytes = luaL_checklstring(L, arg, &length);
  if (length != size) luaL_argerror(L, arg, lua_pushfstring(L, "%s of %d bytes expected, got %d", what, (int)size, (int)length));
  return (const uint8_t *)bytes;
}

static mp_message_secret check_under(lua_State *L) {
  mp_message_secret under = {0};
  under.secret = check_size(L, 1, MP_MESSAGE_SECRET, "a message secret");
  under.info = luaL_checklstring(L, 2, &under.info_length);
  under.iv = check_size(L, 3, MP_MESSAGE_SECRET_IV, "an iv");
  under.aad = luaL_checklstring(L, 4, &under.aad_length);
  return under;
}

static int failed(lua_State *L, int rc) {
  mp_error e;
  mp_fail(&e, rc, rc == MP_ECRYPTO ? "it does not fit the message's secret" : "it cannot be computed");
  return mpl_fail(L, &e);
}

/* secret_seal(secret of 32 bytes, info, iv of 12 bytes, aad, plaintext) -> ciphertext and tag | nil, err (fact sheet 05 §9) */
static int secret_seal(lua_State *L) {
  size_t length;
  const mp_message_secret under = check_under(L);
  const char *plaintext = luaL_checklstring(L, 5, &length);
  luaL_argcheck(L, length <= BYTES_MAX, 5, "too long");
  luaL_Buffer b;
  uint8_t *out = (uint8_t *)luaL_buffinitsize(L, &b, length + MP_MESSAGE_SECRET_TAG);
  int rc = mp_message_secret_seal(out, &under, plaintext, length);
  if (rc != MP_OK) return failed(L, rc);
  luaL_pushresultsize(&b, length + MP_MESSAGE_SECRET_TAG);
  return 1;
}

/* secret_open(secret of 32 bytes, info, iv of 12 bytes, aad, ciphertext and tag) -> plaintext | nil, err; code "crypto" when it
 * was encrypted under anything else */
static int secret_open(lua_State *L) {
  size_t length;
  const mp_message_secret under = check_under(L);
  const char *sealed = luaL_checklstring(L, 5, &length);
  if (length < MP_MESSAGE_SECRET_TAG || length > BYTES_MAX) return failed(L, MP_ECRYPTO);
  luaL_Buffer b;
  uint8_t *out = (uint8_t *)luaL_buffinitsize(L, &b, length - MP_MESSAGE_SECRET_TAG);
  int rc = mp_message_secret_open(out, &under, sealed, length);
  if (rc != MP_OK) return failed(L, rc);
  luaL_pushresultsize(&b, length - MP_MESSAGE_SECRET_TAG);
  return 1;
}

void mpl_open_message_secret(lua_State *L) {
  static const luaL_Reg functions[] = {{"secret_seal", secret_seal}, {"secret_open", secret_open}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
