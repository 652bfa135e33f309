/* Linking by phone number: the vectors of fact sheet 02 §18.1, and what does not fit. */
#include "crypto/link_code.h"
#include "crypto/hash.h"
#include "unit.h"

static mp_keypair pair_of(uint8_t byte) {
  mp_keypair pair;
  memset(pair.private_key, byte, 32);
  assert_int_equal(mp_keypair_derive(&pair), MP_OK);
  return pair;
}

static void assert_spells(const char *hex, const char *expected) {
  char code[MP_LINK_CODE];
  mp_buffer bits = from_hex(hex);
  mp_link_code_spell(code, bits.data);
  assert_memory_equal(code, expected, MP_LINK_CODE);
  assert_true(mp_link_code_is_valid(code));
  mp_buffer_free(&bits);
}

static void codes_are_spelled_without_look_alikes(void **state) {
  (void)state;
  assert_spells("0000000000", "11111111");
  assert_spells("ffffffffff", "ZZZZZZZZ");
  assert_spells("0123456789", "15JMBSWA");
  assert_spells("deadbeef01", "VTPVXVR2");
  assert_spells("0000000001", "11111112");
  static const char *const wrong[] = {"ABCD123O", "ABCD1230", "ABCDI234", "UBCD1234", "abcd1234", "ABCD-123", "ABCD123"};
  for (size_t i = 0; i < COUNT(wrong); i++) assert_false(mp_link_code_is_valid(wrong[i]));
}

static void header_of_vectors(uint8_t header[MP_LINK_HEADER]) {
  for (int i = 0; i < MP_LINK_HEADER; i++) header[i] = (uint8_t)i;
}

static void a_key_is_hidden_under_a_code_and_comes_back(void **state) {
  (void)state;
  mp_error e;
  mp_keypair ephemeral = pair_of(1);
  uint8_t header[MP_LINK_HEADER], hidden[32], shown[32];
  header_of_vectors(header);
  assert_int_equal(mp_link_hide(hidden, "ABCD1234", header, ephemeral.public_key, &e), MP_OK);
  assert_hex(hidden, 32, "b01af1770b570b74bd61be31cefd5d43f0d1f465d0c680fa4defd9a35e625f23");
  assert_int_equal(mp_link_hide(shown, "ABCD1234", header, hidden, &e), MP_OK);
  assert_memory_equal(shown, ephemeral.public_key, 32);
  assert_int_equal(mp_link_hide(shown, "ABCD1235", header, hidden, &e), MP_OK);
  assert_memory_not_equal(shown, ephemeral.public_key, 32);
}

static mp_keypair device_ephemeral, device_identity, phone_ephemeral, phone_identity;

static mp_link_keys device_keys(void) {
  return (mp_link_keys){&device_ephemeral, &device_identity, phone_ephemeral.public_key, phone_identity.public_key};
}

static mp_link_keys phone_keys(void) {
  return (mp_link_keys){&phone_ephemeral, &phone_identity, device_ephemeral.public_key, device_identity.public_key};
}

static void seal(uint8_t bundle[MP_LINK_BUNDLE], uint8_t secret[32]) {
  mp_error e;
  mp_link_draw draw;
  const mp_link_keys keys = device_keys();
  memset(draw.secret, 5, 32);
  memset(draw.salt, 6, 32);
  memset(draw.nonce, 7, 12);
  assert_int_equal(mp_link_seal(bundle, secret, &keys, &draw, &e), MP_OK);
}

static int make_keys(void **state) {
  (void)state;
  device_ephemeral = pair_of(1);
  phone_ephemeral = pair_of(2);
  device_identity = pair_of(3);
  phone_identity = pair_of(4);
  return 0;
}

static void both_sides_come_to_one_secret(void **state) {
  (void)state;
  mp_error e;
  uint8_t bundle[MP_LINK_BUNDLE], secret[32], theirs[32];
  seal(bundle, secret);
  assert_hex(
      bundle + 44, 112,
      "5caf688e61c1bf064c9031e530ea97104be141f56e29f6ca52ab7eead871c3c227514e0478a97ec270a699152d01960d1c354d14c123a4c06f3d"
      "6521fce016ce793d33ad31198200de5f77f6efa3d6e57bee15bf74974e9c7431c5a78a0a79f75499f5923a423cc808b60e41c695bc2d");
  assert_hex(secret, 32, "fd518ca5dd266b8d3bf2ec6583591621a66a59bafdfc57418bdf1de1f572f3f1");
  const mp_link_keys keys = phone_keys();
  assert_int_equal(mp_link_open(theirs, &keys, bundle, &e), MP_OK);
  assert_memory_equal(theirs, secret, 32);
}

static void a_changed_bundle_does_not_open(void **state) {
  (void)state;
  mp_error e;
  uint8_t bundle[MP_LINK_BUNDLE], secret[32];
  const mp_link_keys keys = phone_keys();
  for (size_t at = 0; at < MP_LINK_BUNDLE; at++) {
    seal(bundle, secret);
    bundle[at] ^= 1;
    assert_int_equal(mp_link_open(secret, &keys, bundle, &e), MP_ECRYPTO);
  }
}

static void a_bundle_of_another_device_or_for_another_phone_does_not_open(void **state) {
  (void)state;
  mp_error e;
  uint8_t bundle[MP_LINK_BUNDLE], secret[32];
  mp_keypair other = pair_of(9);
  mp_link_keys keys = phone_keys();
  seal(bundle, secret);
  keys.their_identity = other.public_key;
  assert_int_equal(mp_link_open(secret, &keys, bundle, &e), MP_ECRYPTO);
  keys = phone_keys();
  keys.identity = &other;
  assert_int_equal(mp_link_open(secret, &keys, bundle, &e), MP_ECRYPTO);
  keys = phone_keys();
  keys.their_ephemeral = other.public_key; /* as a wrong code makes it */
  assert_int_equal(mp_link_open(secret, &keys, bundle, &e), MP_ECRYPTO);
}

static void a_key_of_small_order_is_refused(void **state) {
  (void)state;
  mp_error e;
  static const uint8_t nothing[32];
  uint8_t bundle[MP_LINK_BUNDLE], secret[32];
  mp_link_draw draw = {{1}, {2}, {3}};
  mp_link_keys keys = device_keys();
  keys.their_ephemeral = nothing;
  assert_int_equal(mp_link_seal(bundle, secret, &keys, &draw, &e), MP_ECRYPTO);
  keys = device_keys();
  keys.their_identity = nothing;
  assert_int_equal(mp_link_seal(bundle, secret, &keys, &draw, &e), MP_ECRYPTO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(codes_are_spelled_without_look_alikes),
      cmocka_unit_test(a_key_is_hidden_under_a_code_and_comes_back),
      cmocka_unit_test(both_sides_come_to_one_secret),
      cmocka_unit_test(a_changed_bundle_does_not_open),
      cmocka_unit_test(a_bundle_of_another_device_or_for_another_phone_does_not_open),
      cmocka_unit_test(a_key_of_small_order_is_refused),
  };
  mp_crypto_init();
  return cmocka_run_group_tests(tests, make_keys, NULL);
}
