/* The client's side of the handshake: XX, or IK with a server that is known, and XXfallback when that server is another now. */
#include <string.h>

#include "noise/certificate.h"
#include "noise/message.h"
#include "noise/state.h"

int mp_noise_hello(mp_noise *noise, mp_buffer *out, mp_error *e) {
  const uint32_t number = HELLO_EPHEMERAL;
  mp_buffer part = {.data = noise->ephemeral.public_key, .length = 32};
  int rc = mp_noise_at_step(noise, MP_NOISE_START, e);
  if (rc != MP_OK) return rc;
  mp_noise_mix_hash(noise, noise->ephemeral.public_key, 32);
  return mp_noise_finish_step(noise, mp_handshake_write(out, CLIENT_HELLO, &part, &number, 1, e), MP_NOISE_HELLO_SENT);
}

int mp_noise_resume(mp_noise *noise, const uint8_t server_static[32], const uint8_t *payload, size_t length, mp_buffer *out,
                    mp_error *e) {
  static const uint32_t numbers[] = {HELLO_EPHEMERAL, HELLO_STATIC, HELLO_PAYLOAD};
  mp_buffer parts[3] = {{.data = noise->ephemeral.public_key, .length = 32}};
  int rc = mp_noise_at_step(noise, MP_NOISE_START, e);
  if (rc != MP_OK) return rc;
  mp_buffer_init(&parts[1], 0);
  mp_buffer_init(&parts[2], 0);
  memcpy(noise->peer_static, server_static, 32);
  mp_noise_start(noise, NAME_IK);
  mp_noise_mix_hash(noise, noise->peer_static, 32);
  mp_noise_mix_hash(noise, noise->ephemeral.public_key, 32);
  rc = mp_noise_mix_key(noise, noise->ephemeral.private_key, noise->peer_static, e);
  if (rc == MP_OK) rc = mp_noise_encrypt_and_hash(noise, noise->own_static.public_key, 32, &parts[1], e);
  if (rc == MP_OK) rc = mp_noise_mix_key(noise, noise->own_static.private_key, noise->peer_static, e);
  if (rc == MP_OK) rc = mp_noise_encrypt_and_hash(noise, payload, length, &parts[2], e);
  if (rc == MP_OK) rc = mp_handshake_write(out, CLIENT_HELLO, parts, numbers, 3, e);
  mp_buffer_free(&parts[1]);
  mp_buffer_free(&parts[2]);
  return mp_noise_finish_step(noise, rc, MP_NOISE_RESUME_SENT);
}

/* XX's second message, the server's ephemeral key already mixed in. */
static int read_xx(mp_noise *noise, const mp_handshake_fields *hello, mp_buffer *chain, mp_error *e) {
  int rc = mp_noise_mix_key(noise, noise->ephemeral.private_key, noise->peer_ephemeral, e);
  if (rc == MP_OK) rc = mp_noise_decrypt_static(noise, hello->field[HELLO_STATIC], "server key", e);
  if (rc == MP_OK) rc = mp_noise_mix_key(noise, noise->ephemeral.private_key, noise->peer_static, e);
  if (rc == MP_OK) rc = mp_noise_decrypt_and_hash(noise, hello->field[HELLO_PAYLOAD], "certificate chain", chain, e);
  return rc;
}

/* IK's second message: that it decrypts proves the server's key, which is the one the hello was made for. */
static int read_ik(mp_noise *noise, const mp_handshake_fields *hello, mp_buffer *chain, mp_error *e) {
  int rc = mp_noise_mix_key(noise, noise->ephemeral.private_key, noise->peer_ephemeral, e);
  if (rc == MP_OK) rc = mp_noise_mix_key(noise, noise->own_static.private_key, noise->peer_ephemeral, e);
  if (rc == MP_OK) rc = mp_noise_decrypt_and_hash(noise, hello->field[HELLO_PAYLOAD], "certificate chain", chain, e);
  return rc;
}

static int read_answer(mp_noise *noise, const mp_handshake_fields *hello, bool resumed, mp_buffer *chain, mp_error *e) {
  int rc = mp_handshake_take_key(noise->peer_ephemeral, hello->field[HELLO_EPHEMERAL], "ephemeral key", e);
  if (rc != MP_OK) return rc;
  mp_noise_mix_hash(noise, noise->peer_ephemeral, 32);
  return resumed ? read_ik(noise, hello, chain, e) : read_xx(noise, hello, chain, e);
}

int mp_noise_read_server_hello(mp_noise *noise, const uint8_t *bytes, size_t length, const uint8_t root[32], int64_t now,
                               mp_buffer *chain, mp_error *e) {
  mp_handshake_fields hello;
  bool asked = noise->step == MP_NOISE_RESUME_SENT;
  int rc = asked ? MP_OK : mp_noise_at_step(noise, MP_NOISE_HELLO_SENT, e);
  if (rc != MP_OK) return rc;
  rc = mp_handshake_read(bytes, length, SERVER_HELLO, &hello, e);
  /* A static key, even an empty one, means that both start again; of the IK hello only the ephemeral key stays (01 §2.4). */
  bool resumed = asked && rc == MP_OK && hello.field[HELLO_STATIC].at == NULL;
  if (asked && !resumed) {
    mp_noise_start(noise, NAME_XXFALLBACK);
    mp_noise_mix_hash(noise, noise->ephemeral.public_key, 32);
  }
  if (rc == MP_OK) rc = read_answer(noise, &hello, resumed, chain, e);
  /* In IK the server's key is proved without a chain; one that is shown has to hold all the same. */
  if (rc == MP_OK && !(resumed && chain->length == 0)) {
    rc = mp_noise_check_chain(chain->data, chain->length, root, noise->peer_static, now, e);
  }
  if (rc != MP_OK) chain->length = 0;
  return mp_noise_finish_step(noise, rc, resumed ? MP_NOISE_DONE : MP_NOISE_VERIFIED);
}

int mp_noise_finish(mp_noise *noise, const uint8_t *payload, size_t length, mp_buffer *out, mp_error *e) {
  static const uint32_t numbers[] = {FINISH_STATIC, FINISH_PAYLOAD};
  mp_buffer parts[2];
  int rc = mp_noise_at_step(noise, MP_NOISE_VERIFIED, e);
  if (rc != MP_OK) return rc;
  mp_buffer_init(&parts[0], 0);
  mp_buffer_init(&parts[1], 0);
  rc = mp_noise_encrypt_and_hash(noise, noise->own_static.public_key, 32, &parts[0], e);
  if (rc == MP_OK) rc = mp_noise_mix_key(noise, noise->own_static.private_key, noise->peer_ephemeral, e);
  if (rc == MP_OK) rc = mp_noise_encrypt_and_hash(noise, payload, length, &parts[1], e);
  if (rc == MP_OK) rc = mp_handshake_write(out, CLIENT_FINISH, parts, numbers, 2, e);
  mp_buffer_free(&parts[0]);
  mp_buffer_free(&parts[1]);
  return mp_noise_finish_step(noise, rc, MP_NOISE_DONE);
}
