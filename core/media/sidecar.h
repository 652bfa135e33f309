/* The streaming sidecar (fact sheet 05 §13.4): of S = iv, ciphertext, MAC each 64 KiB and the 16 bytes behind them have a MAC of
 * their own, so that a player can trust a piece before the rest is there. */
#ifndef MOONPOST_MEDIA_SIDECAR_H
#define MOONPOST_MEDIA_SIDECAR_H
#include "crypto/running.h"
#include "media/media.h"

typedef struct {
  mp_running_mac *now, *before; /* of the piece at hand, and of the one before while it still wants its 16 bytes */
  uint64_t at;                  /* bytes of S so far */
  bool pending;                 /* `before` wants bytes */
  mp_buffer entries;
} mp_sidecar;

int mp_sidecar_open(mp_sidecar *sidecar, const uint8_t mac_key[32]); /* MP_OK or MP_ENOMEM; close it in either case */
void mp_sidecar_close(mp_sidecar *sidecar);
int mp_sidecar_update(mp_sidecar *sidecar, const uint8_t *bytes, size_t length);
int mp_sidecar_end(mp_sidecar *sidecar); /* `entries` are then whole */

/* Entries of a blob's sidecar, in bytes. */
uint64_t mp_sidecar_length(uint64_t blob_length);

#endif
