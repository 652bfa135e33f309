#include "wire/compress.h"

#include <string.h>
#include <zlib.h>

#include "base/limits.h"

int mp_inflate(const uint8_t *bytes, size_t length, mp_buffer *out, mp_error *e) {
  z_stream stream;
  memset(&stream, 0, sizeof stream);
  if (length > MP_FRAME_MAX || inflateInit(&stream) != Z_OK) return mp_fail(e, MP_ENOMEM, "the stanza cannot be inflated");
  stream.next_in = (Bytef *)bytes;
  stream.avail_in = (uInt)length;
  int rc = Z_OK;
  while (rc == Z_OK && out->length < MP_INFLATED_MAX) {
    if (mp_buffer_reserve(out, 16384) != MP_OK) break;
    stream.next_out = out->data + out->length;
    stream.avail_out = 16384;
    rc = inflate(&stream, Z_NO_FLUSH);
    out->length += 16384 - stream.avail_out;
    if (stream.avail_in == 0 && stream.avail_out > 0 && rc == Z_OK) rc = Z_BUF_ERROR; /* truncated: no more will come */
  }
  inflateEnd(&stream);
  if (rc == Z_STREAM_END && out->length <= MP_INFLATED_MAX) return MP_OK;
  if (rc == Z_OK || rc == Z_STREAM_END)
    return mp_fail(e, MP_ELIMIT, "the stanza inflates to more than %u bytes", MP_INFLATED_MAX);
  return mp_fail(e, MP_EMALFORMED, "the stanza's zlib stream is damaged");
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
