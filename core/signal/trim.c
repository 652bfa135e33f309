#include "signal/trim.h"

#include <string.h>

#include "base/error.h"
#include "base/protobuf.h"

/* Fields of RecordStructure, SessionStructure and its Chain (core/proto/schema/signal.proto). libsignal writes archived states
 * newest first, chains and the keys in them oldest first. */
enum { RECORD_CURRENT = 1, RECORD_ARCHIVED = 2, STATE_RECEIVER_CHAIN = 7, CHAIN_RATCHET_KEY = 1, CHAIN_SKIPPED_KEY = 4 };
enum { KEY_COUNTER = 1 };

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

typedef struct {
  size_t excess; /* bytes of skipped keys that are to go */
  mp_set_aside set_aside;
  void *context;
} trimming;

/* What a chain is known by, and how many keys were skipped in it. */
static bool look_at_chain(mp_proto_span chain, mp_proto_span *ratchet_key, size_t *skipped) {
  field f;
  *ratchet_key = (mp_proto_span){NULL, NULL};
  *skipped = 0;
  while (chain.at < chain.end) {
    if (!next_field(&chain, &f)) return false;
    if (f.number == CHAIN_RATCHET_KEY) *ratchet_key = f.content;
    if (f.number == CHAIN_SKIPPED_KEY) ++*skipped;
  }
  return true;
}

static int set_aside(const trimming *t, mp_proto_span ratchet_key, mp_proto_span key) {
  uint32_t number;
  int type;
  uint64_t counter = 0;
  mp_proto_span at = key;
  bool found = mp_proto_read_tag(&at, &number, &type) && number == KEY_COUNTER && type == MP_PROTO_VARINT &&
               mp_proto_read_varint(&at, &counter) && counter <= UINT32_MAX;
  if (!found) return MP_EMALFORMED;
  const mp_skipped_key skipped = {.ratchet_key = ratchet_key.at,
                                  .ratchet_key_length = (size_t)(ratchet_key.end - ratchet_key.at),
                                  .bytes = key.at,
                                  .length = (size_t)(key.end - key.at),
                                  .counter = (uint32_t)counter};
  return t->set_aside(t->context, &skipped);
}

static int copy_chain(mp_buffer *out, mp_proto_span chain, trimming *t) {
  field f;
  mp_proto_span ratchet_key;
  size_t skipped, aside = 0;
  int rc = MP_OK;
  if (!look_at_chain(chain, &ratchet_key, &skipped)) return MP_EMALFORMED;
  if (t->set_aside != NULL && skipped > MP_CHAIN_KEYS_MAX) aside = skipped - MP_CHAIN_KEYS_LEFT;
  while (rc == MP_OK && chain.at < chain.end) {
    if (!next_field(&chain, &f)) return MP_EMALFORMED;
    bool leaves = f.number == CHAIN_SKIPPED_KEY && (aside > 0 || t->excess > 0);
    if (!leaves) rc = mp_buffer_append(out, f.at, f.length);
    if (leaves) t->excess -= f.length < t->excess ? f.length : t->excess;
    if (leaves && aside > 0) {
      rc = set_aside(t, ratchet_key, f.content);
      aside--;
    }
  }
  return rc;
}

static int copy_state(mp_buffer *out, mp_proto_span state, trimming *t) {
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
    if (rc == MP_OK) rc = copy_chain(out, f.content, t);
    if (rc == MP_OK) rc = mp_proto_end(out, mark);
  }
  return rc;
}

typedef struct {
  mp_proto_span states[STATES_MAX]; /* the current one, then the archived ones, newest first */
  size_t count, kept, archived;     /* states kept; their bytes; archived states in all */
  bool crowded;                     /* a chain has too many skipped keys */
} record_view;

static bool look_at_state(record_view *view, mp_proto_span state) {
  field f;
  mp_proto_span ratchet_key;
  size_t skipped;
  while (state.at < state.end) {
    if (!next_field(&state, &f)) return false;
    if (f.number != STATE_RECEIVER_CHAIN) continue;
    if (!look_at_chain(f.content, &ratchet_key, &skipped)) return false;
    view->crowded = view->crowded || skipped > MP_CHAIN_KEYS_MAX;
  }
  return true;
}

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
static int shorten(const record_view *view, mp_buffer *parts, mp_set_aside aside, void *context) {
  trimming t = {.excess = view->kept > MP_RECORD_MAX ? view->kept - MP_RECORD_MAX : 0, .set_aside = aside, .context = context};
  int rc = MP_OK;
  for (size_t i = view->count; i > 0 && rc == MP_OK; i--) rc = copy_state(&parts[i - 1], view->states[i - 1], &t);
  return rc;
}

int mp_session_trim(const uint8_t *record, size_t length, mp_buffer *out, bool *trimmed, mp_set_aside aside, void *context) {
  record_view view;
  mp_buffer parts[STATES_MAX];
  *trimmed = false;
  bool sound = look(&view, (mp_proto_span){record, record + length});
  for (size_t i = 0; i < view.count && sound; i++) sound = look_at_state(&view, view.states[i]);
  if (!sound) return MP_EMALFORMED;
  if (view.archived <= MP_ARCHIVED_MAX && length <= MP_RECORD_MAX && !(view.crowded && aside != NULL)) return MP_OK;
  for (size_t i = 0; i < STATES_MAX; i++) mp_buffer_init(&parts[i], 0);
  int rc = shorten(&view, parts, aside, context);
  for (size_t i = 0; i < view.count && rc == MP_OK; i++) {
    rc = mp_proto_write_tag(out, i == 0 ? RECORD_CURRENT : RECORD_ARCHIVED, MP_PROTO_BYTES);
    if (rc == MP_OK) rc = mp_proto_write_bytes(out, parts[i].data, parts[i].length);
  }
  for (size_t i = 0; i < STATES_MAX; i++) mp_buffer_wipe_free(&parts[i]);
  *trimmed = rc == MP_OK;
  return rc;
}

static bool is_of_chain(mp_proto_span chain, const mp_skipped_key *key) {
  mp_proto_span ratchet_key;
  size_t skipped, length = key->ratchet_key_length;
  if (!look_at_chain(chain, &ratchet_key, &skipped) || ratchet_key.at == NULL) return false;
  return (size_t)(ratchet_key.end - ratchet_key.at) == length && memcmp(ratchet_key.at, key->ratchet_key, length) == 0;
}

static int give_to_chain(mp_buffer *out, mp_proto_span chain, const mp_skipped_key *key) {
  size_t mark = 0;
  int rc = mp_proto_write_tag(out, STATE_RECEIVER_CHAIN, MP_PROTO_BYTES);
  if (rc == MP_OK) rc = mp_proto_begin(out, &mark);
  if (rc == MP_OK) rc = mp_buffer_append(out, chain.at, (size_t)(chain.end - chain.at));
  if (rc == MP_OK) rc = mp_proto_write_tag(out, CHAIN_SKIPPED_KEY, MP_PROTO_BYTES);
  if (rc == MP_OK) rc = mp_proto_write_bytes(out, key->bytes, key->length);
  return rc == MP_OK ? mp_proto_end(out, mark) : rc;
}

static int give_to_state(mp_buffer *out, mp_proto_span state, const mp_skipped_key *key) {
  field f;
  int rc = MP_OK;
  while (rc == MP_OK && state.at < state.end) {
    if (!next_field(&state, &f)) return MP_EMALFORMED;
    bool here = f.number == STATE_RECEIVER_CHAIN && is_of_chain(f.content, key);
    rc = here ? give_to_chain(out, f.content, key) : mp_buffer_append(out, f.at, f.length);
  }
  return rc;
}

int mp_session_give_back(const uint8_t *record, size_t length, const mp_skipped_key *key, mp_buffer *out) {
  mp_proto_span span = {record, record + length};
  field f;
  int rc = MP_OK;
  while (rc == MP_OK && span.at < span.end) {
    size_t mark = 0;
    if (!next_field(&span, &f)) return MP_EMALFORMED;
    rc = mp_proto_write_tag(out, f.number, MP_PROTO_BYTES);
    if (rc == MP_OK) rc = mp_proto_begin(out, &mark);
    if (rc == MP_OK) rc = give_to_state(out, f.content, key);
    if (rc == MP_OK) rc = mp_proto_end(out, mark);
  }
  return rc;
}
