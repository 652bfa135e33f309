/* Many rows of an account at once. */
#include <string.h>

#include "signal/account.h"

typedef struct {
  mp_row_test goes;
  void *context;
  size_t looked, most;   /* most: 0 is all */
  mp_buffer *after, old; /* old: keys that go, the length (u16) before each */
  bool more;
  int rc;
} sweep;

static void note_key(sweep *s, mp_bytes key) {
  uint16_t length = (uint16_t)key.length;
  s->rc = mp_buffer_append(&s->old, &length, sizeof length);
  if (s->rc == MP_OK) s->rc = mp_buffer_append(&s->old, key.data, key.length);
}

static bool look_at(void *context, mp_bytes key, mp_bytes value) {
  sweep *s = context;
  s->more = s->most != 0 && s->looked++ == s->most;
  if (s->more) return false;
  if (s->goes == NULL || s->goes(s->context, value)) note_key(s, key);
  if (s->rc != MP_OK || s->after == NULL) return s->rc == MP_OK;
  s->after->length = 0;
  s->rc = mp_buffer_append(s->after, key.data, key.length);
  return s->rc == MP_OK;
}

static int delete_noted(mp_account *account, mp_table table, const mp_buffer *keys, mp_error *e) {
  int rc = MP_OK;
  for (size_t at = 0; rc == MP_OK && at < keys->length;) {
    uint16_t length;
    memcpy(&length, keys->data + at, sizeof length);
    at += sizeof length;
    rc = mp_store_delete(account->store, table, (mp_bytes){keys->data + at, length}, e);
    at += length;
  }
  return rc;
}

int mp_account_sweep(mp_account *account, mp_table table, mp_bytes name, mp_row_test goes, void *context, size_t count,
                     mp_buffer *after, mp_error *e) {
  uint8_t prefix[MP_STORE_KEY_MAX], from[MP_STORE_KEY_MAX];
  sweep s = {.goes = goes, .context = context, .most = count, .after = after};
  mp_bytes start = {from, after != NULL && after->length <= sizeof from ? after->length : 0};
  if (start.length > 0) memcpy(from, after->data, start.length);
  mp_buffer_init(&s.old, 0);
  int rc = mp_store_range(account->store, table, mp_account_key(account, name.data, name.length, prefix), start, look_at, &s, e);
  if (rc == MP_OK && s.rc != MP_OK) rc = mp_fail(e, s.rc, "no memory for the account's rows");
  if (rc == MP_OK) rc = delete_noted(account, table, &s.old, e);
  mp_buffer_free(&s.old);
  if (after != NULL && !s.more) after->length = 0;
  return rc;
}

int mp_account_delete_rows(mp_account *account, mp_table table, mp_bytes name, mp_error *e) {
  return mp_account_sweep(account, table, name, NULL, NULL, 0, NULL, e);
}
