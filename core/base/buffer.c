#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void mp_buffer_init(mp_buffer *b, size_t limit) {
  *b = (mp_buffer){.limit = limit};
}

void mp_buffer_free(mp_buffer *b) {
  free(b->data);
  b->data = NULL;
  b->length = b->capacity = 0;
}

void mp_buffer_wipe_free(mp_buffer *b) {
  if (b->data != NULL) mp_wipe(b->data, b->capacity);
  mp_buffer_free(b);
}

int mp_buffer_reserve(mp_buffer *b, size_t more) {
  if (more > SIZE_MAX / 4 - b->length) return MP_ENOMEM;
  size_t needed = b->length + more;
  if (b->limit != 0 && needed > b->limit) return MP_ELIMIT;
  if (needed <= b->capacity) return MP_OK;
  size_t capacity = b->capacity < 64 ? 64 : b->capacity;
  while (capacity < needed) capacity *= 2;
  /* Not realloc: a buffer of secrets must not leave a copy behind. */
  uint8_t *data = malloc(capacity);
  if (data == NULL) return MP_ENOMEM;
  if (b->length > 0) memcpy(data, b->data, b->length);
  if (b->data != NULL) {
    mp_wipe(b->data, b->length);
    free(b->data);
  }
  b->data = data;
  b->capacity = capacity;
  return MP_OK;
}

void mp_buffer_consume(mp_buffer *b, size_t count) {
  if (count >= b->length) {
    b->length = 0;
    return;
  }
  memmove(b->data, b->data + count, b->length - count);
  b->length -= count;
}

void mp_wipe(void *p, size_t length) {
  explicit_bzero(p, length);
}
