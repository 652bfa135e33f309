/* core.media: files of messages, encrypted and decrypted as they pass (core/media). media_range.c has the parts of files. */
#include "media/media.h"

#include <string.h>

#include "bindings.h"
#include "crypto/hash.h"
#include "crypto/message_secret.h"
#include "media.h"

#define ENCRYPTOR "moonpost.media_encryptor"
#define DECRYPTOR "moonpost.media_decryptor"
#define RETRY_INFO "WhatsApp Media Retry Notification"
#define RETRY_MAX (64 * 1024) /* bytes of a ServerErrorReceipt or MediaRetryNotification */

const mp_media_type *mpl_check_media_type(lua_State *L, int arg) {
  const char *name = lua_type(L, arg) == LUA_TSTRING ? lua_tostring(L, arg) : NULL;
  const mp_media_type *type = name != NULL ? mp_media_type_find(name) : NULL;
  if (type == NULL) luaL_error(L, "there is no media type '%s'", luaL_tolstring(L, arg, NULL));
  return type;
}

int mpl_told_bytes(lua_State *L, int table, const char *name, size_t size, const uint8_t **out, mp_error *e) {
  size_t length = 0;
  int kind = lua_getfield(L, table, name);
  const char *bytes = kind == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
  *out = NULL;
  if (kind == LUA_TNIL || (bytes != NULL && length == 0)) return MP_OK;
  if (length != size) return mp_fail(e, MP_EMALFORMED, "%s: %zu bytes expected", name, size);
  *out = (const uint8_t *)bytes;
  return MP_OK;
}

int mpl_told_size(lua_State *L, int table, const char *name, bool *told, uint64_t *out, mp_error *e) {
  int whole;
  *told = false;
  if (lua_getfield(L, table, name) == LUA_TNIL) return MP_OK;
  lua_Integer size = lua_tointegerx(L, -1, &whole);
  if (!whole || size < 0 || (uint64_t)size > MP_MEDIA_LENGTH_MAX) {
    return mp_fail(e, MP_EMALFORMED, "%s: a number of bytes expected", name);
  }
  *told = true;
  *out = (uint64_t)size;
  return MP_OK;
}

static void push_bytes(lua_State *L, const char *name, const void *bytes, size_t length) {
  lua_pushlstring(L, bytes, length);
  lua_setfield(L, -2, name);
}

/* The rest of the bytes, and what the file turned out to be. */
static int push_end(lua_State *L, const mp_buffer *out, const mp_media_sealed *sealed, bool encrypted) {
  lua_pushlstring(L, (const char *)out->data, out->length);
  lua_createtable(L, 0, 4);
  push_bytes(L, "fileSha256", sealed->hash, sizeof sealed->hash);
  if (encrypted) push_bytes(L, "fileEncSha256", sealed->enc_hash, sizeof sealed->enc_hash);
  lua_pushinteger(L, (lua_Integer)sealed->length);
  lua_setfield(L, -2, "fileLength");
  if (sealed->sidecar != NULL) push_bytes(L, "streamingSidecar", sealed->sidecar, sealed->sidecar_length);
  return 2;
}

typedef struct {
  mp_media_encryptor *encryptor; /* NULL: closed */
  bool encrypted;
} encryptor_handle;

/* encryptor(media key of 32 bytes | nil, type) -> e: encrypts a file of that type (fact sheet 05 §13.2). Without a key the bytes
 * pass as they are, and are hashed. */
static int media_encryptor(lua_State *L) {
  size_t length = MP_MEDIA_KEY;
  mp_error e;
  const char *key = lua_isnoneornil(L, 1) ? NULL : luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, length == MP_MEDIA_KEY, 1, "a key of 32 bytes expected");
  const mp_media_type *type = mpl_check_media_type(L, 2);
  encryptor_handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (encryptor_handle){.encrypted = key != NULL};
  luaL_setmetatable(L, ENCRYPTOR);
  return mp_media_encryptor_new(&h->encryptor, (const uint8_t *)key, type, &e) == MP_OK ? 1 : luaL_error(L, "%s", e.message);
}

static encryptor_handle *check_encryptor(lua_State *L) {
  encryptor_handle *h = luaL_checkudata(L, 1, ENCRYPTOR);
  if (h->encryptor == NULL) luaL_error(L, "the file has ended");
  return h;
}

/* e:update(bytes) -> the bytes of the blob that are ready, maybe none | nil, err */
static int encryptor_update(lua_State *L) {
  size_t length;
  mp_error e;
  encryptor_handle *h = check_encryptor(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  mp_buffer *out = mpl_output(L);
  if (mp_media_encrypt(h->encryptor, bytes, length, out, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushlstring(L, (const char *)out->data, out->length);
  return 1;
}

static int encryptor_close(lua_State *L) {
  encryptor_handle *h = luaL_checkudata(L, 1, ENCRYPTOR);
  mp_media_encryptor_free(h->encryptor);
  h->encryptor = NULL;
  return 0;
}

/* e:finish() -> the blob's last bytes, {fileSha256, fileEncSha256, fileLength, streamingSidecar} | nil, err. The sidecar is there
 * for what apps play while it loads; fileEncSha256 for what was encrypted. Nothing goes behind it. */
static int encryptor_finish(lua_State *L) {
  mp_media_sealed sealed;
  mp_error e;
  encryptor_handle *h = check_encryptor(L);
  mp_buffer *out = mpl_output(L);
  int rc = mp_media_encrypt_end(h->encryptor, out, &sealed, &e);
  int results = rc == MP_OK ? push_end(L, out, &sealed, h->encrypted) : mpl_fail(L, &e);
  encryptor_close(L);
  return results;
}

static int encryptor_tostring(lua_State *L) {
  const encryptor_handle *h = luaL_checkudata(L, 1, ENCRYPTOR);
  lua_pushfstring(L, h->encryptor == NULL ? "%s (closed)" : "%s (%p)", ENCRYPTOR, (const void *)h);
  return 1;
}

typedef struct {
  mp_media_decryptor *decryptor; /* NULL: closed */
  bool encrypted;
} decryptor_handle;

/* decryptor{type=, mediaKey=, fileSha256=, fileEncSha256=, fileLength= [, strict=true]} -> d | nil, err: decrypts and checks a
 * file (§13.3); a message's content has these names itself. Without a mediaKey the bytes are the file. Hashes that are not told
 * are not checked. What is longer or shorter than fileLength is refused with `strict` only: the official client does not look,
 * and d:finish tells. */
static int media_decryptor(lua_State *L) {
  mp_media_told told = {0};
  mp_error e;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "type");
  told.type = mpl_check_media_type(L, -1);
  lua_getfield(L, 1, "strict");
  told.strict = lua_toboolean(L, -1);
  int rc = mpl_told_bytes(L, 1, "mediaKey", MP_MEDIA_KEY, &told.key, &e);
  if (rc == MP_OK) rc = mpl_told_bytes(L, 1, "fileSha256", MP_MEDIA_HASH, &told.hash, &e);
  if (rc == MP_OK) rc = mpl_told_bytes(L, 1, "fileEncSha256", MP_MEDIA_HASH, &told.enc_hash, &e);
  if (rc == MP_OK) rc = mpl_told_size(L, 1, "fileLength", &told.has_length, &told.length, &e);
  if (rc != MP_OK) return mpl_fail(L, &e);
  decryptor_handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (decryptor_handle){.encrypted = told.key != NULL};
  luaL_setmetatable(L, DECRYPTOR);
  return mp_media_decryptor_new(&h->decryptor, &told, &e) == MP_OK ? 1 : mpl_fail(L, &e);
}

static decryptor_handle *check_decryptor(lua_State *L) {
  decryptor_handle *h = luaL_checkudata(L, 1, DECRYPTOR);
  if (h->decryptor == NULL) luaL_error(L, "the file has ended");
  return h;
}

/* d:update(bytes of the blob) -> plaintext that is ready, maybe none, and not to be trusted yet | nil, err */
static int decryptor_update(lua_State *L) {
  size_t length;
  mp_error e;
  decryptor_handle *h = check_decryptor(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  mp_buffer *out = mpl_output(L);
  if (mp_media_decrypt(h->decryptor, bytes, length, out, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushlstring(L, (const char *)out->data, out->length);
  return 1;
}

static int decryptor_close(lua_State *L) {
  decryptor_handle *h = luaL_checkudata(L, 1, DECRYPTOR);
  mp_media_decryptor_free(h->decryptor);
  h->decryptor = NULL;
  return 0;
}

/* d:finish() -> the last plaintext, {fileSha256, fileEncSha256, fileLength}, as they truly are | nil, err; codes
 * "media-truncated", "media-enc-hash", "media-mac", "media-padding", "media-hash", "media-length", looked for in this order */
static int decryptor_finish(lua_State *L) {
  mp_media_sealed opened;
  mp_error e;
  decryptor_handle *h = check_decryptor(L);
  mp_buffer *out = mpl_output(L);
  int rc = mp_media_decrypt_end(h->decryptor, out, &opened, &e);
  int results = rc == MP_OK ? push_end(L, out, &opened, h->encrypted) : mpl_fail(L, &e);
  decryptor_close(L);
  return results;
}

static int decryptor_tostring(lua_State *L) {
  const decryptor_handle *h = luaL_checkudata(L, 1, DECRYPTOR);
  lua_pushfstring(L, h->decryptor == NULL ? "%s (closed)" : "%s (%p)", DECRYPTOR, (const void *)h);
  return 1;
}

static mp_message_secret check_retry(lua_State *L, int iv) {
  size_t length, iv_length;
  mp_message_secret under = {.info = RETRY_INFO, .info_length = sizeof RETRY_INFO - 1};
  under.secret = (const uint8_t *)luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, length == MP_MEDIA_KEY, 1, "a key of 32 bytes expected");
  under.aad = luaL_checklstring(L, 2, &under.aad_length);
  if (lua_isnoneornil(L, iv)) return under;
  under.iv = (const uint8_t *)luaL_checklstring(L, iv, &iv_length);
  luaL_argcheck(L, iv_length == MP_MESSAGE_SECRET_IV, iv, "an iv of 12 bytes expected");
  return under;
}

/* retry_seal(media key, message id, plaintext [, iv of 12 bytes]) -> enc_p, enc_iv | nil, err (§14.5); without an iv a random one
 */
static int media_retry_seal(lua_State *L) {
  size_t length;
  uint8_t iv[MP_MESSAGE_SECRET_IV];
  mp_error e;
  mp_message_secret under = check_retry(L, 4);
  const char *plaintext = luaL_checklstring(L, 3, &length);
  luaL_argcheck(L, length <= RETRY_MAX, 3, "too long");
  if (under.iv == NULL) {
    mp_random(iv, sizeof iv);
    under.iv = iv;
  }
  luaL_Buffer b;
  uint8_t *out = (uint8_t *)luaL_buffinitsize(L, &b, length + MP_MESSAGE_SECRET_TAG);
  int rc = mp_message_secret_seal(out, &under, plaintext, length);
  if (rc != MP_OK) {
    mp_fail(&e, rc, "it cannot be computed");
    return mpl_fail(L, &e);
  }
  luaL_pushresultsize(&b, length + MP_MESSAGE_SECRET_TAG);
  lua_pushlstring(L, (const char *)under.iv, MP_MESSAGE_SECRET_IV);
  return 2;
}

/* retry_open(media key, message id, enc_iv, enc_p) -> plaintext | nil, err; code "crypto": it is for another file or message, and
 * for an iv of a wrong length or what is too long to be one */
static int media_retry_open(lua_State *L) {
  size_t length, iv_length;
  mp_error e;
  mp_message_secret under = check_retry(L, 5);
  const char *iv = luaL_checklstring(L, 3, &iv_length), *sealed = luaL_checklstring(L, 4, &length);
  int rc = MP_ECRYPTO;
  under.iv = (const uint8_t *)iv;
  if (iv_length == MP_MESSAGE_SECRET_IV && length >= MP_MESSAGE_SECRET_TAG && length <= RETRY_MAX) {
    luaL_Buffer b;
    uint8_t *out = (uint8_t *)luaL_buffinitsize(L, &b, length - MP_MESSAGE_SECRET_TAG);
    rc = mp_message_secret_open(out, &under, sealed, length);
    luaL_pushresultsize(&b, rc == MP_OK ? length - MP_MESSAGE_SECRET_TAG : 0);
  }
  if (rc == MP_OK) return 1;
  mp_fail(&e, rc, "it is not for this file and message");
  return mpl_fail(L, &e);
}

/* blob_length(bytes of a file) -> bytes of its blob */
static int media_blob_length(lua_State *L) {
  lua_Integer length = luaL_checkinteger(L, 1);
  luaL_argcheck(L, length >= 0, 1, "a number of bytes expected");
  lua_pushinteger(L, (lua_Integer)mp_media_blob_length((uint64_t)length));
  return 1;
}

static const luaL_Reg encryptor_methods[] = {
    {"update", encryptor_update}, {"finish", encryptor_finish}, {"close", encryptor_close}, {NULL, NULL}};
static const luaL_Reg decryptor_methods[] = {
    {"update", decryptor_update}, {"finish", decryptor_finish}, {"close", decryptor_close}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"encryptor", media_encryptor},     {"decryptor", media_decryptor},
    {"range", mpl_media_range},         {"spool", mpl_media_spool},
    {"retry_seal", media_retry_seal},   {"retry_open", media_retry_open},
    {"blob_length", media_blob_length}, {NULL, NULL},
};

static void push_type(lua_State *L, const mp_media_type *type) {
  lua_createtable(L, 0, 4);
  lua_pushstring(L, type->mms);
  lua_setfield(L, -2, "mms");
  lua_pushstring(L, type->path);
  lua_setfield(L, -2, "path");
  lua_pushboolean(L, type->info != NULL);
  lua_setfield(L, -2, "encrypted");
  lua_pushboolean(L, type->streamed);
  lua_setfield(L, -2, "streamed");
}

/* media.types[name] = {mms = its name on the wire, path = where it is uploaded (nil: nowhere), encrypted = boolean, streamed = it
 * has a sidecar} (§13.1) */
int mpl_open_media(lua_State *L) {
  mpl_new_type(L, ENCRYPTOR, encryptor_methods, encryptor_close, encryptor_tostring);
  mpl_new_type(L, DECRYPTOR, decryptor_methods, decryptor_close, decryptor_tostring);
  mpl_new_media_range(L);
  mpl_new_media_spool(L);
  luaL_newlib(L, functions);
  mpl_open_media_tools(L);
  lua_newtable(L);
  for (const mp_media_type *type = mp_media_types; type->name != NULL; type++) {
    push_type(L, type);
    lua_setfield(L, -2, type->name);
  }
  lua_setfield(L, -2, "types");
  return 1;
}
