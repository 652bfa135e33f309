/* Group messages with sender keys (fact sheet 02 §12.6), through libsignal's primitives:
 *
 *   distribution message    chain key, signing key  ->  a chain
 *   message in order        verify, decrypt, step the chain on
 *   message ahead           the same; the keys that are passed over are kept
 *   message behind          verify, decrypt with the key that was kept, which is used up */
#include "signal/sender_keys.h"

#include <signal/protocol.h>
#include <signal/sender_key.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/aes.h"
#include "crypto/hash.h"
#include "signal/sender_chains.h"

static int end_nested(mp_account *account, int rc, mp_error *e) {
  if (rc == MP_OK) return mp_store_release(account->store, e);
  mp_store_rollback(account->store);
  return rc;
}

/* One that is known is wound on only when its sender has gone so far that no next message could be read. */
static int take_chain(mp_account *account, const mp_sender_name *name, mp_chain *told, mp_error *e) {
  mp_chains all;
  int rc = mp_chains_load(account, name, &all, e);
  if (rc != MP_OK) return rc;
  const mp_chain *known = mp_chain_find(&all, told->key_id);
  if (known == NULL || memcmp(known->signing.public_key, told->signing.public_key, 32) != 0) {
    rc = mp_chain_add(account, name, &all, told, e);
  } else if (told->iteration > known->iteration && told->iteration - known->iteration > MP_SENDER_JUMP_MAX) {
    told->order = known->order;
    rc = mp_chain_save(account, name, told, e);
  }
  mp_wipe(&all, sizeof all);
  return rc;
}

static int read_distribution(mp_account *account, const uint8_t *bytes, size_t length, mp_chain *out, mp_error *e) {
  sender_key_distribution_message *message = NULL;
  signal_buffer *key = NULL, *seed = NULL;
  int rc = sender_key_distribution_message_deserialize(&message, bytes, length, account->context);
  if (rc == SG_SUCCESS) rc = ec_public_key_serialize(&key, sender_key_distribution_message_get_signature_key(message));
  if (message != NULL) seed = sender_key_distribution_message_get_chain_key(message);
  bool sound = rc == SG_SUCCESS && signal_buffer_len(key) == 33 && signal_buffer_len(seed) == 32;
  if (sound) {
    *out = (mp_chain){.key_id = sender_key_distribution_message_get_id(message)};
    out->iteration = sender_key_distribution_message_get_iteration(message);
    memcpy(out->seed, signal_buffer_data(seed), 32);
    memcpy(out->signing.public_key, signal_buffer_data(key) + 1, 32);
  }
  signal_buffer_free(key);
  SIGNAL_UNREF(message);
  if (rc == SG_ERR_NOMEM) return mp_fail(e, MP_ENOMEM, "no memory for a sender key");
  return sound ? MP_OK : mp_fail(e, MP_EMALFORMED, "a sender key that is no distribution message of Signal");
}

int mp_sender_key_process(mp_account *account, const mp_sender *sender, const uint8_t *bytes, size_t length, mp_error *e) {
  mp_sender_name name;
  mp_chain told;
  int rc = mp_account_stores(account, e);
  if (rc == MP_OK) rc = mp_sender_name_of(sender, &name, e);
  if (rc == MP_OK) rc = read_distribution(account, bytes, length, &told, e);
  if (rc != MP_OK || (rc = mp_store_begin(account->store, e)) != MP_OK) return rc;
  rc = end_nested(account, take_chain(account, &name, &told, e), e);
  mp_wipe(&told, sizeof told);
  return rc;
}

/* A message and whose it is. */
typedef struct {
  mp_account *account;
  mp_sender_name name;
  sender_key_message *message;
  uint64_t now;
} incoming;

static int use_skipped(incoming *in, const mp_chain *chain, uint32_t iteration, sender_message_key **key, mp_error *e) {
  uint8_t bytes[32];
  int rc = mp_skipped_take(in->account, &in->name, chain->key_id, iteration, bytes, e);
  if (rc == MP_ENOTFOUND) return mp_fail(e, MP_EDUPLICATE, "this group message was decrypted before, or is too old");
  if (rc != MP_OK) return rc;
  signal_buffer *seed = signal_buffer_create(bytes, sizeof bytes);
  mp_wipe(bytes, sizeof bytes);
  int signal_rc = seed != NULL ? sender_message_key_create(key, iteration, seed, in->account->context) : SG_ERR_NOMEM;
  signal_buffer_bzero_free(seed);
  return signal_rc == SG_SUCCESS ? MP_OK : mp_signal_error(in->account, signal_rc, "use a sender key", e);
}

/* Goes along the chain to an iteration, whose key it gives; the keys on the way are kept. */
static int walk_to(incoming *in, mp_chain *chain, uint32_t iteration, sender_message_key **key, mp_error *e) {
  const uint32_t from = chain->iteration;
  uint8_t seed[32];
  int rc = MP_OK;
  while (rc == MP_OK && chain->iteration < iteration) {
    mp_chain_pass(chain, seed);
    rc = mp_skipped_put(in->account, &in->name, chain->key_id, chain->iteration - 1, seed, in->now, e);
  }
  mp_wipe(seed, sizeof seed);
  if (rc == MP_OK) rc = mp_chain_step(in->account, chain, key, e);
  if (rc == MP_OK && from < iteration) rc = mp_skipped_note(in->account, &in->name, chain->key_id, from, iteration, in->now, e);
  if (rc == MP_OK && from < iteration) rc = mp_skipped_prune(in->account, &in->name, chain, e);
  return rc == MP_OK ? mp_chain_save(in->account, &in->name, chain, e) : rc;
}

static int find_key(incoming *in, mp_chain *chain, sender_message_key **key, mp_error *e) {
  uint32_t iteration = sender_key_message_get_iteration(in->message);
  if (iteration < chain->iteration) return use_skipped(in, chain, iteration, key, e);
  if (iteration - chain->iteration > MP_SENDER_JUMP_MAX || iteration == UINT32_MAX) {
    return mp_fail(e, MP_ELIMIT, "a group message is %u messages ahead", (unsigned)(iteration - chain->iteration));
  }
  return walk_to(in, chain, iteration, key, e);
}

static bool is_signed(const incoming *in, const mp_chain *chain) {
  uint8_t typed[33] = {0x05};
  ec_public_key *key = NULL;
  memcpy(typed + 1, chain->signing.public_key, 32);
  int rc = curve_decode_point(&key, typed, sizeof typed, in->account->context);
  if (rc == SG_SUCCESS) rc = sender_key_message_verify_signature(in->message, key);
  SIGNAL_UNREF(key);
  return rc == SG_SUCCESS;
}

static int decrypt_with(const incoming *in, sender_message_key *key, mp_buffer *out, mp_error *e) {
  signal_buffer *ciphertext = sender_key_message_get_ciphertext(in->message);
  size_t length = signal_buffer_len(ciphertext), plain_length = 0;
  uint8_t *plain = malloc(length + 1);
  if (plain == NULL) return mp_fail(e, MP_ENOMEM, "no memory for the plaintext");
  int rc = mp_aes_cbc_decrypt(plain, &plain_length, signal_buffer_data(sender_message_key_get_cipher_key(key)),
                              signal_buffer_data(sender_message_key_get_iv(key)), signal_buffer_data(ciphertext), length);
  if (rc != MP_OK) mp_fail(e, rc, "the ciphertext of a group message is wrong");
  if (rc == MP_OK) rc = mp_unpad(out, plain, plain_length, e);
  mp_wipe(plain, length);
  free(plain);
  return rc;
}

static int decrypt(incoming *in, mp_buffer *out, mp_error *e) {
  mp_chains all;
  sender_message_key *key = NULL;
  int rc = mp_chains_load(in->account, &in->name, &all, e);
  mp_chain *chain = rc == MP_OK ? mp_chain_find(&all, sender_key_message_get_key_id(in->message)) : NULL;
  if (rc == MP_OK && chain == NULL) rc = mp_fail(e, MP_ENOSESSION, "there is no sender key for this group message");
  if (rc == MP_OK && !is_signed(in, chain)) rc = mp_fail(e, MP_ECRYPTO, "the signature of a group message is wrong");
  if (rc == MP_OK) rc = find_key(in, chain, &key, e);
  if (rc == MP_OK) rc = decrypt_with(in, key, out, e);
  SIGNAL_UNREF(key);
  mp_wipe(&all, sizeof all);
  return rc;
}

int mp_sender_key_decrypt(mp_account *account, const mp_sender *sender, const uint8_t *bytes, size_t length, uint64_t now,
                          mp_buffer *out, mp_error *e) {
  incoming in = {.account = account, .now = now};
  int rc = mp_account_stores(account, e);
  if (rc == MP_OK) rc = mp_sender_name_of(sender, &in.name, e);
  if (rc != MP_OK) return rc;
  int signal_rc = sender_key_message_deserialize(&in.message, bytes, length, account->context);
  if (signal_rc == SG_ERR_NOMEM) return mp_fail(e, MP_ENOMEM, "no memory for a group message");
  if (signal_rc != SG_SUCCESS) return mp_fail(e, MP_EMALFORMED, "this is no group message of Signal");
  if ((rc = mp_store_begin(account->store, e)) == MP_OK) rc = end_nested(account, decrypt(&in, out, e), e);
  SIGNAL_UNREF(in.message);
  return rc;
}
