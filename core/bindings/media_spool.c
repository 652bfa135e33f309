/* Bytes set aside: in memory, or when they are many in a file without a name (core/media/spool.h). */
#include "media/spool.h"

#include "media.h"

#define TYPE "moonpost.media_spool"
#define READ_MAX (16 << 20) /* bytes read at once */

typedef struct {
  mp_spool *spool; /* NULL: closed */
} handle;

static mp_spool *check_spool(lua_State *L) {
  const handle *h = luaL_checkudata(L, 1, TYPE);
  if (h->spool == NULL) luaL_error(L, "the spool is closed");
  return h->spool;
}

/* spool([folder]) -> s: 256 KiB stay in memory, more goes to a file in `folder`, else in TMPDIR, else in /var/tmp */
int mpl_media_spool(lua_State *L) {
  const char *folder = luaL_optstring(L, 1, NULL);
  handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  h->spool = NULL;
  luaL_setmetatable(L, TYPE);
  h->spool = mp_spool_new(folder);
  return h->spool != NULL ? 1 : luaL_error(L, "no memory");
}

/* s:write(bytes) -> true | nil, err; code "full" when the disk is, "store" for what else a file can have */
static int spool_write(lua_State *L) {
  size_t length;
  mp_error e;
  mp_spool *spool = check_spool(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  if (mp_spool_write(spool, bytes, length, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushboolean(L, 1);
  return 1;
}

/* s:read(offset from 0, most bytes) -> bytes, "" at the end | nil, err */
static int spool_read(lua_State *L) {
  mp_error e;
  mp_spool *spool = check_spool(L);
  lua_Integer offset = luaL_checkinteger(L, 2), most = luaL_checkinteger(L, 3);
  luaL_argcheck(L, offset >= 0, 2, "an offset expected");
  luaL_argcheck(L, most >= 0 && most <= READ_MAX, 3, "0 to 16 MiB");
  mp_buffer *out = mpl_output(L);
  if (mp_spool_read(spool, (uint64_t)offset, (size_t)most, out, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushlstring(L, (const char *)out->data, out->length);
  return 1;
}

/* s:size() -> bytes written */
static int spool_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)mp_spool_size(check_spool(L)));
  return 1;
}

static int spool_close(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, TYPE);
  mp_spool_free(h->spool);
  h->spool = NULL;
  return 0;
}

static int spool_tostring(lua_State *L) {
  const handle *h = luaL_checkudata(L, 1, TYPE);
  lua_pushfstring(L, h->spool == NULL ? "%s (closed)" : "%s (%p)", TYPE, (const void *)h);
  return 1;
}

void mpl_new_media_spool(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"write", spool_write}, {"read", spool_read}, {"size", spool_size}, {"close", spool_close}, {NULL, NULL}};
  mpl_new_type(L, TYPE, methods, spool_close, spool_tostring);
}
