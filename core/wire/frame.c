#include "wire/frame.h"

#include <string.h>

#include "base/limits.h"

const uint8_t mp_frame_header[4] = {'W', 'A', 6, 3};
static const uint8_t routing_mark[4] = {'E', 'D', 0, 1};

void mp_frames_init(mp_frames *frames, bool server) {
  memset(frames, 0, sizeof *frames);
  mp_buffer_init(&frames->stream, 0);
  mp_buffer_init(&frames->routing, 0);
  frames->header_due = server;
}

void mp_frames_free(mp_frames *frames) {
  mp_buffer_free(&frames->stream);
  mp_buffer_free(&frames->routing);
  frames->read = 0;
  frames->closed = true;
}

int mp_frames_feed(mp_frames *frames, const void *bytes, size_t length, mp_error *e) {
  if (frames->closed) return mp_fail(e, MP_ECLOSED, "the frames are closed");
  if (!frames->established) {
    frames->before += length;
    if (frames->before > MP_FRAME_MAX_HANDSHAKE) {
      return mp_fail(e, MP_ELIMIT, "more than %u bytes before the handshake was done", MP_FRAME_MAX_HANDSHAKE);
    }
  }
  if (frames->read > 0) {
    mp_buffer_consume(&frames->stream, frames->read);
    frames->read = 0;
  }
  if (frames->stream.length == 0 && frames->stream.capacity > MP_FRAME_KEPT) mp_buffer_free(&frames->stream);
  return mp_buffer_append(&frames->stream, bytes, length) == MP_OK ? MP_OK
                                                                   : mp_fail(e, MP_ENOMEM, "no memory for the incoming bytes");
}

static size_t read_u24(const uint8_t *bytes) {
  return (size_t)bytes[0] << 16 | (size_t)bytes[1] << 8 | bytes[2];
}

/* Whether what has come of a 4-byte mark fits it: a stream that cannot begin with it is refused at its first wrong byte. */
static bool begins(const mp_frames *frames, const uint8_t mark[4]) {
  size_t left = frames->stream.length - frames->read;
  return memcmp(frames->stream.data + frames->read, mark, left < 4 ? left : 4) == 0;
}

/* 1 when the routing info has been taken. */
static int take_routing(mp_frames *frames, mp_error *e) {
  const uint8_t *at = frames->stream.data + frames->read;
  size_t left = frames->stream.length - frames->read;
  if (left < 7) return 0;
  size_t length = read_u24(at + 4);
  if (length > MP_ROUTING_INFO_MAX) return mp_fail(e, MP_ELIMIT, "routing info of %zu bytes", length);
  if (left < 7 + length) return 0;
  if (mp_buffer_append(&frames->routing, at + 7, length) != MP_OK) return mp_fail(e, MP_ENOMEM, "no memory for routing info");
  frames->read += 7 + length;
  frames->routed = true;
  return 1;
}

/* 1 when the header has been taken, with the routing info before it if there was any. */
static int take_header(mp_frames *frames, mp_error *e) {
  while (frames->stream.length > frames->read) {
    if (!frames->routed && begins(frames, routing_mark)) {
      int rc = take_routing(frames, e);
      if (rc <= 0) return rc;
    } else if (!begins(frames, mp_frame_header)) {
      return mp_fail(e, MP_EMALFORMED, "the stream does not begin with the protocol's header");
    } else if (frames->stream.length - frames->read < 4) {
      return 0;
    } else {
      frames->read += 4;
      frames->header_due = false;
      return 1;
    }
  }
  return 0;
}

int mp_frames_next(mp_frames *frames, const uint8_t **frame, size_t *length, mp_error *e) {
  if (frames->closed) return mp_fail(e, MP_ECLOSED, "the frames are closed");
  if (frames->header_due) {
    int rc = take_header(frames, e);
    if (rc <= 0) return rc;
  }
  size_t left = frames->stream.length - frames->read;
  if (left < 3) return 0;
  const uint8_t *at = frames->stream.data + frames->read;
  size_t size = read_u24(at);
  if (size == 0) return mp_fail(e, MP_EMALFORMED, "a frame of no bytes");
  if (!frames->established && size > MP_FRAME_MAX_HANDSHAKE) {
    return mp_fail(e, MP_ELIMIT, "a frame of %zu bytes is announced before the handshake is done", size);
  }
  if (left < 3 + size) return 0;
  *frame = at + 3;
  *length = size;
  frames->read += 3 + size;
  return 1;
}

int mp_frame_head(mp_buffer *out, size_t length) {
  uint8_t head[3] = {(uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length};
  return length > MP_FRAME_MAX ? MP_ELIMIT : mp_buffer_append(out, head, 3);
}

int mp_frame_opening(mp_buffer *out, const void *routing, size_t length) {
  int rc = MP_OK;
  if (length > MP_ROUTING_INFO_MAX) return MP_ELIMIT;
  if (length > 0 && (rc = mp_buffer_append(out, routing_mark, sizeof routing_mark)) == MP_OK &&
      (rc = mp_frame_head(out, length)) == MP_OK) {
    rc = mp_buffer_append(out, routing, length);
  }
  return rc != MP_OK ? rc : mp_buffer_append(out, mp_frame_header, sizeof mp_frame_header);
}
