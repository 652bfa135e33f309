/* Parts of files and sidecars: a sidecar is what its definition says (fact sheet 05 §13.4); a part is that slice of the file,
 * however its bytes come; with a sidecar and blob that somebody changed nothing but true bytes comes out, and a part they do not
 * touch is whole. Input: length of the file (3 bytes), where the part begins and its length (3 each), place and change of the
 * sidecar, place (3) and change of the blob, then what the file is made of. */
#include "media/sidecar.h"

#include <string.h>

#include "crypto/hash.h"
#include "fuzz.h"

#define HEAD 15
#define FILE_MAX 300000

static const uint8_t key[MP_MEDIA_KEY] = "of thirty-two bytes, for a film";

typedef struct {
  mp_buffer file, blob, sidecar;
} sample;

static size_t number(const uint8_t *bytes) {
  return bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16;
}

static sample make(const mp_media_type *type, const uint8_t *bytes, size_t length, size_t size) {
  sample s = {0};
  mp_media_encryptor *encryptor;
  mp_media_sealed sealed;
  for (size_t i = 0; i < size; i++) {
    uint8_t byte = (uint8_t)(length > 0 ? bytes[i % length] + i / length : i);
    HOLDS(mp_buffer_push(&s.file, byte) == MP_OK);
  }
  HOLDS(mp_media_encryptor_new(&encryptor, key, type, NULL) == MP_OK);
  HOLDS(mp_media_encrypt(encryptor, s.file.data, size, &s.blob, NULL) == MP_OK);
  HOLDS(mp_media_encrypt_end(encryptor, &s.blob, &sealed, NULL) == MP_OK);
  HOLDS(mp_buffer_append(&s.sidecar, sealed.sidecar, sealed.sidecar_length) == MP_OK);
  mp_media_encryptor_free(encryptor);
  return s;
}

static void is_as_defined(const mp_media_type *type, const sample *s) {
  mp_buffer all = {0};
  mp_media_keys keys;
  HOLDS(mp_media_expand(&keys, key, type) == MP_OK);
  HOLDS(mp_buffer_append(&all, keys.iv, sizeof keys.iv) == MP_OK &&
        mp_buffer_append(&all, s->blob.data, s->blob.length) == MP_OK);
  HOLDS(s->sidecar.length == mp_sidecar_length(s->blob.length));
  for (size_t at = 0, entry = 0; at < all.length; at += MP_MEDIA_SIDECAR_STEP, entry += MP_MEDIA_MAC) {
    size_t left = all.length - at, piece = MP_MEDIA_SIDECAR_STEP + MP_MEDIA_BLOCK;
    uint8_t mac[32];
    mp_hmac_sha256(mac, keys.mac, sizeof keys.mac, all.data + at, left < piece ? left : piece);
    HOLDS(memcmp(mac, s->sidecar.data + entry, MP_MEDIA_MAC) == 0);
  }
  mp_buffer_free(&all);
}

static int open_part(const mp_media_part *part, const sample *s, uint32_t seed, mp_buffer *out, uint64_t *from, uint64_t *to) {
  mp_media_range *range;
  mp_error e = {0};
  int rc = mp_media_range_new(&range, part, &e);
  HOLDS(rc == MP_OK);
  mp_media_range_wants(range, from, to);
  HOLDS(*from < *to && *to <= s->blob.length);
  for (uint64_t at = *from; at < *to && rc == MP_OK;) {
    size_t piece = 1 + next_choice(&seed) % 70000;
    if (piece > *to - at) piece = (size_t)(*to - at);
    rc = mp_media_range_decrypt(range, s->blob.data + at, piece, out, &e);
    at += piece;
  }
  if (rc == MP_OK) rc = mp_media_range_end(range, &e);
  HOLDS(rc == MP_OK || (rc == e.code && e.message[0] != 0));
  mp_media_range_free(range);
  return rc;
}

static bool is_slice(const mp_media_part *part, const sample *s, const mp_buffer *out, bool whole) {
  if (out->length > part->end - part->first || (whole && out->length != part->end - part->first)) return false;
  return out->length == 0 || memcmp(out->data, s->file.data + part->first, out->length) == 0;
}

/* With a change: which of the sidecar's entries it spoils, as a piece overlaps the next by a block. */
static bool spoils(const uint8_t *head, const sample *s, uint64_t from, uint64_t to) {
  uint64_t first = (from + MP_MEDIA_IV) / MP_MEDIA_SIDECAR_STEP,
           last = (to + MP_MEDIA_IV - MP_MEDIA_BLOCK - 1) / MP_MEDIA_SIDECAR_STEP;
  uint64_t entry = head[9] % (s->sidecar.length / MP_MEDIA_MAC), place = number(head + 11) % s->blob.length;
  return (head[10] != 0 && entry >= first && entry <= last) || (head[14] != 0 && place >= from && place < to);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  uint32_t seed = 7;
  if (length < HEAD) return 0;
  for (size_t i = 0; i < HEAD; i++) seed = seed * 31 + bytes[i];
  const mp_media_type *type = mp_media_type_find("video");
  size_t size = 1 + number(bytes) % FILE_MAX;
  sample s = make(type, bytes + HEAD, length - HEAD, size);
  is_as_defined(type, &s);
  mp_media_part part = {.type = type, .key = key, .length = size, .first = number(bytes + 3) % size};
  part.end = part.first + 1 + number(bytes + 6) % (size - part.first);
  mp_buffer out = {0};
  uint64_t from, to;
  HOLDS(open_part(&part, &s, seed, &out, &from, &to) == MP_OK && is_slice(&part, &s, &out, true));
  part.sidecar = s.sidecar.data;
  part.sidecar_length = s.sidecar.length;
  out.length = 0;
  HOLDS(open_part(&part, &s, seed, &out, &from, &to) == MP_OK && is_slice(&part, &s, &out, true));
  s.sidecar.data[bytes[9] % (s.sidecar.length / MP_MEDIA_MAC) * MP_MEDIA_MAC] ^= bytes[10];
  s.blob.data[number(bytes + 11) % s.blob.length] ^= bytes[14];
  out.length = 0;
  int rc = open_part(&part, &s, seed, &out, &from, &to);
  bool spoilt = spoils(bytes, &s, from, to);
  HOLDS(rc == (spoilt ? MP_EMEDIA_SIDECAR : MP_OK) && is_slice(&part, &s, &out, !spoilt));
  mp_buffer_free(&out);
  mp_buffer_free(&s.file);
  mp_buffer_free(&s.blob);
  mp_buffer_free(&s.sidecar);
  return 0;
}
