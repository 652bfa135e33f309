/* Chunks of history (fact sheet 06 §13): one HistorySync as a zlib stream (RFC 1950), read as its bytes come. What may be large
 * is never whole in memory: a conversation's messages are handed out one by one, whatever their field's length; the other fields,
 * which are small, together. Its limits stand in base/limits.h. */
#ifndef MOONPOST_HISTORY_READER_H
#define MOONPOST_HISTORY_READER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "base/buffer.h"
#include "base/error.h"

typedef enum {
  MP_HISTORY_MORE,         /* nothing: more bytes are to be fed */
  MP_HISTORY_PAUSE,        /* nothing so far, and much was read: time for something else, then on */
  MP_HISTORY_MESSAGE,      /* a WebMessageInfo of the conversation that goes on */
  MP_HISTORY_CONVERSATION, /* its end: the Conversation without its messages */
  MP_HISTORY_STATUS,       /* a WebMessageInfo: a status post */
  MP_HISTORY_FIELDS,       /* a HistorySync of other fields alone, some of them */
  MP_HISTORY_END           /* nothing: it has been read */
} mp_history_kind;

typedef struct {
  mp_history_kind kind;
  const uint8_t *bytes; /* until the next call */
  size_t length;
} mp_history_item;

typedef struct {
  uint64_t since; /* messages of an earlier time (Unix seconds) are passed over; 0: none */
  uint64_t skip;  /* so many items are passed over first: a reader that goes on where another was */
  bool plain;     /* the bytes are no zlib stream, but the HistorySync itself */
} mp_history_options;

typedef struct {
  mp_history_options options;
  z_stream zip;
  bool zip_open, finished, ended, damaged;   /* no more is fed; the data is at its end; what comes cannot be inflated */
  mp_buffer window;                          /* inflated */
  size_t at;                                 /* what is before has been read */
  uint64_t inflated, spent;                  /* bytes in all; since the last item */
  bool inside;                               /* a conversation */
  uint64_t left;                             /* bytes of it still to come */
  uint64_t passing;                          /* bytes of a field that is too large */
  mp_buffer top, chat;                       /* the small fields so far: of the HistorySync, of the conversation */
  mp_buffer *given;                          /* the one of both that an item shows: empty at the next call */
  unsigned conversations, messages, skipped; /* begun; handed out; fields too large, which were passed over */
} mp_history;

int mp_history_init(mp_history *h, const mp_history_options *options, mp_error *e);
void mp_history_free(mp_history *h);
/* Gives it more bytes, which it reads from where they are: they stay until `next` asks for more, or the reader is freed. */
void mp_history_feed(mp_history *h, const uint8_t *bytes, size_t length);
/* Whether all that was fed has been taken. */
bool mp_history_hungry(const mp_history *h);
/* No more bytes come. */
void mp_history_finish(mp_history *h);
/* The next item. After an error the reader is only to be freed. */
int mp_history_next(mp_history *h, mp_history_item *item, mp_error *e);

#endif
