/* HTTP answers: what is read of one does not depend on where its bytes were cut, and keeps its limits. */
#include "net/answer.h"

#include <string.h>

#include "base/limits.h"
#include "fuzz.h"

/* Feeds all in pieces of 1 to `most` bytes, then the end of the connection; returns the last result. */
static int read_all(mp_answer_reader *reader, const uint8_t *bytes, size_t length, size_t most, uint32_t seed, mp_buffer *out) {
  mp_error e = {0};
  int rc = MP_OK;
  for (size_t at = 0; at < length && rc == MP_OK && !reader->complete;) {
    size_t part = 1 + next_choice(&seed) % most;
    if (part > length - at) part = length - at;
    rc = mp_answer_feed(reader, bytes + at, part, out, &e);
    at += part;
    HOLDS(rc == MP_OK || (rc < 0 && e.message[0] != 0));
    HOLDS(reader->answer.headers.length <= MP_HTTP_HEAD_MAX && out->length <= length);
  }
  if (rc == MP_OK && !reader->complete) HOLDS(mp_answer_end(reader, out) == reader->complete);
  HOLDS(!reader->complete || reader->head_complete);
  return rc;
}

static bool equal(const mp_buffer *one, const mp_buffer *other) {
  return one->length == other->length && (one->length == 0 || memcmp(one->data, other->data, one->length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  mp_answer_reader whole, pieces;
  mp_buffer body, again;
  if (length == 0) return 0;
  bool to_head = bytes[0] & 1;
  uint32_t seed = 7;
  for (size_t i = 0; i < length && i < 8; i++) seed = seed * 31 + bytes[i];
  mp_answer_init(&whole, to_head);
  mp_answer_init(&pieces, to_head);
  mp_buffer_init(&body, 0);
  mp_buffer_init(&again, 0);
  int rc = read_all(&whole, bytes + 1, length - 1, length, 0, &body);
  int other = read_all(&pieces, bytes + 1, length - 1, 7, seed, &again);
  HOLDS((rc == MP_OK) == (other == MP_OK)); /* of two faults in one place, which is told first may depend on the cut */
  HOLDS(whole.head_complete == pieces.head_complete && whole.complete == pieces.complete && equal(&body, &again));
  if (whole.head_complete) {
    HOLDS(whole.answer.status == pieces.answer.status && whole.answer.status / 100 != 1);
    HOLDS(whole.answer.length == pieces.answer.length && equal(&whole.answer.headers, &pieces.answer.headers));
  }
  mp_answer_free(&whole);
  mp_answer_free(&pieces);
  mp_buffer_free(&body);
  mp_buffer_free(&again);
  return 0;
}
