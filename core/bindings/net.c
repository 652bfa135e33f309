#include "net.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/limits.h"
#include "net/library_log.h"

lua_State *mpl_main(lua_State *L) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  lua_State *main = lua_tothread(L, -1);
  lua_pop(L, 1);
  return main;
}

bool mpl_push_handler(lua_State *L, int index, const char *name) {
  if (lua_getfield(L, index, name) == LUA_TFUNCTION) return true;
  lua_pop(L, 1);
  return false;
}

unsigned mpl_check_ms(lua_State *L, int index, const char *name) {
  int exact = 1;
  double seconds = lua_isnil(L, index) ? 0 : lua_tonumberx(L, index, &exact);
  if (!lua_isnil(L, index) && !(exact && seconds >= 0.001 && seconds <= 86400))
    luaL_error(L, "%s: seconds expected, 0.001 to 86400", name);
  return (unsigned)(seconds * 1000);
}

bool mpl_parse_url(const char *text, mpl_url *url) {
  static const struct {
    const char *scheme;
    bool tls, http;
    uint16_t port;
  } schemes[] = {
      {"ws://", false, false, 80}, {"wss://", true, false, 443}, {"http://", false, true, 80}, {"https://", true, true, 443}};
  memset(url, 0, sizeof *url);
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    size_t length = strlen(schemes[i].scheme);
    if (strncmp(text, schemes[i].scheme, length) != 0) continue;
    const char *host = text + length, *path = strchr(host, '/');
    size_t host_length = path != NULL ? (size_t)(path - host) : strlen(host);
    const char *colon = memchr(host, ':', host_length);
    url->tls = schemes[i].tls;
    url->http = schemes[i].http;
    url->port = schemes[i].port;
    if (colon != NULL) {
      char *end;
      long port = strtol(colon + 1, &end, 10);
      if (port < 1 || port > 65535 || end != host + host_length) return false;
      url->port = (uint16_t)port;
      host_length = (size_t)(colon - host);
    }
    if (host_length == 0 || memchr(host, '@', host_length) != NULL || host_length >= sizeof url->host ||
        (path != NULL && strlen(path) >= sizeof url->path))
      return false;
    memcpy(url->host, host, host_length);
    strcpy(url->path, path != NULL ? path : "/"); /* measured above */
    return true;
  }
  return false;
}

static int net_now(lua_State *L) {
  lua_pushnumber(L, (double)uv_hrtime() / 1e9);
  return 1;
}

static int net_time(lua_State *L) {
  uv_timeval64_t now;
  uv_gettimeofday(&now);
  lua_pushnumber(L, (double)now.tv_sec + now.tv_usec / 1e6);
  return 1;
}

static int net_run(lua_State *L) {
  (void)L;
  mp_loop_run();
  return 0;
}

static int net_stop(lua_State *L) {
  (void)L;
  mp_loop_stop();
  return 0;
}

/* rss() -> resident bytes of this process */
static int net_rss(lua_State *L) {
  size_t bytes = 0;
  uv_resident_set_memory(&bytes);
  lua_pushinteger(L, (lua_Integer)bytes);
  return 1;
}

/* isatty(file descriptor) -> boolean */
static int net_isatty(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* columns(file descriptor) -> how wide the terminal behind it is now; nil: there is none, or it does not say */
static int net_columns(lua_State *L) {
  struct winsize size = {0};
  if (ioctl((int)luaL_checkinteger(L, 1), TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 0;
  lua_pushinteger(L, size.ws_col);
  return 1;
}

/* on_callback_error(fn(err) | nil) -> the one before: gets the errors of callbacks, with their traceback; standard error, else */
static int net_on_callback_error(lua_State *L) {
  if (!lua_isnil(L, 1)) luaL_checktype(L, 1, LUA_TFUNCTION);
  mpl_set_error_handler(L, 1);
  return 1;
}

/* library_log(on): whether what libwebsockets logs (errors, warnings, notices) is kept */
static int net_library_log(lua_State *L) {
  mp_library_log(lua_toboolean(L, 1));
  return 0;
}

/* library_lines() -> what it has logged since, as lines | nil */
static int net_library_lines(lua_State *L) {
  mp_buffer *lines = mpl_output(L);
  mp_library_log_take(lines);
  if (lines->length == 0) return 0;
  lua_pushlstring(L, (const char *)lines->data, lines->length);
  return 1;
}

static const luaL_Reg functions[] = {
    {"now", net_now},
    {"time", net_time},
    {"run", net_run},
    {"stop", net_stop},
    {"rss", net_rss},
    {"isatty", net_isatty},
    {"columns", net_columns},
    {"on_callback_error", net_on_callback_error},
    {"library_log", net_library_log},
    {"library_lines", net_library_lines},
    {NULL, NULL},
};

int mpl_open_net(lua_State *L) {
  mp_error e;
  if (mp_loop_open(&e) != MP_OK) return luaL_error(L, "%s", e.message);
  luaL_newlib(L, functions);
  lua_pushinteger(L, MP_SEND_QUEUE_HIGH); /* bytes waiting on a socket above which its drain event comes */
  lua_setfield(L, -2, "SEND_QUEUE_HIGH");
  mpl_open_net_socket(L);
  mpl_open_net_http(L);
  mpl_open_net_server(L);
  mpl_open_net_handles(L);
  mpl_open_net_resolve(L);
  mpl_open_net_borrow(L);
  mpl_open_net_spawn(L);
  return 1;
}
