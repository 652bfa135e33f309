#include "wire/compress.h"

#include <string.h>
#include <zlib.h>

#include "base/limits.h"

#define STEP 16384u /* bytes inflated at a time */

int mp_inflate(const uint8_t *bytes, size_t length, mp_buffer *out, mp_error *e) {
  z_stream stream;
  memset(&stream, 0, sizeof stream);
  if (length > MP_INFLATED_MAX) return mp_fail(e, MP_ELIMIT, "a zlib stream of %zu bytes", length);
  if (inflateInit(&stream) != Z_OK) return mp_fail(e, MP_ENOMEM, "no memory to inflate");
  stream.next_in = (Bytef *)bytes;
  stream.avail_in = (uInt)length;
  int rc = Z_OK;
  while (rc == Z_OK && out->length < MP_INFLATED_MAX) {
    if (mp_buffer_reserve(out, STEP) != MP_OK) {
      rc = Z_MEM_ERROR;
      break;
    }
    stream.next_out = out->data + out->length;
    stream.avail_out = STEP;
    rc = inflate(&stream, Z_NO_FLUSH);
    out->length += STEP - stream.avail_out;
    if (stream.avail_in == 0 && stream.avail_out > 0 && rc == Z_OK) rc = Z_BUF_ERROR; /* truncated: no more will come */
  }
  inflateEnd(&stream);
  if (rc == Z_STREAM_END && out->length <= MP_INFLATED_MAX) return MP_OK;
  if (rc == Z_OK || rc == Z_STREAM_END)
    return mp_fail(e, MP_ELIMIT, "a zlib stream inflates to more than %u bytes", MP_INFLATED_MAX);
  if (rc == Z_MEM_ERROR) return mp_fail(e, MP_ENOMEM, "no memory to inflate");
  return mp_fail(e, MP_EMALFORMED, "a zlib stream is damaged or ends too early");
}

int mp_deflate(const uint8_t *bytes, size_t length, mp_buffer *out, mp_error *e) {
  uLongf size = compressBound((uLong)length);
  if (length > MP_INFLATED_MAX || mp_buffer_reserve(out, size) != MP_OK)
    return mp_fail(e, MP_ELIMIT, "%zu bytes are too many to compress", length);
  if (compress(out->data + out->length, &size, bytes, (uLong)length) != Z_OK)
    return mp_fail(e, MP_ENOMEM, "no memory to compress");
  out->length += size;
  return MP_OK;
}
