/* One LMDB environment of a store: one file, one table. */
#ifndef MOONPOST_STORE_ENVIRONMENT_H
#define MOONPOST_STORE_ENVIRONMENT_H
#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

typedef struct {
  MDB_env *env; /* NULL: closed, or waiting to be opened again */
  MDB_dbi dbi;
  int fd;           /* of the data file; LMDB's own */
  const char *name; /* of the file in its folder; NULL: it cannot be opened again */
  int folder;       /* descriptor of that */
  unsigned flags;   /* as it was opened */
  size_t size;
  dev_t device; /* whose file it is: another in its place is another store */
  ino_t inode;
  bool failed; /* a commit of it failed: it is opened again before it is used */
} mp_environment;

/* Opens (or makes) the file at `path`, which mp_store_check_file has looked at. `flags` are LMDB's, `size` is bytes of address
 * space. Leaves the content of an existing file as it is. On an error the environment still wants mp_environment_close. */
int mp_environment_open(mp_environment *env, const char *path, unsigned flags, size_t size, mp_error *e);
void mp_environment_close(mp_environment *env);
/* From now on it can be opened again, as `name` (which must live on) in the folder of the descriptor, wherever that moves. */
void mp_environment_remember(mp_environment *env, int folder, const char *name);
/* Opens it again when a commit of it has failed: LMDB takes no transaction once its header could not be written, and of its two
 * descriptors the second may tell of a failed sync once more. What was committed before is untouched, since LMDB never writes
 * over pages in use. Not while a transaction is open. MP_EDAMAGED when the file is another one now, MP_EMALFORMED when its header
 * is no longer sound, else as the system says; the next call tries again. */
int mp_environment_ready(mp_environment *env, mp_error *e);
/* Begins a transaction of its own; `flags` are LMDB's; "the store cannot `what`: …". */
int mp_environment_begin(mp_environment *env, unsigned flags, MDB_txn **txn, const char *what, mp_error *e);
/* Ends it. */
int mp_environment_commit(mp_environment *env, MDB_txn *txn, mp_error *e);
/* Extends the file (sparsely) when its pages come near its end, so that one shorter than its pages has been truncated. */
void mp_environment_keep_slack(mp_environment *env);
/* LMDB's error as ours: MP_EFULL, MP_ENOTFOUND, MP_ENOMEM, MP_EDAMAGED or MP_ESTORE; "the store cannot `what`: …". `env` may be
 * NULL. */
int mp_environment_error(const mp_environment *env, int rc, const char *what, mp_error *e);

#endif
