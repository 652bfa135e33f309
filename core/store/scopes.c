#include "store/scopes.h"

#include <string.h>

#define SLICE_BYTES ((size_t)1 << 20) /* of rows held at once; one may be larger */

static const mp_bytes layout_key = {"layout", 6};

typedef struct {
  mp_buffer rows; /* two lengths, key, value, again and again */
  int rc;
} slice;

static bool collect(void *context, mp_bytes key, mp_bytes value) {
  slice *s = context;
  const size_t lengths[2] = {key.length, value.length};
  s->rc = mp_buffer_append(&s->rows, lengths, sizeof lengths);
  if (s->rc == MP_OK) s->rc = mp_buffer_append(&s->rows, key.data, key.length);
  if (s->rc == MP_OK) s->rc = mp_buffer_append(&s->rows, value.data, value.length);
  return s->rc == MP_OK && s->rows.length < SLICE_BYTES;
}

static int move_row(mp_store *store, mp_table table, mp_bytes key, mp_bytes value, mp_error *e) {
  uint8_t scoped[MP_STORE_KEY_MAX];
  if (key.length >= sizeof scoped) return mp_fail(e, MP_EMALFORMED, "the store has a row whose key is too long");
  scoped[0] = 0;
  memcpy(scoped + 1, key.data, key.length);
  int rc = mp_store_put(store, table, (mp_bytes){scoped, key.length + 1}, value, e);
  return rc == MP_OK ? mp_store_delete(store, table, key, e) : rc;
}

/* Moves the rows of a slice; `last` becomes the key of its last one. */
static int move_slice(mp_store *store, mp_table table, const slice *s, uint8_t last[MP_STORE_KEY_MAX], size_t *last_length,
                      mp_error *e) {
  int rc = MP_OK;
  for (size_t at = 0, lengths[2]; at < s->rows.length && rc == MP_OK; at += lengths[0] + lengths[1]) {
    memcpy(lengths, s->rows.data + at, sizeof lengths);
    at += sizeof lengths;
    mp_bytes key = {s->rows.data + at, lengths[0]}, value = {s->rows.data + at + lengths[0], lengths[1]};
    rc = move_row(store, table, key, value, e);
    memcpy(last, key.data, key.length);
    *last_length = key.length;
  }
  return rc;
}

/* In order: a key with a zero before it sorts in front of itself, so no row is met again, nor written over. */
static int move_table(mp_store *store, mp_table table, mp_error *e) {
  uint8_t last[MP_STORE_KEY_MAX] = {0};
  size_t last_length = 0;
  bool more = true;
  int rc = MP_OK;
  while (more && rc == MP_OK) {
    slice s = {.rc = MP_OK};
    mp_buffer_init(&s.rows, 0);
    rc = mp_store_range(store, table, (mp_bytes){"", 0}, (mp_bytes){last, last_length}, collect, &s, e);
    if (rc == MP_OK && s.rc != MP_OK) rc = mp_fail(e, s.rc, "no memory for the store's rows");
    more = s.rows.length > 0;
    if (rc == MP_OK) rc = move_slice(store, table, &s, last, &last_length, e);
    mp_buffer_wipe_free(&s.rows);
  }
  return rc;
}

static int move_traffic(mp_store *store, mp_error *e) {
  static const mp_table tables[] = {MP_TABLE_DEVICE_LIST, MP_TABLE_LID,    MP_TABLE_JOURNAL,      MP_TABLE_OUTBOX,
                                    MP_TABLE_DEDUPE,      MP_TABLE_SECRET, MP_TABLE_APPSTATE_KEY, MP_TABLE_RAW};
  static const uint8_t layout[4] = {0, 0, 0, 2};
  mp_bytes found;
  int rc = mp_store_get(store, MP_TABLE_COUNTER, layout_key, &found, e);
  if (rc != MP_ENOTFOUND) return rc;
  rc = MP_OK;
  for (size_t i = 0; i < sizeof tables / sizeof *tables && rc == MP_OK; i++) rc = move_table(store, tables[i], e);
  return rc == MP_OK ? mp_store_put(store, MP_TABLE_COUNTER, layout_key, (mp_bytes){layout, sizeof layout}, e) : rc;
}

static int move_setting(mp_store *store, mp_bytes key, mp_error *e) {
  mp_bytes found;
  mp_buffer copy;
  int rc = mp_store_get(store, MP_TABLE_SETTING, key, &found, e);
  if (rc != MP_OK) return rc == MP_ENOTFOUND ? MP_OK : rc;
  mp_buffer_init(&copy, 0);
  if (mp_buffer_append(&copy, found.data, found.length) != MP_OK) rc = mp_fail(e, MP_ENOMEM, "no memory for a setting");
  if (rc == MP_OK) rc = move_row(store, MP_TABLE_SETTING, key, (mp_bytes){copy.data, copy.length}, e);
  mp_buffer_wipe_free(&copy);
  return rc;
}

/* Settings are synced one by one; these are all that version 1 knew, and nobody reads the second any more. */
static int move_settings(mp_store *store, mp_error *e) {
  int rc = move_setting(store, (mp_bytes){"me", 2}, e);
  return rc == MP_OK ? mp_store_delete(store, MP_TABLE_SETTING, (mp_bytes){"retry-keys", 10}, e) : rc;
}

int mp_store_add_scopes(mp_store *store, mp_error *e) {
  int rc = move_traffic(store, e);
  return rc == MP_OK ? move_settings(store, e) : rc;
}
