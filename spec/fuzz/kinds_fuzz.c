/* Messages, from their bytes to the event a handler is told; properties in kinds.lua. */
#include "lua_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  static lua_State *L;
  if (L == NULL) L = open_target(MOONPOST_ROOT "/spec/fuzz/kinds.lua");
  run_target(L, bytes, length, NULL);
  return 0;
}
