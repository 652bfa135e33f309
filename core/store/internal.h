/* A store as the files of this room see it. */
#ifndef MOONPOST_STORE_INTERNAL_H
#define MOONPOST_STORE_INTERNAL_H
#include <sys/types.h>

#include "store/environment.h"
#include "store/seal.h"
#include "store/store.h"

struct mp_store {
  mp_environment keys, traffic;
  MDB_txn *nested[MP_STORE_NESTING + 1]; /* [0] is the turn's own */
  int depth;                             /* transactions open: 0 none, 1 the turn's */
  mp_error failure;                      /* of a write of the turn outside nested transactions: the turn is lost */
  mp_buffer scratch;                     /* what the last read has found */
  mp_buffer sealed, unsealed;            /* a value on its way into a row, and one of a range */
  mp_seal seal;
  bool reader; /* writes nothing, and took no lock */
  char *path;
  int lock, folder; /* descriptors; the folder's is held so that its number stays its own */
  dev_t device;
  ino_t inode;
  pid_t owner; /* a forked child must not use what its parent opened */
  int users;
  mp_store *next;
};

void mp_store_drop_turn(mp_store *store);

/* Rows of the meta table, which is never sealed. */
#define MP_META_SEAL "seal"   /* how the store is sealed */
#define MP_META_BOOT "boot"   /* under which boot it is used without syncing */
#define MP_META_COPY "copy"   /* it was copied from a store that went on */
#define MP_META_EPOCH "epoch" /* how often it may have gone back in time */

#endif
