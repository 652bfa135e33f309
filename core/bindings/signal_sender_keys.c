/* Sender keys of an account (fact sheet 02 §12.6): the keys of groups, told in pairwise messages, and the messages they open. */
#include <string.h>
#include <time.h>

#include "signal.h"
#include "signal/aside.h"
#include "signal/sender_keys.h"
#include "store.h"

static const char *check_name(lua_State *L, int arg) {
  size_t length;
  const char *name = luaL_checklstring(L, arg, &length);
  luaL_argcheck(L, length > 0 && memchr(name, 0, length) == NULL, arg, "a JID expected");
  return name;
}

static mp_sender check_sender(lua_State *L) {
  return (mp_sender){check_name(L, 2), check_name(L, 3)};
}

/* process_sender_key(group, device jid, bytes) -> true | nil, err: files a SenderKeyDistributionMessage; err.code "malformed", or
 * "store" and "full" (try again) */
int mpl_account_process_sender_key(lua_State *L) {
  size_t length;
  mp_error e;
  mp_account *account = mpl_check_created(L);
  const mp_sender sender = check_sender(L);
  const char *bytes = luaL_checklstring(L, 4, &length);
  if (mp_sender_key_process(account, &sender, (const uint8_t *)bytes, length, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushboolean(L, 1);
  return 1;
}

/* decrypt_group(group, device jid, ciphertext) -> plaintext | nil, err. err.code: "no-session" (no such sender key), "crypto"
 * (wrong signature or ciphertext), "duplicate", "limit" (too far ahead), "malformed" (is no message), "padding", "store" and
 * "full" (try again). On every error the sender's keys stay as they were. */
int mpl_account_decrypt_group(lua_State *L) {
  size_t length;
  mp_error e;
  mp_buffer plain;
  mp_account *account = mpl_check_created(L);
  const mp_sender sender = check_sender(L);
  const char *bytes = luaL_checklstring(L, 4, &length);
  mp_buffer_init(&plain, 0);
  int rc = mp_sender_key_decrypt(account, &sender, (const uint8_t *)bytes, length, (uint64_t)time(NULL), &plain, &e);
  if (rc == MP_OK) lua_pushlstring(L, plain.data != NULL ? (const char *)plain.data : "", plain.length);
  mp_buffer_wipe_free(&plain);
  return rc == MP_OK ? 1 : mpl_fail(L, &e);
}

/* sender_key_distribution(group) -> bytes: the own key in a group, made when there is none, as others are told it. It opens every
 * message to come and belongs into pairwise messages only. */
int mpl_account_sender_key_distribution(lua_State *L) {
  mp_error e;
  mp_account *account = mpl_check_created(L);
  const char *group = check_name(L, 2);
  mp_buffer *out = mpl_output(L);
  if (mp_sender_key_distribution(account, group, out, &e) != MP_OK) return mpl_store_raise(L, &e);
  lua_pushlstring(L, (const char *)out->data, out->length);
  mp_wipe(out->data, out->length);
  return 1;
}

/* drop_sender_key(group): forgets the own key in a group; the next one is another. Without one it does nothing. */
int mpl_account_drop_sender_key(lua_State *L) {
  mp_error e;
  mp_account *account = mpl_check_created(L);
  const mp_sender own = {check_name(L, 2), ""};
  if (mp_sender_key_delete(account, &own, &e) != MP_OK) return mpl_store_raise(L, &e);
  return 0;
}

/* encrypt_group(group, plaintext) -> ciphertext | nil, err: padded and encrypted with the own key; err.code "no-session" when
 * there is none. The chain moves on in this turn: nothing may leave before its commit. */
int mpl_account_encrypt_group(lua_State *L) {
  size_t length;
  mp_error e;
  mp_buffer padded;
  mp_account *account = mpl_check_created(L);
  const char *group = check_name(L, 2), *plain = luaL_checklstring(L, 3, &length);
  mp_buffer *out = mpl_output(L);
  mp_buffer_init(&padded, 0);
  int rc = mp_pad(&padded, (const uint8_t *)plain, length);
  if (rc != MP_OK) mp_fail(&e, rc, "no memory for the plaintext");
  if (rc == MP_OK) rc = mp_sender_key_encrypt(account, group, padded.data, padded.length, out, &e);
  mp_buffer_wipe_free(&padded);
  if (rc != MP_OK) return mpl_fail(L, &e);
  lua_pushlstring(L, (const char *)out->data, out->length);
  return 1;
}

/* sweep_skipped("session"|"group", oldest, count [, after]) -> where to go on | nil: takes away keys of messages that were passed
 * over before a time (Unix seconds), in chats with people or in groups, among the next `count` rows */
int mpl_account_sweep_skipped(lua_State *L) {
  static const char *const kinds[] = {"session", "group", NULL};
  size_t length;
  mp_error e = {0};
  mp_buffer after;
  mp_account *account = mpl_check_created(L);
  bool session = luaL_checkoption(L, 2, NULL, kinds) == 0;
  lua_Integer oldest = luaL_checkinteger(L, 3), count = luaL_checkinteger(L, 4);
  const char *from = luaL_optlstring(L, 5, "", &length);
  luaL_argcheck(L, oldest >= 0, 3, "a time expected");
  luaL_argcheck(L, count > 0, 4, "a number of rows expected");
  mp_buffer_init(&after, 0);
  int rc = mp_buffer_append(&after, from, length);
  if (rc != MP_OK) mp_fail(&e, rc, "no memory for the account's rows");
  if (rc == MP_OK) rc = (session ? mp_aside_sweep : mp_sender_keys_sweep)(account, (uint64_t)oldest, (size_t)count, &after, &e);
  bool more = rc == MP_OK && after.length > 0;
  if (more) lua_pushlstring(L, (const char *)after.data, after.length);
  mp_buffer_free(&after);
  if (rc != MP_OK) return mpl_store_raise(L, &e);
  return more ? 1 : 0;
}
