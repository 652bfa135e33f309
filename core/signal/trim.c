#include "signal/trim.h"

#include "base/error.h"
#include "base/protobuf.h"

/* Fields of RecordStructure, SessionStructure and its Chain (core/proto/schema/signal.proto). libsignal writes archived states
 * newest first, chains and the keys in them oldest first. */
enum { RECORD_CURRENT = 1, RECORD_ARCHIVED = 2, STATE_RECEIVER_CHAIN = 7, CHAIN_SKIPPED_KEY = 4 };

#define STATES_MAX (1 + MP_ARCHIVED_MAX)

typedef struct {
  uint32_t number;
  const uint8_t *at; /* with its tag */
  size_t length;
  mp_proto_span content; /* of a field of bytes */
} field;

static bool next_field(mp_proto_span *span, field *f) {
  int type;
  f->at = span->at;
  f->content = (mp_proto_span){NULL, NULL};
  if (!mp_proto_read_tag(span, &f->number, &type)) return false;
  if (type == MP_PROTO_BYTES ? !mp_proto_read_bytes(span, &f->content) : !mp_proto_skip(span, type)) return false;
  f->length = (size_t)(span->at - f->at);
  return true;
}

static int copy_chain(mp_buffer *out, mp_proto_span chain, size_t *excess) {
  field f;
  while (chain.at < chain.end) {
    if (!next_field(&chain, &f)) return MP_EMALFORMED;
    if (f.number == CHAIN_SKIPPED_KEY && *excess > 0) {
      *excess -= f.length < *excess ? f.length : *excess;
      continue;
    }
    int rc = mp_buffer_append(out, f.at, f.length);
    if (rc != MP_OK) return rc;
  }
  return MP_OK;
}

static int copy_state(mp_buffer *out, mp_proto_span state, size_t *excess) {
  field f;
  int rc = MP_OK;
  while (rc == MP_OK && state.at < state.end) {
    size_t mark;
    if (!next_field(&state, &f)) return MP_EMALFORMED;
    if (f.number != STATE_RECEIVER_CHAIN) {
      rc = mp_buffer_append(out, f.at, f.length);
      continue;
    }
    rc = mp_proto_write_tag(out, STATE_RECEIVER_CHAIN, MP_PROTO_BYTES);
    if (rc == MP_OK) rc = mp_proto_begin(out, &mark);
    if (rc == MP_OK) rc = copy_chain(out, f.content, excess);
    if (rc == MP_OK) rc = mp_proto_end(out, mark);
  }
  return rc;
}

typedef struct {
  mp_proto_span states[STATES_MAX]; /* the current one, then the archived ones, newest first */
  size_t count, kept, archived;     /* states kept; their bytes; archived states in all */
} record_view;

static bool look(record_view *view, mp_proto_span span) {
  field f;
  *view = (record_view){.count = 1};
  while (span.at < span.end) {
    if (!next_field(&span, &f)) return false;
    if (f.number == RECORD_CURRENT) view->states[0] = f.content;
    if (f.number == RECORD_ARCHIVED && view->archived++ < MP_ARCHIVED_MAX) view->states[view->count++] = f.content;
    if (f.number == RECORD_CURRENT || view->archived <= MP_ARCHIVED_MAX) view->kept += f.length;
  }
  return true;
}

/* Each state into a buffer of its own, oldest first, since there the keys go first. */
static int shorten(const record_view *view, mp_buffer *parts) {
  size_t excess = view->kept > MP_RECORD_MAX ? view->kept - MP_RECORD_MAX : 0;
  int rc = MP_OK;
  for (size_t i = view->count; i > 0 && rc == MP_OK; i--) rc = copy_state(&parts[i - 1], view->states[i - 1], &excess);
  return rc;
}

int mp_session_trim(const uint8_t *record, size_t length, mp_buffer *out, bool *trimmed) {
  record_view view;
  mp_buffer parts[STATES_MAX];
  *trimmed = false;
  if (!look(&view, (mp_proto_span){record, record + length})) return MP_EMALFORMED;
  if (view.archived <= MP_ARCHIVED_MAX && length <= MP_RECORD_MAX) return MP_OK;
  for (size_t i = 0; i < STATES_MAX; i++) mp_buffer_init(&parts[i], 0);
  int rc = shorten(&view, parts);
  for (size_t i = 0; i < view.count && rc == MP_OK; i++) {
    rc = mp_proto_write_tag(out, i == 0 ? RECORD_CURRENT : RECORD_ARCHIVED, MP_PROTO_BYTES);
    if (rc == MP_OK) rc = mp_proto_write_bytes(out, parts[i].data, parts[i].length);
  }
  for (size_t i = 0; i < STATES_MAX; i++) mp_buffer_wipe_free(&parts[i]);
  *trimmed = rc == MP_OK;
  return rc;
}
