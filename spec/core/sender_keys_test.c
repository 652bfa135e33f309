/* Sender keys: the vectors of fact sheet 02 §18.4, gaps, replays, limits, and hostile bytes. Ana writes into a group, the bot
 * reads. */
#include "base/numbers.h"
#include "signal/sender_chains.h"
#include "signal_support.h"

#define GROUP "120363000000000001@g.us"
#define NOW 1769296600u

static device ana, bot;
static const mp_sender from_ana = {GROUP, "15550001@s.whatsapp.net"};

static int open_both(void **state) {
  (void)state;
  open_device(&ana, from_ana.device);
  open_device(&bot, "15550002:7@s.whatsapp.net");
  return 0;
}

static int close_both(void **state) {
  (void)state;
  close_device(&ana);
  close_device(&bot);
  return 0;
}

/* Tells the bot Ana's key. */
static void tell_key(void) {
  mp_error e;
  mp_buffer told = {0};
  check(mp_sender_key_distribution(&ana.account, GROUP, &told, &e), &e);
  check(mp_sender_key_process(&bot.account, &from_ana, told.data, told.length, &e), &e);
  mp_buffer_free(&told);
}

static mp_buffer encrypt_for_group(const char *plain) {
  mp_error e;
  mp_buffer padded = {0}, out = {0};
  assert_int_equal(mp_pad(&padded, (const uint8_t *)plain, strlen(plain)), MP_OK);
  check(mp_sender_key_encrypt(&ana.account, GROUP, padded.data, padded.length, &out, &e), &e);
  mp_buffer_free(&padded);
  return out;
}

/* What comes of a message at the bot. */
static int read_as(const mp_sender *sender, const mp_buffer *bytes, uint64_t now, const char *expected) {
  mp_error e = {0};
  mp_buffer plain = {0};
  int rc = mp_sender_key_decrypt(&bot.account, sender, bytes->data, bytes->length, now, &plain, &e);
  if (rc == MP_OK) {
    assert_int_equal(plain.length, strlen(expected));
    assert_memory_equal(plain.data, expected, plain.length);
  } else {
    assert_int_equal(e.code, rc);
    assert_int_equal(plain.length, 0);
  }
  mp_buffer_free(&plain);
  return rc;
}

static int reads(const mp_buffer *bytes, const char *expected) {
  return read_as(&from_ana, bytes, NOW, expected);
}

static void expect_message(const char *plain) {
  mp_buffer bytes = encrypt_for_group(plain);
  assert_int_equal(reads(&bytes, plain), MP_OK);
  mp_buffer_free(&bytes);
}

static void skip_messages(int count) {
  for (int i = 0; i < count; i++) {
    mp_buffer bytes = encrypt_for_group("passed over");
    mp_buffer_free(&bytes);
  }
}

typedef struct {
  size_t scope, chains_and_keys, runs;
} row_count;

static bool count_row(void *context, mp_bytes key, mp_bytes value) {
  row_count *count = context;
  (void)value;
  if (((const uint8_t *)key.data)[count->scope] == 0) {
    count->runs++;
  } else {
    count->chains_and_keys++;
  }
  return true;
}

static row_count count_rows(device *d) {
  uint8_t key[MP_STORE_KEY_MAX];
  mp_error e;
  mp_bytes prefix = mp_account_key(&d->account, "", 0, key);
  row_count count = {.scope = prefix.length};
  check(mp_store_range(d->store, MP_TABLE_SENDER_KEY, prefix, (mp_bytes){"", 0}, count_row, &count, &e), &e);
  return count;
}

static size_t rows_of(device *d) {
  return count_rows(d).chains_and_keys;
}

static const char told_hex[] =
    "3308d20910001a20000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f22210504f5f29162c31a8defa18e6e742224ee806f"
    "c1718a278be859ba5620402b8f3a";
static const char hello_hex[] =
    "3308d20910001a10835bfaa6529ae7c3b210fef835ea801c3b7d24c068282f548779ed0ea3d158a9b91a5cc10417033a7fb205d99a5a1b9edfafb1e061"
    "3c7fbc015f0750ee72f689141906cb3205c7cbbc51a8cf1c35a289";
static const char again_hex[] =
    "3308d20910021a1097e27078ed0b7170c844bb7754c68f604ca209a18943c373481a6bc2100de88273d6b89ec4fc430eee6b0cbb907c904a19eeeb7f06"
    "a3a34c107ae999875c6661e739e333592c7770924e7589055eb685";

/* Ana's chain is the sheet's. */
static void set_vector_chain(uint32_t iteration_to_be) {
  mp_error e;
  mp_sender_name name;
  mp_chains none = {0};
  mp_chain chain = {.key_id = 1234};
  sender_message_key *key = NULL;
  check(mp_account_stores(&ana.account, &e), &e);
  check(mp_sender_name_of(&(mp_sender){GROUP, ""}, &name, &e), &e);
  for (uint8_t i = 0; i < 32; i++) chain.seed[i] = i;
  memset(chain.signing.private_key, 0x31, 32);
  assert_int_equal(mp_keypair_derive(&chain.signing), MP_OK);
  while (chain.iteration < iteration_to_be) {
    check(mp_chain_step(&ana.account, &chain, &key, &e), &e);
    SIGNAL_UNREF(key);
  }
  check(mp_chain_add(&ana.account, &name, &none, &chain, &e), &e);
}

static void expect_vector(const char *plain, const char *expected) {
  mp_error e;
  mp_buffer out = {0};
  dictate("\xff"); /* replaced at once: a zero byte ends the list */
  dictated[0] = 0;
  check(mp_sender_key_encrypt(&ana.account, GROUP, (const uint8_t *)plain, strlen(plain), &out, &e), &e);
  assert_int_equal(dictated_count, 0);
  assert_hex(out.data, out.length, expected);
  /* The vectors have no padding: that this alone is missed shows that signature and cipher were right. */
  assert_int_equal(reads(&out, ""), MP_EPADDING);
  mp_buffer_free(&out);
}

static void makes_the_bytes_of_the_sheet(void **state) {
  mp_error e;
  mp_buffer told = {0};
  (void)state;
  set_vector_chain(0);
  check(mp_sender_key_distribution(&ana.account, GROUP, &told, &e), &e);
  assert_hex(told.data, told.length, told_hex);
  check(mp_sender_key_process(&bot.account, &from_ana, told.data, told.length, &e), &e);
  expect_vector("hello", hello_hex);
  set_vector_chain(2);
  expect_vector("again", again_hex);
  mp_buffer_free(&told);
}

static void reads_what_the_group_hears(void **state) {
  (void)state;
  tell_key();
  expect_message("one");
  expect_message("");
  expect_message("three");
  assert_int_equal(rows_of(&bot), 1);
}

static void reads_nothing_from_before_it_was_told(void **state) {
  mp_error e;
  mp_buffer told = {0};
  (void)state;
  check(mp_sender_key_distribution(&ana.account, GROUP, &told, &e), &e);
  mp_buffer before = encrypt_for_group("before");
  assert_int_equal(reads(&before, ""), MP_ENOSESSION);
  tell_key();
  assert_int_equal(reads(&before, ""), MP_EDUPLICATE);
  expect_message("after");
  mp_buffer_free(&told);
  mp_buffer_free(&before);
}

static void reads_late_messages_once(void **state) {
  mp_buffer late[3];
  (void)state;
  tell_key();
  for (int i = 0; i < 3; i++) late[i] = encrypt_for_group("late");
  expect_message("first");
  assert_int_equal(rows_of(&bot), 1 + 3);
  for (int i = 2; i >= 0; i--) {
    assert_int_equal(reads(&late[i], "late"), MP_OK);
    assert_int_equal(reads(&late[i], ""), MP_EDUPLICATE);
    mp_buffer_free(&late[i]);
  }
  assert_int_equal(rows_of(&bot), 1);
}

static void refuses_replays(void **state) {
  (void)state;
  tell_key();
  mp_buffer bytes = encrypt_for_group("hi");
  assert_int_equal(reads(&bytes, "hi"), MP_OK);
  assert_int_equal(reads(&bytes, ""), MP_EDUPLICATE);
  tell_key(); /* a chain that is told again is not wound back */
  assert_int_equal(reads(&bytes, ""), MP_EDUPLICATE);
  mp_buffer_free(&bytes);
}

static void refuses_a_chain_wound_back(void **state) {
  mp_error e;
  mp_buffer told = {0};
  (void)state;
  check(mp_sender_key_distribution(&ana.account, GROUP, &told, &e), &e);
  check(mp_sender_key_process(&bot.account, &from_ana, told.data, told.length, &e), &e);
  mp_buffer bytes = encrypt_for_group("hi");
  assert_int_equal(reads(&bytes, "hi"), MP_OK);
  check(mp_sender_key_process(&bot.account, &from_ana, told.data, told.length, &e), &e);
  assert_int_equal(reads(&bytes, ""), MP_EDUPLICATE);
  expect_message("next");
  mp_buffer_free(&told);
  mp_buffer_free(&bytes);
}

static void jumps_as_far_as_allowed(void **state) {
  (void)state;
  tell_key();
  skip_messages(MP_SENDER_JUMP_MAX);
  expect_message("just so");
  assert_int_equal(rows_of(&bot), 1 + MP_SENDER_SKIPPED_MAX);
  skip_messages(MP_SENDER_JUMP_MAX);
  mp_buffer far = encrypt_for_group("one more"), further = {0};
  assert_int_equal(reads(&far, "one more"), MP_OK);
  skip_messages(MP_SENDER_JUMP_MAX + 1);
  further = encrypt_for_group("too far");
  assert_int_equal(reads(&further, ""), MP_ELIMIT);
  tell_key(); /* winds it on */
  expect_message("again");
  assert_int_equal(reads(&far, ""), MP_EDUPLICATE);
  mp_buffer_free(&far);
  mp_buffer_free(&further);
}

static void keeps_so_many_keys_at_most(void **state) {
  (void)state;
  tell_key();
  mp_buffer oldest = encrypt_for_group("oldest"), second = {0};
  expect_message("taken");
  second = encrypt_for_group("second");
  for (int i = 0; i < MP_SENDER_SKIPPED_MAX; i++) {
    if (i % 2 == 0)
      expect_message("even");
    else
      skip_messages(1);
  }
  expect_message("even");
  assert_int_equal(reads(&oldest, ""), MP_EDUPLICATE);
  assert_true(rows_of(&bot) <= 1 + MP_SENDER_SKIPPED_MAX / 2 + 1);
  mp_buffer_free(&oldest);
  mp_buffer_free(&second);
}

static void keeps_five_chains(void **state) {
  mp_buffer last[6];
  mp_error e;
  (void)state;
  for (int i = 0; i < 6; i++) {
    check(mp_sender_key_delete(&ana.account, &(mp_sender){GROUP, ""}, &e), &e);
    tell_key();
    skip_messages(1);
    expect_message("new key");
    last[i] = encrypt_for_group("old key");
  }
  assert_int_equal(rows_of(&bot), 2 * MP_SENDER_CHAINS_MAX);
  assert_int_equal(reads(&last[0], ""), MP_ENOSESSION);
  for (int i = 1; i < 6; i++) assert_int_equal(reads(&last[i], "old key"), MP_OK);
  for (int i = 0; i < 6; i++) mp_buffer_free(&last[i]);
}

static void keeps_senders_and_groups_apart(void **state) {
  (void)state;
  tell_key();
  mp_buffer bytes = encrypt_for_group("hi");
  assert_int_equal(read_as(&(mp_sender){GROUP, "15550003@s.whatsapp.net"}, &bytes, NOW, ""), MP_ENOSESSION);
  assert_int_equal(read_as(&(mp_sender){"120363000000000002@g.us", from_ana.device}, &bytes, NOW, ""), MP_ENOSESSION);
  assert_int_equal(reads(&bytes, "hi"), MP_OK);
  mp_buffer_free(&bytes);
}

static void a_new_signing_key_replaces_the_chain(void **state) {
  mp_error e;
  mp_sender_name name;
  mp_chains all;
  mp_buffer told = {0};
  (void)state;
  tell_key();
  skip_messages(1);
  expect_message("old");
  check(mp_sender_name_of(&(mp_sender){GROUP, ""}, &name, &e), &e);
  check(mp_chains_load(&ana.account, &name, &all, &e), &e);
  mp_keypair_generate(&all.list[0].signing);
  check(mp_chain_save(&ana.account, &name, &all.list[0], &e), &e);
  mp_buffer bytes = encrypt_for_group("new");
  assert_int_equal(reads(&bytes, ""), MP_ECRYPTO);
  tell_key();
  assert_int_equal(rows_of(&bot), 1);
  expect_message("newer");
  mp_buffer_free(&bytes);
  mp_buffer_free(&told);
}

static void damaged_messages_change_nothing(void **state) {
  (void)state;
  tell_key();
  skip_messages(3);
  mp_buffer bytes = encrypt_for_group("hi");
  for (size_t i = 0; i < bytes.length; i++) {
    bytes.data[i] ^= 0x41;
    assert_int_not_equal(reads(&bytes, ""), MP_OK);
    assert_int_equal(rows_of(&bot), 1);
    bytes.data[i] ^= 0x41;
  }
  for (size_t length = 0; length < bytes.length; length++) {
    mp_buffer shorter = {.data = bytes.data, .length = length};
    assert_int_not_equal(reads(&shorter, ""), MP_OK);
  }
  assert_int_equal(reads(&bytes, "hi"), MP_OK);
  mp_buffer_free(&bytes);
}

static void wrong_padding_uses_no_key_up(void **state) {
  mp_error e;
  mp_buffer out = {0};
  (void)state;
  tell_key();
  check(mp_sender_key_encrypt(&ana.account, GROUP, (const uint8_t *)"hello", 5, &out, &e), &e);
  for (int i = 0; i < 2; i++) assert_int_equal(reads(&out, ""), MP_EPADDING);
  expect_message("next");
  mp_buffer_free(&out);
}

static void the_last_iteration_is_refused(void **state) {
  mp_error e;
  mp_sender_name name;
  mp_chains all;
  (void)state;
  mp_buffer told = {0};
  check(mp_sender_key_distribution(&ana.account, GROUP, &told, &e), &e);
  check(mp_sender_name_of(&(mp_sender){GROUP, ""}, &name, &e), &e);
  check(mp_chains_load(&ana.account, &name, &all, &e), &e);
  all.list[0].iteration = UINT32_MAX;
  check(mp_chain_save(&ana.account, &name, &all.list[0], &e), &e);
  tell_key();
  mp_buffer bytes = encrypt_for_group("hi");
  assert_int_equal(reads(&bytes, ""), MP_ELIMIT);
  mp_buffer_free(&told);
  mp_buffer_free(&bytes);
}

static void refuses_what_is_no_distribution_message(void **state) {
  mp_error e;
  mp_buffer told = {0};
  (void)state;
  check(mp_sender_key_distribution(&ana.account, GROUP, &told, &e), &e);
  for (size_t length = 0; length < told.length; length++) {
    assert_int_equal(mp_sender_key_process(&bot.account, &from_ana, told.data, length, &e), MP_EMALFORMED);
  }
  assert_int_equal(rows_of(&bot), 0);
  char long_name[MP_SENDER_NAME_MAX + 1];
  memset(long_name, 'x', sizeof long_name - 1);
  long_name[sizeof long_name - 1] = 0;
  const mp_sender long_sender = {GROUP, long_name};
  assert_int_equal(mp_sender_key_process(&bot.account, &long_sender, told.data, told.length, &e), MP_EMALFORMED);
  mp_buffer_free(&told);
}

static void old_keys_are_swept(void **state) {
  mp_error e;
  mp_buffer after = {0}, late[4];
  size_t rounds = 0;
  (void)state;
  tell_key();
  for (int i = 0; i < 4; i++) {
    late[i] = encrypt_for_group("late");
    if (i % 2 == 0) continue;
    mp_buffer bytes = encrypt_for_group("on time");
    assert_int_equal(read_as(&from_ana, &bytes, i == 1 ? NOW - 100 : NOW, "on time"), MP_OK);
    mp_buffer_free(&bytes);
  }
  assert_int_equal(rows_of(&bot), 1 + 4);
  do {
    check(mp_sender_keys_sweep(&bot.account, NOW, 2, &after, &e), &e);
    rounds++;
  } while (after.length > 0);
  assert_int_equal(rounds, 3);
  assert_int_equal(rows_of(&bot), 1 + 2);
  for (int i = 0; i < 4; i++) {
    assert_int_equal(reads(&late[i], "late"), i < 2 ? MP_EDUPLICATE : MP_OK);
    mp_buffer_free(&late[i]);
  }
  expect_message("next");
  mp_buffer_free(&after);
}

/* Ana's message in a group, from one of her devices, after so many that never come; the first of those. */
static void jump_in(const mp_sender *sender, uint32_t count, int expected, mp_buffer *first) {
  mp_error e;
  mp_sender_name own;
  mp_chains all;
  mp_buffer told = {0}, last = {0}, padded = {0};
  uint8_t seed[32];
  check(mp_sender_key_distribution(&ana.account, sender->group, &told, &e), &e);
  check(mp_sender_key_process(&bot.account, sender, told.data, told.length, &e), &e);
  assert_int_equal(mp_pad(&padded, (const uint8_t *)"hi", 2), MP_OK);
  check(mp_sender_key_encrypt(&ana.account, sender->group, padded.data, padded.length, first, &e), &e);
  check(mp_sender_name_of(&(mp_sender){sender->group, ""}, &own, &e), &e);
  check(mp_chains_load(&ana.account, &own, &all, &e), &e);
  for (uint32_t i = 1; i < count; i++) mp_chain_pass(&all.list[0], seed);
  check(mp_chain_save(&ana.account, &own, &all.list[0], &e), &e);
  check(mp_sender_key_encrypt(&ana.account, sender->group, padded.data, padded.length, &last, &e), &e);
  assert_int_equal(read_as(sender, &last, NOW, "hi"), expected);
  mp_buffer_free(&told);
  mp_buffer_free(&last);
  mp_buffer_free(&padded);
}

static void keeps_so_many_keys_of_an_account_in_all_groups(void **state) {
  const uint32_t each = MP_SENDER_KEPT_MAX / 4;
  static const mp_sender senders[6] = {{"1@g.us", "15550001@s.whatsapp.net"},  {"2@g.us", "15550001:7@s.whatsapp.net"},
                                       {"3@g.us", "15550001@s.whatsapp.net"},  {"4@g.us", "15550001:99@s.whatsapp.net"},
                                       {"5@g.us", "155500012@s.whatsapp.net"}, {"6@g.us", "15550001:7@s.whatsapp.net"}};
  mp_buffer late[6] = {{0}};
  (void)state;
  for (int i = 0; i < 5; i++) jump_in(&senders[i], each, MP_OK, &late[i]);
  assert_int_equal(rows_of(&bot), 5 + 5 * each); /* one of the five is somebody else's */
  jump_in(&senders[5], each, MP_OK, &late[5]);
  assert_int_equal(rows_of(&bot), 6 + 5 * each);
  assert_int_equal(count_rows(&bot).runs, 5);
  for (int i = 0; i < 6; i++) assert_int_equal(read_as(&senders[i], &late[i], NOW, "hi"), i == 0 ? MP_EDUPLICATE : MP_OK);
  for (int i = 0; i < 6; i++) mp_buffer_free(&late[i]);
}

static void notes_single_keys_of_a_chain_together(void **state) {
  (void)state;
  tell_key();
  for (int i = 0; i < 100; i++) {
    skip_messages(1);
    expect_message("even");
  }
  assert_int_equal(rows_of(&bot), 1 + 100);
  assert_int_equal(count_rows(&bot).runs, 2);
}

static void runs_are_swept_with_their_keys(void **state) {
  /* of names that make a run as long as a chain's row */
  static const mp_sender sender = {"12036300000000000000000000000000000000000000001@g.us", "15550001:7@s.whatsapp.net"};
  mp_error e;
  mp_buffer after = {0}, late = {0};
  (void)state;
  assert_int_equal(16 + strlen(sender.group) + 1 + strlen(sender.device) + 1 + 1 + 8, MP_CHAIN_ROW);
  jump_in(&sender, 3, MP_OK, &late);
  check(mp_sender_keys_sweep(&bot.account, NOW, 100, &after, &e), &e);
  assert_int_equal(count_rows(&bot).runs, 1);
  assert_int_equal(rows_of(&bot), 1 + 3);
  check(mp_sender_keys_sweep(&bot.account, NOW + 1, 100, &after, &e), &e);
  assert_int_equal(count_rows(&bot).runs, 0);
  assert_int_equal(rows_of(&bot), 1);
  mp_buffer_free(&late);
  mp_buffer_free(&after);
}

static void goes_with_the_account(void **state) {
  mp_error e;
  (void)state;
  tell_key();
  check(mp_account_delete(&bot.account, &e), &e);
  assert_int_equal(rows_of(&bot), 0);
}

#define UNIT(name) cmocka_unit_test_setup_teardown(name, open_both, close_both)

int main(void) {
  const struct CMUnitTest tests[] = {
      UNIT(makes_the_bytes_of_the_sheet),
      UNIT(reads_what_the_group_hears),
      UNIT(reads_nothing_from_before_it_was_told),
      UNIT(reads_late_messages_once),
      UNIT(refuses_replays),
      UNIT(refuses_a_chain_wound_back),
      UNIT(jumps_as_far_as_allowed),
      UNIT(keeps_so_many_keys_at_most),
      UNIT(keeps_so_many_keys_of_an_account_in_all_groups),
      UNIT(notes_single_keys_of_a_chain_together),
      UNIT(runs_are_swept_with_their_keys),
      UNIT(keeps_five_chains),
      UNIT(keeps_senders_and_groups_apart),
      UNIT(a_new_signing_key_replaces_the_chain),
      UNIT(damaged_messages_change_nothing),
      UNIT(wrong_padding_uses_no_key_up),
      UNIT(the_last_iteration_is_refused),
      UNIT(refuses_what_is_no_distribution_message),
      UNIT(old_keys_are_swept),
      UNIT(goes_with_the_account),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
