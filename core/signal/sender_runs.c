/* How many keys are kept of one contact, whatever the groups: each stretch of keys that was passed over is noted as a run, in the
 * order in which they came, and the oldest runs go when there are too many keys. A run is named by how many keys were passed over
 * before it, so that no count has to be kept; the keys of it that were used or swept meanwhile still count. */
#include <string.h>

#include "base/numbers.h"
#include "signal/sender_chains.h"

enum { RUN_KEY_ID = 0, RUN_FROM = 4, RUN_TO = 8, RUN_COUNT = 12, RUN_NAME = 16, RUN_TIME = 8 };
enum { RUN_ROW_MAX = RUN_NAME + MP_STORE_KEY_MAX + RUN_TIME + 1 };

#define RUN_SPAN_MAX 128 /* iterations of a chain that one run may tell of, unless they were passed over at once */
#define RUNS_DROPPED 256 /* by one message: so much time it may take */

typedef struct {
  uint64_t before; /* keys that were passed over before */
  uint32_t key_id, from, to, count;
  mp_sender_name sender; /* a group and a device in it */
  bool found, damaged;
} run;

/* What the rows of an account's runs begin with: no group, its JID without a device. */
static mp_sender_name name_runs(const mp_sender_name *sender) {
  mp_sender_name name = {.bytes = {0}, .length = 1};
  const char *device = (const char *)sender->bytes + strlen((const char *)sender->bytes) + 1;
  size_t length = strlen(device), user = strcspn(device, ":@");
  size_t server = strcspn(device, "@");
  memcpy(name.bytes + 1, device, user);
  memcpy(name.bytes + 1 + user, device + server, length - server);
  name.length += user + length - server + 1;
  name.bytes[name.length++] = 'r';
  return name;
}

static mp_bytes key_of(const mp_account *account, const mp_sender_name *runs, uint64_t before, uint8_t out[MP_STORE_KEY_MAX]) {
  mp_sender_name name = *runs;
  mp_put_u64(name.bytes + name.length, before);
  return mp_account_key(account, name.bytes, name.length + 8, out);
}

static bool read_run(void *context, mp_bytes key, mp_bytes value) {
  run *r = context;
  const uint8_t *row = value.data;
  size_t name = value.length - RUN_NAME - RUN_TIME;
  r->damaged = value.length < RUN_NAME + RUN_TIME + 2 || name > sizeof r->sender.bytes || row[RUN_NAME + name - 1] > name;
  if (r->damaged) return false;
  r->found = true;
  r->before = mp_get_u64((const uint8_t *)key.data + key.length - 8);
  r->key_id = mp_get_u32(row + RUN_KEY_ID);
  r->from = mp_get_u32(row + RUN_FROM);
  r->to = mp_get_u32(row + RUN_TO);
  r->count = mp_get_u32(row + RUN_COUNT);
  memcpy(r->sender.bytes, row + RUN_NAME, name);
  r->sender.length = name - row[RUN_NAME + name - 1];
  return false;
}

/* Behind the name stands a byte that tells how many were added to it: no run is as long as a chain's row, which never grows old.
 */
static int write_run(mp_account *account, const mp_sender_name *runs, const run *r, uint64_t now, mp_error *e) {
  uint8_t row[RUN_ROW_MAX + 1], key[MP_STORE_KEY_MAX];
  size_t length = RUN_NAME + r->sender.length;
  mp_put_u32(row + RUN_KEY_ID, r->key_id);
  mp_put_u32(row + RUN_FROM, r->from);
  mp_put_u32(row + RUN_TO, r->to);
  mp_put_u32(row + RUN_COUNT, r->count);
  memcpy(row + RUN_NAME, r->sender.bytes, r->sender.length);
  if (length + 1 + RUN_TIME == MP_CHAIN_ROW) row[length++] = 0;
  row[length] = (uint8_t)(length + 1 - RUN_NAME - r->sender.length);
  length++;
  mp_put_u64(row + length, now);
  return mp_store_put(account->store, MP_TABLE_SENDER_KEY, key_of(account, runs, r->before, key),
                      (mp_bytes){row, length + RUN_TIME}, e);
}

static int oldest_run(mp_account *account, const mp_sender_name *runs, run *r, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  *r = (run){0};
  int rc = mp_store_range(account->store, MP_TABLE_SENDER_KEY, mp_account_key(account, runs->bytes, runs->length, key),
                          (mp_bytes){"", 0}, read_run, r, e);
  return rc == MP_OK && r->damaged ? mp_fail(e, MP_ESTORE, "a run of sender keys in the store is damaged") : rc;
}

static int newest_run(mp_account *account, const mp_sender_name *runs, run *r, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX], copy[MP_STORE_KEY_MAX];
  mp_bytes last, value;
  *r = (run){0};
  int rc = mp_store_last(account->store, MP_TABLE_SENDER_KEY, mp_account_key(account, runs->bytes, runs->length, key), &last, e);
  if (rc == MP_ENOTFOUND) return MP_OK;
  if (rc != MP_OK) return rc;
  memcpy(copy, last.data, last.length);
  last.data = copy;
  if ((rc = mp_store_get(account->store, MP_TABLE_SENDER_KEY, last, &value, e)) != MP_OK) return rc;
  read_run(r, last, value);
  return r->damaged ? mp_fail(e, MP_ESTORE, "a run of sender keys in the store is damaged") : MP_OK;
}

static bool goes_on(const run *r, const mp_sender_name *sender, uint32_t key_id, uint32_t to) {
  return r->found && r->key_id == key_id && r->sender.length == sender->length &&
         memcmp(r->sender.bytes, sender->bytes, sender->length) == 0 && to > r->from && to - r->from <= RUN_SPAN_MAX;
}

static int drop_run(mp_account *account, const mp_sender_name *runs, const run *r, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  int rc = MP_OK;
  for (uint32_t i = r->from; i < r->to && rc == MP_OK; i++) rc = mp_skipped_drop(account, &r->sender, r->key_id, i, e);
  if (rc != MP_OK) return rc;
  return mp_store_delete(account->store, MP_TABLE_SENDER_KEY, key_of(account, runs, r->before, key), e);
}

static int drop_oldest(mp_account *account, const mp_sender_name *runs, uint64_t passed, mp_error *e) {
  run oldest;
  int rc = MP_OK;
  for (int i = 0; i < RUNS_DROPPED && rc == MP_OK; i++) {
    rc = oldest_run(account, runs, &oldest, e);
    if (rc != MP_OK || !oldest.found || oldest.before + MP_SENDER_KEPT_MAX >= passed) return rc;
    rc = drop_run(account, runs, &oldest, e);
  }
  return rc;
}

int mp_skipped_note(mp_account *account, const mp_sender_name *sender, uint32_t key_id, uint32_t from, uint32_t to, uint64_t now,
                    mp_error *e) {
  const mp_sender_name runs = name_runs(sender);
  run newest;
  int rc = newest_run(account, &runs, &newest, e);
  if (rc != MP_OK) return rc;
  bool begins = !goes_on(&newest, sender, key_id, to);
  if (begins) {
    newest = (run){.before = newest.before + newest.count, .key_id = key_id, .from = from, .sender = *sender};
  }
  newest.to = to;
  newest.count += to - from;
  if ((rc = write_run(account, &runs, &newest, now, e)) != MP_OK || !begins) return rc;
  return drop_oldest(account, &runs, newest.before + newest.count, e);
}
