/* One-time prekeys of an account (fact sheet 02 §10). */
#include <string.h>

#include "signal.h"
#include "store.h"

#define PREKEYS_MAX 1000 /* per call; callers slice, so that the loop is not held */

static void push_prekey(lua_State *L, const mp_prekey *prekey) {
  lua_createtable(L, 0, 2);
  mpl_set_integer(L, "id", prekey->id);
  mpl_set_bytes(L, "public", prekey->public_key, 32);
}

/* new_prekeys(count) -> array of {id=, public=}, stored in this turn: nothing of them may leave before its commit */
int mpl_account_new_prekeys(lua_State *L) {
  mp_error e;
  mp_account *account = mpl_check_created(L);
  lua_Integer count = luaL_checkinteger(L, 2);
  luaL_argcheck(L, count > 0 && count <= PREKEYS_MAX, 2, "1 to 1000 prekeys a call");
  mp_prekey *made = lua_newuserdatauv(L, (size_t)count * sizeof *made, 0);
  if (mp_prekeys_make(account, (uint32_t)count, made, &e) != MP_OK) return mpl_store_raise(L, &e);
  lua_createtable(L, (int)count, 0);
  for (lua_Integer i = 0; i < count; i++) {
    push_prekey(L, &made[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* mark_uploaded(first, last): the server has those ids now; one that was used up meanwhile is passed over */
int mpl_account_mark_uploaded(lua_State *L) {
  mp_error e;
  mp_account *account = mpl_check_created(L);
  lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
  luaL_argcheck(L, first >= 1 && first <= MP_PREKEY_ID_MAX, 2, "a prekey id expected");
  luaL_argcheck(L, last >= first && last - first < PREKEYS_MAX && last <= MP_PREKEY_ID_MAX, 3,
                "a prekey id expected, at most 1000 behind the first");
  if (mp_prekeys_mark_uploaded(account, (uint32_t)first, (uint32_t)last, &e) != MP_OK) return mpl_store_raise(L, &e);
  return 0;
}

typedef struct {
  mp_buffer *found; /* mp_prekey, again and again: Lua may raise, and must not do so in the middle of a transaction */
  int rc, wanted;   /* wanted -1: all, else uploaded or not */
  lua_Integer count, limit;
} prekey_list;

static bool list_prekey(void *context, const mp_prekey *prekey) {
  prekey_list *list = context;
  if (list->wanted >= 0 && list->wanted != prekey->uploaded) return true;
  list->rc = mp_buffer_append(list->found, prekey, sizeof *prekey);
  ++list->count;
  return list->rc == MP_OK && (list->limit == 0 || list->count < list->limit);
}

/* prekeys(uploaded boolean|nil [, limit]) -> array of {id=, public=}, in order of id: those uploaded, or not, or all */
int mpl_account_prekeys(lua_State *L) {
  mp_error e;
  mp_prekey prekey;
  mp_account *account = mpl_check_created(L);
  prekey_list list = {.found = mpl_output(L), .wanted = -1, .limit = luaL_optinteger(L, 3, 0)};
  luaL_argcheck(L, list.limit >= 0, 3, "a number of prekeys expected");
  if (!lua_isnoneornil(L, 2)) list.wanted = lua_toboolean(L, 2);
  int rc = mp_prekeys_list(account, list_prekey, &list, &e);
  if (rc == MP_OK && list.rc != MP_OK) rc = mp_fail(&e, list.rc, "no memory for the prekeys");
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  lua_createtable(L, (int)list.count, 0);
  for (lua_Integer i = 0; i < list.count; i++) {
    memcpy(&prekey, list.found->data + (size_t)i * sizeof prekey, sizeof prekey);
    push_prekey(L, &prekey);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* prekey(id) -> {id=, public=}; nil when it is used up or was never made */
int mpl_account_prekey(lua_State *L) {
  mp_error e;
  mp_keypair pair;
  mp_account *account = mpl_check_created(L);
  lua_Integer id = luaL_checkinteger(L, 2);
  luaL_argcheck(L, id >= 1 && id <= MP_PREKEY_ID_MAX, 2, "a prekey id expected");
  mp_prekey prekey = {.id = (uint32_t)id};
  int rc = mp_prekey_load(account, prekey.id, &pair, &e);
  if (rc == MP_ENOTFOUND) return 0;
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  memcpy(prekey.public_key, pair.public_key, 32);
  mp_wipe(&pair, sizeof pair);
  push_prekey(L, &prekey);
  return 1;
}

/* drop_prekey(id): nobody can use it any more; none of this id is no error */
int mpl_account_drop_prekey(lua_State *L) {
  mp_error e;
  mp_account *account = mpl_check_created(L);
  lua_Integer id = luaL_checkinteger(L, 2);
  luaL_argcheck(L, id >= 1 && id <= MP_PREKEY_ID_MAX, 2, "a prekey id expected");
  if (mp_prekey_remove(account, (uint32_t)id, &e) != MP_OK) return mpl_store_raise(L, &e);
  return 0;
}

/* next_signed_prekey() -> {id=, public=, signature=}: the one that is to take the place of the present one, stored already; the
 * same until it is adopted or dropped (fact sheet 02 §10.5) */
int mpl_account_next_signed_prekey(lua_State *L) {
  mp_error e;
  mp_signed_prekey key;
  if (mp_signed_prekey_next(mpl_check_created(L), &key, &e) != MP_OK) return mpl_store_raise(L, &e);
  lua_createtable(L, 0, 3);
  mpl_set_integer(L, "id", key.id);
  mpl_set_bytes(L, "public", key.pair.public_key, 32);
  mpl_set_bytes(L, "signature", key.signature, 64);
  mp_wipe(&key, sizeof key);
  return 1;
}

/* adopt_signed_prekey(now): the server has the next one; the one before is kept some 60 days from now, Unix seconds */
int mpl_account_adopt_signed_prekey(lua_State *L) {
  mp_error e;
  mp_account *account = mpl_check_created(L);
  lua_Integer now = luaL_checkinteger(L, 2);
  luaL_argcheck(L, now > 0, 2, "Unix seconds expected");
  if (mp_signed_prekey_adopt(account, (uint64_t)now, &e) != MP_OK) return mpl_store_raise(L, &e);
  return 0;
}

/* drop_next_signed_prekey(): the server does not take it */
int mpl_account_drop_next_signed_prekey(lua_State *L) {
  mp_error e;
  if (mp_signed_prekey_drop_next(mpl_check_created(L), &e) != MP_OK) return mpl_store_raise(L, &e);
  return 0;
}

/* has_signed_prekey(id) -> boolean: whether messages that use it can be read */
int mpl_account_has_signed_prekey(lua_State *L) {
  mp_error e;
  mp_signed_prekey key;
  mp_account *account = mpl_check_created(L);
  lua_Integer id = luaL_checkinteger(L, 2);
  luaL_argcheck(L, id >= 0 && id <= UINT32_MAX, 2, "an id expected");
  int rc = mp_signed_prekey_load(account, (uint32_t)id, &key, &e);
  mp_wipe(&key, sizeof key);
  if (rc != MP_OK && rc != MP_ENOTFOUND) return mpl_store_raise(L, &e);
  lua_pushboolean(L, rc == MP_OK);
  return 1;
}
