/* The Noise handshake, both roles, with a peer that changes any message on its way; and forged certificate chains.
 *
 * The input: which message is changed (0 hello, 1 server hello, 2 finish, 3 the chain inside, 4 the chain alone), then edits
 * (place, place, byte xor-ed in), or with bit 7 set the bytes that take the message's place. */
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

static void handshake(int which, bool replace, const uint8_t *bytes, size_t length, const mp_buffer *shown_chain, bool forged) {
  mp_noise initiator, responder;
  mp_buffer hello = {0}, answer = {0}, finish = {0}, got = {0};
  mp_error e = {0};
  bool changed = false;
  mp_noise_init(&initiator, &client);
  mp_noise_init(&responder, &server);
  initiator.ephemeral = client_ephemeral;
  responder.ephemeral = server_ephemeral;
  HOLDS(mp_noise_hello(&initiator, &hello, &e) == MP_OK);
  if (which == 0) changed = change(&hello, replace, bytes, length);
  if (failed(mp_noise_read_hello(&responder, hello.data, hello.length, shown_chain->data, shown_chain->length, &answer, &e),
             &responder, &e)) {
    HOLDS(changed);
    goto done;
  }
  if (which == 1) changed = change(&answer, replace, bytes, length);
  if (failed(mp_noise_read_server_hello(&initiator, answer.data, answer.length, root.public_key, NOW, &e), &initiator, &e)) {
    HOLDS(changed || forged);
    HOLDS(mp_noise_finish(&initiator, payload, sizeof payload, &finish, &e) == MP_EINVAL && finish.length == 0);
    goto done;
  }
  HOLDS(memcmp(initiator.peer_static, server.public_key, 32) == 0);
  HOLDS(mp_noise_finish(&initiator, payload, sizeof payload, &finish, &e) == MP_OK);
  if (which == 2) changed = change(&finish, replace, bytes, length);
  if (failed(mp_noise_read_finish(&responder, finish.data, finish.length, &got, &e), &responder, &e)) {
    HOLDS(changed);
    goto done;
  }
  HOLDS(got.length == sizeof payload && memcmp(got.data, payload, sizeof payload) == 0);
  HOLDS(memcmp(responder.peer_static, client.public_key, 32) == 0);
  talks(&initiator, &responder);
done:
  mp_noise_wipe(&initiator);
  mp_noise_wipe(&responder);
  mp_buffer_free(&hello);
  mp_buffer_free(&answer);
  mp_buffer_free(&finish);
  mp_buffer_free(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  if (length == 0) return 0;
  int which = (bytes[0] & 0x7f) % 5;
  bool replace = bytes[0] & 0x80;
  prepare();
  if (which < 3) {
    handshake(which, replace, bytes + 1, length - 1, &chain, false);
    return 0;
  }
  mp_buffer shown = {0};
  HOLDS(mp_buffer_append(&shown, chain.data, chain.length) == MP_OK);
  bool forged = change(&shown, replace, bytes + 1, length - 1);
  passes_only_genuine(&shown);
  if (which == 3) handshake(3, false, NULL, 0, &shown, forged);
  mp_buffer_free(&shown);
  return 0;
}
