/* libsignal-protocol-c carries a slow Curve25519 under this name and calls it through the dynamic symbol table: a definition of
 * ours with default visibility takes its place. Another module that loaded libsignal first can keep ours from being reached,
 * hence the counter, and mp_curve_override_active, which looks at it. */
#include <sodium.h>

#include "crypto/curve25519_donna.h"

static unsigned long calls;

__attribute__((visibility("default"))) int curve25519_donna(uint8_t *result, const uint8_t *secret, const uint8_t *basepoint) {
  calls++;
  /* -1 tells of an all-zero result; libsignal's own returns 0 always, and its callers see the zeros. */
  int rc = crypto_scalarmult_curve25519(result, secret, basepoint);
  (void)rc;
  return 0;
}

unsigned long mp_curve25519_donna_calls(void) {
  return calls;
}
