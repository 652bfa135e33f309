/* The server's side of the handshake: XX, or IK when the client knows the server's key, or XXfallback when it knows another. */
#include <string.h>

#include "noise/message.h"
#include "noise/state.h"

/* A hello with both static key and payload asks for IK. One of them alone is nothing the protocol knows. */
static int asks_for_ik(const mp_handshake_fields *hello, bool *asks, mp_error *e) {
  *asks = hello->field[HELLO_STATIC].at != NULL;
  if (*asks == (hello->field[HELLO_PAYLOAD].at != NULL)) return MP_OK;
  return mp_fail(e, MP_EMALFORMED, "the hello holds half an IK handshake");
}

/* IK's first message. It does not decrypt when the client takes another key for the server's: then the state is of no use. */
static int read_ik(mp_noise *noise, const mp_handshake_fields *hello, mp_buffer *payload, mp_error *e) {
  mp_noise_start(noise, NAME_IK);
  mp_noise_mix_hash(noise, noise->own_static.public_key, 32);
  mp_noise_mix_hash(noise, noise->peer_ephemeral, 32);
  int rc = mp_noise_mix_key(noise, noise->own_static.private_key, noise->peer_ephemeral, e);
  if (rc == MP_OK) rc = mp_noise_decrypt_static(noise, hello->field[HELLO_STATIC], "client key", e);
  if (rc == MP_OK) rc = mp_noise_mix_key(noise, noise->own_static.private_key, noise->peer_static, e);
  if (rc == MP_OK) rc = mp_noise_decrypt_and_hash(noise, hello->field[HELLO_PAYLOAD], "client payload", payload, e);
  return rc;
}

static int answer_ik(mp_noise *noise, const uint8_t *chain, size_t length, mp_buffer *out, mp_error *e) {
  static const uint32_t numbers[] = {HELLO_EPHEMERAL, HELLO_PAYLOAD};
  mp_buffer parts[2] = {{.data = noise->ephemeral.public_key, .length = 32}};
  mp_buffer_init(&parts[1], 0);
  mp_noise_mix_hash(noise, noise->ephemeral.public_key, 32);
  int rc = mp_noise_mix_key(noise, noise->ephemeral.private_key, noise->peer_ephemeral, e);
  if (rc == MP_OK) rc = mp_noise_mix_key(noise, noise->ephemeral.private_key, noise->peer_static, e);
  if (rc == MP_OK) rc = mp_noise_encrypt_and_hash(noise, chain, length, &parts[1], e);
  if (rc == MP_OK) rc = mp_handshake_write(out, SERVER_HELLO, parts, numbers, 2, e);
  mp_buffer_free(&parts[1]);
  return rc;
}

static int answer_xx(mp_noise *noise, const uint8_t *chain, size_t length, mp_buffer *out, mp_error *e) {
  static const uint32_t numbers[] = {HELLO_EPHEMERAL, HELLO_STATIC, HELLO_PAYLOAD};
  mp_buffer parts[3] = {{.data = noise->ephemeral.public_key, .length = 32}};
  mp_buffer_init(&parts[1], 0);
  mp_buffer_init(&parts[2], 0);
  mp_noise_mix_hash(noise, noise->peer_ephemeral, 32);
  mp_noise_mix_hash(noise, noise->ephemeral.public_key, 32);
  int rc = mp_noise_mix_key(noise, noise->ephemeral.private_key, noise->peer_ephemeral, e);
  if (rc == MP_OK) rc = mp_noise_encrypt_and_hash(noise, noise->own_static.public_key, 32, &parts[1], e);
  if (rc == MP_OK) rc = mp_noise_mix_key(noise, noise->own_static.private_key, noise->peer_ephemeral, e);
  if (rc == MP_OK) rc = mp_noise_encrypt_and_hash(noise, chain, length, &parts[2], e);
  if (rc == MP_OK) rc = mp_handshake_write(out, SERVER_HELLO, parts, numbers, 3, e);
  mp_buffer_free(&parts[1]);
  mp_buffer_free(&parts[2]);
  return rc;
}

int mp_noise_read_hello(mp_noise *noise, const uint8_t *bytes, size_t length, const uint8_t *chain, size_t chain_length,
                        mp_buffer *out, mp_buffer *payload, mp_error *e) {
  mp_handshake_fields hello;
  bool asks = false, resumed = false;
  int rc = mp_noise_at_step(noise, MP_NOISE_START, e);
  if (rc != MP_OK) return rc;
  rc = mp_handshake_read(bytes, length, CLIENT_HELLO, &hello, e);
  if (rc == MP_OK) rc = asks_for_ik(&hello, &asks, e);
  if (rc == MP_OK) rc = mp_handshake_take_key(noise->peer_ephemeral, hello.field[HELLO_EPHEMERAL], "ephemeral key", e);
  if (rc == MP_OK && asks) {
    mp_error why;
    resumed = read_ik(noise, &hello, payload, &why) == MP_OK;
    if (!resumed) mp_noise_start(noise, NAME_XXFALLBACK); /* of the hello only the ephemeral key stays (01 §2.4) */
  }
  if (rc == MP_OK) {
    rc = resumed ? answer_ik(noise, chain, chain_length, out, e) : answer_xx(noise, chain, chain_length, out, e);
  }
  return mp_noise_finish_step(noise, rc, resumed ? MP_NOISE_DONE : MP_NOISE_HELLO_READ);
}

int mp_noise_read_finish(mp_noise *noise, const uint8_t *bytes, size_t length, mp_buffer *payload, mp_error *e) {
  mp_handshake_fields finish;
  int rc = mp_noise_at_step(noise, MP_NOISE_HELLO_READ, e);
  if (rc != MP_OK) return rc;
  rc = mp_handshake_read(bytes, length, CLIENT_FINISH, &finish, e);
  if (rc == MP_OK) rc = mp_noise_decrypt_static(noise, finish.field[FINISH_STATIC], "client key", e);
  if (rc == MP_OK) rc = mp_noise_mix_key(noise, noise->ephemeral.private_key, noise->peer_static, e);
  if (rc == MP_OK) rc = mp_noise_decrypt_and_hash(noise, finish.field[FINISH_PAYLOAD], "client payload", payload, e);
  return mp_noise_finish_step(noise, rc, MP_NOISE_DONE);
}
