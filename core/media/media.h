/* Files of messages (fact sheet 05 §13): encrypted and checked as they pass, in constant memory, whatever their size. Knows no
 * message and no host: bytes in, bytes out. */
#ifndef MOONPOST_MEDIA_MEDIA_H
#define MOONPOST_MEDIA_MEDIA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

#define MP_MEDIA_KEY 32
#define MP_MEDIA_HASH 32
#define MP_MEDIA_IV 16
#define MP_MEDIA_BLOCK 16
#define MP_MEDIA_MAC 10              /* behind the ciphertext, and each entry of a sidecar */
#define MP_MEDIA_SIDECAR_STEP 65536u /* bytes of the file that an entry of the sidecar vouches for (§13.4) */
#define MP_MEDIA_SLICE 16384u        /* bytes taken through all passes before the next: they stay in the processor's cache */
#define MP_MEDIA_LENGTH_MAX ((uint64_t)1 << 48) /* bytes of a file: more is no length */

/* What a kind of file is called (§13.1): `mms` on the wire; `info` under which its keys are derived, NULL: it is never encrypted;
 * `path` where it is uploaded, NULL: nowhere; `streamed`: apps play it while it loads, so it goes with a sidecar. */
typedef struct {
  const char *name, *mms, *info, *path;
  bool streamed;
} mp_media_type;

extern const mp_media_type mp_media_types[];               /* ends with a name NULL */
const mp_media_type *mp_media_type_find(const char *name); /* NULL: there is none */

/* What a media key of one kind comes to (§13.2). Secret: mp_wipe it. */
typedef struct {
  uint8_t iv[MP_MEDIA_IV], cipher[32], mac[32];
} mp_media_keys;
int mp_media_expand(mp_media_keys *keys, const uint8_t key[MP_MEDIA_KEY],
                    const mp_media_type *type); /* MP_EINVAL: not encrypted */

/* Bytes of the blob that a file of `length` bytes becomes. */
uint64_t mp_media_blob_length(uint64_t length);

/* One file on its way out. */
typedef struct mp_media_encryptor mp_media_encryptor;
typedef struct {
  uint8_t hash[MP_MEDIA_HASH], enc_hash[MP_MEDIA_HASH]; /* of the file, of the blob; not encrypted: the same */
  uint64_t length;                                      /* of the file */
  const uint8_t *sidecar;                               /* NULL: none; the encryptor's own */
  size_t sidecar_length;
} mp_media_sealed;
/* `key` NULL: the bytes pass as they are, and are hashed. MP_EINVAL for a key where the type has none. */
int mp_media_encryptor_new(mp_media_encryptor **out, const uint8_t *key, const mp_media_type *type, mp_error *e);
void mp_media_encryptor_free(mp_media_encryptor *encryptor);
/* Appends the ciphertext that is ready to `out`. */
int mp_media_encrypt(mp_media_encryptor *encryptor, const void *bytes, size_t length, mp_buffer *out, mp_error *e);
/* Appends the last block and the MAC; once. */
int mp_media_encrypt_end(mp_media_encryptor *encryptor, mp_buffer *out, mp_media_sealed *sealed, mp_error *e);

/* One file on its way in. */
typedef struct mp_media_decryptor mp_media_decryptor;
typedef struct {
  const mp_media_type *type;
  const uint8_t *key;             /* NULL: not encrypted */
  const uint8_t *hash, *enc_hash; /* NULL: not told, not checked */
  bool has_length, strict;        /* strict: a file that is not of `length` bytes is refused, as soon as that shows */
  uint64_t length;                /* as it was told */
} mp_media_told;
int mp_media_decryptor_new(mp_media_decryptor **out, const mp_media_told *told, mp_error *e);
void mp_media_decryptor_free(mp_media_decryptor *decryptor);
/* Appends the plaintext that is ready to `out`: nobody may trust it before mp_media_decrypt_end has said MP_OK. */
int mp_media_decrypt(mp_media_decryptor *decryptor, const void *bytes, size_t length, mp_buffer *out, mp_error *e);
/* Appends the rest, and says what the file is, once: checked in the order of §13.3 (length of the blob, its hash, MAC, padding,
 * the file's hash, its length when strict). `opened` tells the true length and hashes. */
int mp_media_decrypt_end(mp_media_decryptor *decryptor, mp_buffer *out, mp_media_sealed *opened, mp_error *e);

/* A part of a file (§13.5): the bytes `first` to before `end` of its `length`. With a sidecar, each piece is checked before it is
 * given out, and for this some more is fetched; without one nothing is. */
typedef struct mp_media_range mp_media_range;
typedef struct {
  const mp_media_type *type;
  const uint8_t *key; /* NULL: not encrypted */
  uint64_t length, first, end;
  const uint8_t *sidecar; /* NULL: none */
  size_t sidecar_length;
} mp_media_part;
/* MP_EINVAL for a part outside of the file, MP_EMEDIA_SIDECAR for a sidecar of another length than the file's. */
int mp_media_range_new(mp_media_range **out, const mp_media_part *part, mp_error *e);
void mp_media_range_free(mp_media_range *range);
/* Which bytes of the blob to fetch: from `*from` to before `*to`. They go to mp_media_range_decrypt in order. */
void mp_media_range_wants(const mp_media_range *range, uint64_t *from, uint64_t *to);
int mp_media_range_decrypt(mp_media_range *range, const void *bytes, size_t length, mp_buffer *out, mp_error *e);
int mp_media_range_end(const mp_media_range *range, mp_error *e); /* MP_EMEDIA_TRUNCATED unless all of it came */

#endif
