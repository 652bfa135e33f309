/* A look at an LMDB file before LMDB maps it: a damaged or truncated one would kill the process. */
#ifndef MOONPOST_STORE_HEADER_H
#define MOONPOST_STORE_HEADER_H
#include <stdbool.h>

#include "base/error.h"

/* *exists: the file is there and not empty. A file that is not there is no error. Errors: MP_EMALFORMED, MP_ETRUNCATED,
 * MP_EVERSION (another LMDB format), MP_ESTORE (it cannot be read). Writes nothing. */
int mp_store_check_file(const char *path, bool *exists, mp_error *e);

#endif
