/* The Noise handshake, both roles, with a peer that changes any message on its way; and forged certificate chains.
 *
 * The input: a byte that tells which message is changed (bits 0 to 4, modulo 5: hello, server hello, finish, the chain inside,
 * the chain alone) and how the client begins (bit 6: with IK; bit 5: with IK for another server's key), then edits (place,
 * place, byte xor-ed in), or with bit 7 the bytes that take the message's place. */
#include "noise/noise.h"

#include <string.h>

#include "crypto/curve.h"
#include "fuzz.h"
#include "noise/certificate.h"

#define NOW 1700000000
#define DAY 86400

static mp_keypair root, intermediate, server, client, server_ephemeral, client_ephemeral;
static mp_buffer chain; /* the genuine one */
static const uint8_t payload[] = "a client's payload";

static void fixed_pair(mp_keypair *pair, uint8_t fill) {
  memset(pair->private_key, fill, sizeof pair->private_key);
  HOLDS(mp_keypair_derive(pair) == MP_OK);
}

static void prepare(void) {
  mp_error e;
  if (chain.data != NULL) return;
  fixed_pair(&root, 1);
  fixed_pair(&intermediate, 2);
  fixed_pair(&server, 3);
  fixed_pair(&client, 4);
  fixed_pair(&server_ephemeral, 5);
  fixed_pair(&client_ephemeral, 6);
  HOLDS(mp_noise_make_chain(&root, &intermediate, server.public_key, NOW - DAY, NOW + DAY, &chain, &e) == MP_OK);
}

/* Applies the input to a message; whether that changed it. */
static bool change(mp_buffer *message, bool replace, const uint8_t *bytes, size_t length) {
  mp_buffer before = {0};
  HOLDS(mp_buffer_append(&before, message->data, message->length) == MP_OK);
  if (replace) {
    message->length = 0;
    HOLDS(mp_buffer_append(message, bytes, length) == MP_OK);
  } else {
    for (; length >= 3; bytes += 3, length -= 3) message->data[(bytes[0] << 8 | bytes[1]) % message->length] ^= bytes[2];
  }
  bool changed = message->length != before.length || memcmp(message->data, before.data, before.length) != 0;
  mp_buffer_free(&before);
  return changed;
}

static bool holds_bytes(const mp_buffer *b, const uint8_t *bytes, size_t length) {
  return memmem(b->data, b->length, bytes, length) != NULL;
}

/* A chain that passes has the genuine signatures and the server's key in it: nobody without the keys made another. */
static void passes_only_genuine(const mp_buffer *forged) {
  mp_error e = {0};
  int rc = mp_noise_check_chain(forged->data, forged->length, root.public_key, server.public_key, NOW, &e);
  HOLDS(rc == MP_OK || (e.code == rc && e.message[0] != 0));
  if (rc != MP_OK) return;
  HOLDS(holds_bytes(forged, server.public_key, 32) && holds_bytes(forged, intermediate.public_key, 32));
  HOLDS(mp_noise_check_chain(forged->data, forged->length, root.public_key, client.public_key, NOW, &e) == MP_ECRYPTO);
  HOLDS(mp_noise_check_chain(forged->data, forged->length, mp_noise_root, server.public_key, NOW, &e) == MP_ECRYPTO);
  HOLDS(mp_noise_check_chain(forged->data, forged->length, root.public_key, server.public_key, NOW + 2 * DAY, &e) == MP_ECRYPTO);
}

/* Both ends are done: what one seals the other opens, and nothing else. */
static void talks(mp_noise *initiator, mp_noise *responder) {
  mp_noise_transport a, b;
  mp_error e;
  uint8_t sealed[sizeof payload + 16], opened[sizeof payload];
  HOLDS(mp_noise_split(initiator, true, &a, &e) == MP_OK && mp_noise_split(responder, false, &b, &e) == MP_OK);
  HOLDS(mp_noise_encrypt(&a, payload, sizeof payload, sealed, &e) == MP_OK);
  HOLDS(mp_noise_decrypt(&b, sealed, sizeof sealed, opened, &e) == MP_OK && memcmp(opened, payload, sizeof payload) == 0);
  HOLDS(mp_noise_decrypt(&b, sealed, sizeof sealed, opened, &e) == MP_ECRYPTO); /* replayed */
  HOLDS(mp_noise_split(initiator, true, &a, &e) == MP_EINVAL);                  /* over and zeroed */
  mp_noise_transport_free(&a);
  mp_noise_transport_free(&b);
}

static bool failed(int rc, const mp_noise *noise, const mp_error *e) {
  if (rc == MP_OK) return false;
  HOLDS(noise->step == MP_NOISE_BROKEN && e->code == rc && e->message[0] != 0);
  return true;
}

/* One handshake: both ends, and what passes between them. */
typedef struct {
  mp_noise initiator, responder;
  mp_buffer hello, answer, finish, got, seen;
  bool changed; /* a message was */
  mp_error e;
} shake;

static void begin(shake *s, int first_byte) {
  memset(s, 0, sizeof *s);
  mp_noise_init(&s->initiator, &client);
  mp_noise_init(&s->responder, &server);
  s->initiator.ephemeral = client_ephemeral;
  s->responder.ephemeral = server_ephemeral;
  if (first_byte & 0x60) {
    const mp_keypair *known = first_byte & 0x20 ? &intermediate : &server;
    HOLDS(mp_noise_resume(&s->initiator, known->public_key, payload, sizeof payload, &s->hello, &s->e) == MP_OK);
  } else {
    HOLDS(mp_noise_hello(&s->initiator, &s->hello, &s->e) == MP_OK);
  }
}

static void end(shake *s) {
  mp_buffer *all[] = {&s->hello, &s->answer, &s->finish, &s->got, &s->seen};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) mp_buffer_free(all[i]);
  mp_noise_wipe(&s->initiator);
  mp_noise_wipe(&s->responder);
}

/* The first two messages; false when one of them ended the handshake, which only a change may do. */
static bool greet(shake *s, int which, bool replace, const uint8_t *bytes, size_t length, const mp_buffer *shown, bool forged) {
  if (which == 0) s->changed = change(&s->hello, replace, bytes, length);
  int rc =
      mp_noise_read_hello(&s->responder, s->hello.data, s->hello.length, shown->data, shown->length, &s->answer, &s->got, &s->e);
  if (failed(rc, &s->responder, &s->e)) {
    HOLDS(s->changed && s->got.length == 0);
    return false;
  }
  HOLDS((s->responder.step == MP_NOISE_DONE) == (s->got.length > 0));
  if (which == 1) s->changed = change(&s->answer, replace, bytes, length);
  rc = mp_noise_read_server_hello(&s->initiator, s->answer.data, s->answer.length, root.public_key, NOW, &s->seen, &s->e);
  if (!failed(rc, &s->initiator, &s->e)) return true;
  HOLDS(s->changed || forged);
  HOLDS(mp_noise_finish(&s->initiator, payload, sizeof payload, &s->finish, &s->e) == MP_EINVAL);
  HOLDS(s->finish.length == 0 && s->seen.length == 0);
  return false;
}

static bool finish(shake *s, int which, bool replace, const uint8_t *bytes, size_t length) {
  HOLDS(mp_noise_finish(&s->initiator, payload, sizeof payload, &s->finish, &s->e) == MP_OK);
  if (which == 2) s->changed = change(&s->finish, replace, bytes, length);
  int rc = mp_noise_read_finish(&s->responder, s->finish.data, s->finish.length, &s->got, &s->e);
  if (!failed(rc, &s->responder, &s->e)) return true;
  HOLDS(s->changed);
  return false;
}

static void handshake(int first_byte, int which, const uint8_t *bytes, size_t length, const mp_buffer *shown, bool forged) {
  shake s;
  bool replace = first_byte & 0x80;
  begin(&s, first_byte);
  if (greet(&s, which, replace, bytes, length, shown, forged)) {
    bool resumed = s.initiator.step == MP_NOISE_DONE;
    HOLDS(resumed == (s.responder.step == MP_NOISE_DONE) && (!resumed || (first_byte & 0x60) == 0x40));
    HOLDS(memcmp(s.initiator.peer_static, server.public_key, 32) == 0);
    if (resumed || finish(&s, which, replace, bytes, length)) {
      HOLDS(s.got.length == sizeof payload && memcmp(s.got.data, payload, sizeof payload) == 0);
      HOLDS(memcmp(s.responder.peer_static, client.public_key, 32) == 0);
      talks(&s.initiator, &s.responder);
    }
  }
  end(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  if (length == 0) return 0;
  int which = (bytes[0] & 0x1f) % 5;
  prepare();
  if (which < 3) {
    handshake(bytes[0], which, bytes + 1, length - 1, &chain, false);
    return 0;
  }
  mp_buffer shown = {0};
  HOLDS(mp_buffer_append(&shown, chain.data, chain.length) == MP_OK);
  bool forged = change(&shown, bytes[0] & 0x80, bytes + 1, length - 1);
  passes_only_genuine(&shown);
  if (which == 3) handshake(bytes[0], 3, NULL, 0, &shown, forged);
  mp_buffer_free(&shown);
  return 0;
}
