/* Frames: a 3-byte length and that many bytes, cut out of a stream at any split (01 §1.2). */
#ifndef MOONPOST_WIRE_FRAME_H
#define MOONPOST_WIRE_FRAME_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

/* What a client's stream begins with: "WA", protocol magic 6, token dictionary version 3. */
extern const uint8_t mp_frame_header[4];

typedef struct {
  mp_buffer stream;
  size_t read;       /* bytes of the stream already handed out */
  bool header_due;   /* server: the header, and perhaps routing info before it, still have to come */
  bool routed;       /* server: the routing info has come; it comes once at most */
  bool established;  /* the handshake is done: frames may be as large as the protocol allows */
  size_t before;     /* bytes taken in before that */
  mp_buffer routing; /* server: the routing info that came */
  bool closed;       /* freed: nothing goes in or out any more */
} mp_frames;

/* Starts on a new stream: a server's begins with a client's opening, a client's with a frame. */
void mp_frames_init(mp_frames *frames, bool server);
/* Frees the memory; what is asked of it afterwards is MP_ECLOSED. */
void mp_frames_free(mp_frames *frames);
/* Takes bytes in, cut anywhere. MP_ELIMIT past MP_FRAME_MAX_HANDSHAKE bytes in all while not established. */
int mp_frames_feed(mp_frames *frames, const void *bytes, size_t length, mp_error *e);
/* 1: a frame, valid until the next feed; 0: more bytes are needed; negative: an error, MP_EMALFORMED or MP_ELIMIT, after which
 * the stream is lost. */
int mp_frames_next(mp_frames *frames, const uint8_t **frame, size_t *length, mp_error *e);

/* Appends a frame's 3-byte length; MP_ELIMIT above MP_FRAME_MAX. */
int mp_frame_head(mp_buffer *out, size_t length);
/* Appends what stands before a client's first frame: the routing info (01 §11.1) when there is any, and the header. MP_ELIMIT
 * above MP_ROUTING_INFO_MAX. */
int mp_frame_opening(mp_buffer *out, const void *routing, size_t length);

#endif
