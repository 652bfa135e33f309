/* The own sender key in a group (fact sheet 02 §12.6): made, told to others, and encrypted with. It is one chain, filed under the
 * device "". */
#include <signal/protocol.h>
#include <signal/sender_key.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/aes.h"
#include "crypto/hash.h"
#include "signal/sender_chains.h"

#define KEY_ID_MASK 0x7fffffffu

static int load_own(mp_account *account, const char *group, mp_sender_name *name, mp_chains *all, mp_error *e) {
  const mp_sender own = {group, ""};
  int rc = mp_account_stores(account, e);
  if (rc == MP_OK) rc = mp_sender_name_of(&own, name, e);
  return rc == MP_OK ? mp_chains_load(account, name, all, e) : rc;
}

static int make_own(mp_account *account, const mp_sender_name *name, mp_chains *all, mp_error *e) {
  mp_chain chain = {0};
  mp_random(&chain.key_id, sizeof chain.key_id);
  chain.key_id &= KEY_ID_MASK;
  mp_random(chain.seed, sizeof chain.seed);
  mp_keypair_generate(&chain.signing);
  int rc = mp_chain_add(account, name, all, &chain, e);
  if (rc == MP_OK) all->list[all->count++] = chain;
  mp_wipe(&chain, sizeof chain);
  return rc;
}

static int append(mp_buffer *out, ciphertext_message *message, mp_error *e) {
  const signal_buffer *bytes = ciphertext_message_get_serialized(message);
  int rc = mp_buffer_append(out, signal_buffer_const_data(bytes), signal_buffer_len(bytes));
  return rc == MP_OK ? MP_OK : mp_fail(e, rc, "no memory for a group message");
}

static int write_distribution(mp_account *account, const mp_chain *chain, mp_buffer *out, mp_error *e) {
  sender_key_distribution_message *message = NULL;
  ec_public_key *key = NULL;
  uint8_t typed[33] = {0x05};
  memcpy(typed + 1, chain->signing.public_key, 32);
  int rc = curve_decode_point(&key, typed, sizeof typed, account->context);
  if (rc == SG_SUCCESS) {
    rc =
        sender_key_distribution_message_create(&message, chain->key_id, chain->iteration, chain->seed, 32, key, account->context);
  }
  int copied = rc == SG_SUCCESS ? append(out, (ciphertext_message *)message, e) : MP_OK;
  SIGNAL_UNREF(message);
  SIGNAL_UNREF(key);
  return rc == SG_SUCCESS ? copied : mp_signal_error(account, rc, "tell the sender key", e);
}

int mp_sender_key_distribution(mp_account *account, const char *group, mp_buffer *out, mp_error *e) {
  mp_sender_name name;
  mp_chains all;
  int rc = load_own(account, group, &name, &all, e);
  if (rc != MP_OK) return rc;
  if (all.count == 0) rc = make_own(account, &name, &all, e);
  if (rc == MP_OK) rc = write_distribution(account, &all.list[0], out, e);
  mp_wipe(&all, sizeof all);
  return rc;
}

static int seal(mp_account *account, const mp_chain *chain, sender_message_key *key, const uint8_t *padded, size_t length,
                mp_buffer *out, mp_error *e) {
  sender_key_message *message = NULL;
  ec_private_key *signing = NULL;
  size_t sealed_length = 0;
  uint8_t *sealed = malloc(length + 16);
  if (sealed == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a group message");
  int rc = mp_aes_cbc_encrypt(sealed, &sealed_length, signal_buffer_data(sender_message_key_get_cipher_key(key)),
                              signal_buffer_data(sender_message_key_get_iv(key)), padded, length);
  int signal_rc = rc == MP_OK ? curve_decode_private_point(&signing, chain->signing.private_key, 32, account->context) : rc;
  if (rc == MP_OK && signal_rc == SG_SUCCESS) {
    signal_rc = sender_key_message_create(&message, chain->key_id, sender_message_key_get_iteration(key), sealed, sealed_length,
                                          signing, account->context);
  }
  if (rc != MP_OK)
    rc = mp_fail(e, rc, "cannot encrypt a group message");
  else if (signal_rc != SG_SUCCESS)
    rc = mp_signal_error(account, signal_rc, "sign a group message", e);
  else
    rc = append(out, (ciphertext_message *)message, e);
  SIGNAL_UNREF(message);
  SIGNAL_UNREF(signing);
  free(sealed);
  return rc;
}

static int step_and_seal(mp_account *account, const mp_sender_name *name, mp_chain *chain, const uint8_t *padded, size_t length,
                         mp_buffer *out, mp_error *e) {
  sender_message_key *key = NULL;
  int rc = mp_chain_step(account, chain, &key, e);
  if (rc == MP_OK) rc = seal(account, chain, key, padded, length, out, e);
  if (rc == MP_OK) rc = mp_chain_save(account, name, chain, e);
  SIGNAL_UNREF(key);
  return rc;
}

int mp_sender_key_encrypt(mp_account *account, const char *group, const uint8_t *padded, size_t length, mp_buffer *out,
                          mp_error *e) {
  mp_sender_name name;
  mp_chains all;
  int rc = load_own(account, group, &name, &all, e);
  if (rc == MP_OK && all.count == 0) rc = mp_fail(e, MP_ENOSESSION, "there is no own sender key in %s", group);
  if (rc == MP_OK) rc = step_and_seal(account, &name, &all.list[0], padded, length, out, e);
  mp_wipe(&all, sizeof all);
  return rc;
}
