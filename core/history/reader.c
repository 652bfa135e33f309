#include "history/reader.h"

#include <string.h>

#include "base/limits.h"
#include "base/protobuf.h"

#define STEP 32768u    /* bytes inflated at a time */
#define HEADER 15u     /* bytes of the longest tag and length */
#define TOGETHER 8192u /* bytes of small fields that make an item */

/* Fields by their numbers: of HistorySync, of Conversation, of HistorySyncMsg, of WebMessageInfo. */
enum { CONVERSATIONS = 2, STATUS_MESSAGES = 3, CONVERSATION_MESSAGES = 2, MESSAGE = 1, TIMESTAMP = 3 };

/* What a step comes to besides an error: no item yet; an item; no item before more is fed. */
enum { AGAIN, GIVEN, HUNGRY };

int mp_history_init(mp_history *h, const mp_history_options *options, mp_error *e) {
  memset(h, 0, sizeof *h);
  h->options = *options;
  mp_buffer_init(&h->window, MP_HISTORY_MESSAGE_MAX + HEADER + STEP);
  mp_buffer_init(&h->top, 0);
  mp_buffer_init(&h->chat, MP_HISTORY_FIELDS_MAX);
  if (!options->plain && inflateInit(&h->zip) != Z_OK) return mp_fail(e, MP_ENOMEM, "no memory to inflate");
  h->zip_open = !options->plain;
  return MP_OK;
}

void mp_history_free(mp_history *h) {
  if (h->zip_open) inflateEnd(&h->zip);
  h->zip_open = false;
  mp_buffer_free(&h->window);
  mp_buffer_free(&h->top);
  mp_buffer_free(&h->chat);
}

void mp_history_feed(mp_history *h, const uint8_t *bytes, size_t length) {
  h->zip.next_in = (Bytef *)bytes;
  h->zip.avail_in = (uInt)length;
}

bool mp_history_hungry(const mp_history *h) {
  return h->zip.avail_in == 0 || h->ended;
}

void mp_history_finish(mp_history *h) {
  h->finished = true;
}

static size_t available(const mp_history *h) {
  return h->window.length - h->at;
}

static void consume(mp_history *h, size_t count) {
  h->at += count;
  if (h->inside) h->left -= count;
}

/* Where it stands, for errors: bytes of the HistorySync. */
static unsigned long long position(const mp_history *h) {
  return (unsigned long long)(h->inflated - available(h));
}

/* Inflates, or copies, some more into the window. */
static int fill(mp_history *h, mp_error *e) {
  int rc = Z_OK;
  size_t count;
  if (h->damaged)
    return mp_fail(e, MP_EMALFORMED, "a history's zlib stream is damaged after %llu bytes", (unsigned long long)h->inflated);
  if (h->at > 0) {
    mp_buffer_consume(&h->window, h->at);
    h->at = 0;
  }
  if (mp_buffer_reserve(&h->window, STEP) != MP_OK) return mp_fail(e, MP_ENOMEM, "no memory for a history");
  uint8_t *out = h->window.data + h->window.length;
  if (h->options.plain) {
    count = h->zip.avail_in < STEP ? h->zip.avail_in : STEP;
    if (count > 0) {
      memcpy(out, h->zip.next_in, count);
      h->zip.next_in += count;
      h->zip.avail_in -= (uInt)count;
    }
    h->ended = h->finished && h->zip.avail_in == 0;
  } else {
    h->zip.next_out = out;
    h->zip.avail_out = STEP;
    rc = inflate(&h->zip, Z_NO_FLUSH);
    count = STEP - h->zip.avail_out;
    h->ended = rc == Z_STREAM_END;
  }
  h->window.length += count;
  h->inflated += count;
  h->spent += count;
  if (h->inflated > MP_HISTORY_INFLATED_MAX)
    return mp_fail(e, MP_ELIMIT, "a history inflates to more than %u bytes", MP_HISTORY_INFLATED_MAX);
  if (rc == Z_MEM_ERROR) return mp_fail(e, MP_ENOMEM, "no memory to inflate");
  h->damaged = rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR; /* told when what is before has been read */
  return MP_OK;
}

/* Has `count` bytes in the window, or fewer, where the data ends before; HUNGRY: more is to be fed first. */
static int ensure(mp_history *h, size_t count, mp_error *e) {
  while (available(h) < count && !h->ended) {
    size_t before = available(h);
    int rc = fill(h, e);
    if (rc != MP_OK) return rc;
    if (available(h) > before || h->ended || h->damaged || h->zip.avail_in > 0) continue;
    if (!h->finished) return HUNGRY;
    return mp_fail(e, MP_ETRUNCATED, "a history's zlib stream ends too early, after %llu bytes", (unsigned long long)h->inflated);
  }
  return MP_OK;
}

/* The time of a WebMessageInfo; 0 where it has none that can be read. */
static uint64_t time_of(mp_proto_span span) {
  uint64_t time = 0;
  while (span.at < span.end) {
    uint32_t number;
    int type;
    if (!mp_proto_read_tag(&span, &number, &type)) return 0;
    if (number == TIMESTAMP && type == MP_PROTO_VARINT) {
      if (!mp_proto_read_varint(&span, &time)) return 0;
    } else if (!mp_proto_skip(&span, type)) {
      return 0;
    }
  }
  return time;
}

/* The WebMessageInfo inside a HistorySyncMsg; an empty one where there is none. */
static bool find_message(mp_proto_span *span) {
  mp_proto_span rest = *span, found = {span->end, span->end};
  while (rest.at < rest.end) {
    uint32_t number;
    int type;
    if (!mp_proto_read_tag(&rest, &number, &type)) return false;
    bool wanted = number == MESSAGE && type == MP_PROTO_BYTES;
    if (wanted ? !mp_proto_read_bytes(&rest, &found) : !mp_proto_skip(&rest, type)) return false;
  }
  *span = found;
  return true;
}

/* Hands out an item, unless it is one of those to be skipped. */
static int give(mp_history *h, mp_history_item *item, mp_history_kind kind, const uint8_t *bytes, size_t length) {
  if (h->options.skip > 0) {
    h->options.skip--;
    return AGAIN;
  }
  *item = (mp_history_item){.kind = kind, .bytes = bytes, .length = length};
  return GIVEN;
}

/* The same of small fields. */
static int give_fields(mp_history *h, mp_history_item *item, mp_history_kind kind, mp_buffer *fields) {
  h->given = fields;
  int rc = give(h, item, kind, fields->data, fields->length);
  if (rc == AGAIN) fields->length = 0;
  return rc;
}

/* A whole message, which is in the window. */
static int take_message(mp_history *h, mp_history_item *item, size_t header, size_t length, mp_error *e) {
  mp_proto_span span = {h->window.data + h->at + header, h->window.data + h->at + header + length};
  mp_history_kind kind = h->inside ? MP_HISTORY_MESSAGE : MP_HISTORY_STATUS;
  if (h->inside && !find_message(&span))
    return mp_fail(e, MP_EMALFORMED, "a message of conversation %u is malformed, at byte %llu", h->conversations, position(h));
  consume(h, header + length);
  if (span.at == span.end || (h->options.since > 0 && time_of(span) < h->options.since)) return AGAIN;
  h->messages++;
  return give(h, item, kind, span.at, (size_t)(span.end - span.at));
}

/* A whole small field, which is in the window. */
static int take_field(mp_history *h, size_t length, mp_error *e) {
  mp_buffer *fields = h->inside ? &h->chat : &h->top;
  int rc = mp_buffer_append(fields, h->window.data + h->at, length);
  if (rc == MP_ENOMEM) return mp_fail(e, rc, "no memory for a history");
  if (rc != MP_OK) h->skipped++;
  consume(h, length);
  return AGAIN;
}

static int begin_conversation(mp_history *h, size_t header, uint64_t length, mp_error *e) {
  consume(h, header);
  if (++h->conversations > MP_HISTORY_CONVERSATIONS_MAX)
    return mp_fail(e, MP_ELIMIT, "a history of more than %u conversations", MP_HISTORY_CONVERSATIONS_MAX);
  h->inside = true;
  h->left = length;
  h->chat.length = 0;
  return AGAIN;
}

/* A field with a length: it begins at h->at with `header` bytes of tag and length. */
static int read_long(mp_history *h, mp_history_item *item, uint32_t number, size_t header, uint64_t length, mp_error *e) {
  if (h->inside && length > h->left - header)
    return mp_fail(e, MP_EMALFORMED, "field %u of conversation %u is longer than the conversation, at byte %llu", number,
                   h->conversations, position(h));
  if (!h->inside && number == CONVERSATIONS) return begin_conversation(h, header, length, e);
  bool message = number == (h->inside ? CONVERSATION_MESSAGES : STATUS_MESSAGES);
  if (length > (message ? MP_HISTORY_MESSAGE_MAX : MP_HISTORY_FIELD_MAX)) {
    h->skipped++;
    consume(h, header);
    h->passing = length;
    return AGAIN;
  }
  int rc = ensure(h, header + (size_t)length, e);
  if (rc != MP_OK) return rc;
  if (available(h) < header + length)
    return mp_fail(e, MP_ETRUNCATED, "field %u is longer than the history, at byte %llu", number, position(h));
  return message ? take_message(h, item, header, (size_t)length, e) : take_field(h, header + (size_t)length, e);
}

static int read_field(mp_history *h, mp_history_item *item, mp_error *e) {
  size_t seen = available(h);
  if (h->inside && h->left < seen) seen = (size_t)h->left;
  const uint8_t *start = h->window.data + h->at;
  mp_proto_span span = {start, start + seen};
  uint32_t number;
  uint64_t length;
  int type;
  if (!mp_proto_read_tag(&span, &number, &type))
    return mp_fail(e, MP_EMALFORMED, "a field's tag is malformed, at byte %llu", position(h));
  if (type == MP_PROTO_BYTES && mp_proto_read_varint(&span, &length))
    return read_long(h, item, number, (size_t)(span.at - start), length, e);
  if (type == MP_PROTO_BYTES || !mp_proto_skip(&span, type))
    return mp_fail(e, MP_EMALFORMED, "field %u of wire type %d is malformed, at byte %llu", number, type, position(h));
  return take_field(h, (size_t)(span.at - start), e);
}

static int end_of_data(mp_history *h, mp_history_item *item, mp_error *e) {
  if (h->inside)
    return mp_fail(e, MP_ETRUNCATED, "conversation %u ends too early, after %llu bytes", h->conversations,
                   (unsigned long long)h->inflated);
  if (h->top.length > 0) return give_fields(h, item, MP_HISTORY_FIELDS, &h->top);
  item->kind = MP_HISTORY_END;
  return GIVEN;
}

static int pass_over(mp_history *h, mp_error *e) {
  int rc = ensure(h, 1, e);
  if (rc != MP_OK) return rc;
  size_t count = available(h);
  if (count == 0) return mp_fail(e, MP_ETRUNCATED, "a field is longer than the history, at byte %llu", position(h));
  if (count > h->passing) count = (size_t)h->passing;
  h->passing -= count;
  consume(h, count);
  return AGAIN;
}

static int step(mp_history *h, mp_history_item *item, mp_error *e) {
  if (h->spent > MP_HISTORY_SLICE) {
    item->kind = MP_HISTORY_PAUSE;
    return GIVEN;
  }
  if (h->passing > 0) return pass_over(h, e);
  if (h->inside && h->left == 0) {
    h->inside = false;
    return give_fields(h, item, MP_HISTORY_CONVERSATION, &h->chat);
  }
  if (!h->inside && h->top.length >= TOGETHER) return give_fields(h, item, MP_HISTORY_FIELDS, &h->top);
  int rc = ensure(h, HEADER, e);
  if (rc != MP_OK) return rc;
  return available(h) == 0 ? end_of_data(h, item, e) : read_field(h, item, e);
}

int mp_history_next(mp_history *h, mp_history_item *item, mp_error *e) {
  int rc;
  if (h->given != NULL) h->given->length = 0;
  h->given = NULL;
  h->spent = 0;
  *item = (mp_history_item){.kind = MP_HISTORY_MORE};
  do rc = step(h, item, e);
  while (rc == AGAIN);
  return rc < 0 ? rc : MP_OK;
}
