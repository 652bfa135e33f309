/* A host's loop: that of Debian's lua-luv, which uses the same libuv as libwebsockets. */
#include <dlfcn.h>

#include "net.h"

#define LENDER "moonpost lender" /* in the registry alone: nobody is handed one */
#define OTHER_LIBUV \
  "this luv carries a libuv of its own, and its loop cannot be shared: install Debian's lua-luv in place of the rock"

typedef uv_loop_t *(*loop_function)(lua_State *);
typedef void (*set_loop_function)(lua_State *, uv_loop_t *);

typedef struct {
  void *library;
  set_loop_function set_loop;
} lender;

/* At the end of the state luv would close all handles of its loop as if they were its own: it must not find it. What is left is
 * the end of the process's to free. */
static int lender_gc(lua_State *L) {
  lender *from = luaL_checkudata(L, 1, LENDER);
  if (from->set_loop != NULL) {
    mp_loop_keep();
    from->set_loop(L, NULL);
  }
  from->set_loop = NULL;
  return 0;
}

/* The library a C function of the module at `index` is in; NULL when there is none. */
static void *library_of(lua_State *L, int index) {
  Dl_info info;
  lua_getfield(L, index, "run");
  lua_CFunction run = lua_tocfunction(L, -1);
  lua_pop(L, 1);
  /* ISO C has no way from a function to an object pointer, POSIX demands one. */
  union {
    lua_CFunction function;
    void *object;
  } at = {.function = run};
  if (run == NULL || dladdr(at.object, &info) == 0 || info.dli_fname == NULL) return NULL;
  return dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
}

static bool shares_libuv(void *library) {
  union {
    int (*function)(uv_loop_t *, uv_run_mode);
    void *object;
  } ours = {.function = uv_run};
  return dlsym(library, "uv_run") == ours.object;
}

/* borrow(luv) -> true | nil, err: everything lives in that module's loop from now on. Only before anything has been made. */
static int net_borrow(lua_State *L) {
  mp_error e;
  union {
    void *object;
    loop_function loop;
    set_loop_function set_loop;
  } loop, set_loop;
  luaL_checktype(L, 1, LUA_TTABLE);
  lender *from = lua_newuserdatauv(L, sizeof *from, 0);
  from->set_loop = NULL;
  luaL_setmetatable(L, LENDER);
  from->library = library_of(L, 1);
  if (from->library == NULL) {
    mp_fail(&e, MP_EINVAL, "this is no luv: its function 'run' is in no library");
    return mpl_fail(L, &e);
  }
  if (!shares_libuv(from->library)) {
    mp_fail(&e, MP_EINVAL, OTHER_LIBUV);
    return mpl_fail(L, &e);
  }
  loop.object = dlsym(from->library, "luv_loop");
  set_loop.object = dlsym(from->library, "luv_set_loop");
  if (loop.object == NULL || set_loop.object == NULL) {
    mp_fail(&e, MP_EINVAL, "this luv does not tell its loop: install Debian's lua-luv");
    return mpl_fail(L, &e);
  }
  if (mp_loop_borrow(loop.loop(L), &e) != MP_OK) return mpl_fail(L, &e);
  from->set_loop = set_loop.set_loop;
  lua_setfield(L, LUA_REGISTRYINDEX, LENDER " in use");
  lua_pushboolean(L, 1);
  return 1;
}

void mpl_open_net_borrow(lua_State *L) {
  static const luaL_Reg functions[] = {{"borrow", net_borrow}, {NULL, NULL}};
  luaL_newmetatable(L, LENDER);
  lua_pushcfunction(L, lender_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
