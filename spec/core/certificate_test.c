/* The server's certificate chain: what passes, and each check of 01 §2.5 violated once, all else being right. */
#include "noise/certificate.h"

#include "base/protobuf.h"
#include "crypto/hash.h"
#include "noise_vectors.h"
#include "unit.h"

#define NOW 1800000000
#define NOT_BEFORE 1700000000
#define NOT_AFTER 2000000000

enum { ABSENT = -1 };

typedef struct {
  int64_t serial, issuer, not_before, not_after; /* ABSENT: left out */
  int key_size, signature_size;                  /* ABSENT: left out */
  bool no_details, left_out, garbage;
  mp_keypair key, signer;
} made;

typedef struct {
  made leaf, intermediate;
  uint8_t root[32], server[32];
  int64_t now;
} chain;

static mp_keypair pair_of(const char *private_hex) {
  mp_keypair pair;
  key_from_hex(pair.private_key, private_hex);
  assert_int_equal(mp_keypair_derive(&pair), MP_OK);
  return pair;
}

/* A chain with nothing wrong. */
static chain right(void) {
  chain c;
  memset(&c, 0, sizeof c);
  mp_keypair root = pair_of(ROOT_PRIV), intermediate = pair_of(IM_PRIV), server = pair_of(SS_PRIV);
  c.intermediate = (made){.serial = 1, .not_before = NOT_BEFORE, .not_after = NOT_AFTER, .key_size = 32, .signature_size = 64};
  c.leaf = c.intermediate;
  c.leaf.serial = 2;
  c.leaf.issuer = 1;
  c.intermediate.key = intermediate;
  c.intermediate.signer = root;
  c.leaf.key = server;
  c.leaf.signer = intermediate;
  memcpy(c.root, root.public_key, 32);
  memcpy(c.server, server.public_key, 32);
  c.now = NOW;
  return c;
}

static void put_number(mp_buffer *out, uint32_t number, int64_t value) {
  if (value == ABSENT) return;
  assert_int_equal(mp_proto_write_tag(out, number, MP_PROTO_VARINT), MP_OK);
  assert_int_equal(mp_proto_write_varint(out, (uint64_t)value), MP_OK);
}

static void put_bytes(mp_buffer *out, uint32_t number, const void *bytes, int size) {
  if (size == ABSENT) return;
  assert_int_equal(mp_proto_write_tag(out, number, MP_PROTO_BYTES), MP_OK);
  assert_int_equal(mp_proto_write_bytes(out, bytes, (size_t)size), MP_OK);
}

static void put_certificate(mp_buffer *out, uint32_t number, const made *m) {
  mp_buffer details = {0}, certificate = {0};
  uint8_t key[33] = {0}, signature[65] = {0};
  if (m->left_out) return;
  memcpy(key, m->key.public_key, 32);
  put_number(&details, 1, m->serial);
  put_number(&details, 2, m->issuer);
  put_bytes(&details, 3, key, m->key_size);
  put_number(&details, 4, m->not_before);
  put_number(&details, 5, m->not_after);
  assert_int_equal(mp_sign(signature, &m->signer, details.data, details.length), MP_OK);
  if (m->garbage) memset(signature, 0x42, sizeof signature);
  put_bytes(&certificate, 1, details.data, m->no_details ? ABSENT : (int)details.length);
  put_bytes(&certificate, 2, signature, m->signature_size);
  put_bytes(out, number, certificate.data, (int)certificate.length);
  mp_buffer_free(&details);
  mp_buffer_free(&certificate);
}

static int check(const chain *c, mp_error *e) {
  mp_buffer bytes = {0};
  put_certificate(&bytes, 1, &c->leaf);
  put_certificate(&bytes, 2, &c->intermediate);
  int rc = mp_noise_check_chain(bytes.data, bytes.length, c->root, c->server, c->now, e);
  mp_buffer_free(&bytes);
  return rc;
}

static void passes(const chain *c) {
  mp_error e = {0};
  if (check(c, &e) != MP_OK) fail_msg("refused: %s", e.message);
}

static void refused(const chain *c, int code, const char *sentence) {
  mp_error e = {0};
  int rc = check(c, &e);
  if (rc != code || strstr(e.message, sentence) == NULL)
    fail_msg("%s '%s' instead of '%s'", mp_error_name(rc), e.message, sentence);
  assert_int_equal(e.code, code);
}

static void a_chain_with_nothing_wrong_passes(void **state) {
  (void)state;
  chain c = right();
  passes(&c);
  c.intermediate.issuer = ABSENT; /* absent counts as 0 */
  passes(&c);
  c = right();
  c.now = NOT_BEFORE;
  passes(&c);
  c.now = NOT_AFTER;
  passes(&c);
}

static void the_sheets_chain_passes_and_ours_has_the_same_details(void **state) {
  (void)state;
  mp_keypair root = pair_of(ROOT_PRIV), intermediate = pair_of(IM_PRIV), server = pair_of(SS_PRIV);
  mp_buffer given = from_hex(CERT_CHAIN), ours = {0};
  mp_error e;
  assert_int_equal(mp_noise_check_chain(given.data, given.length, root.public_key, server.public_key, NOW, &e), MP_OK);
  assert_int_equal(mp_noise_make_chain(&root, &intermediate, server.public_key, NOT_BEFORE, NOT_AFTER, &ours, &e), MP_OK);
  assert_int_equal(mp_noise_check_chain(ours.data, ours.length, root.public_key, server.public_key, NOW, &e), MP_OK);
  assert_int_equal(ours.length, given.length);
  /* but for the signatures, which are random, it is byte for byte the sheet's: issuerSerial 0 is written out */
  size_t leaf_signature = 2 + 2 + 50 + 2, intermediate_signature = leaf_signature + 64 + leaf_signature;
  memcpy(ours.data + leaf_signature, given.data + leaf_signature, 64);
  memcpy(ours.data + intermediate_signature, given.data + intermediate_signature, 64);
  assert_memory_equal(ours.data, given.data, given.length);
  mp_buffer_free(&given);
  mp_buffer_free(&ours);
}

static void a_missing_certificate_is_refused(void **state) {
  (void)state;
  chain c = right();
  c.intermediate.left_out = true;
  refused(&c, MP_EMALFORMED, "the intermediate certificate has no readable details");
  c = right();
  c.leaf.left_out = true;
  refused(&c, MP_EMALFORMED, "the leaf certificate has no readable details");
}

static void missing_details_are_refused(void **state) {
  (void)state;
  chain c = right();
  c.intermediate.no_details = true;
  refused(&c, MP_EMALFORMED, "the intermediate certificate has no readable details");
  c = right();
  c.leaf.no_details = true;
  refused(&c, MP_EMALFORMED, "the leaf certificate has no readable details");
}

static void a_signature_is_64_bytes(void **state) {
  (void)state;
  static const int sizes[] = {ABSENT, 0, 63, 65};
  for (size_t i = 0; i < COUNT(sizes); i++) {
    chain c = right();
    c.intermediate.signature_size = sizes[i];
    refused(&c, MP_EMALFORMED, "the intermediate certificate has no signature of 64 bytes");
    c = right();
    c.leaf.signature_size = sizes[i];
    refused(&c, MP_EMALFORMED, "the leaf certificate has no signature of 64 bytes");
  }
}

static void the_intermediate_is_signed_by_the_root(void **state) {
  (void)state;
  chain c = right();
  c.intermediate.signer = c.intermediate.key; /* by itself */
  refused(&c, MP_ECRYPTO, "the intermediate certificate is not signed by its issuer");
  c = right();
  c.intermediate.garbage = true;
  refused(&c, MP_ECRYPTO, "the intermediate certificate is not signed by its issuer");
  c = right();
  c.root[0] ^= 1;
  refused(&c, MP_ECRYPTO, "the intermediate certificate is not signed by its issuer");
}

static void the_leaf_is_signed_by_the_intermediate(void **state) {
  (void)state;
  chain c = right();
  c.leaf.signer = c.intermediate.signer; /* by the root */
  refused(&c, MP_ECRYPTO, "the leaf certificate is not signed by its issuer");
  c = right();
  c.leaf.signer = c.leaf.key;
  refused(&c, MP_ECRYPTO, "the leaf certificate is not signed by its issuer");
  c = right();
  c.leaf.garbage = true;
  refused(&c, MP_ECRYPTO, "the leaf certificate is not signed by its issuer");
}

static void the_intermediates_issuer_is_the_root(void **state) {
  (void)state;
  chain c = right();
  c.intermediate.issuer = 1;
  refused(&c, MP_ECRYPTO, "the intermediate certificate is not issued by the root");
  c.intermediate.issuer = (int64_t)1 << 32; /* 0 in 32 bits */
  refused(&c, MP_ECRYPTO, "the intermediate certificate is not issued by the root");
}

static void a_key_is_32_bytes(void **state) {
  (void)state;
  static const int sizes[] = {ABSENT, 0, 31, 33};
  for (size_t i = 0; i < COUNT(sizes); i++) {
    chain c = right();
    c.intermediate.key_size = sizes[i];
    refused(&c, MP_EMALFORMED, "the intermediate certificate has no key of 32 bytes");
    c = right();
    c.leaf.key_size = sizes[i];
    refused(&c, MP_EMALFORMED, "the leaf certificate has no key of 32 bytes");
  }
}

static void the_leafs_issuer_is_the_intermediate(void **state) {
  (void)state;
  static const int64_t issuers[] = {ABSENT, 0, 2};
  for (size_t i = 0; i < COUNT(issuers); i++) {
    chain c = right();
    c.leaf.issuer = issuers[i];
    refused(&c, MP_ECRYPTO, "the leaf certificate is not issued by the intermediate");
  }
}

static void the_leaf_is_for_the_key_of_the_handshake(void **state) {
  (void)state;
  chain c = right();
  c.server[31] ^= 0x40;
  refused(&c, MP_ECRYPTO, "the leaf certificate is for another key");
  c = right();
  c.leaf.key = pair_of(CS_PRIV);
  refused(&c, MP_ECRYPTO, "the leaf certificate is for another key");
}

static void both_are_valid_now(void **state) {
  (void)state;
  static const struct {
    int64_t not_before, not_after;
  } times[] = {{NOW + 1, NOT_AFTER}, {NOT_BEFORE, NOW - 1}, {NOT_BEFORE, ABSENT}, {NOT_BEFORE, 0}, {NOT_AFTER, NOT_BEFORE}};
  for (size_t i = 0; i < COUNT(times); i++) {
    chain c = right();
    c.intermediate.not_before = times[i].not_before;
    c.intermediate.not_after = times[i].not_after;
    refused(&c, MP_ECRYPTO, "the intermediate certificate is not valid at this time");
    c = right();
    c.leaf.not_before = times[i].not_before;
    c.leaf.not_after = times[i].not_after;
    refused(&c, MP_ECRYPTO, "the leaf certificate is not valid at this time");
  }
  chain c = right();
  c.now = -1;
  refused(&c, MP_ECRYPTO, "not valid at this time");
}

static void leaf_and_intermediate_cannot_change_places(void **state) {
  (void)state;
  chain c = right();
  made leaf = c.leaf;
  c.leaf = c.intermediate;
  c.intermediate = leaf;
  refused(&c, MP_ECRYPTO, "the intermediate certificate is not issued by the root");
}

static void the_last_of_two_certificates_counts_and_is_checked(void **state) {
  (void)state;
  chain c = right();
  mp_buffer bytes = {0};
  mp_error e;
  put_certificate(&bytes, 1, &c.leaf);
  put_certificate(&bytes, 2, &c.intermediate);
  c.leaf.garbage = true;
  put_certificate(&bytes, 1, &c.leaf);
  assert_int_equal(mp_noise_check_chain(bytes.data, bytes.length, c.root, c.server, NOW, &e), MP_ECRYPTO);
  mp_buffer_free(&bytes);
}

static void every_truncation_and_every_changed_byte_is_refused(void **state) {
  (void)state;
  mp_buffer bytes = from_hex(CERT_CHAIN);
  uint8_t root[32], server[32];
  mp_error e;
  key_from_hex(root, ROOT_PUB);
  key_from_hex(server, SS_PUB);
  for (size_t i = 0; i < bytes.length; i++) {
    mp_buffer cut = {.data = malloc(i + (i == 0))};
    assert_non_null(cut.data);
    memcpy(cut.data, bytes.data, i);
    int rc = mp_noise_check_chain(cut.data, i, root, server, NOW, &e);
    if (rc == MP_OK) fail_msg("passed with %zu bytes", i);
    mp_buffer_free(&cut);
    bytes.data[i] ^= 0x01;
    rc = mp_noise_check_chain(bytes.data, bytes.length, root, server, NOW, &e);
    if (rc == MP_OK) fail_msg("passed with byte %zu changed", i);
    bytes.data[i] ^= 0x01;
  }
  mp_buffer_free(&bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_chain_with_nothing_wrong_passes),
      cmocka_unit_test(the_sheets_chain_passes_and_ours_has_the_same_details),
      cmocka_unit_test(a_missing_certificate_is_refused),
      cmocka_unit_test(missing_details_are_refused),
      cmocka_unit_test(a_signature_is_64_bytes),
      cmocka_unit_test(the_intermediate_is_signed_by_the_root),
      cmocka_unit_test(the_leaf_is_signed_by_the_intermediate),
      cmocka_unit_test(the_intermediates_issuer_is_the_root),
      cmocka_unit_test(a_key_is_32_bytes),
      cmocka_unit_test(the_leafs_issuer_is_the_intermediate),
      cmocka_unit_test(the_leaf_is_for_the_key_of_the_handshake),
      cmocka_unit_test(both_are_valid_now),
      cmocka_unit_test(leaf_and_intermediate_cannot_change_places),
      cmocka_unit_test(the_last_of_two_certificates_counts_and_is_checked),
      cmocka_unit_test(every_truncation_and_every_changed_byte_is_refused),
  };
  if (mp_crypto_init() != MP_OK) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
