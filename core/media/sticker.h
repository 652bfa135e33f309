/* What a sticker says of the pack it is from (fact sheet 05 §15.6): a text of JSON in the EXIF chunk of its WebP file. The
 * container is read and written by libwebpmux, which is loaded when it is first needed; where it is not there, that is an error.
 * No picture is decoded. */
#ifndef MOONPOST_MEDIA_STICKER_H
#define MOONPOST_MEDIA_STICKER_H
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

#define MP_STICKER_MAX (4u * 1024 * 1024) /* bytes of a sticker's file: eight times what an animated one should have */
#define MP_STICKER_PACK_MAX 65536u        /* bytes of the JSON */

/* Loads the library. MP_ENOTFOUND when it is not there. */
int mp_sticker_library(mp_error *e);

/* Where the JSON lies in the bytes of an EXIF chunk. MP_ENOTFOUND: it holds other things; MP_EMALFORMED, MP_ELIMIT. */
int mp_sticker_find_pack(const uint8_t *exif, size_t length, const uint8_t **json, size_t *json_length, mp_error *e);

/* Appends the JSON to `out`. MP_ENOTFOUND: the sticker says nothing of a pack, or the library is missing. */
int mp_sticker_read_pack(const uint8_t *webp, size_t length, mp_buffer *out, mp_error *e);

/* Appends the sticker with this JSON in place of what it has in its EXIF chunk. */
int mp_sticker_write_pack(const uint8_t *webp, size_t length, const uint8_t *json, size_t json_length, mp_buffer *out,
                          mp_error *e);

#endif
