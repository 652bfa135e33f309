/* A look at an LMDB file before LMDB maps it: a damaged or truncated one would kill the process. */
#ifndef MOONPOST_STORE_HEADER_H
#define MOONPOST_STORE_HEADER_H
#include "base/error.h"

/* MP_OK also when the file does not exist or is empty. */
int mp_store_check_file(const char *path, mp_error *e);

#endif
