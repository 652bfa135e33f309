/* Parts of files (fact sheet 05 §13.5). */
#include "media.h"

#define TYPE "moonpost.media_range"

typedef struct {
  mp_media_range *range; /* NULL: closed */
  uint64_t from, to;
} handle;

static handle *check_range(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, TYPE);
  if (h->range == NULL) luaL_error(L, "the part has ended");
  return h;
}

static int read_part(lua_State *L, mp_media_part *part, mp_error *e) {
  bool told = false;
  lua_getfield(L, 1, "type");
  part->type = mpl_check_media_type(L, -1);
  int rc = mpl_told_bytes(L, 1, "mediaKey", MP_MEDIA_KEY, &part->key, e);
  if (rc == MP_OK) rc = mpl_told_size(L, 1, "fileLength", &told, &part->length, e);
  if (rc == MP_OK && !told) rc = mp_fail(e, MP_EMALFORMED, "fileLength: a number of bytes expected");
  if (rc == MP_OK) rc = mpl_told_size(L, 1, "first", &told, &part->first, e);
  if (rc == MP_OK) rc = mpl_told_size(L, 1, "last", &told, &part->end, e);
  part->end = told ? part->end + 1 : part->length;
  lua_getfield(L, 1, "streamingSidecar");
  if (lua_type(L, -1) == LUA_TSTRING) part->sidecar = (const uint8_t *)lua_tolstring(L, -1, &part->sidecar_length);
  if (part->sidecar_length == 0) part->sidecar = NULL;
  return rc;
}

/* range{type=, mediaKey=, fileLength=, [first=0,] [last=fileLength-1,] [streamingSidecar=]} -> r | nil, err: the bytes `first` to
 * `last` of a file, counted from 0. With a sidecar each piece of 64 KiB is checked before it is given out (code "media-sidecar");
 * without one nothing is. */
int mpl_media_range(lua_State *L) {
  mp_media_part part = {0};
  mp_error e;
  luaL_checktype(L, 1, LUA_TTABLE);
  if (read_part(L, &part, &e) != MP_OK) return mpl_fail(L, &e);
  handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (handle){0};
  luaL_setmetatable(L, TYPE);
  if (mp_media_range_new(&h->range, &part, &e) != MP_OK) return mpl_fail(L, &e);
  mp_media_range_wants(h->range, &h->from, &h->to);
  return 1;
}

/* r:wants() -> first, last byte of the blob to fetch, counted from 0 as in an HTTP range */
static int range_wants(lua_State *L) {
  const handle *h = check_range(L);
  lua_pushinteger(L, (lua_Integer)h->from);
  lua_pushinteger(L, (lua_Integer)h->to - 1);
  return 2;
}

/* r:update(those bytes, in order, in any pieces) -> bytes of the file that are ready, maybe none | nil, err */
static int range_update(lua_State *L) {
  size_t length;
  mp_error e;
  const handle *h = check_range(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  mp_buffer *out = mpl_output(L);
  if (mp_media_range_decrypt(h->range, bytes, length, out, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushlstring(L, (const char *)out->data, out->length);
  return 1;
}

static int range_close(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, TYPE);
  mp_media_range_free(h->range);
  h->range = NULL;
  return 0;
}

/* r:finish() -> "" | nil, err; code "media-truncated" when not all of it came */
static int range_finish(lua_State *L) {
  mp_error e;
  const handle *h = check_range(L);
  int rc = mp_media_range_end(h->range, &e);
  range_close(L);
  if (rc != MP_OK) return mpl_fail(L, &e);
  lua_pushliteral(L, "");
  return 1;
}

static int range_tostring(lua_State *L) {
  const handle *h = luaL_checkudata(L, 1, TYPE);
  lua_pushfstring(L, h->range == NULL ? "%s (closed)" : "%s (%p)", TYPE, (const void *)h);
  return 1;
}

void mpl_new_media_range(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"wants", range_wants}, {"update", range_update}, {"finish", range_finish}, {"close", range_close}, {NULL, NULL}};
  mpl_new_type(L, TYPE, methods, range_close, range_tostring);
}
