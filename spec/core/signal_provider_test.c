/* What libsignal-protocol-c gets from us (02 §15.2), and how it is linked: the Curve25519 override, and the real protobuf-c. */
#include "crypto/signal_provider.h"

#include <dlfcn.h>
#include <protobuf-c/protobuf-c.h>
#include <signal/curve.h>

#include "crypto/curve.h"
#include "crypto/curve25519_donna.h"
#include "crypto/hash.h"
#include "unit.h"

/* libsignal's own callers of the provider; exported, but in none of its public headers. */
int signal_hmac_sha256_init(signal_context *context, void **hmac, const uint8_t *key, size_t length);
int signal_hmac_sha256_update(signal_context *context, void *hmac, const uint8_t *data, size_t length);
int signal_hmac_sha256_final(signal_context *context, void *hmac, signal_buffer **output);
void signal_hmac_sha256_cleanup(signal_context *context, void *hmac);
int signal_sha512_digest_init(signal_context *context, void **digest);
int signal_sha512_digest_update(signal_context *context, void *digest, const uint8_t *data, size_t length);
int signal_sha512_digest_final(signal_context *context, void *digest, signal_buffer **output);
void signal_sha512_digest_cleanup(signal_context *context, void *digest);
int signal_encrypt(signal_context *context, signal_buffer **output, int cipher, const uint8_t *key, size_t key_length,
                   const uint8_t *iv, size_t iv_length, const uint8_t *in, size_t length);
int signal_decrypt(signal_context *context, signal_buffer **output, int cipher, const uint8_t *key, size_t key_length,
                   const uint8_t *iv, size_t iv_length, const uint8_t *in, size_t length);

static signal_context *context;

static void take(signal_buffer *buffer, const char *hex) {
  assert_hex(signal_buffer_data(buffer), signal_buffer_len(buffer), hex);
  signal_buffer_free(buffer);
}

static void hmac_comes_in_pieces(void **state) {
  (void)state;
  void *hmac;
  signal_buffer *out;
  assert_int_equal(signal_hmac_sha256_init(context, &hmac, (const uint8_t *)"Jefe", 4), SG_SUCCESS);
  assert_int_equal(signal_hmac_sha256_update(context, hmac, (const uint8_t *)"what do ya want ", 16), SG_SUCCESS);
  assert_int_equal(signal_hmac_sha256_update(context, hmac, (const uint8_t *)"for nothing?", 12), SG_SUCCESS);
  assert_int_equal(signal_hmac_sha256_final(context, hmac, &out), SG_SUCCESS);
  take(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  signal_hmac_sha256_cleanup(context, hmac);
}

static void a_sha512_digest_is_ready_again_after_its_end(void **state) {
  (void)state;
  void *digest;
  assert_int_equal(signal_sha512_digest_init(context, &digest), SG_SUCCESS);
  for (int round = 0; round < 2; round++) {
    signal_buffer *out;
    assert_int_equal(signal_sha512_digest_update(context, digest, (const uint8_t *)"abc", 3), SG_SUCCESS);
    assert_int_equal(signal_sha512_digest_final(context, digest, &out), SG_SUCCESS);
    take(out,
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
         "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
  }
  signal_sha512_digest_cleanup(context, digest);
}

static void ciphers_are_cbc_with_a_key_of_32_bytes(void **state) {
  (void)state;
  static const uint8_t key[32] = {1}, iv[16] = {2};
  signal_buffer *out, *back;
  const uint8_t *text = (const uint8_t *)"some words";
  assert_int_equal(signal_encrypt(context, &out, SG_CIPHER_AES_CBC_PKCS5, key, 32, iv, 16, text, 10), SG_SUCCESS);
  assert_int_equal(signal_buffer_len(out), 16);
  assert_int_equal(signal_decrypt(context, &back, SG_CIPHER_AES_CBC_PKCS5, key, 32, iv, 16, signal_buffer_data(out), 16),
                   SG_SUCCESS);
  assert_int_equal(signal_buffer_len(back), 10);
  assert_memory_equal(signal_buffer_data(back), "some words", 10);
  signal_buffer_free(back);
  assert_int_equal(signal_decrypt(context, &back, SG_CIPHER_AES_CTR_NOPADDING, key, 32, iv, 16, signal_buffer_data(out), 16),
                   SG_ERR_INVALID_MESSAGE);
  assert_int_equal(signal_decrypt(context, &back, SG_CIPHER_AES_CBC_PKCS5, key, 16, iv, 16, signal_buffer_data(out), 16),
                   SG_ERR_INVALID_MESSAGE);
  signal_buffer_free(out);
}

/* Any other code would end libsignal's walk over archived states. */
static void wrong_padding_is_an_invalid_message(void **state) {
  (void)state;
  static const uint8_t key[32] = {1}, iv[16] = {2};
  uint8_t cipher[32];
  signal_buffer *out, *back;
  assert_int_equal(
      signal_encrypt(context, &out, SG_CIPHER_AES_CBC_PKCS5, key, 32, iv, 16, (const uint8_t *)"0123456789abcdef", 16),
      SG_SUCCESS);
  memcpy(cipher, signal_buffer_data(out), 32);
  signal_buffer_free(out);
  cipher[0] ^= 1; /* garbles the second block's padding */
  static const size_t sizes[] = {0, 1, 15, 16, 17, 31};
  for (size_t i = 0; i < COUNT(sizes); i++) {
    assert_int_equal(signal_decrypt(context, &back, SG_CIPHER_AES_CBC_PKCS5, key, 32, iv, 16, cipher, sizes[i]),
                     SG_ERR_INVALID_MESSAGE);
  }
  assert_int_equal(signal_decrypt(context, &back, SG_CIPHER_AES_CBC_PKCS5, key, 32, iv, 16, cipher, 32), SG_ERR_INVALID_MESSAGE);
}

static void libsignals_signatures_are_verified_by_ours(void **state) {
  (void)state;
  ec_key_pair *pair;
  signal_buffer *signature;
  assert_int_equal(curve_generate_key_pair(context, &pair), SG_SUCCESS);
  for (int i = 0; i < 20; i++) { /* of both signs */
    unsigned long before = mp_curve25519_verify_calls();
    assert_int_equal(curve_calculate_signature(context, &signature, ec_key_pair_get_private(pair), (const uint8_t *)"words", 5),
                     0);
    uint8_t *bytes = signal_buffer_data(signature);
    assert_int_equal(curve_verify_signature(ec_key_pair_get_public(pair), (const uint8_t *)"words", 5, bytes, 64), 1);
    bytes[63] ^= 0x80;
    assert_int_not_equal(curve_verify_signature(ec_key_pair_get_public(pair), (const uint8_t *)"words", 5, bytes, 64), 1);
    assert_true(mp_curve25519_verify_calls() >= before + 2);
    signal_buffer_free(signature);
    SIGNAL_UNREF(pair);
    assert_int_equal(curve_generate_key_pair(context, &pair), SG_SUCCESS);
  }
  SIGNAL_UNREF(pair);
}

typedef int (*signing)(uint8_t *, const uint8_t *, const uint8_t *, unsigned long, const uint8_t *);

/* What ours stands in for: the next one of that name. */
static signing libsignals_own(void) {
  union {
    void *object;
    signing function;
  } found = {.object = dlsym(RTLD_NEXT, "curve25519_sign")};
  assert_non_null(found.object);
  assert_ptr_not_equal(found.function, curve25519_sign);
  return found.function;
}

/* The same key, words and random bytes give the same signature, whoever makes it. */
static void our_signatures_are_libsignals_bit_for_bit(void **state) {
  (void)state;
  signing own = libsignals_own();
  uint8_t message[200], random[64], ours[64], theirs[64];
  int negative = 0;
  for (int i = 0; i < 3000; i++) {
    mp_keypair pair;
    mp_keypair_generate(&pair);
    mp_random(random, sizeof random);
    mp_random(message, sizeof message);
    unsigned long length = (unsigned long)i % (sizeof message + 1);
    assert_int_equal(curve25519_sign(ours, pair.private_key, message, length, random), 0);
    assert_int_equal(own(theirs, pair.private_key, message, length, random), 0);
    assert_memory_equal(ours, theirs, sizeof ours);
    assert_int_equal(curve25519_verify(ours, pair.public_key, message, length), 0);
    negative += ours[63] >> 7;
  }
  assert_in_range(negative, 1000, 2000);
}

static void libsignal_signs_by_ours(void **state) {
  (void)state;
  ec_key_pair *pair;
  signal_buffer *signature;
  assert_int_equal(curve_generate_key_pair(context, &pair), SG_SUCCESS);
  unsigned long before = mp_curve25519_sign_calls();
  assert_int_equal(curve_calculate_signature(context, &signature, ec_key_pair_get_private(pair), (const uint8_t *)"words", 5), 0);
  assert_int_equal(mp_curve25519_sign_calls(), before + 1);
  signal_buffer_free(signature);
  SIGNAL_UNREF(pair);
}

static void libsignals_curve_calls_reach_ours(void **state) {
  (void)state;
  ec_key_pair *a, *b;
  uint8_t *shared, expected[32];
  assert_true(mp_curve_override_active());
  unsigned long before = mp_curve25519_donna_calls();
  assert_int_equal(curve_generate_key_pair(context, &a), SG_SUCCESS);
  assert_int_equal(curve_generate_key_pair(context, &b), SG_SUCCESS);
  assert_int_equal(curve_calculate_agreement(&shared, ec_key_pair_get_public(a), ec_key_pair_get_private(b)), 32);
  assert_true(mp_curve25519_donna_calls() >= before + 3);
  /* and ours does what libsignal expects of it */
  signal_buffer *private_key, *public_key;
  assert_int_equal(ec_private_key_serialize(&private_key, ec_key_pair_get_private(a)), SG_SUCCESS);
  assert_int_equal(ec_public_key_serialize(&public_key, ec_key_pair_get_public(b)), SG_SUCCESS);
  assert_int_equal(signal_buffer_len(public_key), 33);
  assert_int_equal(mp_agree(expected, signal_buffer_data(private_key), signal_buffer_data(public_key) + 1), MP_OK);
  assert_memory_equal(shared, expected, 32);
  signal_buffer_bzero_free(private_key);
  signal_buffer_free(public_key);
  free(shared);
  SIGNAL_UNREF(a);
  SIGNAL_UNREF(b);
}

/* libsignal exports a protobuf-c 1.1.1 of its own: linked first, it would answer our calls. */
static void protobuf_c_is_debians_not_libsignals(void **state) {
  (void)state;
  assert_true(protobuf_c_version_number() >= 1004000);
  assert_int_equal(protobuf_c_version_number(), PROTOBUF_C_VERSION_NUMBER);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hmac_comes_in_pieces),
      cmocka_unit_test(a_sha512_digest_is_ready_again_after_its_end),
      cmocka_unit_test(ciphers_are_cbc_with_a_key_of_32_bytes),
      cmocka_unit_test(wrong_padding_is_an_invalid_message),
      cmocka_unit_test(libsignals_curve_calls_reach_ours),
      cmocka_unit_test(libsignals_signatures_are_verified_by_ours),
      cmocka_unit_test(our_signatures_are_libsignals_bit_for_bit),
      cmocka_unit_test(libsignal_signs_by_ours),
      cmocka_unit_test(protobuf_c_is_debians_not_libsignals),
  };
  context = mp_signal_context_new();
  if (context == NULL) return 1;
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  signal_context_destroy(context);
  return failed;
}
