/* Timers, turn ends, signals and lines of standard input: libuv handles with one function each. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "net.h"

#define HANDLE "moonpost.net.handle"
#define TURNS_MAX 1000 /* rounds of turn-end functions before the loop goes on anyway */

typedef struct handle {
  union {
    uv_handle_t any;
    uv_timer_t timer;
    uv_prepare_t prepare;
    uv_signal_t signal;
    uv_stream_t stream;
    uv_tty_t tty;
    uv_pipe_t pipe;
  } uv;
  lua_State *L;
  int ref;    /* the function */
  int anchor; /* the userdata, while the handle lives */
  bool holds, closed;
  uint64_t received, began; /* turn ends: pieces that had come at the last look; when the turn went on first, else 0 */
  mp_buffer line;
  struct handle **box; /* the userdata's pointer, NULL once it is collected */
} handle;

static void on_closed(uv_handle_t *uv) {
  handle *h = uv->data;
  mp_buffer_free(&h->line);
  free(h);
}

static void close_handle(handle *h) {
  if (h->closed) return;
  h->closed = true;
  luaL_unref(h->L, LUA_REGISTRYINDEX, h->ref);
  luaL_unref(h->L, LUA_REGISTRYINDEX, h->anchor);
  if (h->box != NULL) *h->box = NULL;
  h->box = NULL;
  if (h->holds) mp_loop_release();
  uv_close(&h->uv.any, on_closed);
}

/* Pushes the userdata of a new handle; `function` is its index on the stack. */
static handle *new_handle(lua_State *L, int function, bool holds) {
  luaL_checktype(L, function, LUA_TFUNCTION);
  handle **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, HANDLE);
  handle *h = calloc(1, sizeof *h);
  if (h == NULL) luaL_error(L, "no memory for a handle");
  *box = h;
  h->box = box;
  h->L = mpl_main(L);
  h->uv.any.data = h;
  h->holds = holds;
  lua_pushvalue(L, function);
  h->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushvalue(L, -1);
  h->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
  if (holds) mp_loop_hold();
  return h;
}

static void on_timer(uv_timer_t *uv) {
  handle *h = uv->data;
  lua_State *L = h->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, h->ref);
  close_handle(h);
  mpl_call(L, 0);
}

/* timer(seconds, fn) -> handle. Of 0 seconds: after a turn of the loop; libuv runs a timer of 0 ms that a timer starts before
 * it looks at anything else. */
static int net_timer(lua_State *L) {
  double seconds = luaL_checknumber(L, 1);
  luaL_argcheck(L, seconds >= 0 && seconds < 1e9, 1, "seconds, at least 0");
  handle *h = new_handle(L, 2, true);
  uv_timer_init(mp_loop(), &h->uv.timer);
  uv_update_time(mp_loop());
  uint64_t milliseconds = (uint64_t)(seconds * 1000 + 0.999);
  uv_timer_start(&h->uv.timer, on_timer, milliseconds > 0 ? milliseconds : 1, 0);
  return 1;
}

/* Whether the turn goes on: what comes close together is handled in one, and shares one commit. */
static bool goes_on(handle *h) {
  uint64_t received = mp_loop_received(), now = uv_hrtime();
  bool more = received != h->received;
  h->received = received;
  if (more && h->began == 0) h->began = now;
  if (!more || now - h->began > MP_TURN_MS * UINT64_C(1000000)) {
    h->began = 0;
    return false;
  }
  mp_loop_look_again();
  return true;
}

static void on_prepare(uv_prepare_t *uv) {
  handle *h = uv->data;
  if (goes_on(h)) return;
  /* The function may close its own handle, or cause more work, which it says by returning true. */
  for (int i = 0; i < TURNS_MAX && !h->closed; i++) {
    lua_State *L = h->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->ref);
    if (lua_pcall(L, 0, 1, 0) != LUA_OK) {
      lua_pushcfunction(L, lua_error);
      lua_insert(L, -2);
      mpl_call(L, 1);
      return;
    }
    bool again = lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (!again) return;
  }
}

/* on_turn_end(fn) -> handle: fn runs before the loop blocks, after all that has come in (10 ms of it at most); again while it
 * returns true */
static int net_on_turn_end(lua_State *L) {
  handle *h = new_handle(L, 1, false);
  uv_prepare_init(mp_loop(), &h->uv.prepare);
  uv_prepare_start(&h->uv.prepare, on_prepare);
  uv_unref(&h->uv.any);
  return 1;
}

static void on_signal(uv_signal_t *uv, int number) {
  handle *h = uv->data;
  (void)number;
  lua_rawgeti(h->L, LUA_REGISTRYINDEX, h->ref);
  mpl_call(h->L, 0);
}

/* signal("INT"|"TERM"|"HUP"|"USR1", fn) -> handle; the signal's usual effect is back after stop(). A handler in an
 * endless loop keeps the loop from hearing SIGINT and SIGTERM: the process ends 5 s later, or at once at a second SIGINT. */
static int net_signal(lua_State *L) {
  static const char *const names[] = {"INT", "TERM", "HUP", "USR1", NULL};
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
  int number = numbers[luaL_checkoption(L, 1, NULL, names)];
  handle *h = new_handle(L, 2, false);
  uv_signal_init(mp_loop(), &h->uv.signal);
  uv_signal_start(&h->uv.signal, on_signal, number);
  if (number == SIGINT || number == SIGTERM) mp_interrupt_watch(number);
  uv_unref(&h->uv.any);
  return 1;
}

static void give_line(handle *h, const char *line, size_t length) {
  lua_State *L = h->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, h->ref);
  if (line != NULL) {
    if (length > 0 && line[length - 1] == '\r') length--;
    lua_pushlstring(L, line, length);
  } else {
    lua_pushnil(L);
  }
  mpl_call(L, 1);
}

static void give_lines(handle *h, const char *bytes, size_t length) {
  mp_buffer_append(&h->line, bytes, length);
  const char *end;
  while (!h->closed && h->line.length > 0 && (end = memchr(h->line.data, '\n', h->line.length)) != NULL) {
    size_t size = (size_t)(end - (const char *)h->line.data);
    give_line(h, (const char *)h->line.data, size);
    if (!h->closed) mp_buffer_consume(&h->line, size + 1);
  }
}

static void end_lines(handle *h) {
  if (!h->closed && h->line.length > 0) give_line(h, (const char *)h->line.data, h->line.length);
  if (!h->closed) give_line(h, NULL, 0);
  close_handle(h);
}

static void on_alloc(uv_handle_t *uv, size_t suggested, uv_buf_t *buf) {
  (void)uv;
  buf->base = malloc(suggested);
  buf->len = buf->base != NULL ? suggested : 0;
}

static void on_read(uv_stream_t *uv, ssize_t count, const uv_buf_t *buf) {
  handle *h = uv->data;
  if (count > 0) give_lines(h, buf->base, (size_t)count);
  free(buf->base);
  if (count < 0 && !h->closed) end_lines(h);
}

static void on_file_timer(uv_timer_t *uv) {
  handle *h = uv->data;
  char bytes[4096];
  size_t count;
  while (!h->closed && (count = fread(bytes, 1, sizeof bytes, stdin)) > 0) give_lines(h, bytes, count);
  if (!h->closed) end_lines(h);
}

/* lines(fn(line|nil)[, pipe]) -> handle: the lines of standard input, or of a pipe opened by io.popen; nil at the end.
 * The pipe stays its owner's, who closes it after the end. */
static int net_lines(lua_State *L) {
  luaL_Stream *pipe = lua_isnoneornil(L, 2) ? NULL : luaL_checkudata(L, 2, LUA_FILEHANDLE);
  luaL_argcheck(L, pipe == NULL || pipe->closef != NULL, 2, "an open pipe");
  int fd = pipe != NULL ? dup(fileno(pipe->f)) : 0, rc = 0;
  luaL_argcheck(L, pipe == NULL || uv_guess_handle(fd) == UV_NAMED_PIPE, 2, "a pipe opened by io.popen");
  handle *h = new_handle(L, 1, true);
  mp_buffer_init(&h->line, 0);
  switch (uv_guess_handle(fd)) {
    case UV_TTY:
      rc = uv_tty_init(mp_loop(), &h->uv.tty, fd, 1);
      break;
    case UV_NAMED_PIPE:
    case UV_TCP:
      rc = uv_pipe_init(mp_loop(), &h->uv.pipe, 0);
      if (rc == 0) rc = uv_pipe_open(&h->uv.pipe, fd);
      break;
    default: /* a file, or /dev/null: never waits */
      uv_timer_init(mp_loop(), &h->uv.timer);
      uv_timer_start(&h->uv.timer, on_file_timer, 0, 0);
      return 1;
  }
  h->uv.any.data = h;
  if (rc == 0) rc = uv_read_start(&h->uv.stream, on_alloc, on_read);
  if (rc != 0) return luaL_error(L, "%s cannot be read: %s", pipe != NULL ? "the pipe" : "standard input", uv_strerror(rc));
  return 1;
}

static int handle_stop(lua_State *L) {
  handle **box = luaL_checkudata(L, 1, HANDLE);
  if (*box != NULL) close_handle(*box);
  return 0;
}

/* Collected only after its handle has closed: the registry holds it until then. At the end of the state the order is any. */
static int handle_gc(lua_State *L) {
  handle **box = luaL_checkudata(L, 1, HANDLE);
  if (*box != NULL) {
    uv_unref(&(*box)->uv.any);
    close_handle(*box);
  }
  return 0;
}

static int handle_tostring(lua_State *L) {
  handle **box = luaL_checkudata(L, 1, HANDLE);
  lua_pushfstring(L, "%s (%s)", HANDLE, *box != NULL ? uv_handle_type_name((*box)->uv.any.type) : "stopped");
  return 1;
}

void mpl_open_net_handles(lua_State *L) {
  static const luaL_Reg methods[] = {{"stop", handle_stop}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"timer", net_timer}, {"on_turn_end", net_on_turn_end}, {"signal", net_signal}, {"lines", net_lines}, {NULL, NULL},
  };
  mpl_new_type(L, HANDLE, methods, handle_gc, handle_tostring);
  luaL_setfuncs(L, functions, 0);
}
