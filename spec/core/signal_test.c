/* Sessions between devices: the vectors of fact sheet 02 §18.3, its invariants (§18.6), and hostile ciphertexts. */
#include <signal/protocol.h>
#include <signal/session_cipher.h>

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

static void set_key(mp_keypair *pair, uint8_t byte, const char *expected) {
  memset(pair->private_key, byte, 32);
  assert_int_equal(mp_keypair_derive(pair), MP_OK);
  assert_hex(pair->public_key, 32, expected);
}

/* Without the padding a message would have: the vectors have none. */
static void expect_unpadded(device *to, device *from, bool prekey_message, const mp_buffer *bytes, const char *expected) {
  const signal_protocol_address address = {from->jid, strlen(from->jid), 0};
  session_cipher *cipher;
  signal_buffer *plain = NULL;
  mp_error e;
  check(mp_account_stores(&to->account, &e), &e);
  assert_int_equal(session_cipher_create(&cipher, to->account.stores, &address, to->account.context), SG_SUCCESS);
  if (prekey_message) {
    pre_key_signal_message *message;
    assert_int_equal(pre_key_signal_message_deserialize(&message, bytes->data, bytes->length, to->account.context), SG_SUCCESS);
    assert_int_equal(session_cipher_decrypt_pre_key_signal_message(cipher, message, NULL, &plain), SG_SUCCESS);
    SIGNAL_UNREF(message);
  } else {
    signal_message *message;
    assert_int_equal(signal_message_deserialize(&message, bytes->data, bytes->length, to->account.context), SG_SUCCESS);
    assert_int_equal(session_cipher_decrypt_signal_message(cipher, message, NULL, &plain), SG_SUCCESS);
    SIGNAL_UNREF(message);
  }
  assert_int_equal(signal_buffer_len(plain), strlen(expected));
  assert_memory_equal(signal_buffer_data(plain), expected, strlen(expected));
  signal_buffer_free(plain);
  session_cipher_free(cipher);
}

static const char first_hex[] =
    "33080b122105052a50773ac8d91773f2dc9662e12f0defe915e415b8a1c8e20a5a3d6ab2b8431a21057b4e909bbe7ffe44c465a220037d608e"
    "e35897d31ef972f07f74892cb0f73f132242330a2105197fc2c567dc03ee2aadf0ed86681dac24daa76e83ca555875dd3be7376e5306100018"
    "00221065e570a1faab571a8c45a6eb09d02d888c680692abe09ee52892213007";

/* Ana is Alice of the sheet, the bot is Bob. */
static void set_vector_keys(void) {
  mp_error e;
  mp_prekey prekey;
  uint8_t typed[33] = {5}, key[MP_STORE_KEY_MAX];
  set_key(&ana.account.identity, 0x11, "7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13");
  ana.account.registration_id = 4242;
  set_key(&bot.account.identity, 0x21, "7d34a4815fa6b982535e60af3bd9b49556816080f1641ff81d2b7c8ae8268a44");
  set_key(&bot.account.signed_prekey, 0x22, "0faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20");
  bot.account.signed_prekey_id = 7;
  memcpy(typed + 1, bot.account.signed_prekey.public_key, 32);
  dictate("\xff"); /* replaced at once: a zero byte ends the list */
  dictated[0] = 0;
  assert_int_equal(mp_sign(bot.account.signed_prekey_signature, &bot.account.identity, typed, 33), MP_OK);
  assert_hex(bot.account.signed_prekey_signature, 64,
             "bd200285b145652b586db25638c6cae3f5fd8d0bb975dd93cc53a911d9f48e14d25e0795271cca3168cf5b9443a464453e04b83a7006fbc7"
             "8f3a8477ab8c3f07");
  mp_bytes counter = mp_account_key(&bot.account, "prekey", 6, key);
  check(mp_store_put(bot.store, MP_TABLE_COUNTER, counter, (mp_bytes){"\0\0\0\13", 4}, &e), &e);
  dictate("\x23");
  check(mp_prekeys_make(&bot.account, 1, &prekey, &e), &e);
  assert_int_equal(prekey.id, 11);
  assert_hex(prekey.public_key, 32, "9a4503a98ab10fe8d354c9c42cbd0c9d7944f52e7d14d8ea59775e7dc9e3bf4b");
}

static void makes_the_bytes_of_the_sheet(void **state) {
  mp_error e;
  (void)state;
  set_vector_keys();
  mp_bundle bundle = bundle_of(&bot, false);
  bundle.has_prekey = true;
  bundle.prekey_id = 11;
  key_from_hex(bundle.prekey, "9a4503a98ab10fe8d354c9c42cbd0c9d7944f52e7d14d8ea59775e7dc9e3bf4b");
  dictate("\x12\x13");
  check(mp_session_start(&ana.account, bot.jid, &bundle, &e), &e);
  assert_int_equal(dictated_count, 0);
  ciphertext first = encrypt_padded(&ana, &bot, "hello", 5);
  assert_true(first.prekey_message);
  assert_hex(first.bytes.data, first.bytes.length, first_hex);
  dictate("\x24");
  expect_unpadded(&bot, &ana, true, &first.bytes, "hello");
  ciphertext second = encrypt_padded(&bot, &ana, "world", 5);
  assert_false(second.prekey_message);
  assert_hex(second.bytes.data, second.bytes.length,
             "330a210504bcd2e0d00f2cce5fe8f1c6c2fbec5c07fa56e3aa5c88a5689975d88b3fce05100018002210e739e0f0ab1508dbd35b55de9fa87b"
             "a56389072a0b34db4e");
  dictate("\x14");
  expect_unpadded(&ana, &bot, false, &second.bytes, "world");
  ciphertext third = encrypt_padded(&ana, &bot, "third", 5);
  assert_false(third.prekey_message);
  assert_hex(third.bytes.data, third.bytes.length,
             "330a210518a6f8c1a7fddf22bd410138f79f7298cd38d1d0a542d4266d556be8609d88621000180022101b0698ccdfae8c8a809d19d399e6ed"
             "2fb489473c69f2d8b8");
  expect_unpadded(&bot, &ana, false, &third.bytes, "third");
  free_ciphertext(&first);
  free_ciphertext(&second);
  free_ciphertext(&third);
}

static void talks_both_ways(void **state) {
  (void)state;
  start_session(&ana, &bot);
  ciphertext first = encrypt_text(&ana, &bot, "one"), again = encrypt_text(&ana, &bot, "two");
  assert_true(first.prekey_message && again.prekey_message); /* until an answer came */
  expect_text(&ana, &bot, &first, "one");
  expect_text(&ana, &bot, &again, "two");
  send_text(&bot, &ana, "three");
  ciphertext last = encrypt_text(&ana, &bot, "");
  assert_false(last.prekey_message);
  expect_text(&ana, &bot, &last, "");
  free_ciphertext(&first);
  free_ciphertext(&again);
  free_ciphertext(&last);
}

static void needs_no_prekey(void **state) {
  mp_error e;
  (void)state;
  mp_bundle bundle = bundle_of(&bot, false);
  check(mp_session_start(&ana.account, bot.jid, &bundle, &e), &e);
  send_text(&ana, &bot, "hi");
}

static void uses_a_prekey_once(void **state) {
  mp_error e;
  mp_keypair pair;
  device eve;
  (void)state;
  open_device(&eve, "15550003@s.whatsapp.net");
  mp_bundle bundle = bundle_of(&bot, true);
  check(mp_session_start(&ana.account, bot.jid, &bundle, &e), &e);
  check(mp_session_start(&eve.account, bot.jid, &bundle, &e), &e);
  assert_int_equal(mp_prekey_load(&bot.account, bundle.prekey_id, &pair, &e), MP_OK);
  send_text(&ana, &bot, "first");
  assert_int_equal(mp_prekey_load(&bot.account, bundle.prekey_id, &pair, &e), MP_ENOTFOUND);
  send_text(&ana, &bot, "its prekey is not asked for again");
  ciphertext late = encrypt_text(&eve, &bot, "late");
  expect_failure(&eve, &bot, &late, MP_EINVALIDKEYID);
  assert_int_equal(mp_session_check(&bot.account, eve.jid, &e), MP_ENOSESSION);
  free_ciphertext(&late);
  close_device(&eve);
}

static void knows_what_it_decrypted_before(void **state) {
  (void)state;
  start_session(&ana, &bot);
  ciphertext first = encrypt_text(&ana, &bot, "one");
  expect_text(&ana, &bot, &first, "one");
  expect_failure(&ana, &bot, &first, MP_EDUPLICATE);
  send_text(&bot, &ana, "back");
  ciphertext second = encrypt_text(&ana, &bot, "two");
  expect_text(&ana, &bot, &second, "two");
  expect_failure(&ana, &bot, &second, MP_EDUPLICATE);
  expect_failure(&ana, &bot, &first, MP_EDUPLICATE);
  send_text(&ana, &bot, "three");
  free_ciphertext(&first);
  free_ciphertext(&second);
}

/* A crash before the commit: the turn is gone, the ciphertext comes again and is new. */
static void decrypts_again_what_was_never_committed(void **state) {
  mp_error e;
  (void)state;
  start_session(&ana, &bot);
  ciphertext c = encrypt_text(&ana, &bot, "hi");
  check(mp_store_begin(bot.store, &e), &e);
  expect_text(&ana, &bot, &c, "hi");
  mp_store_rollback(bot.store);
  assert_int_equal(mp_session_check(&bot.account, ana.jid, &e), MP_ENOSESSION);
  expect_text(&ana, &bot, &c, "hi");
  free_ciphertext(&c);
}

static void decrypts_in_any_order(void **state) {
  static const int order[] = {4, 0, 3, 1, 2};
  char plain[16];
  ciphertext c[5];
  (void)state;
  start_session(&ana, &bot);
  send_text(&ana, &bot, "hi");
  send_text(&bot, &ana, "hello");
  for (int i = 0; i < 5; i++) {
    snprintf(plain, sizeof plain, "m%d", i);
    c[i] = encrypt_text(&ana, &bot, plain);
  }
  send_text(&bot, &ana, "the ratchet turns meanwhile");
  send_text(&ana, &bot, "again");
  for (int i = 0; i < 5; i++) {
    snprintf(plain, sizeof plain, "m%d", order[i]);
    expect_text(&ana, &bot, &c[order[i]], plain);
    expect_failure(&ana, &bot, &c[order[i]], MP_EDUPLICATE);
  }
  for (int i = 0; i < 5; i++) free_ciphertext(&c[i]);
}

static void lets_both_begin_at_once(void **state) {
  (void)state;
  start_session(&ana, &bot);
  start_session(&bot, &ana);
  ciphertext from_ana = encrypt_text(&ana, &bot, "a"), from_bot = encrypt_text(&bot, &ana, "b");
  expect_text(&ana, &bot, &from_ana, "a");
  expect_text(&bot, &ana, &from_bot, "b");
  for (int i = 0; i < 3; i++) {
    send_text(&ana, &bot, "on");
    send_text(&bot, &ana, "and on");
  }
  free_ciphertext(&from_ana);
  free_ciphertext(&from_bot);
}

/* Counter n + 2000 is the last one taken; beyond it nothing changes. */
static void jumps_two_thousand_messages_and_no_further(void **state) {
  ciphertext at_limit = {0}, beyond = {0};
  (void)state;
  start_session(&ana, &bot);
  send_text(&ana, &bot, "0");
  send_text(&bot, &ana, "0");
  send_text(&ana, &bot, "the next is number 1");
  for (int i = 1; i <= 2002; i++) {
    ciphertext c = encrypt_text(&ana, &bot, "x");
    if (i == 2001)
      at_limit = c;
    else if (i == 2002)
      beyond = c;
    else
      free_ciphertext(&c);
  }
  expect_failure(&ana, &bot, &beyond, MP_ECRYPTO);
  expect_text(&ana, &bot, &at_limit, "x");
  expect_text(&ana, &bot, &beyond, "x");
  free_ciphertext(&at_limit);
  free_ciphertext(&beyond);
}

static void expect_corrupt(const ciphertext *good, size_t at) {
  ciphertext bad = {.prekey_message = good->prekey_message};
  mp_error e;
  mp_buffer plain = {0};
  assert_int_equal(mp_buffer_append(&bad.bytes, good->bytes.data, good->bytes.length), MP_OK);
  bad.bytes.data[at] ^= 0x01;
  int rc = decrypt(&ana, &bot, &bad, &plain, &e);
  if (rc == MP_OK) fail_msg("byte %zu may be changed", at);
  /* a changed id names a key we have not, or a chain that is used up; nothing is ever taken for a fault of the store */
  if (rc != MP_ECRYPTO && rc != MP_EMALFORMED && rc != MP_EINVALIDKEYID && rc != MP_EDUPLICATE)
    fail_msg("%zu: %s", at, e.message);
  free_ciphertext(&bad);
}

static void refuses_every_changed_byte(void **state) {
  (void)state;
  start_session(&ana, &bot);
  ciphertext first = encrypt_text(&ana, &bot, "hi");
  /* Of the wrapping no MAC covers the low half of the version, in front, and the registration id, behind. */
  for (size_t at = 1; at < first.bytes.length - 5; at++) expect_corrupt(&first, at);
  expect_text(&ana, &bot, &first, "hi");
  send_text(&bot, &ana, "back");
  ciphertext second = encrypt_text(&ana, &bot, "again");
  for (size_t at = 0; at < second.bytes.length; at++) expect_corrupt(&second, at);
  expect_text(&ana, &bot, &second, "again");
  free_ciphertext(&first);
  free_ciphertext(&second);
}

static void expect_garbage(bool prekey_message, const char *bytes, size_t length, int code) {
  ciphertext c = {.prekey_message = prekey_message};
  assert_int_equal(mp_buffer_append(&c.bytes, bytes, length), MP_OK);
  expect_failure(&ana, &bot, &c, code);
  free_ciphertext(&c);
}

static void tells_garbage_from_what_fits_no_session(void **state) {
  mp_error e;
  (void)state;
  for (int prekey_message = 0; prekey_message < 2; prekey_message++) {
    expect_garbage(prekey_message, "", 0, MP_EMALFORMED);
    expect_garbage(prekey_message, "3", 1, MP_EMALFORMED);
    expect_garbage(prekey_message, "\x33garbage, much garbage", 22, MP_EMALFORMED);
    expect_garbage(prekey_message, "\x22\x08\x01\x12\x01\x05\x1a\x01\x05\x22\x01\x33", 12, MP_EMALFORMED);
    expect_garbage(prekey_message, "\x44\x08\x01\x12\x01\x05\x1a\x01\x05\x22\x01\x33", 12, MP_EMALFORMED);
  }
  start_session(&ana, &bot);
  send_text(&ana, &bot, "hi");
  send_text(&bot, &ana, "back");
  ciphertext c = encrypt_text(&ana, &bot, "lost");
  assert_int_equal(mp_session_delete(&bot.account, ana.jid, &e), MP_OK);
  expect_failure(&ana, &bot, &c, MP_ENOSESSION);
  free_ciphertext(&c);
}

static void refuses_a_bundle_with_a_wrong_signature(void **state) {
  mp_error e;
  (void)state;
  mp_bundle bundle = bundle_of(&bot, true);
  bundle.signature[3] ^= 1;
  assert_int_equal(mp_session_start(&ana.account, bot.jid, &bundle, &e), MP_ECRYPTO);
  assert_string_equal(e.message, "cannot start a session: a key or its signature is wrong");
  assert_int_equal(mp_session_check(&ana.account, bot.jid, &e), MP_ENOSESSION);
  assert_int_equal(mp_peer_identity(&ana.account, bot.jid, bundle.identity, &e), MP_ENOTFOUND);
}

static void has_nothing_to_encrypt_with_before_a_bundle(void **state) {
  mp_error e;
  mp_buffer out = {0};
  bool prekey_message;
  uint8_t key[33];
  (void)state;
  assert_int_equal(mp_encrypt(&ana.account, bot.jid, (const uint8_t *)"x", 1, &out, &prekey_message, &e), MP_ENOSESSION);
  assert_string_equal(e.message, "there is no session with 15550002:7@s.whatsapp.net");
  assert_int_equal(mp_session_base_key(&ana.account, bot.jid, key, &e), MP_ENOSESSION);
}

static void takes_over_an_identity_that_changed(void **state) {
  mp_error e;
  uint8_t key[32];
  device reinstalled;
  (void)state;
  start_session(&ana, &bot);
  send_text(&ana, &bot, "hi");
  check(mp_peer_identity(&bot.account, ana.jid, key, &e), &e);
  assert_memory_equal(key, ana.account.identity.public_key, 32);
  open_device(&reinstalled, ana.jid);
  start_session(&reinstalled, &bot);
  send_text(&reinstalled, &bot, "new phone");
  check(mp_peer_identity(&bot.account, ana.jid, key, &e), &e);
  assert_memory_equal(key, reinstalled.account.identity.public_key, 32);
  start_session(&bot, &reinstalled);
  send_text(&bot, &reinstalled, "welcome back");
  close_device(&reinstalled);
}

/* libsignal stores the identity before it checks the MAC. */
static void plants_no_identity_from_a_forged_message(void **state) {
  mp_error e;
  uint8_t key[32];
  (void)state;
  start_session(&ana, &bot);
  ciphertext c = encrypt_text(&ana, &bot, "hi");
  c.bytes.data[c.bytes.length - 12] ^= 1; /* in the inner message's MAC */
  expect_failure(&ana, &bot, &c, MP_ECRYPTO);
  assert_int_equal(mp_peer_identity(&bot.account, ana.jid, key, &e), MP_ENOTFOUND);
  assert_int_equal(mp_session_check(&bot.account, ana.jid, &e), MP_ENOSESSION);
  c.bytes.data[c.bytes.length - 12] ^= 1;
  expect_text(&ana, &bot, &c, "hi"); /* its prekey is still there */
  free_ciphertext(&c);
}

static void knows_a_session_by_its_base_key(void **state) {
  mp_error e;
  uint8_t first[33], same[33], other[33], theirs[33];
  (void)state;
  start_session(&ana, &bot);
  check(mp_session_base_key(&ana.account, bot.jid, first, &e), &e);
  assert_int_equal(first[0], 5);
  send_text(&ana, &bot, "hi");
  send_text(&bot, &ana, "back");
  check(mp_session_base_key(&ana.account, bot.jid, same, &e), &e);
  check(mp_session_base_key(&bot.account, ana.jid, theirs, &e), &e);
  assert_memory_equal(first, same, 33);
  assert_memory_equal(first, theirs, 33);
  start_session(&ana, &bot);
  check(mp_session_base_key(&ana.account, bot.jid, other, &e), &e);
  assert_memory_not_equal(first, other, 33);
}

static void moves_a_session_to_another_name(void **state) {
  mp_error e;
  bool moved;
  uint8_t key[32];
  (void)state;
  start_session(&ana, &bot);
  send_text(&ana, &bot, "hi");
  ciphertext late = encrypt_text(&ana, &bot, "late");
  check(mp_session_migrate(&bot.account, ana.jid, "10001@lid", &moved, &e), &e);
  assert_true(moved);
  assert_int_equal(mp_session_check(&bot.account, ana.jid, &e), MP_ENOSESSION);
  assert_int_equal(mp_peer_identity(&bot.account, ana.jid, key, &e), MP_ENOTFOUND);
  check(mp_peer_identity(&bot.account, "10001@lid", key, &e), &e);
  assert_memory_equal(key, ana.account.identity.public_key, 32);
  const char *jid = ana.jid;
  ana.jid = "10001@lid";
  expect_text(&ana, &bot, &late, "late");
  ana.jid = jid;
  check(mp_session_migrate(&bot.account, ana.jid, "10001@lid", &moved, &e), &e);
  assert_false(moved);
  start_session(&ana, &bot);
  send_text(&ana, &bot, "under the old name");
  check(mp_session_migrate(&bot.account, ana.jid, "10001@lid", &moved, &e), &e);
  assert_false(moved); /* the new name has a session, which stays */
  check(mp_session_check(&bot.account, ana.jid, &e), &e);
  free_ciphertext(&late);
}

static void expect_padding(const char *hex, int code) {
  mp_buffer padded = from_hex(hex);
  ciphertext c = encrypt_padded(&ana, &bot, padded.data, padded.length);
  if (code == MP_OK) {
    mp_error e;
    mp_buffer plain = {0};
    check(decrypt(&ana, &bot, &c, &plain, &e), &e);
    mp_buffer_free(&plain);
  } else {
    expect_failure(&ana, &bot, &c, code);
  }
  free_ciphertext(&c);
  mp_buffer_free(&padded);
}

static void checks_every_byte_of_the_padding(void **state) {
  (void)state;
  start_session(&ana, &bot);
  send_text(&ana, &bot, "");
  expect_padding("05", MP_EPADDING);
  expect_padding("0a0454657374ff", MP_EPADDING);
  expect_padding("00", MP_EPADDING);
  expect_padding("0102", MP_EPADDING);
  expect_padding("aabb03", MP_EPADDING);
  expect_padding("aa0202", MP_OK);
  expect_padding("01", MP_OK);
}

static void pads_with_one_to_sixteen_bytes_of_their_number(void **state) {
  uint8_t plain[40] = {0};
  bool seen[17] = {false};
  (void)state;
  for (int round = 0; round < 1000; round++) {
    mp_buffer out = {0};
    size_t length = (size_t)round % sizeof plain;
    assert_int_equal(mp_pad(&out, plain, length), MP_OK);
    size_t n = out.length - length;
    assert_true(n >= 1 && n <= 16);
    for (size_t i = length; i < out.length; i++) assert_int_equal(out.data[i], n);
    seen[n] = true;
    mp_buffer_free(&out);
  }
  for (int n = 1; n <= 16; n++) assert_true(seen[n]);
}

#define between(test) cmocka_unit_test_setup_teardown(test, open_both, close_both)

int main(void) {
  const struct CMUnitTest tests[] = {
      between(makes_the_bytes_of_the_sheet),
      between(talks_both_ways),
      between(needs_no_prekey),
      between(uses_a_prekey_once),
      between(knows_what_it_decrypted_before),
      between(decrypts_again_what_was_never_committed),
      between(decrypts_in_any_order),
      between(lets_both_begin_at_once),
      between(jumps_two_thousand_messages_and_no_further),
      between(refuses_every_changed_byte),
      between(tells_garbage_from_what_fits_no_session),
      between(refuses_a_bundle_with_a_wrong_signature),
      between(has_nothing_to_encrypt_with_before_a_bundle),
      between(takes_over_an_identity_that_changed),
      between(plants_no_identity_from_a_forged_message),
      between(knows_a_session_by_its_base_key),
      between(moves_a_session_to_another_name),
      between(checks_every_byte_of_the_padding),
      cmocka_unit_test(pads_with_one_to_sixteen_bytes_of_their_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
