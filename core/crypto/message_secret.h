/* What is encrypted under a message's secret: votes, responses, reactions, edits (fact sheet 05 §9). The key of each is derived
 * where it is used, and wiped there. */
#ifndef MOONPOST_CRYPTO_MESSAGE_SECRET_H
#define MOONPOST_CRYPTO_MESSAGE_SECRET_H
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define MP_MESSAGE_SECRET 32    /* bytes of a secret */
#define MP_MESSAGE_SECRET_IV 12 /* bytes of an initialisation vector */
#define MP_MESSAGE_SECRET_TAG 16

typedef struct {
  const uint8_t *secret; /* MP_MESSAGE_SECRET bytes */
  const uint8_t *iv;     /* MP_MESSAGE_SECRET_IV bytes */
  const void *info;      /* names the message, both people and the purpose */
  size_t info_length;
  const void *aad;
  size_t aad_length;
} mp_message_secret;

/* AES-256-GCM under HKDF-SHA256(secret, info). `out` has room for length + 16 bytes: the tag stands behind the ciphertext.
 * 0, MP_ENOMEM, MP_EINVAL (too long) or MP_ECRYPTO. */
int mp_message_secret_seal(uint8_t *out, const mp_message_secret *under, const void *in, size_t length);
/* `length` counts the tag; `out` has room for length - 16 bytes. MP_ECRYPTO when the tag does not fit: `out` is then zeroed. */
int mp_message_secret_open(uint8_t *out, const mp_message_secret *under, const void *in, size_t length);

#endif
