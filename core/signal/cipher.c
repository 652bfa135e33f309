#include <signal/protocol.h>
#include <signal/session_cipher.h>
#include <string.h>

#include "crypto/hash.h"
#include "signal/aside.h"

int mp_pad(mp_buffer *out, const uint8_t *plain, size_t length) {
  uint8_t n, padding[16];
  mp_random(&n, 1);
  n = (uint8_t)((n & 0x0f) + 1);
  memset(padding, n, sizeof padding);
  int rc = mp_buffer_append(out, plain, length);
  return rc == MP_OK ? mp_buffer_append(out, padding, n) : rc;
}

int mp_unpad(mp_buffer *out, const uint8_t *padded, size_t length, mp_error *e) {
  uint8_t n = length > 0 ? padded[length - 1] : 0;
  bool right = n > 0 && n <= length;
  for (size_t i = length - n; right && i < length; i++) right = padded[i] == n;
  if (!right) return mp_fail(e, MP_EPADDING, "the plaintext's padding is wrong");
  return mp_buffer_append(out, padded, length - n) == MP_OK ? MP_OK : mp_fail(e, MP_ENOMEM, "no memory for the plaintext");
}

int mp_encrypt(mp_account *account, const char *jid, const uint8_t *padded, size_t length, mp_buffer *out, bool *prekey_message,
               mp_error *e) {
  const signal_protocol_address address = {jid, strlen(jid), 0};
  session_cipher *cipher = NULL;
  ciphertext_message *message = NULL;
  int rc = mp_account_stores(account, e);
  if (rc != MP_OK) return rc;
  if ((rc = mp_session_check(account, jid, e)) != MP_OK) return rc;
  rc = session_cipher_create(&cipher, account->stores, &address, account->context);
  if (rc == SG_SUCCESS) rc = session_cipher_encrypt(cipher, padded, length, &message);
  int copied = MP_OK;
  if (rc == SG_SUCCESS) {
    const signal_buffer *bytes = ciphertext_message_get_serialized(message);
    *prekey_message = ciphertext_message_get_type(message) == CIPHERTEXT_PREKEY_TYPE;
    copied = mp_buffer_append(out, signal_buffer_const_data(bytes), signal_buffer_len(bytes));
  }
  SIGNAL_UNREF(message);
  if (cipher != NULL) session_cipher_free(cipher);
  if (rc != SG_SUCCESS) return mp_signal_error(account, rc, "encrypt", e);
  return copied == MP_OK ? MP_OK : mp_fail(e, copied, "no memory for the ciphertext");
}

/* What cannot be read at all is told apart from what fits no session: the sender cannot mend it (04 §3.6). */
static int unreadable(int rc) {
  return rc == SG_SUCCESS || rc == SG_ERR_NOMEM ? rc : SG_ERR_INVALID_PROTO_BUF;
}

/* Has the skipped key of a message back in its session when that was set aside. */
static int await_key(mp_account *account, const char *jid, const signal_message *message) {
  mp_error e;
  int rc = mp_aside_await(account, jid, message, &e);
  if (rc != MP_OK) account->failure = e;
  return rc == MP_OK ? SG_SUCCESS : SG_ERR_UNKNOWN;
}

static int decrypt_prekey_message(mp_account *account, const char *jid, session_cipher *cipher, const uint8_t *bytes,
                                  size_t length, signal_buffer **plain, uint8_t identity[32]) {
  pre_key_signal_message *message = NULL;
  signal_buffer *key = NULL;
  int rc = unreadable(pre_key_signal_message_deserialize(&message, bytes, length, account->context));
  if (rc == SG_SUCCESS) rc = await_key(account, jid, pre_key_signal_message_get_signal_message(message));
  if (rc == SG_SUCCESS) rc = session_cipher_decrypt_pre_key_signal_message(cipher, message, NULL, plain);
  if (rc == SG_SUCCESS) rc = ec_public_key_serialize(&key, pre_key_signal_message_get_identity_key(message));
  if (rc >= 0 && key != NULL && signal_buffer_len(key) == 33) memcpy(identity, signal_buffer_data(key) + 1, 32);
  signal_buffer_free(key);
  SIGNAL_UNREF(message);
  return rc < 0 ? rc : SG_SUCCESS;
}

/* Where a counter has jumped, libsignal makes the keys of all messages between, at most 2,000, in this one call: 7 to 10 ms of
 * CPU for 1,400, over the budget of a turn when the machine is busy. Half of that is its own list of keys, which it counts for
 * each key it adds; the rest some 3 us a key. It cannot be sliced: only the last key tells whether the message is genuine at all,
 * so until then nothing may be stored, and a session that were half moved on in memory would have to be kept from every other
 * message meanwhile. A lower bound would lose messages that official senders expect to be read. */
static int decrypt_message(mp_account *account, const char *jid, session_cipher *cipher, const uint8_t *bytes, size_t length,
                           signal_buffer **plain) {
  signal_message *message = NULL;
  int rc = unreadable(signal_message_deserialize(&message, bytes, length, account->context));
  if (rc == SG_SUCCESS) rc = await_key(account, jid, message);
  if (rc == SG_SUCCESS) rc = session_cipher_decrypt_signal_message(cipher, message, NULL, plain);
  SIGNAL_UNREF(message);
  return rc;
}

int mp_decrypt(mp_account *account, const char *jid, bool prekey_message, const uint8_t *bytes, size_t length, mp_buffer *out,
               uint8_t identity[32], mp_error *e) {
  const signal_protocol_address address = {jid, strlen(jid), 0};
  session_cipher *cipher = NULL;
  signal_buffer *plain = NULL;
  int rc = mp_account_stores(account, e);
  if (rc != MP_OK || (rc = mp_store_begin(account->store, e)) != MP_OK) return rc;
  int signal_rc = session_cipher_create(&cipher, account->stores, &address, account->context);
  if (signal_rc == SG_SUCCESS) {
    signal_rc = prekey_message ? decrypt_prekey_message(account, jid, cipher, bytes, length, &plain, identity)
                               : decrypt_message(account, jid, cipher, bytes, length, &plain);
  }
  rc = signal_rc == SG_SUCCESS ? mp_unpad(out, signal_buffer_data(plain), signal_buffer_len(plain), e)
                               : mp_signal_error(account, signal_rc, "decrypt the message", e);
  signal_buffer_bzero_free(plain);
  if (cipher != NULL) session_cipher_free(cipher);
  mp_aside_forget(account);
  if (rc == MP_OK) return mp_store_release(account->store, e);
  mp_store_rollback(account->store);
  return rc;
}
