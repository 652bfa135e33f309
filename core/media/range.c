/* A part of a file (fact sheet 05 §13.5), in windows of 64 KiB: each begins with the 16 bytes before it, which are its iv. With a
 * sidecar the windows are its pieces, and each is checked before it is given out. */
#include <openssl/evp.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/running.h"
#include "media/media.h"
#include "media/sidecar.h"

#define WINDOW MP_MEDIA_SIDECAR_STEP

struct mp_media_range {
  EVP_CIPHER_CTX *cipher; /* NULL: not encrypted */
  mp_running_mac *mac;    /* NULL: no sidecar */
  uint8_t *sidecar;
  uint8_t key[32];
  uint64_t first, end;     /* of the file */
  uint64_t from, to, came; /* of the blob, and how much of that is here */
  uint64_t data_end;       /* of the blob: where its MAC begins */
  uint64_t base;           /* of the file: where the window begins */
  size_t filled;           /* bytes of the window, its iv among them */
  bool refused;
  uint8_t window[MP_MEDIA_IV + WINDOW];
};

static uint64_t least(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* Which bytes to fetch: whole blocks and the one before them, or whole pieces of the sidecar. */
static void place(mp_media_range *range, const mp_media_part *part) {
  uint64_t unit = part->sidecar != NULL ? WINDOW : MP_MEDIA_BLOCK, blob = mp_media_blob_length(part->length);
  range->data_end = blob - MP_MEDIA_MAC;
  range->base = part->first / unit * unit;
  range->from = range->base == 0 ? 0 : range->base - MP_MEDIA_IV;
  range->to = least((part->end - 1) / unit * unit + unit, part->sidecar != NULL ? blob : range->data_end);
}

static int open_keys(mp_media_range *range, const mp_media_part *part) {
  mp_media_keys keys;
  int rc = mp_media_expand(&keys, part->key, part->type);
  if (rc != MP_OK) return rc;
  memcpy(range->key, keys.cipher, sizeof range->key);
  range->cipher = EVP_CIPHER_CTX_new();
  if (range->base == 0) {
    memcpy(range->window, keys.iv, MP_MEDIA_IV);
    range->filled = MP_MEDIA_IV;
  }
  if (range->cipher == NULL) rc = MP_ENOMEM;
  if (rc == MP_OK && part->sidecar != NULL) {
    range->mac = mp_running_mac_new(keys.mac);
    range->sidecar = malloc(part->sidecar_length);
    if (range->mac == NULL || range->sidecar == NULL) {
      rc = MP_ENOMEM;
    } else {
      memcpy(range->sidecar, part->sidecar, part->sidecar_length);
    }
  }
  mp_wipe(&keys, sizeof keys);
  return rc;
}

static int check_part(const mp_media_part *part, mp_error *e) {
  if (part->key != NULL && part->type->info == NULL) return mp_fail(e, MP_EINVAL, "a %s is never encrypted", part->type->name);
  if (part->length > MP_MEDIA_LENGTH_MAX) return mp_fail(e, MP_EINVAL, "no file is as long as that");
  if (part->first >= part->end || part->end > part->length) return mp_fail(e, MP_EINVAL, "the file has no such part");
  if (part->sidecar != NULL && part->sidecar_length != mp_sidecar_length(mp_media_blob_length(part->length))) {
    return mp_fail(e, MP_EMEDIA_SIDECAR, "the sidecar is one of a file of another length");
  }
  return MP_OK;
}

int mp_media_range_new(mp_media_range **out, const mp_media_part *part, mp_error *e) {
  mp_media_part wanted = *part;
  *out = NULL;
  if (wanted.key == NULL) wanted.sidecar = NULL;
  int rc = check_part(&wanted, e);
  if (rc != MP_OK) return rc;
  mp_media_range *range = calloc(1, sizeof *range);
  if (range == NULL) return mp_fail(e, MP_ENOMEM, "no memory to decrypt a file in");
  range->first = range->from = wanted.first;
  range->end = range->to = wanted.end;
  if (wanted.key != NULL) {
    place(range, &wanted);
    rc = open_keys(range, &wanted);
  }
  if (rc == MP_OK) {
    *out = range;
    return MP_OK;
  }
  mp_media_range_free(range);
  return mp_fail(e, rc, "no memory to decrypt a file in");
}

void mp_media_range_free(mp_media_range *range) {
  if (range == NULL) return;
  EVP_CIPHER_CTX_free(range->cipher);
  mp_running_mac_free(range->mac);
  free(range->sidecar);
  mp_wipe(range, sizeof *range);
  free(range);
}

void mp_media_range_wants(const mp_media_range *range, uint64_t *from, uint64_t *to) {
  *from = range->from;
  *to = range->to;
}

static int check_window(const mp_media_range *range, mp_error *e) {
  uint8_t mac[32];
  uint64_t entry = range->base / WINDOW * MP_MEDIA_MAC;
  int rc = mp_running_mac_start(range->mac);
  if (rc == MP_OK) rc = mp_running_mac_update(range->mac, range->window, range->filled);
  if (rc == MP_OK) rc = mp_running_mac_finish(range->mac, mac);
  if (rc != MP_OK) return mp_fail(e, rc, "libcrypto does not decrypt");
  bool fits = sodium_memcmp(mac, range->sidecar + entry, MP_MEDIA_MAC) == 0;
  mp_wipe(mac, sizeof mac);
  return fits ? MP_OK : mp_fail(e, MP_EMEDIA_SIDECAR, "a piece of the file does not fit its sidecar");
}

/* Appends what is wanted of a plaintext that begins at `base`. */
static int give_out(const mp_media_range *range, const uint8_t *plaintext, size_t length, mp_buffer *out) {
  uint64_t skip = range->first > range->base ? range->first - range->base : 0;
  uint64_t stop = least(length, range->end - range->base);
  return skip < stop ? mp_buffer_append(out, plaintext + skip, (size_t)(stop - skip)) : MP_OK;
}

/* The window is full, or nothing comes behind it. */
static int open_window(mp_media_range *range, mp_buffer *out, mp_error *e) {
  uint8_t next_iv[MP_MEDIA_IV], *data = range->window + MP_MEDIA_IV;
  int written, rc = range->mac != NULL ? check_window(range, e) : MP_OK;
  size_t length = (size_t)least(range->filled - MP_MEDIA_IV, range->data_end - range->base);
  if (rc != MP_OK) return rc;
  memcpy(next_iv, range->window + range->filled - MP_MEDIA_IV, MP_MEDIA_IV);
  if (!EVP_DecryptInit_ex(range->cipher, EVP_aes_256_cbc(), NULL, range->key, range->window) ||
      !EVP_CIPHER_CTX_set_padding(range->cipher, 0) || !EVP_DecryptUpdate(range->cipher, data, &written, data, (int)length)) {
    return mp_fail(e, MP_ECRYPTO, "libcrypto does not decrypt");
  }
  if (give_out(range, data, (size_t)written, out) != MP_OK) return mp_fail(e, MP_ENOMEM, "no memory to decrypt a file in");
  range->base += WINDOW;
  memcpy(range->window, next_iv, MP_MEDIA_IV);
  range->filled = MP_MEDIA_IV;
  return MP_OK;
}

int mp_media_range_decrypt(mp_media_range *range, const void *bytes, size_t length, mp_buffer *out, mp_error *e) {
  const uint8_t *from = bytes;
  if (range->refused) return mp_fail(e, MP_ECLOSED, "the part was refused");
  if (length > range->to - range->from - range->came) return mp_fail(e, MP_EMEDIA_LENGTH, "more comes than was asked for");
  if (range->cipher == NULL) {
    range->came += length;
    return mp_buffer_append(out, bytes, length) == MP_OK ? MP_OK : mp_fail(e, MP_ENOMEM, "no memory to keep a file in");
  }
  while (length > 0) {
    size_t part = (size_t)least(length, sizeof range->window - range->filled);
    memcpy(range->window + range->filled, from, part);
    range->filled += part;
    range->came += part;
    from += part;
    length -= part;
    if (range->filled < sizeof range->window && range->came < range->to - range->from) continue;
    int rc = open_window(range, out, e);
    if (rc != MP_OK) {
      range->refused = true;
      return rc;
    }
  }
  return MP_OK;
}

int mp_media_range_end(const mp_media_range *range, mp_error *e) {
  if (range->refused) return mp_fail(e, MP_ECLOSED, "the part was refused");
  if (range->came == range->to - range->from) return MP_OK;
  return mp_fail(e, MP_EMEDIA_TRUNCATED, "the part of the file ends too early");
}
