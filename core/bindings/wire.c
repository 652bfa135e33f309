#include "bindings.h"

static const luaL_Reg functions[] = {
    {NULL, NULL},
};

int mpl_open_wire(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
