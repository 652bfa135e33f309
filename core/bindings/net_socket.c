/* WebSocket connections, outgoing and accepted, and HTTP requests. */
#include <stdlib.h>
#include <string.h>

#include "net.h"

#define SOCKET "moonpost.net.socket"

typedef struct {
  mp_socket *socket; /* NULL once it is closed */
  lua_State *L;
  int anchor; /* the userdata, while the socket lives; its handlers are its first user value */
} connection;

static connection *check_connection(lua_State *L) {
  return luaL_checkudata(L, 1, SOCKET);
}

/* Pushes the handler `name` and the userdata; false when there is no such handler. */
static bool push_call(connection *c, const char *name) {
  lua_State *L = c->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, c->anchor);
  if (lua_getiuservalue(L, -1, 1) == LUA_TTABLE && mpl_push_handler(L, -1, name)) {
    lua_remove(L, -2);
    lua_insert(L, -2);
    return true;
  }
  lua_pop(L, 2);
  return false;
}

static void on_open(void *user) {
  connection *c = user;
  if (push_call(c, "open")) mpl_call(c->L, 1);
}

static void on_message(void *user, const uint8_t *bytes, size_t length) {
  connection *c = user;
  if (!push_call(c, "message")) return;
  lua_pushlstring(c->L, (const char *)bytes, length);
  mpl_call(c->L, 2);
}

static void on_drain(void *user) {
  connection *c = user;
  if (push_call(c, "drain")) mpl_call(c->L, 1);
}

static void on_close(void *user, int code, const mp_error *reason) {
  connection *c = user;
  lua_State *L = c->L;
  c->socket = NULL;
  if (push_call(c, "close")) {
    if (code != 0) {
      lua_pushinteger(L, code);
    } else {
      lua_pushnil(L);
    }
    if (reason != NULL) {
      mpl_push_error(L, reason);
    } else {
      lua_pushnil(L);
    }
    mpl_call(L, 3);
  }
  luaL_unref(L, LUA_REGISTRYINDEX, c->anchor);
}

static const mp_socket_events events = {on_open, on_message, on_drain, on_close};

static connection *push_connection(lua_State *L) {
  connection *c = lua_newuserdatauv(L, sizeof *c, 1);
  memset(c, 0, sizeof *c);
  c->L = mpl_main(L);
  luaL_setmetatable(L, SOCKET);
  return c;
}

static void anchor(lua_State *L, connection *c) {
  lua_pushvalue(L, -1);
  c->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
}

void *mpl_socket_wrap(lua_State *L, mp_socket *socket, const mp_socket_events **out) {
  connection *c = push_connection(L);
  c->socket = socket;
  anchor(L, c);
  *out = &events;
  return c;
}

void mpl_socket_handlers(lua_State *L, void *user, int index) {
  connection *c = user;
  index = lua_absindex(L, index);
  lua_rawgeti(L, LUA_REGISTRYINDEX, c->anchor);
  if (lua_istable(L, index)) {
    lua_pushvalue(L, index);
    lua_setiuservalue(L, -2, 1);
  } else { /* refused */
    c->socket = NULL;
    luaL_unref(L, LUA_REGISTRYINDEX, c->anchor);
  }
  lua_pop(L, 1);
}

bool mpl_read_proxy(lua_State *L, mp_proxy *proxy) {
  if (lua_getfield(L, 1, "proxy") == LUA_TNIL) return false;
  luaL_checktype(L, -1, LUA_TTABLE);
  int table = lua_gettop(L);
  lua_getfield(L, table, "name");
  lua_getfield(L, table, "address");
  lua_getfield(L, table, "credentials");
  lua_getfield(L, table, "port");
  lua_Integer port = luaL_checkinteger(L, table + 4);
  if (port < 1 || port > 65535) luaL_error(L, "proxy: a port expected, 1 to 65535");
  *proxy = (mp_proxy){
      .name = luaL_checkstring(L, table + 1),
      .address = luaL_optstring(L, table + 2, NULL),
      .credentials = luaL_optstring(L, table + 3, NULL),
      .port = (uint16_t)port,
  };
  return true;
}

/* connect{url=, origin=, ca=, address=, proxy=, open=, message=, close=, drain=} -> connection | nil, err
 * `address` is the numeric address of the URL's host: it is needed unless the host is one itself (see resolve). With `proxy`
 * {name=, address=, port=, credentials= "user:password" or nil} it is not needed: the proxy looks for the host. */
static int net_connect(lua_State *L) {
  mpl_url url;
  mp_error e;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "url");
  lua_getfield(L, 1, "origin");
  lua_getfield(L, 1, "ca");
  lua_getfield(L, 1, "address");
  if (!mpl_parse_url(luaL_checkstring(L, 2), &url) || url.http) {
    mp_fail(&e, MP_EINVAL, "'%s' is no ws:// or wss:// address", lua_tostring(L, 2));
    return mpl_fail(L, &e);
  }
  mp_proxy proxy = {0};
  mp_connect_options options = {
      .host = url.host,
      .path = url.path,
      .port = url.port,
      .tls = url.tls,
      .origin = luaL_optstring(L, 3, NULL),
      .ca = luaL_optstring(L, 4, NULL),
      .address = luaL_optstring(L, 5, NULL),
  };
  if (mpl_read_proxy(L, &proxy)) options.proxy = &proxy;
  if (options.proxy != NULL && proxy.address == NULL) return luaL_error(L, "proxy: an address expected");
  connection *c = push_connection(L);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  anchor(L, c);
  if (mp_socket_connect(&options, &events, c, &c->socket, &e) != MP_OK) {
    luaL_unref(L, LUA_REGISTRYINDEX, c->anchor);
    return mpl_fail(L, &e);
  }
  return 1;
}

/* send(bytes) -> true | nil, err */
static int socket_send(lua_State *L) {
  connection *c = check_connection(L);
  size_t length;
  mp_error e;
  const char *bytes = luaL_checklstring(L, 2, &length);
  int rc = c->socket != NULL ? mp_socket_send(c->socket, bytes, length, &e) : mp_fail(&e, MP_ECLOSED, "the connection is closed");
  if (rc != MP_OK) return mpl_fail(L, &e);
  lua_pushboolean(L, 1);
  return 1;
}

static int socket_pending(lua_State *L) {
  const connection *c = check_connection(L);
  lua_pushinteger(L, c->socket != NULL ? (lua_Integer)mp_socket_pending(c->socket) : 0);
  return 1;
}

/* close([code]): after what is queued */
static int socket_close(lua_State *L) {
  connection *c = check_connection(L);
  if (c->socket != NULL) mp_socket_close(c->socket, (int)luaL_optinteger(L, 2, 1000));
  return 0;
}

static int socket_abort(lua_State *L) {
  connection *c = check_connection(L);
  if (c->socket != NULL) mp_socket_abort(c->socket);
  return 0;
}

static int socket_pause(lua_State *L) {
  connection *c = check_connection(L);
  if (c->socket != NULL) mp_socket_pause(c->socket, true);
  return 0;
}

static int socket_resume(lua_State *L) {
  connection *c = check_connection(L);
  if (c->socket != NULL) mp_socket_pause(c->socket, false);
  return 0;
}

static int socket_gc(lua_State *L) {
  connection *c = check_connection(L);
  if (c->socket != NULL) mp_socket_abort(c->socket);
  return 0;
}

static int socket_tostring(lua_State *L) {
  const connection *c = check_connection(L);
  lua_pushfstring(L, "%s (%s)", SOCKET, c->socket != NULL ? "open" : "closed");
  return 1;
}

typedef struct {
  lua_State *L;
  int ref;
} pending_request;

static void on_response(void *user, int status, int64_t date, const uint8_t *body, size_t length, const mp_error *reason) {
  pending_request *pending = user;
  lua_State *L = pending->L;
  lua_rawgeti(L, LUA_REGISTRYINDEX, pending->ref);
  luaL_unref(L, LUA_REGISTRYINDEX, pending->ref);
  free(pending);
  if (reason != NULL) {
    lua_pushnil(L);
    mpl_push_error(L, reason);
    mpl_call(L, 2);
    return;
  }
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, status);
  lua_setfield(L, -2, "status");
  if (date != 0) {
    lua_pushinteger(L, date);
    lua_setfield(L, -2, "date");
  }
  lua_pushlstring(L, body != NULL ? (const char *)body : "", length);
  lua_setfield(L, -2, "body");
  mpl_call(L, 1);
}

/* request{method=, url=, body=, content_type=, ca=, timeout=, done=fn({status=, body=, date=} | nil, err)} -> true | nil, err.
 * timeout: seconds for the whole exchange (30). date: the server's clock, Unix seconds, when it tells it. Redirects are answers,
 * and not followed. */
static int net_request(lua_State *L) {
  mpl_url url;
  mp_error e;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "url");
  lua_getfield(L, 1, "method");
  lua_getfield(L, 1, "body");
  lua_getfield(L, 1, "content_type");
  lua_getfield(L, 1, "ca");
  lua_getfield(L, 1, "done");
  lua_getfield(L, 1, "timeout");
  luaL_checktype(L, 7, LUA_TFUNCTION);
  if (!mpl_parse_url(luaL_checkstring(L, 2), &url) || !url.http) {
    mp_fail(&e, MP_EINVAL, "'%s' is no http:// or https:// address", lua_tostring(L, 2));
    return mpl_fail(L, &e);
  }
  mp_http_options options = {.host = url.host, .path = url.path, .port = url.port, .tls = url.tls};
  options.method = luaL_optstring(L, 3, "GET");
  options.body = luaL_optlstring(L, 4, NULL, &options.body_length);
  options.content_type = luaL_optstring(L, 5, NULL);
  options.ca = luaL_optstring(L, 6, NULL);
  options.timeout_ms = mpl_check_ms(L, 8, "timeout");
  pending_request *pending = malloc(sizeof *pending);
  if (pending == NULL) return luaL_error(L, "no memory for a request");
  pending->L = mpl_main(L);
  lua_pushvalue(L, 7);
  pending->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  if (mp_http_request(&options, on_response, pending, &e) != MP_OK) {
    luaL_unref(L, LUA_REGISTRYINDEX, pending->ref);
    free(pending);
    return mpl_fail(L, &e);
  }
  lua_pushboolean(L, 1);
  return 1;
}

void mpl_open_net_socket(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"send", socket_send},
      {"pending", socket_pending},
      {"close", socket_close},
      {"abort", socket_abort},
      {"pause", socket_pause},
      {"resume", socket_resume},
      {NULL, NULL},
  };
  static const luaL_Reg functions[] = {{"connect", net_connect}, {"request", net_request}, {NULL, NULL}};
  mpl_new_type(L, SOCKET, methods, socket_gc, socket_tostring);
  luaL_setfuncs(L, functions, 0);
}
