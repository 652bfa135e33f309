#include "noise/noise.h"

#include <string.h>

#include "base/protobuf.h"
#include "crypto/hash.h"
#include "noise/certificate.h"

const uint8_t mp_noise_root[32] = {0x14, 0x23, 0x75, 0x57, 0x4d, 0x0a, 0x58, 0x71, 0x66, 0xaa, 0xe7,
                                   0x1e, 0xbe, 0x51, 0x64, 0x37, 0xc4, 0xa2, 0x8b, 0x73, 0xe3, 0x69,
                                   0x5c, 0x6c, 0xe1, 0xf7, 0xf9, 0x54, 0x5d, 0xa8, 0xee, 0x6b};
const uint8_t mp_noise_prologue[4] = {'W', 'A', 6, 3};
#define NAME_XX "Noise_XX_25519_AESGCM_SHA256"
#define NAME_XXFALLBACK "Noise_XXfallback_25519_AESGCM_SHA256"

/* Fields of HandshakeMessage and its three messages (01 §2.5). */
enum { CLIENT_HELLO = 2, SERVER_HELLO = 3, CLIENT_FINISH = 4 };
enum { HELLO_EPHEMERAL = 1, HELLO_STATIC = 2, HELLO_PAYLOAD = 3, FINISH_STATIC = 1, FINISH_PAYLOAD = 2 };

typedef struct {
  mp_proto_span field[4]; /* by number, 1 to 3; absent: at = NULL */
} handshake_fields;

/* Reads the submessage `which` of a HandshakeMessage; unknown fields are skipped. */
static int read_handshake(const uint8_t *bytes, size_t length, uint32_t which, handshake_fields *out, mp_error *e) {
  mp_proto_span span = {bytes, bytes + length}, inner = {0};
  uint32_t number;
  int type;
  memset(out, 0, sizeof *out);
  while (span.at < span.end) {
    if (!mp_proto_read_tag(&span, &number, &type)) return mp_fail(e, MP_EMALFORMED, "the handshake message is malformed");
    bool wanted = number == which && type == MP_PROTO_BYTES;
    if (!(wanted ? mp_proto_read_bytes(&span, &inner) : mp_proto_skip(&span, type))) {
      return mp_fail(e, MP_EMALFORMED, "the handshake message is malformed");
    }
  }
  if (inner.at == NULL) return mp_fail(e, MP_EMALFORMED, "the handshake message is of another kind");
  while (inner.at < inner.end) {
    if (!mp_proto_read_tag(&inner, &number, &type)) return mp_fail(e, MP_EMALFORMED, "the handshake message is malformed");
    bool wanted = number <= 3 && type == MP_PROTO_BYTES;
    if (!(wanted ? mp_proto_read_bytes(&inner, &out->field[number]) : mp_proto_skip(&inner, type))) {
      return mp_fail(e, MP_EMALFORMED, "the handshake message is malformed");
    }
  }
  return MP_OK;
}

static size_t size_of(mp_proto_span span) {
  return (size_t)(span.end - span.at);
}

static void mix_hash(mp_noise *noise, const void *bytes, size_t length) {
  mp_sha256_join(noise->h, noise->h, sizeof noise->h, bytes, length);
}

/* The state under a pattern's name: padded with zeros when it fits, hashed when it does not (01 §2.1). */
static void start(mp_noise *noise, const char *name) {
  size_t length = strlen(name);
  memset(noise->h, 0, sizeof noise->h);
  if (length <= sizeof noise->h) {
    memcpy(noise->h, name, length);
  } else {
    mp_sha256(noise->h, name, length);
  }
  memcpy(noise->ck, noise->h, sizeof noise->ck);
  memcpy(noise->k, noise->h, sizeof noise->k);
  noise->n = 0;
  mix_hash(noise, mp_noise_prologue, sizeof mp_noise_prologue);
}

static int mix_key(mp_noise *noise, const uint8_t private_key[32], const uint8_t public_key[32], mp_error *e) {
  uint8_t shared[32], okm[64];
  if (mp_agree(shared, private_key, public_key) != MP_OK) return mp_fail(e, MP_ECRYPTO, "the peer's key is of small order");
  mp_hkdf(okm, sizeof okm, shared, sizeof shared, noise->ck, 32, "", 0);
  memcpy(noise->ck, okm, 32);
  memcpy(noise->k, okm + 32, 32);
  noise->n = 0;
  mp_wipe(shared, sizeof shared);
  mp_wipe(okm, sizeof okm);
  return MP_OK;
}

static void make_iv(uint8_t iv[12], uint32_t n) {
  memset(iv, 0, 8);
  for (int i = 0; i < 4; i++) iv[8 + i] = (uint8_t)(n >> (24 - 8 * i));
}

static int encrypt_and_hash(mp_noise *noise, const uint8_t *plain, size_t length, mp_buffer *out, mp_error *e) {
  uint8_t iv[12];
  if (mp_buffer_reserve(out, length + MP_GCM_TAG) != MP_OK) return mp_fail(e, MP_ENOMEM, "no memory for the handshake");
  mp_gcm *gcm = mp_gcm_new(noise->k, 1);
  make_iv(iv, noise->n++);
  int rc = gcm == NULL ? MP_ENOMEM : mp_gcm_encrypt(gcm, out->data + out->length, iv, noise->h, 32, plain, length);
  mp_gcm_free(gcm);
  if (rc != MP_OK) return mp_fail(e, rc, "the handshake cannot be encrypted");
  mix_hash(noise, out->data + out->length, length + MP_GCM_TAG);
  out->length += length + MP_GCM_TAG;
  return MP_OK;
}

static int decrypt_and_hash(mp_noise *noise, mp_proto_span cipher, const char *what, mp_buffer *out, mp_error *e) {
  uint8_t iv[12];
  if (cipher.at == NULL || size_of(cipher) < MP_GCM_TAG)
    return mp_fail(e, MP_EMALFORMED, "the handshake message has no %s", what);
  if (mp_buffer_reserve(out, size_of(cipher)) != MP_OK) return mp_fail(e, MP_ENOMEM, "no memory for the handshake");
  mp_gcm *gcm = mp_gcm_new(noise->k, 0);
  make_iv(iv, noise->n++);
  int rc = gcm == NULL ? MP_ENOMEM : mp_gcm_decrypt(gcm, out->data + out->length, iv, noise->h, 32, cipher.at, size_of(cipher));
  mp_gcm_free(gcm);
  if (rc != MP_OK) return mp_fail(e, rc, "the handshake's %s cannot be decrypted", what);
  mix_hash(noise, cipher.at, size_of(cipher));
  out->length += size_of(cipher) - MP_GCM_TAG;
  return MP_OK;
}

void mp_noise_init(mp_noise *noise, const mp_keypair *own_static) {
  memset(noise, 0, sizeof *noise);
  noise->own_static = *own_static;
  mp_keypair_generate(&noise->ephemeral);
  start(noise, NAME_XX);
}

void mp_noise_wipe(mp_noise *noise) {
  mp_wipe(noise, sizeof *noise);
  noise->step = MP_NOISE_BROKEN;
}

static int at_step(const mp_noise *noise, mp_noise_step step, mp_error *e) {
  return noise->step == step ? MP_OK : mp_fail(e, MP_EINVAL, "the handshake is at another step, or has failed");
}

/* A failed handshake cannot be gone on with, and keeps no keys. */
static int finish_step(mp_noise *noise, int rc, mp_noise_step next) {
  if (rc == MP_OK) {
    noise->step = next;
  } else {
    mp_noise_wipe(noise);
  }
  return rc;
}

static int write_message(mp_buffer *out, uint32_t which, const mp_buffer *parts, const uint32_t *numbers, size_t count,
                         mp_error *e) {
  size_t mark;
  int bad = mp_proto_write_tag(out, which, MP_PROTO_BYTES) || mp_proto_begin(out, &mark);
  for (size_t i = 0; i < count && !bad; i++) {
    bad = mp_proto_write_tag(out, numbers[i], MP_PROTO_BYTES) || mp_proto_write_bytes(out, parts[i].data, parts[i].length);
  }
  if (bad || mp_proto_end(out, mark) != MP_OK) return mp_fail(e, MP_ENOMEM, "no memory for the handshake");
  return MP_OK;
}

int mp_noise_hello(mp_noise *noise, mp_buffer *out, mp_error *e) {
  const uint32_t number = HELLO_EPHEMERAL;
  mp_buffer part = {.data = noise->ephemeral.public_key, .length = 32};
  int rc = at_step(noise, MP_NOISE_START, e);
  if (rc != MP_OK) return rc;
  mix_hash(noise, noise->ephemeral.public_key, 32);
  return finish_step(noise, write_message(out, CLIENT_HELLO, &part, &number, 1, e), MP_NOISE_HELLO_SENT);
}

static int take_key(uint8_t out[32], mp_proto_span span, const char *what, mp_error *e) {
  if (span.at == NULL || size_of(span) != 32)
    return mp_fail(e, MP_EMALFORMED, "the handshake message has no %s of 32 bytes", what);
  memcpy(out, span.at, 32);
  return MP_OK;
}

static int server_hello_steps(mp_noise *noise, const handshake_fields *hello, const uint8_t root[32], int64_t now,
                              mp_buffer *plain, mp_error *e) {
  int rc;
  if ((rc = take_key(noise->peer_ephemeral, hello->field[HELLO_EPHEMERAL], "ephemeral key", e)) != MP_OK) return rc;
  mix_hash(noise, noise->peer_ephemeral, 32);
  if ((rc = mix_key(noise, noise->ephemeral.private_key, noise->peer_ephemeral, e)) != MP_OK) return rc;
  if ((rc = decrypt_and_hash(noise, hello->field[HELLO_STATIC], "server key", plain, e)) != MP_OK) return rc;
  if (plain->length != 32) return mp_fail(e, MP_EMALFORMED, "the server's key is not of 32 bytes");
  memcpy(noise->peer_static, plain->data, 32);
  if ((rc = mix_key(noise, noise->ephemeral.private_key, noise->peer_static, e)) != MP_OK) return rc;
  plain->length = 0;
  if ((rc = decrypt_and_hash(noise, hello->field[HELLO_PAYLOAD], "certificate chain", plain, e)) != MP_OK) return rc;
  return mp_noise_check_chain(plain->data, plain->length, root, noise->peer_static, now, e);
}

int mp_noise_read_server_hello(mp_noise *noise, const uint8_t *bytes, size_t length, const uint8_t root[32], int64_t now,
                               mp_error *e) {
  handshake_fields hello;
  mp_buffer plain;
  int rc = at_step(noise, MP_NOISE_HELLO_SENT, e);
  if (rc != MP_OK) return rc;
  mp_buffer_init(&plain, 0);
  rc = read_handshake(bytes, length, SERVER_HELLO, &hello, e);
  if (rc == MP_OK) rc = server_hello_steps(noise, &hello, root, now, &plain, e);
  mp_buffer_free(&plain);
  return finish_step(noise, rc, MP_NOISE_VERIFIED);
}

int mp_noise_finish(mp_noise *noise, const uint8_t *payload, size_t length, mp_buffer *out, mp_error *e) {
  static const uint32_t numbers[] = {FINISH_STATIC, FINISH_PAYLOAD};
  mp_buffer parts[2];
  int rc = at_step(noise, MP_NOISE_VERIFIED, e);
  if (rc != MP_OK) return rc;
  mp_buffer_init(&parts[0], 0);
  mp_buffer_init(&parts[1], 0);
  rc = encrypt_and_hash(noise, noise->own_static.public_key, 32, &parts[0], e);
  if (rc == MP_OK) rc = mix_key(noise, noise->own_static.private_key, noise->peer_ephemeral, e);
  if (rc == MP_OK) rc = encrypt_and_hash(noise, payload, length, &parts[1], e);
  if (rc == MP_OK) rc = write_message(out, CLIENT_FINISH, parts, numbers, 2, e);
  mp_buffer_free(&parts[0]);
  mp_buffer_free(&parts[1]);
  return finish_step(noise, rc, MP_NOISE_DONE);
}

/* A hello with both static key and payload asks for IK, which is not spoken: both sides start again as XXfallback, and of the
 * hello only the ephemeral key stays (01 §2.4). One of them alone is nothing the protocol knows. */
static int choose_pattern(mp_noise *noise, const handshake_fields *hello, mp_error *e) {
  bool has_static = hello->field[HELLO_STATIC].at != NULL, has_payload = hello->field[HELLO_PAYLOAD].at != NULL;
  if (has_static != has_payload) return mp_fail(e, MP_EMALFORMED, "the hello holds half an IK handshake");
  if (has_static) start(noise, NAME_XXFALLBACK);
  return MP_OK;
}

int mp_noise_read_hello(mp_noise *noise, const uint8_t *bytes, size_t length, const uint8_t *chain, size_t chain_length,
                        mp_buffer *out, mp_error *e) {
  static const uint32_t numbers[] = {HELLO_EPHEMERAL, HELLO_STATIC, HELLO_PAYLOAD};
  handshake_fields hello;
  mp_buffer parts[3] = {{.data = noise->ephemeral.public_key, .length = 32}};
  int rc = at_step(noise, MP_NOISE_START, e);
  if (rc != MP_OK) return rc;
  mp_buffer_init(&parts[1], 0);
  mp_buffer_init(&parts[2], 0);
  rc = read_handshake(bytes, length, CLIENT_HELLO, &hello, e);
  if (rc == MP_OK) rc = choose_pattern(noise, &hello, e);
  if (rc == MP_OK) rc = take_key(noise->peer_ephemeral, hello.field[HELLO_EPHEMERAL], "ephemeral key", e);
  if (rc == MP_OK) {
    mix_hash(noise, noise->peer_ephemeral, 32);
    mix_hash(noise, noise->ephemeral.public_key, 32);
    rc = mix_key(noise, noise->ephemeral.private_key, noise->peer_ephemeral, e);
  }
  if (rc == MP_OK) rc = encrypt_and_hash(noise, noise->own_static.public_key, 32, &parts[1], e);
  if (rc == MP_OK) rc = mix_key(noise, noise->own_static.private_key, noise->peer_ephemeral, e);
  if (rc == MP_OK) rc = encrypt_and_hash(noise, chain, chain_length, &parts[2], e);
  if (rc == MP_OK) rc = write_message(out, SERVER_HELLO, parts, numbers, 3, e);
  mp_buffer_free(&parts[1]);
  mp_buffer_free(&parts[2]);
  return finish_step(noise, rc, MP_NOISE_HELLO_READ);
}

int mp_noise_read_finish(mp_noise *noise, const uint8_t *bytes, size_t length, mp_buffer *payload, mp_error *e) {
  handshake_fields finish;
  mp_buffer key;
  int rc = at_step(noise, MP_NOISE_HELLO_READ, e);
  if (rc != MP_OK) return rc;
  mp_buffer_init(&key, 0);
  rc = read_handshake(bytes, length, CLIENT_FINISH, &finish, e);
  if (rc == MP_OK) rc = decrypt_and_hash(noise, finish.field[FINISH_STATIC], "client key", &key, e);
  if (rc == MP_OK && key.length != 32) rc = mp_fail(e, MP_EMALFORMED, "the client's key is not of 32 bytes");
  if (rc == MP_OK) {
    memcpy(noise->peer_static, key.data, 32);
    rc = mix_key(noise, noise->ephemeral.private_key, noise->peer_static, e);
  }
  if (rc == MP_OK) rc = decrypt_and_hash(noise, finish.field[FINISH_PAYLOAD], "client payload", payload, e);
  mp_buffer_free(&key);
  return finish_step(noise, rc, MP_NOISE_DONE);
}

int mp_noise_split(mp_noise *noise, bool initiator, mp_noise_transport *transport, mp_error *e) {
  uint8_t okm[64];
  int rc = at_step(noise, MP_NOISE_DONE, e);
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
  make_iv(iv, transport->send_count++);
  int rc = mp_gcm_encrypt(transport->send, out, iv, NULL, 0, bytes, length);
  return rc == MP_OK ? MP_OK : mp_fail(e, rc, "the frame cannot be encrypted");
}

int mp_noise_decrypt(mp_noise_transport *transport, const uint8_t *bytes, size_t length, uint8_t *out, mp_error *e) {
  uint8_t iv[12];
  if (transport->receive == NULL) return mp_fail(e, MP_ECLOSED, "the transport is closed");
  if (transport->receive_count == UINT32_MAX)
    return mp_fail(e, MP_ELIMIT, "the connection has received all the frames its counter allows");
  make_iv(iv, transport->receive_count++);
  int rc = mp_gcm_decrypt(transport->receive, out, iv, NULL, 0, bytes, length);
  return rc == MP_OK ? MP_OK : mp_fail(e, rc, "frame %u does not decrypt", transport->receive_count - 1);
}
