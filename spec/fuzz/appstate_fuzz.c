/* Patches of the app state, as the client reads them; properties in appstate.lua. */
#include "lua_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  static lua_State *L;
  if (L == NULL) L = open_target(MOONPOST_ROOT "/spec/fuzz/appstate.lua");
  run_target(L, bytes, length, NULL);
  return 0;
}
