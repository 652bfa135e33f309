/* The store: two LMDB environments in one folder, a transaction per turn of the loop with nested ones inside.
 * Writes to the keys environment are synced at once; those to the traffic environment join the turn, which mp_store_commit ends.
 * No read transaction outlives a call. One process at a time: a lock file holds its id. */
#ifndef MOONPOST_STORE_STORE_H
#define MOONPOST_STORE_STORE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "store/seal.h"
#include "store/tables.h"

typedef struct mp_store mp_store;

typedef enum { MP_DURABLE_POWER, MP_DURABLE_PROCESS } mp_durability;

#define MP_STORE_CLIENT "client"
#define MP_STORE_WORLD "world" /* a sandbox's */

typedef struct {
  const char *path; /* NULL: in memory, gone with the process */
  mp_durability durability;
  size_t map_size;   /* bytes of address space; 0: 64 GiB */
  const char *kind;  /* whose it is, MP_STORE_CLIENT or MP_STORE_WORLD; NULL: whoever's */
  mp_store_key *key; /* what its values are sealed with; NULL: they are not */
  bool reader;       /* beside whoever uses it, which must be there already; nothing can be written, no lock is taken */
  bool sealed;       /* a reader that takes values as they stand, and needs no key: for copying */
} mp_store_options;

typedef struct {
  const void *data;
  size_t length;
} mp_bytes;

/* Opens (or makes) a store; opening the same folder again in this process shares it, as it was opened first. Errors: MP_EBUSY
 * "store is in use by process N", MP_EMALFORMED and MP_ETRUNCATED for a damaged file, MP_EVERSION for a newer layout: both files
 * are left as they are then; MP_EINVAL for a store of the other kind, and for a folder that holds other things and no store;
 * MP_ESTORE and MP_EFULL as the file system says, MP_ESTORE for links in place of files; MP_EKEY when the key is missing, wrong,
 * or one too many. Files of ours that others may read are closed to them, a folder anybody may write as well. */
int mp_store_open(const mp_store_options *options, mp_store **out, mp_error *e);
void mp_store_close(mp_store *store);           /* drops an open turn */
bool mp_store_is_shared(const mp_store *store); /* whether it was opened more than once, and not closed as often */
const char *mp_store_path(const mp_store *store);

/* MP_ENOTFOUND when there is no such row. `value` is valid until the next call on this store. */
int mp_store_get(mp_store *store, mp_table table, mp_bytes key, mp_bytes *value, mp_error *e);
void mp_store_forget(mp_store *store); /* zeroes the copy mp_store_get made last: for secrets */
/* MP_EFULL when the map or, in the keys environment, the disk is full. A failed write outside a nested transaction loses the
 * turn: every later call says so, until mp_store_commit has dropped it. */
int mp_store_put(mp_store *store, mp_table table, mp_bytes key, mp_bytes value, mp_error *e);
int mp_store_delete(mp_store *store, mp_table table, mp_bytes key, mp_error *e); /* no row is no error */

/* Calls `row` for each row whose key begins with `prefix` and stands behind `after` (may be empty), in order, until it returns
 * false. The row function must not touch the store. */
typedef bool (*mp_store_row)(void *context, mp_bytes key, mp_bytes value);
int mp_store_range(mp_store *store, mp_table table, mp_bytes prefix, mp_bytes after, mp_store_row row, void *context,
                   mp_error *e);

/* The last key that begins with `prefix`; MP_ENOTFOUND when there is none. `key` is valid until the next call on this store. */
int mp_store_last(mp_store *store, mp_table table, mp_bytes prefix, mp_bytes *key, mp_error *e);

/* Nested transactions of the turn, at most MP_STORE_NESTING deep: begin, then release (keeps its rows) or rollback (drops them).
 */
int mp_store_begin(mp_store *store, mp_error *e);
int mp_store_release(mp_store *store, mp_error *e);
void mp_store_rollback(mp_store *store);
/* Ends the turn; on an error all of it is gone, and the next turn begins afresh. MP_EINVAL, and nothing done, while a nested
 * transaction is open. */
int mp_store_commit(mp_store *store, mp_error *e);
bool mp_store_dirty(const mp_store *store); /* whether a turn is open */

/* Copies the store into `path`, a folder that is new or empty, as of one time, for its owner alone. The copy knows that it is
 * one. Works on a reader too. Errors: MP_EINVAL (the folder is not empty, or lies in the store's), MP_EFULL, MP_EBUSY, MP_ESTORE;
 * no half copy is left.
 */
int mp_store_backup(mp_store *store, const char *path, mp_error *e);
/* Seals the store with a key, anew when it is sealed already; every byte of it is written again. On success the store can only
 * be closed. On an error it is as it was. MP_EBUSY when others of this process use it. */
int mp_store_reseal(mp_store *store, mp_store_key *key, mp_error *e);
/* How the store in a folder is sealed; *length is 0 when it is not, or not there. For mp_store_key_derive. */
int mp_store_read_seal(const char *path, uint8_t header[MP_SEAL_HEADER], size_t *length, mp_error *e);
/* How often the store may have gone back in time: it was a copy, or used without syncing when the machine went down. Whoever
 * sends by a chain of keys that is older than that must begin another. */
int mp_store_epoch(mp_store *store, uint32_t *epoch, mp_error *e);
/* Whether both files can be written: writes to both, and takes it back. MP_EFULL or MP_ESTORE. Not within a turn. */
int mp_store_probe(mp_store *store, mp_error *e);

#define MP_STORE_NESTING 8
#define MP_STORE_PATH_MAX (4096 + 32) /* bytes of a path the system takes, and of a file's name in it */

#endif
