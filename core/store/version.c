#include "store/version.h"

#include "store/internal.h"

static const mp_bytes version_key = {"version", 7};

int mp_store_read_version(mp_store *store, uint32_t *version, mp_error *e) {
  mp_bytes found;
  *version = 0;
  int rc = mp_store_get(store, MP_TABLE_META, version_key, &found, e);
  if (rc == MP_ENOTFOUND) return MP_OK;
  if (rc != MP_OK) return rc;
  const uint8_t *raw = found.data;
  if (found.length == 4) *version = raw[0] | (uint32_t)raw[1] << 8 | (uint32_t)raw[2] << 16 | (uint32_t)raw[3] << 24;
  return *version != 0 ? MP_OK : mp_fail(e, MP_EMALFORMED, "store %s is damaged: its version is unreadable", store->path);
}

static int write_version(mp_store *store, uint32_t version, mp_error *e) {
  uint8_t raw[4];
  for (int i = 0; i < 4; i++) raw[i] = (uint8_t)(version >> (8 * i));
  return mp_store_put(store, MP_TABLE_META, version_key, (mp_bytes){raw, sizeof raw}, e);
}

int mp_store_migrate(mp_store *store, uint32_t from, uint32_t to, const mp_migration *steps, mp_error *e) {
  if (from == 0) return write_version(store, to, e);
  for (; from < to; from++) {
    int rc = steps[from] != NULL ? steps[from](store, e) : MP_OK;
    if (rc == MP_OK) rc = mp_store_commit(store, e);
    if (rc == MP_OK) rc = write_version(store, from + 1, e);
    if (rc != MP_OK) {
      mp_store_drop_turn(store);
      return rc;
    }
  }
  return MP_OK;
}
