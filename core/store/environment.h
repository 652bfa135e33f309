/* One LMDB environment of a store: one file, one table. */
#ifndef MOONPOST_STORE_ENVIRONMENT_H
#define MOONPOST_STORE_ENVIRONMENT_H
#include <lmdb.h>
#include <stddef.h>

#include "base/error.h"

typedef struct {
  MDB_env *env;
  MDB_dbi dbi;
  int fd; /* of the data file; LMDB's own */
} mp_environment;

/* Opens (or makes) the file at `path`, which mp_store_check_file has looked at. `flags` are LMDB's, `size` is bytes of address
 * space. Leaves the content of an existing file as it is. On an error the environment still wants mp_environment_close. */
int mp_environment_open(mp_environment *env, const char *path, unsigned flags, size_t size, mp_error *e);
void mp_environment_close(mp_environment *env);
/* Extends the file (sparsely) when its pages come near its end, so that one shorter than its pages has been truncated. */
void mp_environment_keep_slack(mp_environment *env);
/* LMDB's error as ours: MP_EFULL, MP_ENOTFOUND, MP_ENOMEM or MP_ESTORE; "the store cannot `what`: …". `env` may be NULL. */
int mp_environment_error(const mp_environment *env, int rc, const char *what, mp_error *e);

#endif
