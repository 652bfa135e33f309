/* A device's Signal identity over the store (fact sheet 02 §1, §10, §12-15): credentials in the keys environment, prekeys,
 * sessions and peers' identities in the traffic environment, inside the current turn. Addresses are canonical device JIDs. */
#ifndef MOONPOST_SIGNAL_ACCOUNT_H
#define MOONPOST_SIGNAL_ACCOUNT_H
#include <signal/signal_protocol.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "crypto/curve.h"
#include "store/store.h"

#define MP_PREKEY_ID_MAX 16777214u /* 02 §10.2: 0 and 16777215 mean other things to peers */

typedef struct {
  mp_store *store;
  char scope[MP_SCOPE_MAX + 1];
  signal_context *context;
  signal_protocol_store_context *stores;
  mp_error failure; /* of the store, in a callback of libsignal; code 0: none */
  bool loaded;      /* has credentials */
  mp_keypair identity, noise;
  uint32_t registration_id, signed_prekey_id;
  mp_keypair signed_prekey;
  uint8_t signed_prekey_signature[64];
  uint8_t adv_secret[32], store_secret[32];
  uint8_t awaited_chain[33]; /* ratchet key of the message being decrypted; its key, when that was set aside (signal/aside.h) */
  mp_buffer awaited_key;
} mp_account;

/* Binds an account to a store; loads its credentials when there are any. The store must outlive it. */
int mp_account_open(mp_account *account, mp_store *store, const char *scope, size_t scope_length, mp_error *e);
void mp_account_close(mp_account *account); /* zeroes the keys */
/* Makes credentials (02 §1) and stores them; what an account of this scope left behind goes. MP_EINVAL when there are some. */
int mp_account_create(mp_account *account, mp_error *e);
/* Removes credentials, prekeys, sessions and identities: nothing of them may serve another linking (02 §17.42). */
int mp_account_delete(mp_account *account, mp_error *e);
/* A new secret for the next QR (02 §2.2). */
int mp_account_renew_adv_secret(mp_account *account, mp_error *e);
/* The one both sides of a linking by code came to (02 §3.4). */
int mp_account_set_adv_secret(mp_account *account, const uint8_t secret[32], mp_error *e);

typedef struct {
  uint32_t id;
  uint8_t public_key[32];
  bool uploaded;
} mp_prekey;

/* Makes `count` one-time prekeys; `out` has room for them. */
int mp_prekeys_make(mp_account *account, uint32_t count, mp_prekey *out, mp_error *e);
int mp_prekeys_mark_uploaded(mp_account *account, uint32_t first, uint32_t last, mp_error *e);
/* Calls `each` for the stored ones, in order of id, until it returns false. */
int mp_prekeys_list(mp_account *account, bool (*each)(void *context, const mp_prekey *prekey), void *context, mp_error *e);

typedef struct {
  uint32_t registration_id, signed_prekey_id, prekey_id;
  uint8_t identity[32], signed_prekey[32], signature[64], prekey[32];
  bool has_prekey;
} mp_bundle;

/* Starts a session from a bundle; a wrong signature is MP_ECRYPTO. An identity that changed is taken over (02 §11). */
int mp_session_start(mp_account *account, const char *jid, const mp_bundle *bundle, mp_error *e);
/* MP_OK, MP_ENOSESSION (none, or one that may have gone back in time: it still reads), or what the store says. */
int mp_session_check(mp_account *account, const char *jid, mp_error *e);
int mp_session_delete(mp_account *account, const char *jid, mp_error *e);
/* Appends the JIDs that have a session and whose user part is `user`, each ended by 0. */
int mp_session_names(mp_account *account, const char *user, mp_buffer *out, mp_error *e);
/* Moves session and identity of `from` to `to`; *moved is false when `from` has none, or `to` has one (02 §17.27). */
int mp_session_migrate(mp_account *account, const char *from, const char *to, bool *moved, mp_error *e);
/* The key that made the session, typed: two sessions with one peer differ in it (02 §12.9). */
int mp_session_base_key(mp_account *account, const char *jid, uint8_t key[33], mp_error *e);
/* The registration id the peer had when its session was made; 0 when it was not told. MP_ENOSESSION without a session. */
int mp_session_registration(mp_account *account, const char *jid, uint32_t *id, mp_error *e);
/* MP_ENOTFOUND when no session has brought one yet. */
int mp_peer_identity(mp_account *account, const char *jid, uint8_t key[32], mp_error *e);
int mp_peer_trust(mp_account *account, const char *jid, const uint8_t key[32], mp_error *e);

/* Encrypts a padded plaintext; *prekey_message tells pkmsg from msg. MP_ENOSESSION without a session. The ratchet moves on in the
 * turn: nothing may leave before its commit. */
int mp_encrypt(mp_account *account, const char *jid, const uint8_t *padded, size_t length, mp_buffer *out, bool *prekey_message,
               mp_error *e);
/* Decrypts one ciphertext in a nested transaction, rolled back on every failure. `out` gets the plaintext without padding;
 * `identity` (32 bytes) the sender's key when the ciphertext is a pkmsg. Errors: MP_EDUPLICATE, MP_ENOSESSION, MP_EINVALIDKEYID,
 * MP_ECRYPTO (it fits no session), MP_EMALFORMED (it is no message of Signal), MP_EPADDING (of what was inside), MP_ESTORE and
 * MP_EFULL (the store failed, nothing is wrong with the ciphertext: it may be tried again). */
int mp_decrypt(mp_account *account, const char *jid, bool prekey_message, const uint8_t *bytes, size_t length, mp_buffer *out,
               uint8_t identity[32], mp_error *e);
/* Appends 1-16 bytes of that value (03 §6). */
int mp_pad(mp_buffer *out, const uint8_t *plain, size_t length);
/* Appends a plaintext without its padding; MP_EMALFORMED when that is wrong. */
int mp_unpad(mp_buffer *out, const uint8_t *padded, size_t length, mp_error *e);

#define MP_SIGNED_PREKEY_KEPT (60 * 86400u) /* seconds a signed prekey is read with after it was replaced (02 §10.5) */

typedef struct {
  uint32_t id;
  mp_keypair pair;
  uint8_t signature[64];
} mp_signed_prekey;

/* The signed prekey that is to take the place of the present one (02 §10.5): the same again until it is adopted or dropped, in
 * the store before anybody hears of it, and read with from then on. */
int mp_signed_prekey_next(mp_account *account, mp_signed_prekey *key, mp_error *e);
/* The server has it: it is the present one now. The one before is kept for MP_SIGNED_PREKEY_KEPT from `now`, Unix seconds.
 * MP_ENOTFOUND when no next one was made. */
int mp_signed_prekey_adopt(mp_account *account, uint64_t now, mp_error *e);
/* The server does not take it. */
int mp_signed_prekey_drop_next(mp_account *account, mp_error *e);
/* The present, the next or a former one, by its id; MP_ENOTFOUND. */
int mp_signed_prekey_load(mp_account *account, uint32_t id, mp_signed_prekey *key, mp_error *e);

/* Used by the files of this room. */
int mp_signed_prekey_make(mp_account *account, uint32_t id, mp_signed_prekey *key, mp_error *e);
/* Writes the credentials with another signed prekey. */
int mp_account_set_signed_prekey(mp_account *account, const mp_signed_prekey *key, mp_error *e);
/* The key of a row: scope, zero, name. One that is too long is refused by the store. */
mp_bytes mp_account_key(const mp_account *account, const void *name, size_t length, uint8_t out[MP_STORE_KEY_MAX]);
/* Looks at `count` rows (0: all) of a table whose names begin with `name`, behind the key in `after`, which it moves on and
 * empties at the end (NULL: from the start); those for which `goes` says so are deleted, all of them when it is NULL. */
typedef bool (*mp_row_test)(void *context, mp_bytes value);
int mp_account_sweep(mp_account *account, mp_table table, mp_bytes name, mp_row_test goes, void *context, size_t count,
                     mp_buffer *after, mp_error *e);
int mp_account_delete_rows(mp_account *account, mp_table table, mp_bytes name, mp_error *e);
/* Makes ready for libsignal: its context, its stores, no failure noted. */
int mp_account_stores(mp_account *account, mp_error *e);
/* libsignal's error as ours: the store's failure when there was one. "cannot `what`: …" */
int mp_signal_error(const mp_account *account, int rc, const char *what, mp_error *e);
int mp_prekey_load(mp_account *account, uint32_t id, mp_keypair *pair, mp_error *e);
int mp_prekey_remove(mp_account *account, uint32_t id, mp_error *e);

#endif
