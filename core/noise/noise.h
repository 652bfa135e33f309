/* The Noise handshake of the WhatsApp protocol (fact sheet 01 §2), step by step over bytes, no socket inside.
 *
 *   XX:   -> e                                   initiator: mp_noise_hello
 *         <- e, ee, s, es  {certificate chain}   responder: mp_noise_read_hello;  initiator: mp_noise_read_server_hello
 *         -> s, se         {client payload}      initiator: mp_noise_finish;      responder: mp_noise_read_finish
 *
 *   IK:   <- s                                   the initiator knows it from an earlier XX
 *         -> e, es, s, ss  {client payload}      initiator: mp_noise_resume
 *         <- e, ee, se     {certificate chain}   responder: mp_noise_read_hello;  initiator: mp_noise_read_server_hello
 *
 * A responder that cannot read the IK hello, made for another static key, answers as in XX: from there both go on as XXfallback
 * (01 §2.4), the same steps as XX under another name.
 */
#ifndef MOONPOST_NOISE_NOISE_H
#define MOONPOST_NOISE_NOISE_H
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "crypto/aes.h"
#include "crypto/curve.h"

/* The root key of the real service's certificates (01 §2.5); nobody else can sign with it. */
extern const uint8_t mp_noise_root[32];
/* "WA", protocol magic 6, token dictionary version 3 (01 §1.2). */
extern const uint8_t mp_noise_prologue[4];

typedef enum {
  MP_NOISE_START,
  MP_NOISE_HELLO_SENT,
  MP_NOISE_RESUME_SENT, /* an IK hello */
  MP_NOISE_VERIFIED,
  MP_NOISE_HELLO_READ,
  MP_NOISE_DONE,
  MP_NOISE_BROKEN
} mp_noise_step;

typedef struct {
  uint8_t h[32], ck[32], k[32];
  uint32_t n;
  mp_noise_step step;
  mp_keypair ephemeral, own_static;
  uint8_t peer_ephemeral[32], peer_static[32];
} mp_noise;

/* Two one-way ciphers after the handshake. */
typedef struct {
  mp_gcm *send, *receive;
  uint32_t send_count, receive_count;
} mp_noise_transport;

/* Starts a handshake with a fresh ephemeral key. A step that fails ends it: everything is zeroed, every further step MP_EINVAL.
 */
void mp_noise_init(mp_noise *noise, const mp_keypair *own_static);
/* Zeroes it; it is over then. */
void mp_noise_wipe(mp_noise *noise);

/* The initiator's steps. They append a HandshakeMessage to `out`, or read one. */
int mp_noise_hello(mp_noise *noise, mp_buffer *out, mp_error *e);
/* The hello of IK, for a server whose static key is known. It holds the client's payload already. */
int mp_noise_resume(mp_noise *noise, const uint8_t server_static[32], const uint8_t *payload, size_t length, mp_buffer *out,
                    mp_error *e);
/* Checks the server's certificate chain against `root` at `now` (Unix seconds): every row of 01 §2.5. `chain` gets it; after an
 * accepted IK, which needs none, it may stay empty. The step is then MP_NOISE_DONE after IK, else MP_NOISE_VERIFIED. */
int mp_noise_read_server_hello(mp_noise *noise, const uint8_t *bytes, size_t length, const uint8_t root[32], int64_t now,
                               mp_buffer *chain, mp_error *e);
int mp_noise_finish(mp_noise *noise, const uint8_t *payload, size_t length, mp_buffer *out, mp_error *e);

/* The responder's. `chain` is the CertChain it shows; `payload` gets the client's, and peer_static is then its key. After an IK
 * hello that is accepted the step is MP_NOISE_DONE at once: what was read so may be a replay until the first frame of the client
 * decrypts. */
int mp_noise_read_hello(mp_noise *noise, const uint8_t *bytes, size_t length, const uint8_t *chain, size_t chain_length,
                        mp_buffer *out, mp_buffer *payload, mp_error *e);
int mp_noise_read_finish(mp_noise *noise, const uint8_t *bytes, size_t length, mp_buffer *payload, mp_error *e);

/* Ends the handshake: the keys go to the transport, the handshake's secrets are zeroed. */
int mp_noise_split(mp_noise *noise, bool initiator, mp_noise_transport *transport, mp_error *e);

/* Zeroes the keys; what is asked of it afterwards is MP_ECLOSED. */
void mp_noise_transport_free(mp_noise_transport *transport);
/* `out` has room for length + 16 bytes. MP_ELIMIT when the counter is used up. */
int mp_noise_encrypt(mp_noise_transport *transport, const uint8_t *bytes, size_t length, uint8_t *out, mp_error *e);
/* `out` has room for length - 16 bytes. MP_ECRYPTO when the frame does not verify: its number is used up all the same (01 §2.6).
 */
int mp_noise_decrypt(mp_noise_transport *transport, const uint8_t *bytes, size_t length, uint8_t *out, mp_error *e);

#endif
