#include "signal/aside.h"

#include <string.h>

#include "base/numbers.h"

enum { RATCHET_KEY = 33, TAIL = RATCHET_KEY + 4, TIME = 8 };

/* jid 00, then the typed ratchet key and the counter; 0 when the names are longer than a row's can be. */
static size_t name_row(const char *jid, size_t jid_length, const uint8_t *ratchet_key, uint32_t counter,
                       uint8_t out[MP_STORE_KEY_MAX]) {
  if (jid_length + 1 + TAIL > MP_STORE_KEY_MAX - MP_SCOPE_MAX - 1) return 0;
  memcpy(out, jid, jid_length);
  out[jid_length] = 0;
  if (ratchet_key == NULL) return jid_length + 1;
  memcpy(out + jid_length + 1, ratchet_key, RATCHET_KEY);
  mp_put_u32(out + jid_length + 1 + RATCHET_KEY, counter);
  return jid_length + 1 + TAIL;
}

int mp_aside_put(void *context, const mp_skipped_key *key) {
  mp_aside *aside = context;
  uint8_t name[MP_STORE_KEY_MAX], full[MP_STORE_KEY_MAX], time[TIME];
  if (key->ratchet_key_length != RATCHET_KEY) return MP_EMALFORMED;
  size_t length = name_row(aside->jid, aside->jid_length, key->ratchet_key, key->counter, name);
  if (length == 0) return MP_OK; /* nobody's JID is that long: the key is dropped */
  mp_buffer row;
  mp_buffer_init(&row, 0);
  mp_put_u64(time, aside->now);
  int rc = mp_buffer_append(&row, key->bytes, key->length);
  if (rc == MP_OK) rc = mp_buffer_append(&row, time, sizeof time);
  if (rc != MP_OK) mp_fail(aside->error, rc, "no memory for a skipped key");
  if (rc == MP_OK) {
    rc = mp_store_put(aside->account->store, MP_TABLE_SKIPPED, mp_account_key(aside->account, name, length, full),
                      (mp_bytes){row.data, row.length}, aside->error);
  }
  aside->count++;
  mp_buffer_wipe_free(&row);
  return rc;
}

static bool count_row(void *context, mp_bytes key, mp_bytes value) {
  (void)key;
  (void)value;
  ++*(size_t *)context;
  return true;
}

static bool is_older(void *context, mp_bytes value) {
  const uint64_t *than = context;
  return value.length >= TIME && mp_get_u64((const uint8_t *)value.data + value.length - TIME) < *than;
}

static int count_rows(const mp_aside *aside, mp_bytes name, size_t *count, mp_error *e) {
  uint8_t full[MP_STORE_KEY_MAX];
  *count = 0;
  return mp_store_range(aside->account->store, MP_TABLE_SKIPPED, mp_account_key(aside->account, name.data, name.length, full),
                        (mp_bytes){"", 0}, count_row, count, e);
}

int mp_aside_bound(mp_aside *aside, mp_error *e) {
  uint8_t bytes[MP_STORE_KEY_MAX];
  const mp_bytes name = {bytes, name_row(aside->jid, aside->jid_length, NULL, 0, bytes)};
  size_t count;
  if (aside->count == 0 || name.length == 0) return MP_OK;
  int rc = count_rows(aside, name, &count, e);
  if (rc != MP_OK || count <= MP_ASIDE_MAX) return rc;
  rc = mp_account_sweep(aside->account, MP_TABLE_SKIPPED, name, is_older, &aside->now, 0, NULL, e);
  if (rc == MP_OK) rc = count_rows(aside, name, &count, e);
  if (rc != MP_OK || count <= MP_ASIDE_MAX) return rc;
  return mp_account_delete_rows(aside->account, MP_TABLE_SKIPPED, name, e); /* so many within a second: nobody means well */
}

/* The name of a message's row; 0 without memory, or when there can be none. */
static size_t name_message(const char *jid, const signal_message *message, uint8_t ratchet_key[RATCHET_KEY],
                           uint8_t name[MP_STORE_KEY_MAX]) {
  signal_buffer *key = NULL;
  int rc = ec_public_key_serialize(&key, signal_message_get_sender_ratchet_key(message));
  bool sound = rc == SG_SUCCESS && signal_buffer_len(key) == RATCHET_KEY;
  if (sound) memcpy(ratchet_key, signal_buffer_data(key), RATCHET_KEY);
  signal_buffer_free(key);
  return sound ? name_row(jid, strlen(jid), ratchet_key, signal_message_get_counter(message), name) : 0;
}

int mp_aside_await(mp_account *account, const char *jid, const signal_message *message, mp_error *e) {
  uint8_t name[MP_STORE_KEY_MAX], full[MP_STORE_KEY_MAX];
  mp_bytes found;
  size_t length = name_message(jid, message, account->awaited_chain, name);
  if (length == 0) return MP_OK;
  const mp_bytes key = mp_account_key(account, name, length, full);
  int rc = mp_store_get(account->store, MP_TABLE_SKIPPED, key, &found, e);
  if (rc == MP_ENOTFOUND) return MP_OK;
  if (rc == MP_OK && found.length <= TIME) return mp_fail(e, MP_ESTORE, "a skipped key in the store is damaged");
  if (rc != MP_OK) return rc;
  rc = mp_buffer_append(&account->awaited_key, found.data, found.length - TIME);
  mp_store_forget(account->store);
  if (rc != MP_OK) return mp_fail(e, rc, "no memory for a skipped key");
  return mp_store_delete(account->store, MP_TABLE_SKIPPED, key, e);
}

void mp_aside_forget(mp_account *account) {
  mp_buffer_wipe_free(&account->awaited_key);
  mp_buffer_init(&account->awaited_key, 0);
}

int mp_aside_give_back(mp_account *account, const uint8_t *record, size_t length, mp_buffer *out) {
  const mp_skipped_key key = {.ratchet_key = account->awaited_chain,
                              .ratchet_key_length = RATCHET_KEY,
                              .bytes = account->awaited_key.data,
                              .length = account->awaited_key.length};
  return key.length > 0 ? mp_session_give_back(record, length, &key, out) : MP_OK;
}

int mp_aside_delete(mp_account *account, const char *jid, mp_error *e) {
  uint8_t name[MP_STORE_KEY_MAX];
  size_t length = name_row(jid, strlen(jid), NULL, 0, name);
  return length > 0 ? mp_account_delete_rows(account, MP_TABLE_SKIPPED, (mp_bytes){name, length}, e) : MP_OK;
}

typedef struct {
  mp_buffer rows; /* the end of a key, the value's length (u32), the value */
  int rc;
} row_list;

static bool note_row(void *context, mp_bytes key, mp_bytes value) {
  row_list *list = context;
  uint8_t length[4];
  mp_put_u32(length, (uint32_t)value.length);
  list->rc = mp_buffer_append(&list->rows, (const uint8_t *)key.data + key.length - TAIL, TAIL);
  if (list->rc == MP_OK) list->rc = mp_buffer_append(&list->rows, length, sizeof length);
  if (list->rc == MP_OK) list->rc = mp_buffer_append(&list->rows, value.data, value.length);
  return list->rc == MP_OK;
}

static int put_noted(mp_account *account, const char *to, const mp_buffer *rows, mp_error *e) {
  uint8_t name[MP_STORE_KEY_MAX], full[MP_STORE_KEY_MAX];
  int rc = MP_OK;
  for (size_t at = 0; rc == MP_OK && at < rows->length;) {
    const uint8_t *tail = rows->data + at;
    size_t length = mp_get_u32(tail + TAIL);
    size_t name_length = name_row(to, strlen(to), tail, mp_get_u32(tail + RATCHET_KEY), name);
    if (name_length > 0) {
      rc = mp_store_put(account->store, MP_TABLE_SKIPPED, mp_account_key(account, name, name_length, full),
                        (mp_bytes){tail + TAIL + 4, length}, e);
    }
    at += TAIL + 4 + length;
  }
  return rc;
}

int mp_aside_move(mp_account *account, const char *from, const char *to, mp_error *e) {
  uint8_t name[MP_STORE_KEY_MAX], full[MP_STORE_KEY_MAX];
  size_t length = name_row(from, strlen(from), NULL, 0, name);
  row_list list = {.rc = MP_OK};
  if (length == 0) return MP_OK;
  mp_buffer_init(&list.rows, 0);
  int rc = mp_store_range(account->store, MP_TABLE_SKIPPED, mp_account_key(account, name, length, full), (mp_bytes){"", 0},
                          note_row, &list, e);
  if (rc == MP_OK && list.rc != MP_OK) rc = mp_fail(e, list.rc, "no memory to move skipped keys");
  if (rc == MP_OK && list.rows.length > 0) rc = put_noted(account, to, &list.rows, e);
  if (rc == MP_OK && list.rows.length > 0) rc = mp_aside_delete(account, from, e);
  mp_buffer_wipe_free(&list.rows);
  return rc;
}

int mp_aside_sweep(mp_account *account, uint64_t oldest, size_t count, mp_buffer *after, mp_error *e) {
  return mp_account_sweep(account, MP_TABLE_SKIPPED, (mp_bytes){"", 0}, is_older, &oldest, count, after, e);
}
