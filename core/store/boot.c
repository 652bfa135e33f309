#include "store/boot.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "store/internal.h"

#define BOOT_ID_SIZE 36

static const mp_bytes boot_key = {MP_META_BOOT, sizeof MP_META_BOOT - 1};
static const mp_bytes copy_key = {MP_META_COPY, sizeof MP_META_COPY - 1};
static const mp_bytes epoch_key = {MP_META_EPOCH, sizeof MP_META_EPOCH - 1};

/* "" where the kernel tells none: then each opening counts as one under another boot. */
static void read_boot_id(char id[BOOT_ID_SIZE + 1]) {
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  memset(id, 0, BOOT_ID_SIZE + 1);
  if (fd < 0) return;
  if (read(fd, id, BOOT_ID_SIZE) != BOOT_ID_SIZE) memset(id, 0, BOOT_ID_SIZE);
  close(fd);
}

typedef struct {
  mp_buffer keys; /* u16 length and key, again and again */
  int rc;
} key_list;

static bool note_key(void *context, mp_bytes key, mp_bytes value) {
  key_list *list = context;
  uint16_t length = (uint16_t)key.length;
  (void)value;
  list->rc = mp_buffer_append(&list->keys, &length, 2);
  if (list->rc == MP_OK) list->rc = mp_buffer_append(&list->keys, key.data, key.length);
  return list->rc == MP_OK;
}

static int mark_sessions(mp_store *store, mp_error *e) {
  const mp_bytes nothing = {"", 0};
  key_list list = {.rc = MP_OK};
  int rc = mp_store_range(store, MP_TABLE_SESSION, nothing, nothing, note_key, &list, e);
  if (rc == MP_OK && list.rc != MP_OK) rc = mp_fail(e, list.rc, "no memory for the store's sessions");
  for (size_t at = 0; rc == MP_OK && at < list.keys.length;) {
    uint16_t length;
    memcpy(&length, list.keys.data + at, 2);
    rc = mp_store_put(store, MP_TABLE_STALE, (mp_bytes){list.keys.data + at + 2, length}, nothing, e);
    at += 2 + (size_t)length;
  }
  mp_buffer_free(&list.keys);
  if (rc == MP_OK) rc = mp_store_commit(store, e);
  if (rc != MP_OK) mp_store_drop_turn(store);
  return rc;
}

int mp_store_epoch(mp_store *store, uint32_t *epoch, mp_error *e) {
  mp_bytes found;
  *epoch = 0;
  int rc = mp_store_get(store, MP_TABLE_META, epoch_key, &found, e);
  if (rc == MP_ENOTFOUND) return MP_OK;
  if (rc != MP_OK) return rc;
  if (found.length != 4) return mp_fail(e, MP_EMALFORMED, "store %s is damaged: its epoch is unreadable", store->path);
  for (int i = 0; i < 4; i++) *epoch |= (uint32_t)((const uint8_t *)found.data)[i] << (8 * i);
  return MP_OK;
}

/* The sessions are marked, and on the disk, before anything says so. */
static int went_back(mp_store *store, mp_error *e) {
  uint32_t epoch;
  uint8_t raw[4];
  int rc = mark_sessions(store, e), synced;
  if (rc == MP_OK && (synced = mdb_env_sync(store->traffic.env, 1)) != 0)
    rc = mp_environment_error(&store->traffic, synced, "be synced", e);
  if (rc == MP_OK) rc = mp_store_epoch(store, &epoch, e);
  if (rc != MP_OK) return rc;
  for (int i = 0; i < 4; i++) raw[i] = (uint8_t)((epoch + 1) >> (8 * i));
  rc = mp_store_put(store, MP_TABLE_META, epoch_key, (mp_bytes){raw, sizeof raw}, e);
  return rc == MP_OK ? mp_store_delete(store, MP_TABLE_META, copy_key, e) : rc;
}

/* With `power` all that was written before is synced once, and the mark goes; with `process` it must name this boot. */
static int leave_mark(mp_store *store, mp_durability durability, const char *boot, bool marked, bool same, mp_error *e) {
  if (durability == MP_DURABLE_PROCESS)
    return same ? MP_OK : mp_store_put(store, MP_TABLE_META, boot_key, (mp_bytes){boot, strlen(boot)}, e);
  if (!marked) return MP_OK;
  int rc = mdb_env_sync(store->traffic.env, 1);
  if (rc != 0) return mp_environment_error(&store->traffic, rc, "be synced", e);
  return mp_store_delete(store, MP_TABLE_META, boot_key, e);
}

int mp_store_note_boot(mp_store *store, mp_durability durability, mp_error *e) {
  char boot[BOOT_ID_SIZE + 1];
  mp_bytes found;
  read_boot_id(boot);
  int rc = mp_store_get(store, MP_TABLE_META, boot_key, &found, e);
  if (rc != MP_OK && rc != MP_ENOTFOUND) return rc;
  bool marked = rc == MP_OK;
  bool same = marked && boot[0] != 0 && found.length == BOOT_ID_SIZE && memcmp(found.data, boot, BOOT_ID_SIZE) == 0;
  rc = mp_store_get(store, MP_TABLE_META, copy_key, &found, e);
  if (rc != MP_OK && rc != MP_ENOTFOUND) return rc;
  bool back = rc == MP_OK || (marked && !same);
  rc = back ? went_back(store, e) : MP_OK;
  return rc == MP_OK ? leave_mark(store, durability, boot, marked, same, e) : rc;
}
