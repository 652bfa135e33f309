/* Skipped keys of sessions, set aside in rows of their own (store/tables.h): a peer that jumps 1,499 messages leaves as many
 * keys, and in its record every later message would read and write them all (measured.md). A message that needs such a key gets
 * it back. */
#ifndef MOONPOST_SIGNAL_ASIDE_H
#define MOONPOST_SIGNAL_ASIDE_H
#include <signal/protocol.h>

#include "signal/account.h"
#include "signal/trim.h"

#define MP_ASIDE_MAX 2000 /* keys of one peer's device; when there are more, the older ones go */

/* Where mp_session_trim sets keys aside: whose they are, when (Unix seconds). `count` grows. */
typedef struct {
  mp_account *account;
  const char *jid;
  size_t jid_length, count;
  uint64_t now;
  mp_error *error;
} mp_aside;

int mp_aside_put(void *aside, const mp_skipped_key *key);
/* Keeps the peer's keys within MP_ASIDE_MAX, after some were put. */
int mp_aside_bound(mp_aside *aside, mp_error *e);

/* Takes the key of a message out of the rows and holds it for the session's next reading; none is no error. */
int mp_aside_await(mp_account *account, const char *jid, const signal_message *message, mp_error *e);
/* The awaited key is needed no more. */
void mp_aside_forget(mp_account *account);
/* A record with the awaited key in it, when there is one; `out` stays empty otherwise. */
int mp_aside_give_back(mp_account *account, const uint8_t *record, size_t length, mp_buffer *out);

int mp_aside_delete(mp_account *account, const char *jid, mp_error *e);
int mp_aside_move(mp_account *account, const char *from, const char *to, mp_error *e);
/* As mp_sender_keys_sweep. */
int mp_aside_sweep(mp_account *account, uint64_t oldest, size_t count, mp_buffer *after, mp_error *e);

#endif
