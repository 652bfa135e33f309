/* What waits in the store, journal and outbox, and every other row of the client; properties in stored.lua. */
#include "lua_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  static lua_State *L;
  if (L == NULL) L = open_target(MOONPOST_ROOT "/spec/fuzz/stored.lua");
  run_target(L, bytes, length, NULL);
  return 0;
}
