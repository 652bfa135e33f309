#include <openssl/evp.h>
#include <sodium.h>

#include "base/buffer.h"
#include "bindings.h"
#include "crypto/aes.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "keypair.h"

#define DAYS_MAX 36500 /* of a certificate */

static const uint8_t *check_bytes(lua_State *L, int arg, size_t size, const char *what) {
  size_t length;
  const char *bytes = luaL_checklstring(L, arg, &length);
  if (length != size) luaL_argerror(L, arg, lua_pushfstring(L, "%s of %d bytes expected, got %d", what, (int)size, (int)length));
  return (const uint8_t *)bytes;
}

/* sha256(bytes), sha512(bytes), sha1(bytes), md5(bytes) -> digest. MD5 and SHA-1 are for the protocol's sake only. */
static int digest(lua_State *L, const EVP_MD *type) {
  size_t length;
  unsigned size = 0;
  uint8_t out[EVP_MAX_MD_SIZE];
  const char *bytes = luaL_checklstring(L, 1, &length);
  if (!EVP_Digest(bytes, length, out, &size, type, NULL)) return luaL_error(L, "libcrypto has no such digest");
  lua_pushlstring(L, (const char *)out, size);
  return 1;
}

static int crypto_sha256(lua_State *L) {
  size_t length;
  uint8_t out[32];
  const char *bytes = luaL_checklstring(L, 1, &length);
  mp_sha256(out, bytes, length);
  lua_pushlstring(L, (const char *)out, sizeof out);
  return 1;
}

static int crypto_sha512(lua_State *L) {
  return digest(L, EVP_sha512());
}

static int crypto_sha1(lua_State *L) {
  return digest(L, EVP_sha1());
}

static int crypto_md5(lua_State *L) {
  return digest(L, EVP_md5());
}

/* hmac_sha256(key, data) -> 32 bytes */
static int crypto_hmac_sha256(lua_State *L) {
  size_t key_length, length;
  uint8_t out[32];
  const char *key = luaL_checklstring(L, 1, &key_length), *data = luaL_checklstring(L, 2, &length);
  mp_hmac_sha256(out, key, key_length, data, length);
  lua_pushlstring(L, (const char *)out, sizeof out);
  return 1;
}

/* hkdf(ikm, length, info [, salt]) -> length bytes (RFC 5869 with SHA-256); no salt is 32 zero bytes */
static int crypto_hkdf(lua_State *L) {
  size_t ikm_length, info_length, salt_length = 0;
  const char *ikm = luaL_checklstring(L, 1, &ikm_length);
  lua_Integer length = luaL_checkinteger(L, 2);
  const char *info = luaL_checklstring(L, 3, &info_length), *salt = luaL_optlstring(L, 4, NULL, &salt_length);
  luaL_argcheck(L, length > 0 && length <= 255 * 32, 2, "1 to 8160 bytes");
  luaL_Buffer b;
  uint8_t *out = (uint8_t *)luaL_buffinitsize(L, &b, (size_t)length);
  mp_hkdf(out, (size_t)length, ikm, ikm_length, salt, salt_length, info, info_length);
  luaL_pushresultsize(&b, (size_t)length);
  return 1;
}

/* random(length) -> bytes, at most 1 MiB */
static int crypto_random(lua_State *L) {
  lua_Integer length = luaL_checkinteger(L, 1);
  luaL_argcheck(L, length >= 0 && length <= 1 << 20, 1, "0 to 1 MiB");
  luaL_Buffer b;
  mp_random(luaL_buffinitsize(L, &b, (size_t)length), (size_t)length);
  luaL_pushresultsize(&b, (size_t)length);
  return 1;
}

static int base64_variant(lua_State *L, int arg) {
  static const char *const names[] = {"standard", "url", NULL};
  return luaL_checkoption(L, arg, "standard", names) == 0 ? sodium_base64_VARIANT_ORIGINAL
                                                          : sodium_base64_VARIANT_URLSAFE_NO_PADDING;
}

/* base64(bytes [, "standard"|"url"]) -> text; the URL form has no padding */
static int crypto_base64(lua_State *L) {
  size_t length;
  const char *bytes = luaL_checklstring(L, 1, &length);
  int variant = base64_variant(L, 2);
  size_t room = sodium_base64_ENCODED_LEN(length, variant);
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, room);
  sodium_bin2base64(out, room, (const uint8_t *)bytes, length, variant);
  luaL_pushresultsize(&b, room - 1);
  return 1;
}

static int bad_text(lua_State *L, const char *what) {
  mp_error e;
  mp_fail(&e, MP_EMALFORMED, "the text is no %s", what);
  return mpl_fail(L, &e);
}

/* unbase64(text [, "standard"|"url"]) -> bytes | nil, err; strict in padding and alphabet */
static int crypto_unbase64(lua_State *L) {
  size_t length, written = 0;
  const char *text = luaL_checklstring(L, 1, &length), *end = NULL;
  int variant = base64_variant(L, 2);
  luaL_Buffer b;
  uint8_t *out = (uint8_t *)luaL_buffinitsize(L, &b, length + 1);
  if (sodium_base642bin(out, length + 1, text, length, NULL, &written, &end, variant) != 0 || end != text + length) {
    return bad_text(L, "base64");
  }
  luaL_pushresultsize(&b, written);
  return 1;
}

/* hex(bytes) -> text in lower case */
static int crypto_hex(lua_State *L) {
  size_t length;
  const char *bytes = luaL_checklstring(L, 1, &length);
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, 2 * length + 1);
  sodium_bin2hex(out, 2 * length + 1, (const uint8_t *)bytes, length);
  luaL_pushresultsize(&b, 2 * length);
  return 1;
}

/* unhex(text) -> bytes | nil, err; either case */
static int crypto_unhex(lua_State *L) {
  size_t length, written = 0;
  const char *text = luaL_checklstring(L, 1, &length), *end = NULL;
  luaL_Buffer b;
  uint8_t *out = (uint8_t *)luaL_buffinitsize(L, &b, length / 2 + 1);
  if (sodium_hex2bin(out, length / 2 + 1, text, length, NULL, &written, &end) != 0 || end != text + length)
    return bad_text(L, "hex");
  luaL_pushresultsize(&b, written);
  return 1;
}

/* equal(a, b) -> boolean, in time that depends on the lengths only */
static int crypto_equal(lua_State *L) {
  size_t a_length, b_length;
  const char *a = luaL_checklstring(L, 1, &a_length), *b = luaL_checklstring(L, 2, &b_length);
  lua_pushboolean(L, a_length == b_length && sodium_memcmp(a, b, a_length) == 0);
  return 1;
}

/* verify(public key of 32 bytes, message, signature) -> boolean (XEdDSA, fact sheet 02 §12.7) */
static int crypto_verify(lua_State *L) {
  size_t length, signature_length;
  const uint8_t *key = check_bytes(L, 1, MP_KEY_SIZE, "a public key");
  const char *message = luaL_checklstring(L, 2, &length), *signature = luaL_checklstring(L, 3, &signature_length);
  lua_pushboolean(L, signature_length == MP_SIGNATURE_SIZE && mp_verify(key, message, length, (const uint8_t *)signature));
  return 1;
}

/* keypair() -> a new X25519 key pair; its private key never becomes a string */
static int crypto_keypair(lua_State *L) {
  mp_keypair pair;
  mp_keypair_generate(&pair);
  mpl_push_keypair(L, &pair);
  mp_wipe(&pair, sizeof pair);
  return 1;
}

/* certificate{host="127.0.0.1", days=3650} -> certificate, key (PEM) | nil, err: self-signed, for an IP address and localhost */
static int crypto_certificate(lua_State *L) {
  mp_buffer certificate, key;
  mp_error e;
  luaL_checktype(L, 1, LUA_TTABLE);
  const char *host = "127.0.0.1";
  lua_Integer days = 3650;
  int whole = 1;
  if (lua_getfield(L, 1, "host") != LUA_TNIL) host = lua_tostring(L, -1);
  if (lua_getfield(L, 1, "days") != LUA_TNIL) days = lua_tointegerx(L, -1, &whole);
  if (host == NULL) return luaL_error(L, "host: an IP address expected, got %s", luaL_typename(L, -2));
  if (!whole || days < 1 || days > DAYS_MAX) return luaL_error(L, "days: 1 to %d expected", DAYS_MAX);
  mp_buffer_init(&certificate, 0);
  mp_buffer_init(&key, 0);
  int rc = mp_certificate_make(host, (int)days, &certificate, &key, &e);
  if (rc == MP_OK) {
    lua_pushlstring(L, (const char *)certificate.data, certificate.length);
    lua_pushlstring(L, (const char *)key.data, key.length);
  }
  mp_buffer_free(&certificate);
  mp_buffer_wipe_free(&key);
  return rc == MP_OK ? 2 : mpl_fail(L, &e);
}

/* curve_override() -> boolean: whether libsignal's curve calls reach the fast implementation */
static int crypto_curve_override(lua_State *L) {
  lua_pushboolean(L, mp_curve_override_active());
  return 1;
}

static const luaL_Reg functions[] = {
    {"sha256", crypto_sha256},
    {"sha512", crypto_sha512},
    {"sha1", crypto_sha1},
    {"md5", crypto_md5},
    {"hmac_sha256", crypto_hmac_sha256},
    {"hkdf", crypto_hkdf},
    {"random", crypto_random},
    {"base64", crypto_base64},
    {"unbase64", crypto_unbase64},
    {"hex", crypto_hex},
    {"unhex", crypto_unhex},
    {"equal", crypto_equal},
    {"verify", crypto_verify},
    {"keypair", crypto_keypair},
    {"certificate", crypto_certificate},
    {"curve_override", crypto_curve_override},
    {NULL, NULL},
};

int mpl_open_crypto(lua_State *L) {
  if (mp_crypto_init() != MP_OK) return luaL_error(L, "libsodium does not start");
  luaL_newlib(L, functions);
  mpl_open_link_code(L);
  mpl_open_message_secret(L);
  return 1;
}
