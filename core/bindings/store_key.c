/* The key a store is sealed with: a handle, never a string that Lua keeps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net.h"
#include "store.h"

#define KEY "moonpost.store.key"
#define READ_MAX (MP_SEAL_TEXT_MAX + 16) /* bytes: some white space may stand behind a key */

static mp_store_key *push_key(lua_State *L) {
  mp_store_key *key = lua_newuserdatauv(L, sizeof *key, 0);
  memset(key, 0, sizeof *key);
  luaL_setmetatable(L, KEY);
  return key;
}

mp_store_key *mpl_key_option(lua_State *L, int table, const char *name) {
  int type = lua_getfield(L, table, name);
  if (type == LUA_TNIL) return NULL;
  mp_store_key *key = luaL_testudata(L, -1, KEY);
  if (key == NULL) {
    luaL_error(L, "%s: a store's key expected, got %s", name, luaL_typename(L, -1));
  } else if (key->length == 0) {
    luaL_error(L, "%s: the key is closed", name);
  }
  return key;
}

static int from_text(lua_State *L, const char *text, size_t length) {
  mp_error e;
  mp_store_key *key = push_key(L);
  return mp_store_key_set(key, text, length, &e) == MP_OK ? 1 : mpl_fail(L, &e);
}

/* key(text) -> key | nil, err: 64 hex digits, or a passphrase of 8 to 1,024 bytes. err.code "key" */
static int store_key(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  return from_text(L, text, length);
}

/* key_from_env(name) -> key | nil when there is no such variable, or it is empty | nil, err */
static int store_key_from_env(lua_State *L) {
  const char *text = getenv(luaL_checkstring(L, 1));
  return text != NULL && text[0] != 0 ? from_text(L, text, strlen(text)) : 0;
}

/* key_from_fd(descriptor) -> key | nil, err: reads it to its end, and closes it unless it is a standard stream */
static int store_key_from_fd(lua_State *L) {
  char text[READ_MAX];
  size_t length = 0;
  mp_error e;
  int fd = (int)luaL_checkinteger(L, 1);
  ssize_t got;
  while ((got = read(fd, text + length, sizeof text - length)) > 0 || (got < 0 && errno == EINTR)) {
    if (got > 0) length += (size_t)got;
    if (length == sizeof text) break;
  }
  int reason = got < 0 ? errno : 0;
  if (fd > STDERR_FILENO) close(fd);
  int results;
  if (reason != 0) {
    mp_fail(&e, MP_EKEY, "cannot read the store's key from descriptor %d: %s", fd, strerror(reason));
    results = mpl_fail(L, &e);
  } else {
    results = from_text(L, text, length);
  }
  mp_wipe(text, sizeof text);
  return results;
}

typedef struct {
  mp_store_key key; /* a copy, which the other thread works on */
  uint8_t header[MP_SEAL_HEADER];
  size_t length;
  int rc;
  mp_error e;
  lua_State *L;
  int ref, anchor; /* the function; the handle */
} derivation;

static void forget(derivation *d) {
  luaL_unref(d->L, LUA_REGISTRYINDEX, d->ref);
  luaL_unref(d->L, LUA_REGISTRYINDEX, d->anchor);
  mp_store_key_wipe(&d->key);
  free(d);
}

static void derive(void *user) {
  derivation *d = user;
  d->rc = mp_store_key_derive(&d->key, d->length > 0 ? d->header : NULL, d->length, &d->e);
}

static void on_derived(void *user) {
  derivation *d = user;
  lua_State *L = d->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, d->ref);
  lua_rawgeti(L, LUA_REGISTRYINDEX, d->anchor);
  mp_store_key *key = lua_touserdata(L, -1);
  if (d->rc == MP_OK && key->length > 0) *key = d->key;
  lua_pop(L, 1);
  forget(d);
  mpl_call(L, 0);
}

/* prepare(path, done) -> true | nil, err: derives what opening the store in that folder needs, off the loop, since a passphrase
 * takes its time; then calls done(). A key that does not fit is told by the opening. */
static int key_prepare(lua_State *L) {
  mp_error e;
  mp_store_key *key = luaL_checkudata(L, 1, KEY);
  const char *path = luaL_checkstring(L, 2);
  luaL_checktype(L, 3, LUA_TFUNCTION);
  derivation *d = calloc(1, sizeof *d);
  if (d == NULL) return luaL_error(L, "no memory for a key");
  int rc = mp_store_read_seal(path, d->header, &d->length, &e);
  if (rc != MP_OK) {
    free(d);
    return mpl_fail(L, &e);
  }
  d->key = *key;
  d->L = mpl_main(L);
  lua_pushvalue(L, 3);
  d->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushvalue(L, 1);
  d->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
  if (mp_work(derive, on_derived, d, &e) != MP_OK) {
    forget(d);
    return mpl_fail(L, &e);
  }
  lua_pushboolean(L, 1);
  return 1;
}

static int key_close(lua_State *L) {
  mp_store_key_wipe(luaL_checkudata(L, 1, KEY));
  return 0;
}

static int key_tostring(lua_State *L) {
  luaL_checkudata(L, 1, KEY);
  lua_pushliteral(L, KEY);
  return 1;
}

void mpl_open_store_key(lua_State *L) {
  static const luaL_Reg methods[] = {{"prepare", key_prepare}, {"close", key_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"key", store_key}, {"key_from_env", store_key_from_env}, {"key_from_fd", store_key_from_fd}, {NULL, NULL}};
  mpl_new_type(L, KEY, methods, key_close, key_tostring);
  luaL_setfuncs(L, functions, 0);
}
