/* Shared plumbing of the binding files: errors as values, userdata, options. The only room that includes lua.h. */
#ifndef MOONPOST_BINDINGS_H
#define MOONPOST_BINDINGS_H
#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/error.h"

#define MPL_EXPORT __attribute__((visibility("default")))

/* Pushes nil and an error object {code = name, message = sentence} with a readable tostring; returns 2. */
int mpl_fail(lua_State *L, const mp_error *e);
/* Pushes the error object alone. */
void mpl_push_error(lua_State *L, const mp_error *e);

/* Makes metatable `name` with `methods` as __index, __gc and __close = close, __tostring = "name (closed?)". */
void mpl_new_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close, lua_CFunction tostring);

/* Calls a function from C that nobody waits for: the function and its `args` arguments are on the stack and are popped. An error
 * goes with its traceback to the handler set by net.on_callback_error, or to standard error. Returns whether it succeeded. */
bool mpl_call(lua_State *L, int args);
void mpl_set_error_handler(lua_State *L, int arg); /* pushes the one before, or nil */

/* An empty buffer to build a result in: one per state, used again and again (never by two at once); a large one is given back. */
mp_buffer *mpl_output(lua_State *L);

/* Each room's binding file pushes its table of functions. */
int mpl_open_wire(lua_State *L);
int mpl_open_proto(lua_State *L);
int mpl_open_crypto(lua_State *L);
int mpl_open_noise(lua_State *L);
int mpl_open_store(lua_State *L);
int mpl_open_signal(lua_State *L);
int mpl_open_net(lua_State *L);
int mpl_open_qr(lua_State *L);
int mpl_open_syncd(lua_State *L);
int mpl_open_media(lua_State *L);
int mpl_open_history(lua_State *L);
int mpl_open_system(lua_State *L);
void mpl_open_draft(lua_State *L); /* into the table of core.system */

MPL_EXPORT int luaopen_moonpost_core(lua_State *L);

#endif
