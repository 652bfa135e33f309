/* A growing byte buffer. Growth is bounded by `limit`; a failed growth leaves the content as it was. */
#ifndef MOONPOST_BASE_BUFFER_H
#define MOONPOST_BASE_BUFFER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  uint8_t *data;
  size_t length;   /* bytes in use */
  size_t capacity; /* bytes allocated */
  size_t limit;    /* most bytes it may hold; 0 = no limit */
} mp_buffer;

/* An empty buffer; it allocates when something comes. Every buffer is freed by one of the two below. */
void mp_buffer_init(mp_buffer *b, size_t limit);
void mp_buffer_free(mp_buffer *b);      /* for public bytes */
void mp_buffer_wipe_free(mp_buffer *b); /* for secrets: zeroed first */
/* Room for `more` bytes after the used ones; returns 0, MP_ELIMIT or MP_ENOMEM. */
int mp_buffer_reserve(mp_buffer *b, size_t more);

/* Appends a copy; returns as mp_buffer_reserve. Most appends find room, so that is decided in place. */
static inline int mp_buffer_append(mp_buffer *b, const void *bytes, size_t length) {
  if (length == 0) return 0;
  bool room = length <= b->capacity - b->length && (b->limit == 0 || length <= b->limit - b->length);
  int rc = room ? 0 : mp_buffer_reserve(b, length);
  if (rc != 0) return rc;
  memcpy(b->data + b->length, bytes, length);
  b->length += length;
  return 0;
}

static inline int mp_buffer_push(mp_buffer *b, uint8_t byte) {
  return mp_buffer_append(b, &byte, 1);
}

/* Drops `count` bytes from the front. */
void mp_buffer_consume(mp_buffer *b, size_t count);
/* Zeroes memory in a way the compiler cannot remove. */
void mp_wipe(void *p, size_t length);

#endif
