/* The two ciphers behind a handshake. */
#include <string.h>

#include "crypto/hash.h"
#include "noise/state.h"

int mp_noise_split(mp_noise *noise, bool initiator, mp_noise_transport *transport, mp_error *e) {
  uint8_t okm[64];
  int rc = mp_noise_at_step(noise, MP_NOISE_DONE, e);
  if (rc != MP_OK) return rc;
  mp_hkdf(okm, sizeof okm, "", 0, noise->ck, 32, "", 0);
  memset(transport, 0, sizeof *transport);
  transport->send = mp_gcm_new(initiator ? okm : okm + 32, 1);
  transport->receive = mp_gcm_new(initiator ? okm + 32 : okm, 0);
  mp_wipe(okm, sizeof okm);
  mp_noise_wipe(noise);
  if (transport->send != NULL && transport->receive != NULL) return MP_OK;
  mp_noise_transport_free(transport);
  return mp_fail(e, MP_ENOMEM, "no memory for the transport keys");
}

void mp_noise_transport_free(mp_noise_transport *transport) {
  mp_gcm_free(transport->send);
  mp_gcm_free(transport->receive);
  transport->send = transport->receive = NULL;
}

int mp_noise_encrypt(mp_noise_transport *transport, const uint8_t *bytes, size_t length, uint8_t *out, mp_error *e) {
  uint8_t iv[12];
  if (transport->send == NULL) return mp_fail(e, MP_ECLOSED, "the transport is closed");
  if (transport->send_count == UINT32_MAX)
    return mp_fail(e, MP_ELIMIT, "the connection has sent all the frames its counter allows");
  mp_noise_make_iv(iv, transport->send_count++);
  int rc = mp_gcm_encrypt(transport->send, out, iv, NULL, 0, bytes, length);
  return rc == MP_OK ? MP_OK : mp_fail(e, rc, "the frame cannot be encrypted");
}

int mp_noise_decrypt(mp_noise_transport *transport, const uint8_t *bytes, size_t length, uint8_t *out, mp_error *e) {
  uint8_t iv[12];
  if (transport->receive == NULL) return mp_fail(e, MP_ECLOSED, "the transport is closed");
  if (transport->receive_count == UINT32_MAX)
    return mp_fail(e, MP_ELIMIT, "the connection has received all the frames its counter allows");
  mp_noise_make_iv(iv, transport->receive_count++);
  int rc = mp_gcm_decrypt(transport->receive, out, iv, NULL, 0, bytes, length);
  return rc == MP_OK ? MP_OK : mp_fail(e, rc, "frame %u does not decrypt", transport->receive_count - 1);
}
