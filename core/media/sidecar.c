#include "media/sidecar.h"

#define STEP MP_MEDIA_SIDECAR_STEP

int mp_sidecar_open(mp_sidecar *sidecar, const uint8_t mac_key[32]) {
  *sidecar = (mp_sidecar){.now = mp_running_mac_new(mac_key), .before = mp_running_mac_new(mac_key)};
  return sidecar->now != NULL && sidecar->before != NULL ? MP_OK : MP_ENOMEM;
}

void mp_sidecar_close(mp_sidecar *sidecar) {
  mp_running_mac_free(sidecar->now);
  mp_running_mac_free(sidecar->before);
  mp_buffer_free(&sidecar->entries);
  *sidecar = (mp_sidecar){0};
}

static int add_entry(mp_sidecar *sidecar, mp_running_mac *mac) {
  uint8_t whole[32];
  int rc = mp_running_mac_finish(mac, whole);
  return rc == MP_OK ? mp_buffer_append(&sidecar->entries, whole, MP_MEDIA_MAC) : rc;
}

static int end_before(mp_sidecar *sidecar) {
  sidecar->pending = false;
  return add_entry(sidecar, sidecar->before);
}

/* The next piece begins: the one at hand wants 16 bytes more. */
static int next_piece(mp_sidecar *sidecar) {
  mp_running_mac *mac = sidecar->before;
  sidecar->before = sidecar->now;
  sidecar->now = mac;
  sidecar->pending = true;
  return mp_running_mac_start(mac);
}

int mp_sidecar_update(mp_sidecar *sidecar, const uint8_t *bytes, size_t length) {
  int rc = MP_OK;
  while (length > 0 && rc == MP_OK) {
    size_t inside = sidecar->at % STEP, part;
    if (inside == 0 && sidecar->at > 0) rc = next_piece(sidecar);
    part = sidecar->pending ? MP_MEDIA_BLOCK - inside : STEP - inside;
    if (part > length) part = length;
    if (rc == MP_OK) rc = mp_running_mac_update(sidecar->now, bytes, part);
    if (rc == MP_OK && sidecar->pending) {
      rc = mp_running_mac_update(sidecar->before, bytes, part);
      if (rc == MP_OK && inside + part == MP_MEDIA_BLOCK) rc = end_before(sidecar);
    }
    sidecar->at += part;
    bytes += part;
    length -= part;
  }
  return rc;
}

int mp_sidecar_end(mp_sidecar *sidecar) {
  int rc = sidecar->pending ? end_before(sidecar) : MP_OK;
  return rc == MP_OK && sidecar->at > 0 ? add_entry(sidecar, sidecar->now) : rc;
}

uint64_t mp_sidecar_length(uint64_t blob_length) {
  return (blob_length + MP_MEDIA_IV + STEP - 1) / STEP * MP_MEDIA_MAC;
}
