#include "store/kind.h"

#include <string.h>

#include "store/internal.h"

#define KIND_SIZE 16

static const mp_bytes kind_key = {"kind", 4};

/* "" when it is not noted. */
static int read_noted(mp_store *store, char kind[KIND_SIZE], mp_error *e) {
  mp_bytes found;
  memset(kind, 0, KIND_SIZE);
  int rc = mp_store_get(store, MP_TABLE_META, kind_key, &found, e);
  if (rc == MP_ENOTFOUND) return MP_OK;
  if (rc != MP_OK) return rc;
  if (found.length == 0 || found.length >= KIND_SIZE)
    return mp_fail(e, MP_EMALFORMED, "store %s is damaged: its kind is unreadable", store->path);
  memcpy(kind, found.data, found.length);
  return MP_OK;
}

static bool has_row(mp_store *store, mp_table table, mp_bytes key) {
  mp_bytes found;
  bool has = mp_store_get(store, table, key, &found, NULL) == MP_OK;
  mp_store_forget(store); /* the row is a secret */
  return has;
}

/* A store from before kinds were noted: only a world has server keys, only a client credentials without a scope. */
static const char *kind_by_rows(mp_store *store) {
  if (has_row(store, MP_TABLE_KEYPAIR, (mp_bytes){"root", 4})) return MP_STORE_WORLD;
  return has_row(store, MP_TABLE_CREDENTIAL, (mp_bytes){"\0credentials", 12}) ? MP_STORE_CLIENT : "";
}

int mp_store_check_kind(mp_store *store, const char *kind, mp_error *e) {
  char noted[KIND_SIZE];
  if (kind == NULL) return MP_OK;
  int rc = read_noted(store, noted, e);
  if (rc != MP_OK) return rc;
  const char *is = noted[0] != 0 ? noted : kind_by_rows(store);
  if (is[0] == 0 || strcmp(is, kind) == 0) return MP_OK;
  bool world = strcmp(is, MP_STORE_WORLD) == 0;
  return mp_fail(e, MP_EINVAL, "store %s is %s: %s needs a folder of its own", store->path,
                 world ? "the world of a sandbox" : "the store of a client", world ? "a client" : "a sandbox");
}

int mp_store_note_kind(mp_store *store, const char *kind, mp_error *e) {
  char noted[KIND_SIZE];
  if (kind == NULL) return MP_OK;
  int rc = read_noted(store, noted, e);
  if (rc != MP_OK || noted[0] != 0) return rc;
  return mp_store_put(store, MP_TABLE_META, kind_key, (mp_bytes){kind, strlen(kind)}, e);
}
