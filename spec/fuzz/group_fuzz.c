/* Groups and notifications about them, as the client reads them from decoded nodes; properties in group.lua. */
#include "lua_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  static lua_State *L;
  if (L == NULL) L = open_target(MOONPOST_ROOT "/spec/fuzz/group.lua");
  run_target(L, bytes, length, NULL);
  return 0;
}
