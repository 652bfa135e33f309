/* Child processes as loop events: their output in pieces, their end, with no shell between. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "net/inherit.h"

#define CHILD "moonpost.net.child"
#define WORDS_MAX 256 /* words of a command, and of an environment */

enum { INPUT, OUTPUT, ERRORS, STREAMS }; /* it reads nothing */

typedef struct child {
  uv_process_t process;
  uv_pipe_t pipes[STREAMS];
  bool open[STREAMS]; /* the pipe is there and has not been closed */
  lua_State *L;
  int handlers, anchor; /* the caller's table; the userdata, while the child lives */
  int handles;          /* libuv handles that are not closed yet */
  bool exited, over;
  int64_t code;
  int signal;
  struct child **box; /* the userdata's pointer, NULL once it is collected */
} child;

static void on_closed(uv_handle_t *uv) {
  child *c = uv->data;
  if (--c->handles > 0) return;
  mp_loop_release();
  free(c);
}

static void close_pipe(child *c, int which) {
  if (!c->open[which]) return;
  c->open[which] = false;
  uv_close((uv_handle_t *)&c->pipes[which], on_closed);
}

/* It and whatever it has started: it is the head of a process group of its own. */
static void kill_group(const child *c, int number) {
  if (c->process.pid > 0) kill(-c->process.pid, number);
}

/* Lets go of everything; nothing is told any more. */
static void dispose(child *c) {
  if (c->over) return;
  c->over = true;
  if (!c->exited) kill_group(c, SIGKILL);
  luaL_unref(c->L, LUA_REGISTRYINDEX, c->handlers);
  luaL_unref(c->L, LUA_REGISTRYINDEX, c->anchor);
  if (c->box != NULL) *c->box = NULL;
  c->box = NULL;
  for (int i = 0; i < STREAMS; i++) close_pipe(c, i);
  /* An exit that has not been seen yet is waited for: no zombie is left. */
  if (c->process.type == UV_UNKNOWN_HANDLE) return on_closed((uv_handle_t *)&c->process); /* libuv has not seen it */
  if (c->exited || c->process.pid == 0) uv_close((uv_handle_t *)&c->process, on_closed);
}

/* Pushes the function of that name and returns true, or pushes nothing. */
static bool push_handler(child *c, const char *name) {
  if (c->over) return false;
  lua_rawgeti(c->L, LUA_REGISTRYINDEX, c->handlers);
  bool found = mpl_push_handler(c->L, -1, name);
  lua_remove(c->L, found ? -2 : -1);
  return found;
}

/* The end is told when the process has ended and all it has written was read. */
static void look_for_end(child *c) {
  if (c->over || !c->exited || c->open[OUTPUT] || c->open[ERRORS]) return;
  lua_State *L = c->L;
  bool told = push_handler(c, "ended");
  lua_Integer code = c->code;
  int number = c->signal;
  dispose(c);
  if (!told) return;
  lua_pushinteger(L, code);
  if (number != 0)
    lua_pushinteger(L, number);
  else
    lua_pushnil(L);
  mpl_call(L, 2);
}

static void on_exit_status(uv_process_t *uv, int64_t code, int number) {
  child *c = uv->data;
  c->exited = true;
  c->code = code;
  c->signal = number;
  kill_group(c, SIGKILL); /* what it has left behind would keep its pipes open */
  if (c->over)
    uv_close((uv_handle_t *)uv, on_closed);
  else
    look_for_end(c);
}

static void on_alloc(uv_handle_t *uv, size_t suggested, uv_buf_t *buf) {
  (void)uv;
  buf->base = malloc(suggested);
  buf->len = buf->base != NULL ? suggested : 0;
}

static void on_read(uv_stream_t *uv, ssize_t count, const uv_buf_t *buf) {
  child *c = uv->data;
  int which = uv == (uv_stream_t *)&c->pipes[OUTPUT] ? OUTPUT : ERRORS;
  if (count > 0 && push_handler(c, which == OUTPUT ? "output" : "errors")) {
    lua_pushlstring(c->L, buf->base, (size_t)count);
    free(buf->base);
    mpl_call(c->L, 1);
    return;
  }
  free(buf->base);
  if (count >= 0) return;
  close_pipe(c, which);
  look_for_end(c);
}

/* The texts of the list at `index` as a C array, which points into Lua's strings; NULL when it is nil. */
static char **words(lua_State *L, int index, const char *name) {
  if (lua_isnil(L, index)) return NULL;
  if (!lua_istable(L, index)) luaL_error(L, "spawn: %s: a list of texts expected", name);
  lua_Unsigned count = lua_rawlen(L, index);
  if (count > WORDS_MAX) luaL_error(L, "spawn: %s: more than %d", name, WORDS_MAX);
  char **list = lua_newuserdatauv(L, (count + 1) * sizeof *list, 0);
  for (lua_Unsigned i = 0; i < count; i++) {
    if (lua_rawgeti(L, index, (lua_Integer)i + 1) != LUA_TSTRING) luaL_error(L, "spawn: %s: a list of texts expected", name);
    size_t length;
    list[i] = (char *)lua_tolstring(L, -1, &length); /* libuv does not write to it; the list keeps it */
    if (strlen(list[i]) != length) luaL_error(L, "spawn: %s: a zero byte", name);
    lua_pop(L, 1);
  }
  list[count] = NULL;
  return list;
}

static void use_pipe(child *c, int which, bool wanted, uv_stdio_container_t *stdio) {
  stdio->flags = UV_IGNORE;
  if (!wanted) return;
  uv_pipe_init(mp_loop(), &c->pipes[which], 0);
  c->pipes[which].data = c;
  c->open[which] = true;
  c->handles++;
  stdio->flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
  stdio->data.stream = (uv_stream_t *)&c->pipes[which];
}

static bool has(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  bool there = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return there;
}

/* A child inherits nothing but its three streams: neither the store nor what else is open here. */
static int spawn(child *c, const uv_process_options_t *options, mp_error *e) {
  mp_buffer kept;
  mp_buffer_init(&kept, 0);
  int rc = mp_keep_back(&kept, e);
  if (rc == MP_OK) {
    int why = uv_spawn(mp_loop(), &c->process, options);
    if (why != 0) {
      rc = mp_fail(e, why == UV_ENOENT ? MP_ENOTFOUND : MP_ENET, "%s cannot be started: %s", options->file, uv_strerror(why));
    }
  }
  mp_let_go(&kept);
  return rc;
}

/* Pushes the userdata of a child that does not run yet. */
static child *new_child(lua_State *L) {
  child **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, CHILD);
  child *c = calloc(1, sizeof *c);
  if (c == NULL) luaL_error(L, "no memory for a child process");
  *box = c;
  c->box = box;
  c->L = mpl_main(L);
  c->process.data = c;
  c->handles = 1;
  lua_pushvalue(L, 1);
  c->handlers = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushvalue(L, -1);
  c->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
  mp_loop_hold();
  return c;
}

/* spawn { args = {program, …}, environment = {"NAME=value", …}, output = fn(bytes), errors = fn(bytes),
 * ended = fn(code, signal) } -> child | nil, err. The program is looked up in the environment's PATH; no shell sees
 * a word. Streams that are not asked for lead to /dev/null. It heads a process group of its own. `ended` is the last call: the
 * process is gone and all its output was told; `signal` is the number of the one that ended it, or nil. */
static int net_spawn(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "args");
  lua_getfield(L, 1, "environment");
  char **args = words(L, 2, "args"), **environment = words(L, 3, "environment");
  if (args == NULL || args[0] == NULL) return luaL_error(L, "spawn: args: a program expected");
  child *c = new_child(L);
  uv_stdio_container_t stdio[STREAMS];
  use_pipe(c, INPUT, false, &stdio[INPUT]);
  use_pipe(c, OUTPUT, has(L, "output"), &stdio[OUTPUT]);
  use_pipe(c, ERRORS, has(L, "errors"), &stdio[ERRORS]);
  const uv_process_options_t options = {.file = args[0],
                                        .args = args,
                                        .env = environment,
                                        .flags = UV_PROCESS_DETACHED,
                                        .exit_cb = on_exit_status,
                                        .stdio = stdio,
                                        .stdio_count = STREAMS};
  mp_error e;
  if (spawn(c, &options, &e) != MP_OK) {
    c->process.pid = 0;
    dispose(c);
    return mpl_fail(L, &e);
  }
  for (int i = OUTPUT; i < STREAMS; i++) {
    if (c->open[i]) uv_read_start((uv_stream_t *)&c->pipes[i], on_alloc, on_read);
  }
  return 1;
}

/* kill(): at once, it and all it has started; `ended` tells when it is gone */
static int child_kill(lua_State *L) {
  child **box = luaL_checkudata(L, 1, CHILD);
  if (*box != NULL && !(*box)->exited) kill_group(*box, SIGKILL);
  return 0;
}

/* pid() -> its process id; nil once it has ended */
static int child_pid(lua_State *L) {
  child **box = luaL_checkudata(L, 1, CHILD);
  if (*box == NULL || (*box)->exited) return 0;
  lua_pushinteger(L, (*box)->process.pid);
  return 1;
}

/* stop(): kills it, and nothing is told any more. Collected only after its end, but for the end of the state. */
static int child_stop(lua_State *L) {
  child **box = luaL_checkudata(L, 1, CHILD);
  if (*box != NULL) dispose(*box);
  return 0;
}

static int child_tostring(lua_State *L) {
  child **box = luaL_checkudata(L, 1, CHILD);
  lua_pushfstring(L, "%s (%s)", CHILD, *box != NULL ? "running" : "ended");
  return 1;
}

void mpl_open_net_spawn(lua_State *L) {
  static const luaL_Reg methods[] = {{"kill", child_kill}, {"pid", child_pid}, {"stop", child_stop}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"spawn", net_spawn}, {NULL, NULL}};
  mpl_new_type(L, CHILD, methods, child_stop, child_tostring);
  luaL_setfuncs(L, functions, 0);
}
