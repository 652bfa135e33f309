/* What an account keeps in its store: credentials, prekeys, bounded records; and a store that fails under it. */
#include "base/protobuf.h"
#include "signal/aside.h"
#include "signal_support.h"

static device ana, bot;

static int open_both(void **state) {
  (void)state;
  open_device(&ana, "15550001@s.whatsapp.net");
  open_device(&bot, "15550002:7@s.whatsapp.net");
  return 0;
}

static int close_both(void **state) {
  (void)state;
  close_device(&ana);
  close_device(&bot);
  return 0;
}

static void reopen(mp_account *again, const char *scope) {
  mp_error e;
  check(mp_account_open(again, ana.store, scope, strlen(scope), &e), &e);
}

static void keeps_its_credentials(void **state) {
  mp_account again;
  (void)state;
  reopen(&again, "s");
  assert_true(again.loaded);
  assert_memory_equal(&again.identity, &ana.account.identity, sizeof again.identity);
  assert_memory_equal(&again.noise, &ana.account.noise, sizeof again.noise);
  assert_memory_equal(&again.signed_prekey, &ana.account.signed_prekey, sizeof again.signed_prekey);
  assert_memory_equal(again.signed_prekey_signature, ana.account.signed_prekey_signature, 64);
  assert_memory_equal(again.adv_secret, ana.account.adv_secret, 32);
  assert_memory_equal(again.store_secret, ana.account.store_secret, 32);
  assert_int_equal(again.registration_id, ana.account.registration_id);
  assert_int_equal(again.signed_prekey_id, 1);
  mp_account_close(&again);
}

static void makes_credentials_as_the_sheet_wants_them(void **state) {
  uint8_t typed[33] = {5};
  (void)state;
  const mp_account *a = &ana.account;
  memcpy(typed + 1, a->signed_prekey.public_key, 32);
  assert_true(mp_verify(a->identity.public_key, typed, sizeof typed, a->signed_prekey_signature));
  assert_true(a->registration_id >= 1 && a->registration_id <= 16380);
  assert_int_equal(a->identity.private_key[0] & 7, 0);
  assert_int_equal(a->identity.private_key[31] & 0xc0, 0x40);
  assert_memory_not_equal(a->identity.private_key, a->noise.private_key, 32);
  assert_memory_not_equal(a->adv_secret, a->store_secret, 32);
}

static void zeroes_its_keys_when_it_is_closed(void **state) {
  static const mp_account zero;
  mp_account again;
  (void)state;
  reopen(&again, "s");
  mp_account_close(&again);
  assert_memory_equal(&again, &zero, sizeof zero);
}

static void makes_no_second_credentials(void **state) {
  mp_error e;
  mp_keypair identity = ana.account.identity;
  (void)state;
  assert_int_equal(mp_account_create(&ana.account, &e), MP_EINVAL);
  assert_string_equal(e.message, "the account has credentials already");
  assert_memory_equal(&identity, &ana.account.identity, sizeof identity);
}

static void renews_the_adv_secret_for_good(void **state) {
  mp_error e;
  uint8_t before[32];
  mp_account again;
  (void)state;
  memcpy(before, ana.account.adv_secret, 32);
  check(mp_account_renew_adv_secret(&ana.account, &e), &e);
  assert_memory_not_equal(before, ana.account.adv_secret, 32);
  reopen(&again, "s");
  assert_memory_equal(again.adv_secret, ana.account.adv_secret, 32);
  mp_account_close(&again);
}

static bool count_row(void *context, mp_bytes key, mp_bytes value) {
  (void)key;
  (void)value;
  ++*(int *)context;
  return true;
}

static int count_rows(mp_store *store, const char *scope) {
  static const mp_table tables[] = {MP_TABLE_CREDENTIAL, MP_TABLE_SESSION, MP_TABLE_IDENTITY, MP_TABLE_PREKEY, MP_TABLE_COUNTER};
  mp_error e;
  int count = 0;
  for (size_t i = 0; i < COUNT(tables); i++) {
    check(mp_store_range(store, tables[i], (mp_bytes){scope, strlen(scope) + 1}, (mp_bytes){"", 0}, count_row, &count, &e), &e);
  }
  return count;
}

static void removes_all_of_itself_and_nothing_else(void **state) {
  static const mp_keypair zero;
  mp_error e;
  mp_account other;
  mp_prekey prekeys[3];
  (void)state;
  reopen(&other, "s2");
  check(mp_account_create(&other, &e), &e);
  check(mp_prekeys_make(&other, 3, prekeys, &e), &e);
  start_session(&ana, &bot);
  check(mp_prekeys_make(&ana.account, 3, prekeys, &e), &e);
  assert_int_equal(count_rows(ana.store, "s"), 1 + 1 + 1 + 3 + 1);
  assert_int_equal(count_rows(ana.store, "s2"), 1 + 3 + 1);
  check(mp_account_delete(&ana.account, &e), &e);
  assert_int_equal(count_rows(ana.store, "s"), 0);
  assert_int_equal(count_rows(ana.store, "s2"), 1 + 3 + 1);
  assert_false(ana.account.loaded);
  assert_memory_equal(&ana.account.identity, &zero, sizeof zero);
  check(mp_account_create(&ana.account, &e), &e);
  assert_int_equal(count_rows(ana.store, "s"), 1);
  mp_account_close(&other);
}

/* Killed between the removal of its credentials, which is synced at once, and the commit of the rest. */
static void clears_what_an_interrupted_removal_left(void **state) {
  mp_error e;
  uint8_t key[MP_STORE_KEY_MAX];
  mp_account again;
  (void)state;
  start_session(&ana, &bot);
  check(mp_store_delete(ana.store, MP_TABLE_CREDENTIAL, mp_account_key(&ana.account, "credentials", 11, key), &e), &e);
  reopen(&again, "s");
  assert_false(again.loaded);
  check(mp_account_create(&again, &e), &e);
  assert_int_equal(mp_session_check(&again, bot.jid, &e), MP_ENOSESSION);
  assert_int_equal(count_rows(ana.store, "s"), 1);
  mp_account_close(&again);
}

static void lays_its_rows_out_as_tables_h_says(void **state) {
  mp_error e;
  mp_bytes value;
  mp_prekey prekey;
  (void)state;
  start_session(&ana, &bot);
  check(mp_prekeys_make(&ana.account, 1, &prekey, &e), &e);
  static const char session[] =
      "s\0"
      "15550002:7@s.whatsapp.net";
  check(mp_store_get(ana.store, MP_TABLE_SESSION, (mp_bytes){session, sizeof session - 1}, &value, &e), &e);
  check(mp_store_get(ana.store, MP_TABLE_IDENTITY, (mp_bytes){session, sizeof session - 1}, &value, &e), &e);
  assert_int_equal(value.length, 32);
  assert_memory_equal(value.data, bot.account.identity.public_key, 32);
  check(mp_store_get(ana.store, MP_TABLE_PREKEY, (mp_bytes){"s\0\0\0\0\1", 6}, &value, &e), &e);
  assert_int_equal(value.length, 65);
  assert_int_equal(((const uint8_t *)value.data)[0], 0);
  assert_memory_equal((const uint8_t *)value.data + 33, prekey.public_key, 32);
  check(mp_store_get(ana.store, MP_TABLE_COUNTER, (mp_bytes){"s\0prekey", 8}, &value, &e), &e);
  assert_memory_equal(value.data, "\0\0\0\2", 4);
  check(mp_store_get(ana.store, MP_TABLE_CREDENTIAL, (mp_bytes){"s\0credentials", 13}, &value, &e), &e);
  assert_int_equal(value.length, 4 + 4 + 3 * 64 + 64 + 32 + 32);
}

static void cuts_no_name_short(void **state) {
  char jid[600];
  mp_error e;
  (void)state;
  memset(jid, 'x', sizeof jid - 1);
  jid[sizeof jid - 1] = 0;
  mp_bundle bundle = bundle_of(&bot, true);
  assert_int_equal(mp_session_start(&ana.account, jid, &bundle, &e), MP_EINVAL);
  assert_non_null(strstr(e.message, "a store key of 601 bytes (at most 500)"));
  assert_int_equal(mp_session_check(&ana.account, jid, &e), MP_EINVAL);
  jid[498] = 0; /* "s", zero and 498 bytes */
  check(mp_session_start(&ana.account, jid, &bundle, &e), &e);
  jid[497] = 0;
  assert_int_equal(mp_session_check(&ana.account, jid, &e), MP_ENOSESSION);
}

typedef struct {
  mp_prekey found[8];
  size_t count;
} prekey_list;

static bool note_prekey(void *context, const mp_prekey *prekey) {
  prekey_list *list = context;
  list->found[list->count++] = *prekey;
  return list->count < COUNT(list->found);
}

static void numbers_prekeys_and_marks_those_uploaded(void **state) {
  mp_error e;
  mp_prekey made[4];
  prekey_list list = {.count = 0};
  (void)state;
  check(mp_prekeys_make(&ana.account, 3, made, &e), &e);
  check(mp_prekeys_make(&ana.account, 1, made + 3, &e), &e);
  check(mp_prekey_remove(&ana.account, 2, &e), &e);
  check(mp_prekeys_mark_uploaded(&ana.account, 1, 3, &e), &e);
  check(mp_prekeys_list(&ana.account, note_prekey, &list, &e), &e);
  static const uint32_t ids[] = {1, 3, 4};
  assert_int_equal(list.count, 3);
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(list.found[i].id, ids[i]);
    assert_int_equal(list.found[i].uploaded, ids[i] != 4);
    assert_memory_equal(list.found[i].public_key, made[ids[i] - 1].public_key, 32);
  }
}

static void begins_prekey_ids_again_after_the_last(void **state) {
  mp_error e;
  uint8_t key[MP_STORE_KEY_MAX];
  mp_prekey made[3];
  (void)state;
  mp_bytes counter = mp_account_key(&ana.account, "prekey", 6, key);
  check(mp_store_put(ana.store, MP_TABLE_COUNTER, counter, (mp_bytes){"\0\xff\xff\xfd", 4}, &e), &e);
  check(mp_prekeys_make(&ana.account, 3, made, &e), &e);
  assert_int_equal(made[0].id, 16777213);
  assert_int_equal(made[1].id, MP_PREKEY_ID_MAX);
  assert_int_equal(made[2].id, 1);
}

/* Copies a session's record. */
static mp_buffer record_of(device *of, device *with) {
  mp_error e;
  mp_bytes value;
  mp_buffer copy = {0};
  uint8_t key[MP_STORE_KEY_MAX];
  mp_bytes name = mp_account_key(&of->account, with->jid, strlen(with->jid), key);
  check(mp_store_get(of->store, MP_TABLE_SESSION, name, &value, &e), &e);
  assert_int_equal(mp_buffer_append(&copy, value.data, value.length), MP_OK);
  return copy;
}

static int count_archived(device *of, device *with) {
  mp_buffer record = record_of(of, with);
  mp_proto_span span = {record.data, record.data + record.length};
  uint32_t number;
  int type, count = 0;
  while (span.at < span.end) {
    assert_true(mp_proto_read_tag(&span, &number, &type) && mp_proto_skip(&span, type));
    if (number == 2) count++;
  }
  mp_buffer_free(&record);
  return count;
}

static void keeps_five_archived_states(void **state) {
  ciphertext late[8];
  (void)state;
  for (int i = 0; i < 8; i++) { /* each a new session of Ana's, the one before becomes archived at the bot's */
    start_session(&ana, &bot);
    send_text(&ana, &bot, "hi");
    late[i] = encrypt_text(&ana, &bot, "late");
  }
  assert_int_equal(count_archived(&bot, &ana), 5);
  for (int i = 7; i >= 2; i--) expect_text(&ana, &bot, &late[i], "late");
  for (int i = 0; i < 8; i++) free_ciphertext(&late[i]);
}

static void forgets_what_is_older_than_five_archived_states(void **state) {
  ciphertext late[8];
  (void)state;
  for (int i = 0; i < 8; i++) {
    start_session(&ana, &bot);
    late[i] = encrypt_text(&ana, &bot, "late");
    expect_text(&ana, &bot, &late[i], "late");
    free_ciphertext(&late[i]);
    late[i] = encrypt_text(&ana, &bot, "later");
  }
  /* its prekey was used by the session that is gone */
  expect_failure(&ana, &bot, &late[0], MP_EINVALIDKEYID);
  expect_failure(&ana, &bot, &late[1], MP_EINVALIDKEYID);
  expect_text(&ana, &bot, &late[7], "later");
  for (int i = 0; i < 8; i++) free_ciphertext(&late[i]);
}

enum { JUMP = 1500 };
static ciphertext skipped[JUMP];

/* Ana writes what the bot does not get, then a message it gets. */
static void jump(int count) {
  for (int i = 0; i < count; i++) skipped[i] = encrypt_text(&ana, &bot, "skipped");
  send_text(&ana, &bot, "after the jump");
}

static void settle(void) {
  start_session(&ana, &bot);
  send_text(&ana, &bot, "hi");
  send_text(&bot, &ana, "back");
  send_text(&ana, &bot, "0");
}

static int count_aside(const char *jid) {
  uint8_t key[MP_STORE_KEY_MAX];
  int count = 0;
  mp_error e;
  mp_bytes prefix = mp_account_key(&bot.account, jid, strlen(jid), key);
  check(mp_store_range(bot.store, MP_TABLE_SKIPPED, prefix, (mp_bytes){"", 0}, count_row, &count, &e), &e);
  return count;
}

static void sets_the_keys_of_a_jump_aside_and_reads_with_each_once(void **state) {
  (void)state;
  settle();
  jump(JUMP);
  mp_buffer record = record_of(&bot, &ana);
  assert_true(record.length < 4096);
  mp_buffer_free(&record);
  assert_int_equal(count_aside(ana.jid), JUMP - MP_CHAIN_KEYS_LEFT);
  for (int i = 0; i < JUMP; i += 7) {
    expect_text(&ana, &bot, &skipped[i], "skipped");
    expect_failure(&ana, &bot, &skipped[i], MP_EDUPLICATE);
  }
  send_text(&bot, &ana, "on");
  send_text(&ana, &bot, "and on");
  for (int i = 1; i < JUMP; i += 7) expect_text(&ana, &bot, &skipped[i], "skipped");
  for (int i = 0; i < JUMP; i++) free_ciphertext(&skipped[i]);
}

static void a_damaged_message_uses_no_key_up_that_was_set_aside(void **state) {
  (void)state;
  settle();
  jump(40);
  int before = count_aside(ana.jid);
  skipped[3].bytes.data[skipped[3].bytes.length - 1] ^= 1;
  expect_failure(&ana, &bot, &skipped[3], MP_ECRYPTO);
  assert_int_equal(count_aside(ana.jid), before);
  skipped[3].bytes.data[skipped[3].bytes.length - 1] ^= 1;
  expect_text(&ana, &bot, &skipped[3], "skipped");
  assert_int_equal(count_aside(ana.jid), before - 1);
  for (int i = 0; i < 40; i++) free_ciphertext(&skipped[i]);
}

static void sets_keys_of_archived_states_and_first_messages_aside(void **state) {
  (void)state;
  start_session(&ana, &bot);
  send_text(&ana, &bot, "a first message");
  jump(40); /* these are pkmsg, until the bot answers */
  start_session(&ana, &bot);
  send_text(&ana, &bot, "of a new session");
  assert_true(count_aside(ana.jid) > 0);
  for (int i = 0; i < 40; i++) {
    assert_true(skipped[i].prekey_message);
    expect_text(&ana, &bot, &skipped[i], "skipped");
    free_ciphertext(&skipped[i]);
  }
}

static void keys_set_aside_go_where_the_session_goes(void **state) {
  mp_error e;
  bool moved;
  static device lid;
  (void)state;
  settle();
  jump(40);
  int before = count_aside(ana.jid);
  check(mp_session_migrate(&bot.account, ana.jid, "1001@lid", &moved, &e), &e);
  assert_true(moved);
  assert_int_equal(count_aside(ana.jid), 0);
  assert_int_equal(count_aside("1001@lid"), before);
  lid = ana;
  lid.jid = "1001@lid";
  expect_text(&lid, &bot, &skipped[0], "skipped");
  check(mp_session_delete(&bot.account, "1001@lid", &e), &e);
  assert_int_equal(count_aside("1001@lid"), 0);
  for (int i = 0; i < 40; i++) free_ciphertext(&skipped[i]);
}

static void so_many_keys_are_set_aside_at_most_and_swept_when_old(void **state) {
  mp_error e;
  mp_buffer after = {0};
  (void)state;
  settle();
  for (int round = 0; round < 2; round++) {
    jump(JUMP);
    for (int i = 0; i < JUMP; i++) free_ciphertext(&skipped[i]);
    assert_true(count_aside(ana.jid) <= MP_ASIDE_MAX);
    send_text(&bot, &ana, "on");
  }
  jump(40);
  for (int i = 0; i < 40; i++) free_ciphertext(&skipped[i]);
  assert_true(count_aside(ana.jid) > 0);
  do check(mp_aside_sweep(&bot.account, UINT64_MAX, 500, &after, &e), &e);
  while (after.length > 0);
  assert_int_equal(count_aside(ana.jid), 0);
  send_text(&ana, &bot, "next");
  mp_buffer_free(&after);
}

static void shortens_nothing_that_is_no_record(void **state) {
  static const char *const records[] = {"0a", "0a05", "1205aabb", "0b", "ffffffffffffffffffff01"};
  (void)state;
  for (size_t i = 0; i < COUNT(records); i++) {
    mp_buffer record = from_hex(records[i]), out = {0};
    bool trimmed = true;
    assert_int_equal(mp_session_trim(record.data, record.length, &out, &trimmed, NULL, NULL), MP_EMALFORMED);
    assert_false(trimmed);
    mp_buffer_free(&record);
    mp_buffer_free(&out);
  }
}

static void leaves_a_short_record_as_it_is(void **state) {
  mp_buffer out = {0};
  bool trimmed = true;
  (void)state;
  start_session(&ana, &bot);
  mp_buffer record = record_of(&ana, &bot);
  assert_int_equal(mp_session_trim(record.data, record.length, &out, &trimmed, NULL, NULL), MP_OK);
  assert_false(trimmed);
  assert_int_equal(out.length, 0);
  mp_buffer_free(&record);
}

/* Fills the map until not even a record of a session fits. */
static void fill(mp_store *store) {
  static const uint8_t value[4000];
  mp_error e;
  char key[16];
  for (size_t size = sizeof value; size > 16; size /= 2) {
    for (int i = 0;; i++) {
      int length = snprintf(key, sizeof key, "%zu-%d", size, i);
      check(mp_store_begin(store, &e), &e);
      int rc = mp_store_put(store, MP_TABLE_RAW, (mp_bytes){key, (size_t)length}, (mp_bytes){value, size}, &e);
      if (rc != MP_OK) {
        assert_int_equal(rc, MP_EFULL);
        mp_store_rollback(store);
        break;
      }
      check(mp_store_release(store, &e), &e);
    }
  }
}

/* The store's failure must not pass for a wrong message: that would be refused, and lost. */
static void tells_a_full_store_from_a_wrong_message(void **state) {
  mp_error e;
  device small = {.jid = "15550009:1@s.whatsapp.net"};
  (void)state;
  check(mp_store_open(&(mp_store_options){.map_size = 256 * 1024}, &small.store, &e), &e);
  check(mp_account_open(&small.account, small.store, "s", 1, &e), &e);
  check(mp_account_create(&small.account, &e), &e);
  start_session(&ana, &small);
  ciphertext c = encrypt_text(&ana, &small, "hi");
  fill(small.store);
  expect_failure(&ana, &small, &c, MP_EFULL);
  mp_bundle bundle = bundle_of(&bot, true);
  assert_int_equal(mp_session_start(&small.account, bot.jid, &bundle, &e), MP_EFULL);
  mp_store_close(small.store); /* drops the turn, and with it what filled the map */
  mp_account_close(&small.account);
  free_ciphertext(&c);
}

static void decrypts_once_there_is_room_again(void **state) {
  mp_error e;
  device small = {.jid = "15550009:1@s.whatsapp.net"};
  (void)state;
  check(mp_store_open(&(mp_store_options){.map_size = 256 * 1024}, &small.store, &e), &e);
  check(mp_account_open(&small.account, small.store, "s", 1, &e), &e);
  check(mp_account_create(&small.account, &e), &e);
  start_session(&ana, &small);
  ciphertext c = encrypt_text(&ana, &small, "hi");
  check(mp_store_begin(small.store, &e), &e);
  fill(small.store);
  expect_failure(&ana, &small, &c, MP_EFULL);
  mp_store_rollback(small.store);
  expect_text(&ana, &small, &c, "hi");
  commit_device(&small);
  free_ciphertext(&c);
  close_device(&small);
}

/* A ratchet that may have gone back encrypts no more, until a new session is begun; it still reads. */
static void encrypts_in_no_stale_session(void **state) {
  mp_error e;
  mp_buffer out = {0};
  bool prekey_message;
  const mp_bytes key = {
      "s\0"
      "15550002:7@s.whatsapp.net",
      2 + 25};
  (void)state;
  assert_string_equal(bot.jid, "15550002:7@s.whatsapp.net");
  start_session(&ana, &bot);
  ciphertext c = encrypt_text(&ana, &bot, "one");
  expect_text(&ana, &bot, &c, "one");
  free_ciphertext(&c);
  check(mp_store_put(ana.store, MP_TABLE_STALE, key, (mp_bytes){"", 0}, &e), &e);
  assert_int_equal(mp_session_check(&ana.account, bot.jid, &e), MP_ENOSESSION);
  assert_int_equal(mp_encrypt(&ana.account, bot.jid, (const uint8_t *)"x\1", 2, &out, &prekey_message, &e), MP_ENOSESSION);
  c = encrypt_text(&bot, &ana, "two");
  expect_text(&bot, &ana, &c, "two");
  free_ciphertext(&c);
  start_session(&ana, &bot);
  c = encrypt_text(&ana, &bot, "three");
  assert_true(c.prekey_message);
  expect_text(&ana, &bot, &c, "three");
  free_ciphertext(&c);
  mp_buffer_free(&out);
}

static void wants_credentials_before_anything_else(void **state) {
  mp_error e;
  mp_account none;
  mp_buffer out = {0};
  uint8_t identity[32];
  bool prekey_message;
  (void)state;
  reopen(&none, "nobody");
  mp_bundle bundle = bundle_of(&bot, true);
  assert_int_equal(mp_session_start(&none, bot.jid, &bundle, &e), MP_EINVAL);
  assert_int_equal(mp_encrypt(&none, bot.jid, (const uint8_t *)"x", 1, &out, &prekey_message, &e), MP_EINVAL);
  assert_int_equal(mp_decrypt(&none, bot.jid, false, (const uint8_t *)"x", 1, &out, identity, &e), MP_EINVAL);
  assert_string_equal(e.message, "the account has no credentials yet");
  mp_account_close(&none);
}

#define between(test) cmocka_unit_test_setup_teardown(test, open_both, close_both)

int main(void) {
  const struct CMUnitTest tests[] = {
      between(keeps_its_credentials),
      between(makes_credentials_as_the_sheet_wants_them),
      between(zeroes_its_keys_when_it_is_closed),
      between(makes_no_second_credentials),
      between(renews_the_adv_secret_for_good),
      between(removes_all_of_itself_and_nothing_else),
      between(clears_what_an_interrupted_removal_left),
      between(lays_its_rows_out_as_tables_h_says),
      between(cuts_no_name_short),
      between(numbers_prekeys_and_marks_those_uploaded),
      between(begins_prekey_ids_again_after_the_last),
      between(keeps_five_archived_states),
      between(forgets_what_is_older_than_five_archived_states),
      between(sets_the_keys_of_a_jump_aside_and_reads_with_each_once),
      between(a_damaged_message_uses_no_key_up_that_was_set_aside),
      between(sets_keys_of_archived_states_and_first_messages_aside),
      between(keys_set_aside_go_where_the_session_goes),
      between(so_many_keys_are_set_aside_at_most_and_swept_when_old),
      cmocka_unit_test(shortens_nothing_that_is_no_record),
      between(leaves_a_short_record_as_it_is),
      between(tells_a_full_store_from_a_wrong_message),
      between(decrypts_once_there_is_room_again),
      between(encrypts_in_no_stale_session),
      between(wants_credentials_before_anything_else),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
