/* libsignal keeps all of a sender in one record, which every message reads and writes whole; a sender that leaves gaps, as
 * Baileys does by using even iterations only, fills it with keys nobody asks for. Here a message reads and writes one chain's
 * row, and a key that was passed over is a row written once. */
#include "signal/sender_chains.h"

#include <signal/sender_key.h>
#include <string.h>

#include "base/numbers.h"
#include "crypto/hash.h"

/* Layout of the rows (store/tables.h). */
enum { CHAIN_ORDER = 0, CHAIN_ITERATION = 4, CHAIN_SEED = 8, CHAIN_PUBLIC = 40, CHAIN_PRIVATE = 72 };
enum { SKIPPED_SEED = 0, SKIPPED_TIME = 32, SKIPPED_ROW = 40 };

int mp_sender_name_of(const mp_sender *sender, mp_sender_name *name, mp_error *e) {
  size_t group = strlen(sender->group), device = strlen(sender->device);
  if (group + device > MP_SENDER_NAME_MAX) {
    return mp_fail(e, MP_EMALFORMED, "a group and a sender with names of %zu bytes", group + device);
  }
  memcpy(name->bytes, sender->group, group + 1);
  memcpy(name->bytes + group + 1, sender->device, device + 1);
  name->length = group + device + 2;
  return MP_OK;
}

/* A letter and a key id behind the sender's name: "c" is a chain, "s" begins the keys passed over in it. */
static mp_sender_name name_row(const mp_sender_name *sender, char letter, uint32_t key_id) {
  mp_sender_name name = *sender;
  name.bytes[name.length] = (uint8_t)letter;
  mp_put_u32(name.bytes + name.length + 1, key_id);
  name.length += 5;
  return name;
}

static mp_sender_name name_skipped(const mp_sender_name *sender, uint32_t key_id, uint32_t iteration) {
  mp_sender_name name = name_row(sender, 's', key_id);
  mp_put_u32(name.bytes + name.length, iteration);
  name.length += 4;
  return name;
}

static mp_bytes key_of(const mp_account *account, const mp_sender_name *name, uint8_t out[MP_STORE_KEY_MAX]) {
  return mp_account_key(account, name->bytes, name->length, out);
}

static bool read_chain(void *context, mp_bytes key, mp_bytes value) {
  mp_chains *all = context;
  const uint8_t *row = value.data, *name = key.data;
  if (value.length != MP_CHAIN_ROW || all->count == MP_SENDER_CHAINS_MAX) {
    all->damaged = true;
    return false;
  }
  mp_chain *chain = &all->list[all->count++];
  chain->key_id = mp_get_u32(name + key.length - 4);
  chain->order = mp_get_u32(row + CHAIN_ORDER);
  chain->iteration = mp_get_u32(row + CHAIN_ITERATION);
  memcpy(chain->seed, row + CHAIN_SEED, 32);
  memcpy(chain->signing.public_key, row + CHAIN_PUBLIC, 32);
  memcpy(chain->signing.private_key, row + CHAIN_PRIVATE, 32);
  return true;
}

int mp_chains_load(mp_account *account, const mp_sender_name *sender, mp_chains *all, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  mp_sender_name name = *sender;
  name.bytes[name.length++] = 'c';
  *all = (mp_chains){0};
  int rc =
      mp_store_range(account->store, MP_TABLE_SENDER_KEY, key_of(account, &name, key), (mp_bytes){"", 0}, read_chain, all, e);
  if (rc == MP_OK && all->damaged) rc = mp_fail(e, MP_ESTORE, "a sender key in the store is damaged");
  return rc;
}

mp_chain *mp_chain_find(mp_chains *all, uint32_t key_id) {
  for (size_t i = 0; i < all->count; i++) {
    if (all->list[i].key_id == key_id) return &all->list[i];
  }
  return NULL;
}

int mp_chain_save(mp_account *account, const mp_sender_name *sender, const mp_chain *chain, mp_error *e) {
  uint8_t row[MP_CHAIN_ROW], key[MP_STORE_KEY_MAX];
  mp_sender_name name = name_row(sender, 'c', chain->key_id);
  mp_put_u32(row + CHAIN_ORDER, chain->order);
  mp_put_u32(row + CHAIN_ITERATION, chain->iteration);
  memcpy(row + CHAIN_SEED, chain->seed, 32);
  memcpy(row + CHAIN_PUBLIC, chain->signing.public_key, 32);
  memcpy(row + CHAIN_PRIVATE, chain->signing.private_key, 32);
  int rc = mp_store_put(account->store, MP_TABLE_SENDER_KEY, key_of(account, &name, key), (mp_bytes){row, MP_CHAIN_ROW}, e);
  mp_wipe(row, sizeof row);
  return rc;
}

/* With the keys that were passed over in it. */
static int drop_chain(mp_account *account, const mp_sender_name *sender, uint32_t key_id, mp_error *e) {
  mp_sender_name name = name_row(sender, 'c', key_id), skipped = name_row(sender, 's', key_id);
  uint8_t key[MP_STORE_KEY_MAX];
  int rc = mp_store_delete(account->store, MP_TABLE_SENDER_KEY, key_of(account, &name, key), e);
  if (rc != MP_OK) return rc;
  return mp_account_delete_rows(account, MP_TABLE_SENDER_KEY, (mp_bytes){skipped.bytes, skipped.length}, e);
}

int mp_chain_add(mp_account *account, const mp_sender_name *sender, mp_chains *all, mp_chain *added, mp_error *e) {
  const mp_chain *same = mp_chain_find(all, added->key_id), *oldest = NULL;
  for (size_t i = 0; i < all->count; i++) {
    const mp_chain *one = &all->list[i];
    if (one->order >= added->order) added->order = one->order + 1;
    if (oldest == NULL || one->order < oldest->order) oldest = one;
  }
  const mp_chain *replaced = same == NULL && all->count == MP_SENDER_CHAINS_MAX ? oldest : same;
  int rc = replaced != NULL ? drop_chain(account, sender, replaced->key_id, e) : MP_OK;
  return rc == MP_OK ? mp_chain_save(account, sender, added, e) : rc;
}

int mp_chain_step(mp_account *account, mp_chain *chain, sender_message_key **key, mp_error *e) {
  sender_chain_key *at = NULL, *next = NULL;
  signal_buffer *seed = signal_buffer_create(chain->seed, 32);
  int rc = seed != NULL ? sender_chain_key_create(&at, chain->iteration, seed, account->context) : SG_ERR_NOMEM;
  if (rc == SG_SUCCESS) rc = sender_chain_key_create_next(at, &next);
  if (rc == SG_SUCCESS) rc = sender_chain_key_create_message_key(at, key);
  if (rc == SG_SUCCESS) {
    chain->iteration = sender_chain_key_get_iteration(next);
    memcpy(chain->seed, signal_buffer_data(sender_chain_key_get_seed(next)), 32);
  }
  signal_buffer_bzero_free(seed);
  SIGNAL_UNREF(at);
  SIGNAL_UNREF(next);
  return rc == SG_SUCCESS ? MP_OK : mp_signal_error(account, rc, "step the sender key on", e);
}

/* What libsignal has no function for (02 §12.6): it gives a seed only with the key that is derived from it. */
void mp_chain_pass(mp_chain *chain, uint8_t seed[32]) {
  static const uint8_t for_message = 1, for_chain = 2;
  mp_hmac_sha256(seed, chain->seed, 32, &for_message, 1);
  mp_hmac_sha256(chain->seed, chain->seed, 32, &for_chain, 1);
  chain->iteration++;
}

int mp_skipped_put(mp_account *account, const mp_sender_name *sender, uint32_t key_id, uint32_t iteration, const uint8_t seed[32],
                   uint64_t now, mp_error *e) {
  uint8_t row[SKIPPED_ROW], key[MP_STORE_KEY_MAX];
  mp_sender_name name = name_skipped(sender, key_id, iteration);
  memcpy(row + SKIPPED_SEED, seed, 32);
  mp_put_u64(row + SKIPPED_TIME, now);
  int rc = mp_store_put(account->store, MP_TABLE_SENDER_KEY, key_of(account, &name, key), (mp_bytes){row, SKIPPED_ROW}, e);
  mp_wipe(row, sizeof row);
  return rc;
}

int mp_skipped_take(mp_account *account, const mp_sender_name *sender, uint32_t key_id, uint32_t iteration, uint8_t seed[32],
                    mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  mp_sender_name name = name_skipped(sender, key_id, iteration);
  mp_bytes found;
  int rc = mp_store_get(account->store, MP_TABLE_SENDER_KEY, key_of(account, &name, key), &found, e);
  if (rc != MP_OK) return rc;
  if (found.length != SKIPPED_ROW) return mp_fail(e, MP_ESTORE, "a sender key in the store is damaged");
  memcpy(seed, (const uint8_t *)found.data + SKIPPED_SEED, 32);
  mp_store_forget(account->store);
  return mp_store_delete(account->store, MP_TABLE_SENDER_KEY, key_of(account, &name, key), e);
}

int mp_skipped_drop(mp_account *account, const mp_sender_name *sender, uint32_t key_id, uint32_t iteration, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  mp_sender_name name = name_skipped(sender, key_id, iteration);
  return mp_store_delete(account->store, MP_TABLE_SENDER_KEY, key_of(account, &name, key), e);
}

typedef struct {
  uint32_t first; /* the oldest iteration that stays */
  uint32_t old[MP_SENDER_SKIPPED_MAX + MP_SENDER_JUMP_MAX];
  size_t count;
} old_keys;

static bool note_old(void *context, mp_bytes key, mp_bytes value) {
  old_keys *keys = context;
  uint32_t iteration = mp_get_u32((const uint8_t *)key.data + key.length - 4);
  (void)value;
  if (iteration >= keys->first || keys->count == sizeof keys->old / sizeof *keys->old) return false;
  keys->old[keys->count++] = iteration;
  return true;
}

int mp_skipped_prune(mp_account *account, const mp_sender_name *sender, const mp_chain *chain, mp_error *e) {
  uint8_t key[MP_STORE_KEY_MAX];
  mp_sender_name name = name_row(sender, 's', chain->key_id);
  old_keys keys = {.count = 0};
  if (chain->iteration <= MP_SENDER_SKIPPED_MAX) return MP_OK;
  keys.first = chain->iteration - 1 - MP_SENDER_SKIPPED_MAX; /* the newest message is one behind the chain */
  int rc =
      mp_store_range(account->store, MP_TABLE_SENDER_KEY, key_of(account, &name, key), (mp_bytes){"", 0}, note_old, &keys, e);
  for (size_t i = 0; i < keys.count && rc == MP_OK; i++) {
    rc = mp_skipped_drop(account, sender, chain->key_id, keys.old[i], e);
  }
  return rc;
}

int mp_sender_key_delete(mp_account *account, const mp_sender *sender, mp_error *e) {
  mp_sender_name name;
  int rc = mp_sender_name_of(sender, &name, e);
  return rc == MP_OK ? mp_account_delete_rows(account, MP_TABLE_SENDER_KEY, (mp_bytes){name.bytes, name.length}, e) : rc;
}

/* Of keys that were passed over, and runs of them: both end with their time. */
static bool is_old(void *context, mp_bytes value) {
  const uint64_t *oldest = context;
  if (value.length == MP_CHAIN_ROW || value.length < SKIPPED_ROW - SKIPPED_TIME) return false;
  return mp_get_u64((const uint8_t *)value.data + value.length - (SKIPPED_ROW - SKIPPED_TIME)) < *oldest;
}

int mp_sender_keys_sweep(mp_account *account, uint64_t oldest, size_t count, mp_buffer *after, mp_error *e) {
  return mp_account_sweep(account, MP_TABLE_SENDER_KEY, (mp_bytes){"", 0}, is_old, &oldest, count, after, e);
}
