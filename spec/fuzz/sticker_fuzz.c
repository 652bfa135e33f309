/* Stickers: what they say of their pack, read out of bytes that anybody may have sent, and written so that it is read again. */
#include "media/sticker.h"

#include <string.h>

#include "fuzz.h"

static const uint8_t json[] = "{\"sticker-pack-id\":\"1\"}";

/* The bytes as the content of an EXIF chunk: what is found lies within. */
static void look(const uint8_t *bytes, size_t length) {
  const uint8_t *found = NULL;
  size_t size = 0;
  mp_error e;
  int rc = mp_sticker_find_pack(bytes, length, &found, &size, &e);
  HOLDS(rc == MP_OK || rc == MP_ENOTFOUND || rc == MP_EMALFORMED || rc == MP_ELIMIT);
  if (rc == MP_OK) HOLDS(size <= MP_STICKER_PACK_MAX && found >= bytes && size <= length - (size_t)(found - bytes));
}

/* The bytes as a sticker: it is given a pack, and says so. */
static void rewrite(const uint8_t *bytes, size_t length) {
  mp_buffer made, again;
  mp_error e;
  mp_buffer_init(&made, 0);
  mp_buffer_init(&again, 0);
  if (mp_sticker_read_pack(bytes, length, &again, &e) == MP_OK) HOLDS(again.length <= MP_STICKER_PACK_MAX);
  again.length = 0;
  if (mp_sticker_write_pack(bytes, length, json, sizeof json - 1, &made, &e) == MP_OK) {
    HOLDS(made.length > sizeof json);
    HOLDS(mp_sticker_read_pack(made.data, made.length, &again, &e) == MP_OK);
    HOLDS(again.length == sizeof json - 1 && memcmp(again.data, json, again.length) == 0);
  }
  mp_buffer_free(&made);
  mp_buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  mp_error e;
  HOLDS(mp_sticker_library(&e) == MP_OK);
  /* A copy of the exact size: a read behind its end is seen. */
  uint8_t *input = malloc(length + (length == 0));
  HOLDS(input != NULL);
  memcpy(input, bytes, length);
  look(input, length);
  rewrite(input, length);
  free(input);
  return 0;
}
