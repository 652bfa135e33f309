/* HandshakeMessage and the three messages in it, as protobuf (01 §2.5). */
#ifndef MOONPOST_NOISE_MESSAGE_H
#define MOONPOST_NOISE_MESSAGE_H
#include "base/error.h"
#include "base/protobuf.h"

enum { CLIENT_HELLO = 2, SERVER_HELLO = 3, CLIENT_FINISH = 4 };
enum { HELLO_EPHEMERAL = 1, HELLO_STATIC = 2, HELLO_PAYLOAD = 3, FINISH_STATIC = 1, FINISH_PAYLOAD = 2 };

typedef struct {
  mp_proto_span field[4]; /* by number, 1 to 3; absent: at = NULL */
} mp_handshake_fields;

/* Reads the submessage `which` of a HandshakeMessage; unknown fields are skipped. */
int mp_handshake_read(const uint8_t *bytes, size_t length, uint32_t which, mp_handshake_fields *out, mp_error *e);
/* Appends one: `count` fields, numbers[i] with the bytes of parts[i]. */
int mp_handshake_write(mp_buffer *out, uint32_t which, const mp_buffer *parts, const uint32_t *numbers, size_t count,
                       mp_error *e);
/* A field that is a key; `what` names it in the error. */
int mp_handshake_take_key(uint8_t out[32], mp_proto_span span, const char *what, mp_error *e);

#endif
