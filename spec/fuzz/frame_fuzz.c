/* Frames out of a stream at any split, beside a model that sees all bytes at once. The input is a little program. */
#include "wire/frame.h"

#include <string.h>

#include "base/limits.h"
#include "fuzz.h"

typedef struct {
  mp_buffer all; /* every byte fed */
  size_t at;     /* how many of them are in frames already */
  bool header_due, routed, established;
  size_t routing;
} model;

static size_t u24(const uint8_t *bytes) {
  return (size_t)bytes[0] << 16 | (size_t)bytes[1] << 8 | bytes[2];
}

/* What mp_frames_next must say of a header: 1, 0 or an error. */
static int model_header(model *m) {
  while (m->header_due) {
    size_t left = m->all.length - m->at, seen = left < 4 ? left : 4;
    if (left == 0) return 0;
    const uint8_t *at = m->all.data + m->at;
    if (!m->routed && memcmp(at, "ED\0\1", seen) == 0) {
      if (left < 7) return 0;
      if (u24(at + 4) > MP_ROUTING_INFO_MAX) return MP_ELIMIT;
      if (left < 7 + u24(at + 4)) return 0;
      m->routing = u24(at + 4);
      m->routed = true;
      m->at += 7 + m->routing;
    } else if (memcmp(at, "WA\6\3", seen) != 0) {
      return MP_EMALFORMED;
    } else if (left < 4) {
      return 0;
    } else {
      m->at += 4;
      m->header_due = false;
    }
  }
  return 1;
}

static int model_next(model *m, const uint8_t **frame, size_t *length) {
  int rc = model_header(m);
  if (rc != 1) return rc;
  size_t left = m->all.length - m->at;
  if (left < 3) return 0;
  *length = u24(m->all.data + m->at);
  if (*length == 0) return MP_EMALFORMED;
  if (!m->established && *length > MP_FRAME_MAX_HANDSHAKE) return MP_ELIMIT;
  if (left < 3 + *length) return 0;
  *frame = m->all.data + m->at + 3;
  m->at += 3 + *length;
  return 1;
}

/* Takes every frame that is there; false after an error. */
static bool drain(mp_frames *frames, model *m) {
  for (;;) {
    const uint8_t *frame = NULL, *expected = NULL;
    size_t length = 0, expected_length = 0;
    mp_error e = {0};
    int rc = mp_frames_next(frames, &frame, &length, &e), want = model_next(m, &expected, &expected_length);
    HOLDS(rc == want);
    if (rc < 0) {
      HOLDS(e.code == rc && e.message[0] != 0);
      return false;
    }
    HOLDS(frames->routing.length == m->routing);
    if (rc == 0) return true;
    HOLDS(length == expected_length && memcmp(frame, expected, length) == 0);
  }
}

static bool feed(mp_frames *frames, model *m, const uint8_t *bytes, size_t length) {
  mp_error e = {0};
  HOLDS(mp_buffer_append(&m->all, bytes, length) == MP_OK);
  int rc = mp_frames_feed(frames, bytes, length, &e);
  HOLDS(rc == (!m->established && m->all.length > MP_FRAME_MAX_HANDSHAKE ? MP_ELIMIT : MP_OK));
  HOLDS(rc == MP_OK || e.message[0] != 0);
  /* Memory follows what is unread, never what a header announces. */
  HOLDS(frames->stream.capacity <= 4 * (m->all.length - m->at) + 2 * MP_FRAME_MAX_HANDSHAKE + 64);
  return rc == MP_OK;
}

/* One step: 0-127 feed that many of the input's bytes, 128-191 feed zeros by the KiB, 192 a whole frame, 193 the handshake is
 * done. */
static bool step(mp_frames *frames, model *m, const uint8_t **at, const uint8_t *end) {
  static const uint8_t zeros[64 * 1024];
  uint8_t op = *(*at)++;
  size_t left = (size_t)(end - *at), count = op < 128 ? op : left < 16 ? left : 16;
  if (op < 128) {
    if (count > left) count = left;
    *at += count;
    return feed(frames, m, *at - count, count) && drain(frames, m);
  }
  if (op < 192) return feed(frames, m, zeros, (size_t)(op - 127) * 1024) && drain(frames, m);
  if (op == 192 && count > 0) {
    mp_buffer made;
    mp_buffer_init(&made, 0);
    HOLDS(mp_frame_head(&made, count) == MP_OK && mp_buffer_append(&made, *at, count) == MP_OK);
    *at += count;
    bool ok = feed(frames, m, made.data, made.length) && drain(frames, m);
    mp_buffer_free(&made);
    return ok;
  }
  if (op == 193) frames->established = m->established = true;
  return drain(frames, m);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  mp_frames frames;
  model m = {0};
  if (length == 0) return 0;
  mp_buffer_init(&m.all, 0);
  m.header_due = bytes[0] & 1;
  mp_frames_init(&frames, m.header_due);
  const uint8_t *at = bytes + 1, *end = bytes + length;
  while (at < end && m.all.length < 4 * 1024 * 1024 && step(&frames, &m, &at, end)) continue;
  mp_frames_free(&frames);
  mp_buffer_free(&m.all);
  return 0;
}
