/* A growing byte buffer. Growth is bounded by `limit`; a failed growth leaves the content as it was. */
#ifndef MOONPOST_BASE_BUFFER_H
#define MOONPOST_BASE_BUFFER_H
#include <stddef.h>
#include <stdint.h>

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
/* Adds bytes, or one; the same returns. `bytes` may not lie in the buffer itself. */
int mp_buffer_append(mp_buffer *b, const void *bytes, size_t length);
int mp_buffer_push(mp_buffer *b, uint8_t byte);
/* Drops `count` bytes from the front. */
void mp_buffer_consume(mp_buffer *b, size_t count);
/* Zeroes memory in a way the compiler cannot remove. */
void mp_wipe(void *p, size_t length);

#endif
