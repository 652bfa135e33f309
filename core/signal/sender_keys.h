/* Sender keys of groups (fact sheet 02 §12.6). Each sender's device has chains, told by distribution messages in pairwise ones; a
 * group message is one step of a chain. */
#ifndef MOONPOST_SIGNAL_SENDER_KEYS_H
#define MOONPOST_SIGNAL_SENDER_KEYS_H
#include "signal/account.h"

#define MP_SENDER_CHAINS_MAX 5     /* key ids kept of a sender; the oldest goes first */
#define MP_SENDER_JUMP_MAX 2000    /* iterations a message may be ahead of its chain (02 §12.6) */
#define MP_SENDER_SKIPPED_MAX 2000 /* iterations behind the newest message for which a key is kept */
#define MP_SENDER_KEPT_MAX 4000    /* keys kept of one account's devices in all groups; the oldest go first */
#define MP_SENDER_NAME_MAX 360     /* bytes of the names of a group and a device together */

/* A group by its JID and a device in it by its canonical JID; "" is this device itself. */
typedef struct {
  const char *group, *device;
} mp_sender;

/* Files what a distribution message tells. One of a chain that is known changes nothing: winding it back would make its old
 * messages new again. MP_EMALFORMED when it is none, MP_ESTORE and MP_EFULL as the store fails. */
int mp_sender_key_process(mp_account *account, const mp_sender *sender, const uint8_t *bytes, size_t length, mp_error *e);

/* Decrypts a group message in a nested transaction, rolled back on every failure. `now` (Unix seconds) dates the keys it passes
 * over. `out` gets the plaintext without padding. Errors: MP_ENOSESSION (no such chain), MP_ECRYPTO (the signature or the
 * ciphertext is wrong), MP_EDUPLICATE (its key was used, or is too old), MP_ELIMIT (too far ahead), MP_EMALFORMED (no group
 * message of Signal), MP_EPADDING (of what was inside), MP_ESTORE and MP_EFULL (it may be tried again). */
int mp_sender_key_decrypt(mp_account *account, const mp_sender *sender, const uint8_t *bytes, size_t length, uint64_t now,
                          mp_buffer *out, mp_error *e);

/* The distribution message of the own chain in a group, which is made when there is none. */
int mp_sender_key_distribution(mp_account *account, const char *group, mp_buffer *out, mp_error *e);
/* Encrypts a padded plaintext with the own chain; MP_ENOSESSION when there is none. Nothing may leave before the turn's commit.
 */
int mp_sender_key_encrypt(mp_account *account, const char *group, const uint8_t *padded, size_t length, mp_buffer *out,
                          mp_error *e);
/* Forgets a sender's chains. */
int mp_sender_key_delete(mp_account *account, const mp_sender *sender, mp_error *e);

/* Takes away keys that were passed over before `oldest`, looking at `count` rows behind the key in `after` (empty: from the
 * start), which it then moves on; it is empty again at the end. */
int mp_sender_keys_sweep(mp_account *account, uint64_t oldest, size_t count, mp_buffer *after, mp_error *e);

#endif
