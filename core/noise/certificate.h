/* The server's certificate chain: root -> intermediate -> leaf, each XEdDSA over the details as transmitted (01 §2.5). */
#ifndef MOONPOST_NOISE_CERTIFICATE_H
#define MOONPOST_NOISE_CERTIFICATE_H
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "crypto/curve.h"

/* Every check of the sheet: presence, sizes, serials, both signatures, validity at `now`, leaf key = `server_static`. */
int mp_noise_check_chain(const uint8_t *chain, size_t length, const uint8_t root[32], const uint8_t server_static[32],
                         int64_t now, mp_error *e);
/* The same for a chain kept from an earlier handshake; `key` gets the static key it vouches for. */
int mp_noise_read_chain(const uint8_t *chain, size_t length, const uint8_t root[32], int64_t now, uint8_t key[32], mp_error *e);
/* A chain of a server's own: intermediate serial 1 (issuer 0, written out), leaf serial 2. Times are Unix seconds. */
int mp_noise_make_chain(const mp_keypair *root, const mp_keypair *intermediate, const uint8_t server_static[32],
                        uint64_t not_before, uint64_t not_after, mp_buffer *out, mp_error *e);

#endif
