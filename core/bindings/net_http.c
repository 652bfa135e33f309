/* HTTP exchanges of ours, whose bodies pass as streams. moonpost.http makes them wait. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "net.h"
#include "net/exchange.h"

#define EXCHANGE "moonpost.net.exchange"
#define STALL_MS 20000

typedef struct {
  mp_exchange *exchange; /* NULL once it is closed */
  lua_State *L;
  int waiter, anchor; /* who is called when it goes on, and the userdata while somebody is */
} client;

static client *check_client(lua_State *L) {
  return luaL_checkudata(L, 1, EXCHANGE);
}

static void stop_waiting(client *c) {
  luaL_unref(c->L, LUA_REGISTRYINDEX, c->waiter);
  luaL_unref(c->L, LUA_REGISTRYINDEX, c->anchor);
  c->waiter = c->anchor = LUA_NOREF;
}

static void on_wake(void *user) {
  client *c = user;
  lua_State *L = c->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, c->waiter);
  stop_waiting(c);
  mpl_call(L, 0);
}

static bool is_token(const char *text) {
  if (*text == 0) return false;
  for (; *text != 0; text++) {
    if (!isalnum((unsigned char)*text) && strchr("!#$%&'*+-.^_`|~", *text) == NULL) return false;
  }
  return true;
}

static bool is_value(const char *text, size_t length) {
  for (size_t i = 0; i < length; i++) {
    if ((text[i] >= 0 && text[i] < 32 && text[i] != '\t') || text[i] == 127) return false;
  }
  return true;
}

/* One header line, from the name and the value on top of the stack; raises when they are none. */
static void add_header(lua_State *L, mp_buffer *lines, const char *const *forbidden) {
  size_t name_size, size;
  if (lua_type(L, -2) != LUA_TSTRING || (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER))
    luaL_error(L, "headers: names with texts expected");
  const char *name = lua_tolstring(L, -2, &name_size);
  lua_pushvalue(L, -1); /* a number would become a string where lua_next looks at it */
  const char *value = lua_tolstring(L, -1, &size);
  if (!is_token(name) || strlen(name) != name_size) luaL_error(L, "headers: a name has characters that no name has");
  for (; *forbidden != NULL; forbidden++) {
    if (strcasecmp(name, *forbidden) == 0) luaL_error(L, "headers: %s is not the caller's to set", *forbidden);
  }
  if (!is_value(value, size)) luaL_error(L, "headers: %s has control characters", name);
  if (mp_buffer_append(lines, name, strlen(name)) || mp_buffer_append(lines, ": ", 2) || mp_buffer_append(lines, value, size) ||
      mp_buffer_append(lines, "\r\n", 2) || lines->length > MP_HTTP_HEAD_MAX)
    luaL_error(L, "headers: more than %d bytes", (int)MP_HTTP_HEAD_MAX);
  lua_pop(L, 1);
}

const char *mpl_push_headers(lua_State *L, int index, const char *const *forbidden) {
  mp_buffer *lines = mpl_output(L);
  if (!lua_isnoneornil(L, index)) {
    luaL_checktype(L, index, LUA_TTABLE);
    index = lua_absindex(L, index);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) add_header(L, lines, forbidden);
  }
  return lua_pushlstring(L, lines->length > 0 ? (const char *)lines->data : "", lines->length);
}

/* An address may have been made of what others have said: one of no use is no mistake of the caller's. */
static int read_target(lua_State *L, mp_exchange_options *options, mpl_url *url, mp_error *e) {
  size_t size;
  lua_getfield(L, 1, "url");
  const char *text = luaL_checklstring(L, -1, &size);
  if (strlen(text) != size || !mpl_parse_url(text, url) || !url->http || !is_value(text, size) || strchr(text, ' ') != NULL)
    return mp_fail(e, MP_EINVAL, "url: an http:// or https:// address expected");
  options->host = url->host;
  options->path = url->path;
  options->port = url->port;
  options->tls = url->tls;
  return MP_OK;
}

static void read_options(lua_State *L, mp_exchange_options *options) {
  static const char *const ours[] = {"Host", "Content-Length", "Connection", "Transfer-Encoding", NULL};
  lua_getfield(L, 1, "method");
  options->method = luaL_optstring(L, -1, "GET");
  if (!is_token(options->method)) luaL_error(L, "method: a word expected");
  lua_getfield(L, 1, "ca");
  options->ca = luaL_optstring(L, -1, NULL);
  lua_getfield(L, 1, "stall");
  options->stall_ms = mpl_check_ms(L, -1, "stall");
  if (options->stall_ms == 0) options->stall_ms = STALL_MS;
  options->has_body = lua_getfield(L, 1, "length") != LUA_TNIL;
  lua_Integer length = luaL_optinteger(L, -1, 0);
  if (length < 0) luaL_error(L, "length: a number of bytes expected");
  options->length = (uint64_t)length;
  lua_getfield(L, 1, "headers");
  options->headers = mpl_push_headers(L, -1, ours);
}

/* http{url=, method=, headers=, length = bytes of the body, nil: none, ca=, proxy=, stall = seconds (20)} -> exchange | nil, err.
 * Addresses are looked up here. An exchange is sent to and read from as far as it goes, and waited for. */
static int net_http(lua_State *L) {
  mp_exchange_options options = {0};
  mp_proxy proxy = {0};
  mpl_url url;
  mp_error e;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  if (read_target(L, &options, &url, &e) != MP_OK) return mpl_fail(L, &e);
  read_options(L, &options);
  if (mpl_read_proxy(L, &proxy)) options.proxy = &proxy;
  client *c = lua_newuserdatauv(L, sizeof *c, 0);
  *c = (client){.L = mpl_main(L), .waiter = LUA_NOREF, .anchor = LUA_NOREF};
  luaL_setmetatable(L, EXCHANGE);
  options.wake = on_wake;
  options.user = c;
  return mp_exchange_open(&options, &c->exchange, &e) == MP_OK ? 1 : mpl_fail(L, &e);
}

static int closed(lua_State *L) {
  mp_error e;
  mp_fail(&e, MP_ECLOSED, "the exchange is closed");
  return mpl_fail(L, &e);
}

static void push_answer_headers(lua_State *L, const mp_answer *answer) {
  const char *at = (const char *)answer->headers.data, *end = at + answer->headers.length;
  lua_newtable(L);
  while (at < end) {
    const char *name = at, *value = name + strlen(name) + 1;
    at = value + strlen(value) + 1;
    if (lua_getfield(L, -1, name) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_pushstring(L, value);
    } else {
      lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), value);
      lua_remove(L, -2);
    }
    lua_setfield(L, -2, name);
  }
}

/* head() -> status, headers, length | false: not yet | nil, err */
static int exchange_head(lua_State *L) {
  client *c = check_client(L);
  const mp_answer *answer;
  mp_error e;
  if (c->exchange == NULL) return closed(L);
  int rc = mp_exchange_head(c->exchange, &answer, &e);
  if (rc < 0) return mpl_fail(L, &e);
  if (rc == 0) {
    lua_pushboolean(L, 0);
    return 1;
  }
  lua_pushinteger(L, answer->status);
  push_answer_headers(L, answer);
  if (answer->length < 0) return 2;
  lua_pushinteger(L, answer->length);
  return 3;
}

/* sends() -> whether more of the request's body is to be sent */
static int exchange_sends(lua_State *L) {
  const client *c = check_client(L);
  lua_pushboolean(L, c->exchange != NULL && mp_exchange_sends(c->exchange));
  return 1;
}

/* send(bytes, from) -> where the rest begins: `from` when nothing was taken, #bytes + 1 when all was */
static int exchange_send(lua_State *L) {
  client *c = check_client(L);
  size_t length;
  const char *bytes = luaL_checklstring(L, 2, &length);
  lua_Integer from = luaL_checkinteger(L, 3);
  luaL_argcheck(L, from >= 1 && (size_t)from <= length + 1, 3, "a position in the bytes");
  size_t left = length - (size_t)(from - 1);
  if (left > MP_HTTP_PIECE) left = MP_HTTP_PIECE;
  size_t sent = c->exchange != NULL && left > 0 ? mp_exchange_send(c->exchange, bytes + from - 1, left) : 0;
  lua_pushinteger(L, from + (lua_Integer)sent);
  return 1;
}

/* read() -> bytes | false: not yet | nil: the body has ended | nil, err */
static int exchange_read(lua_State *L) {
  client *c = check_client(L);
  mp_error e;
  if (c->exchange == NULL) return closed(L);
  mp_buffer *out = mpl_output(L);
  int rc = mp_exchange_read(c->exchange, out, &e);
  if (rc < 0) return mpl_fail(L, &e);
  if (rc == MP_EXCHANGE_END) return 0;
  if (rc == 0) {
    lua_pushboolean(L, 0);
  } else {
    lua_pushlstring(L, (const char *)out->data, out->length);
  }
  return 1;
}

/* wait(fn) -> whether fn will be called, once, when it may go on; false: there is no need to wait */
static int exchange_wait(lua_State *L) {
  client *c = check_client(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  bool waits = c->exchange != NULL && mp_exchange_wait(c->exchange);
  lua_pushboolean(L, waits);
  if (!waits) return 1;
  stop_waiting(c);
  lua_pushvalue(L, 2);
  c->waiter = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushvalue(L, 1);
  c->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
  return 1;
}

/* close(): ends it; who waits for it is called */
static int exchange_close(lua_State *L) {
  client *c = check_client(L);
  if (c->exchange == NULL) return 0;
  mp_exchange_close(c->exchange);
  c->exchange = NULL;
  if (c->waiter != LUA_NOREF) on_wake(c);
  return 0;
}

static int exchange_tostring(lua_State *L) {
  lua_pushfstring(L, "%s (%s)", EXCHANGE, check_client(L)->exchange != NULL ? "open" : "closed");
  return 1;
}

void mpl_open_net_http(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"head", exchange_head},
      {"sends", exchange_sends},
      {"send", exchange_send},
      {"read", exchange_read},
      {"wait", exchange_wait},
      {"close", exchange_close},
      {NULL, NULL},
  };
  static const luaL_Reg functions[] = {{"http", net_http}, {NULL, NULL}};
  mpl_new_type(L, EXCHANGE, methods, exchange_close, exchange_tostring);
  luaL_setfuncs(L, functions, 0);
}
