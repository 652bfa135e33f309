/* Accounts for the units of the signal room: each over a store in memory, randomness that can be dictated. */
#ifndef SPEC_CORE_SIGNAL_SUPPORT_H
#define SPEC_CORE_SIGNAL_SUPPORT_H
#include <sodium.h>
#include <stdio.h>
#include <sys/random.h>

#include "crypto/hash.h"
#include "signal/account.h"
#include "unit.h"

static uint8_t dictated[8]; /* the byte each of the next draws of randomness consists of */
static size_t dictated_count;

static inline const char *random_name(void) {
  return "dictated";
}

static inline void random_bytes(void *const out, const size_t length) {
  if (dictated_count == 0) {
    assert_int_equal(getrandom(out, length, 0), length);
    return;
  }
  memset(out, dictated[0], length);
  memmove(dictated, dictated + 1, --dictated_count);
}

static inline uint32_t random_number(void) {
  uint32_t number;
  random_bytes(&number, sizeof number);
  return number;
}

/* From here on the next draws are as said; those behind them are random again. */
static inline void dictate(const char *bytes) {
  static randombytes_implementation implementation = {
      .implementation_name = random_name, .random = random_number, .buf = random_bytes};
  randombytes_set_implementation(&implementation);
  dictated_count = strlen(bytes);
  memcpy(dictated, bytes, dictated_count);
}

/* An account with fresh credentials. Each store is in memory. */
typedef struct {
  mp_store *store;
  mp_account account;
  const char *jid;
} device;

static inline void check(int rc, const mp_error *e) {
  if (rc != MP_OK) fail_msg("%s", e->message);
}

static inline void open_device(device *d, const char *jid) {
  mp_error e;
  check(mp_store_open(&(mp_store_options){0}, &d->store, &e), &e);
  check(mp_account_open(&d->account, d->store, "s", 1, &e), &e);
  check(mp_account_create(&d->account, &e), &e);
  check(mp_store_commit(d->store, &e), &e);
  d->jid = jid;
}

static inline void close_device(device *d) {
  mp_account_close(&d->account);
  mp_store_close(d->store);
}

static inline void commit_device(device *d) {
  mp_error e;
  check(mp_store_commit(d->store, &e), &e);
}

/* A bundle as the server would hand it out; with a fresh one-time prekey, or none. */
static inline mp_bundle bundle_of(device *d, bool with_prekey) {
  mp_error e;
  mp_prekey prekey;
  mp_bundle bundle = {.registration_id = d->account.registration_id, .signed_prekey_id = d->account.signed_prekey_id};
  memcpy(bundle.identity, d->account.identity.public_key, 32);
  memcpy(bundle.signed_prekey, d->account.signed_prekey.public_key, 32);
  memcpy(bundle.signature, d->account.signed_prekey_signature, 64);
  if (!with_prekey) return bundle;
  check(mp_prekeys_make(&d->account, 1, &prekey, &e), &e);
  commit_device(d);
  bundle.has_prekey = true;
  bundle.prekey_id = prekey.id;
  memcpy(bundle.prekey, prekey.public_key, 32);
  return bundle;
}

static inline void start_session(device *from, device *to) {
  mp_error e;
  mp_bundle bundle = bundle_of(to, true);
  check(mp_session_start(&from->account, to->jid, &bundle, &e), &e);
}

typedef struct {
  mp_buffer bytes;
  bool prekey_message;
} ciphertext;

static inline ciphertext encrypt_padded(device *from, device *to, const void *padded, size_t length) {
  mp_error e;
  ciphertext c = {0};
  check(mp_encrypt(&from->account, to->jid, padded, length, &c.bytes, &c.prekey_message, &e), &e);
  return c;
}

static inline ciphertext encrypt_text(device *from, device *to, const char *plain) {
  mp_buffer padded = {0};
  assert_int_equal(mp_pad(&padded, (const uint8_t *)plain, strlen(plain)), MP_OK);
  ciphertext c = encrypt_padded(from, to, padded.data, padded.length);
  mp_buffer_free(&padded);
  return c;
}

/* What comes of a ciphertext at `to`: MP_OK and its plaintext in `out`, or an error. */
static inline int decrypt(device *from, device *to, const ciphertext *c, mp_buffer *out, mp_error *e) {
  uint8_t identity[32];
  int rc = mp_decrypt(&to->account, from->jid, c->prekey_message, c->bytes.data, c->bytes.length, out, identity, e);
  if (rc == MP_OK && c->prekey_message) assert_memory_equal(identity, from->account.identity.public_key, 32);
  return rc;
}

static inline void expect_text(device *from, device *to, const ciphertext *c, const char *expected) {
  mp_error e;
  mp_buffer plain = {0};
  check(decrypt(from, to, c, &plain, &e), &e);
  assert_int_equal(plain.length, strlen(expected));
  assert_memory_equal(plain.data, expected, plain.length);
  mp_buffer_free(&plain);
}

static inline void expect_failure(device *from, device *to, const ciphertext *c, int code) {
  mp_error e = {0};
  mp_buffer plain = {0};
  int rc = decrypt(from, to, c, &plain, &e);
  if (rc != code) fail_msg("%d instead of %d: %s", rc, code, rc == MP_OK ? "decrypted" : e.message);
  assert_int_equal(e.code, code);
  assert_int_equal(plain.length, 0);
}

static inline void free_ciphertext(ciphertext *c) {
  mp_buffer_free(&c->bytes);
}

/* Sends a text, which must arrive. */
static inline void send_text(device *from, device *to, const char *plain) {
  ciphertext c = encrypt_text(from, to, plain);
  expect_text(from, to, &c, plain);
  free_ciphertext(&c);
}

#endif
