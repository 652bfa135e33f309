#include "net/idle.h"

#include <stdlib.h>

#include "net/stream_internal.h"

#define IDLE_MAX 8     /* connections kept */
#define IDLE_MS 15000u /* each; servers close theirs later than that */

typedef struct entry {
  struct entry *next;
  mp_stream *stream;
  uv_timer_t limit;
} entry;

static entry *first;
static unsigned count;

static void free_entry(uv_handle_t *limit) {
  free(limit->data);
}

/* Takes it out of the list; the stream is the caller's. */
static mp_stream *release(entry *one) {
  entry **link = &first;
  mp_stream *stream = one->stream;
  while (*link != one) link = &(*link)->next;
  *link = one->next;
  count--;
  uv_close((uv_handle_t *)&one->limit, free_entry);
  return stream;
}

static void on_limit(uv_timer_t *limit) {
  mp_stream_close(release(limit->data));
}

/* Nothing was asked for: what comes is the end, or a session's ticket, which TLS takes for itself. */
static bool is_quiet(mp_stream *stream) {
  static uint8_t bytes[MP_STREAM_READ_MIN];
  mp_error e;
  return mp_stream_read(stream, bytes, sizeof bytes, &e) == 0;
}

static void on_moved(void *user) {
  entry *one = user;
  if (is_quiet(one->stream)) {
    mp_stream_wait(one->stream, true, false);
  } else {
    mp_stream_close(release(one));
  }
}

void mp_idle_give(mp_stream *stream) {
  entry *one = count < IDLE_MAX ? calloc(1, sizeof *one) : NULL;
  if (one == NULL) return mp_stream_close(stream);
  one->stream = stream;
  one->next = first;
  first = one;
  count++;
  uv_timer_init(mp_loop(), &one->limit);
  one->limit.data = one;
  uv_timer_start(&one->limit, on_limit, IDLE_MS, 0);
  uv_unref((uv_handle_t *)&one->limit);
  uv_unref((uv_handle_t *)stream->poll);
  mp_stream_own(stream, on_moved, one);
  mp_stream_wait(stream, true, false);
}

mp_stream *mp_idle_take(const mp_stream_options *options, mp_stream_moved moved, void *user) {
  for (entry *one = first, *next; one != NULL; one = next) {
    next = one->next;
    if (!mp_stream_goes(one->stream, options)) continue;
    mp_stream *stream = release(one);
    mp_stream_wait_no_more(stream);
    uv_ref((uv_handle_t *)stream->poll);
    mp_stream_own(stream, moved, user);
    if (is_quiet(stream)) return stream;
    mp_stream_close(stream);
  }
  return NULL;
}
