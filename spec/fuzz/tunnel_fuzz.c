/* A proxy's answer, read as it comes: what is decided stays so however many bytes follow, and the head ends where it says. */
#include "net/tunnel.h"

#include "base/limits.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  int status = 0, whole_status = 0;
  size_t head = 0, whole_head = 0;
  int whole = mp_tunnel_read_answer(bytes, length, &whole_status, &whole_head);
  HOLDS(whole == 1 || whole == 0 || whole == MP_EMALFORMED || whole == MP_ELIMIT);
  HOLDS(whole != 0 || length < MP_PROXY_HEAD_MAX);
  if (whole == 1) {
    HOLDS(whole_head <= length && whole_head >= 12);
    HOLDS(whole_status >= 0 && whole_status <= 999);
  }
  for (size_t i = 0; i < length; i++) {
    int rc = mp_tunnel_read_answer(bytes, i, &status, &head);
    if (rc == 0) continue;
    HOLDS(rc == MP_ELIMIT || (rc == whole && status == whole_status && head == whole_head));
    break;
  }
  return 0;
}
