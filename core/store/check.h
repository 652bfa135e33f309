/* A walk over every page and row of a store. A damaged page may end the process: it belongs into a child. */
#ifndef MOONPOST_STORE_CHECK_H
#define MOONPOST_STORE_CHECK_H
#include "store/store.h"

/* What a table is called; NULL when there is none of that byte. */
const char *mp_table_name(uint8_t table);

typedef struct {
  /* Looks at a row; NULL, or what is wrong with it. */
  const char *(*row)(void *context, mp_table table, mp_bytes key, mp_bytes value);
  /* Told of each row with which something is wrong: by the walk itself, or by `row`. */
  void (*fault)(void *context, uint8_t table, mp_bytes key, const char *what);
  void *context;
} mp_store_visitor;

/* Walks both files: keys in order, each in a table of its file, as many as the file says, every byte of every value. Counts the
 * rows of each table. MP_EMALFORMED: a tree of pages leads nowhere. */
int mp_store_check(mp_store *store, const mp_store_visitor *visitor, size_t counts[256], mp_error *e);

/* Whether the keys' file can be walked from its first row to its last: it is small, and a row that is not found there would pass
 * for one that never was. MP_EMALFORMED. */
int mp_store_check_keys(mp_store *store, mp_error *e);

#endif
