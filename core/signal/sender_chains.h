/* The rows of sender keys, for the files of this room: a sender's chains, and the keys passed over in them. */
#ifndef MOONPOST_SIGNAL_SENDER_CHAINS_H
#define MOONPOST_SIGNAL_SENDER_CHAINS_H
#include "signal/sender_keys.h"

#define MP_CHAIN_ROW 104 /* bytes of a chain's row; no other row of a sender is so long */

typedef struct {
  uint32_t key_id, order, iteration; /* order: the newest chain of a sender has the highest */
  uint8_t seed[32];                  /* the chain key */
  mp_keypair signing;                /* its private half is zero, but in the own chain */
} mp_chain;

typedef struct {
  mp_chain list[MP_SENDER_CHAINS_MAX];
  size_t count;
  bool damaged;
} mp_chains;

/* What the keys of a sender's rows begin with: group 00 device 00. */
typedef struct {
  uint8_t bytes[MP_STORE_KEY_MAX];
  size_t length;
} mp_sender_name;

/* MP_EMALFORMED when the names are longer than any honest ones. */
int mp_sender_name_of(const mp_sender *sender, mp_sender_name *name, mp_error *e);

int mp_chains_load(mp_account *account, const mp_sender_name *sender, mp_chains *all, mp_error *e);
mp_chain *mp_chain_find(mp_chains *all, uint32_t key_id); /* NULL when there is none */
int mp_chain_save(mp_account *account, const mp_sender_name *sender, const mp_chain *chain, mp_error *e);
/* Files a chain as the newest; one of the same key id goes, or the oldest when there are too many. */
int mp_chain_add(mp_account *account, const mp_sender_name *sender, mp_chains *all, mp_chain *added, mp_error *e);

/* Gives the key of a chain's iteration, for SIGNAL_UNREF, and steps the chain on; nothing is saved. */
int mp_chain_step(mp_account *account, mp_chain *chain, sender_message_key **key, mp_error *e);

/* Passes over a chain's iteration: gives the seed of its key, without the key, which costs as much again. */
void mp_chain_pass(mp_chain *chain, uint8_t seed[32]);
/* Keeps the key of an iteration that was passed over. */
int mp_skipped_put(mp_account *account, const mp_sender_name *sender, uint32_t key_id, uint32_t iteration, const uint8_t seed[32],
                   uint64_t now, mp_error *e);
/* Takes such a key out of the store; MP_ENOTFOUND when it is not there. */
int mp_skipped_take(mp_account *account, const mp_sender_name *sender, uint32_t key_id, uint32_t iteration, uint8_t seed[32],
                    mp_error *e);
/* Drops such a key, if it is there. */
int mp_skipped_drop(mp_account *account, const mp_sender_name *sender, uint32_t key_id, uint32_t iteration, mp_error *e);
/* Notes that the keys from an iteration up to another, which is not among them, were kept; the oldest of the sender's account go
 * when it has too many (sender_runs.c). */
int mp_skipped_note(mp_account *account, const mp_sender_name *sender, uint32_t key_id, uint32_t from, uint32_t to, uint64_t now,
                    mp_error *e);
/* Drops the keys that are too far behind the chain. */
int mp_skipped_prune(mp_account *account, const mp_sender_name *sender, const mp_chain *chain, mp_error *e);

#endif
