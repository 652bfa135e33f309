/* The loopback listener and the requests it gets. */
#include <stdlib.h>
#include <string.h>

#include "net.h"

#define SERVER "moonpost.net.server"
#define REQUEST "moonpost.net.request"

typedef struct {
  mp_server *server;
  lua_State *L;
  int handlers; /* the options table, in the registry until the last connection has ended */
} listener;

typedef struct {
  mp_request *request; /* NULL once it is answered or gone */
} incoming;

static void set_text(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

static void push_headers(lua_State *L, const mp_request_info *info) {
  lua_createtable(L, 0, 3);
  if (info->host[0] != 0) set_text(L, "host", info->host);
  if (info->origin[0] != 0) set_text(L, "origin", info->origin);
  if (info->content_type[0] != 0) set_text(L, "content-type", info->content_type);
}

static bool on_accept(void *user, mp_socket *socket, const mp_request_info *info, const mp_socket_events **events,
                      void **socket_user) {
  listener *l = user;
  lua_State *L = l->L;
  int top = lua_gettop(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, l->handlers);
  bool accepted = false;
  if (mpl_push_handler(L, -1, "accept")) {
    *socket_user = mpl_socket_wrap(L, socket, events);
    lua_createtable(L, 0, 2);
    set_text(L, "path", info->path);
    push_headers(L, info);
    lua_setfield(L, -2, "headers");
    if (lua_pcall(L, 2, 1, 0) == LUA_OK) {
      accepted = lua_istable(L, -1);
    } else {
      lua_pushcfunction(L, lua_error);
      lua_insert(L, -2);
      mpl_call(L, 1);
      lua_pushnil(L);
    }
    mpl_socket_handlers(L, *socket_user, -1);
  }
  lua_settop(L, top);
  return accepted;
}

/* The registry maps a live request to its userdata. */
static void on_request(void *user, mp_request *request, const mp_request_info *info) {
  listener *l = user;
  lua_State *L = l->L;
  int top = lua_gettop(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, l->handlers);
  if (!mpl_push_handler(L, -1, "request")) {
    mp_request_respond(request, 404, "text/plain", "nothing here\n", 13);
    lua_settop(L, top);
    return;
  }
  incoming *in = lua_newuserdatauv(L, sizeof *in, 1);
  in->request = request;
  luaL_setmetatable(L, REQUEST);
  lua_createtable(L, 0, 5);
  set_text(L, "method", info->method);
  set_text(L, "path", info->path);
  set_text(L, "query", info->query);
  push_headers(L, info);
  lua_setfield(L, -2, "headers");
  lua_pushlstring(L, info->body != NULL ? (const char *)info->body : "", info->body_length);
  lua_setfield(L, -2, "body");
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, request);
  if (!mpl_call(L, 1)) mp_request_respond(request, 500, "text/plain", "internal error\n", 15);
  lua_settop(L, top);
}

static void on_gone(void *user, mp_request *request) {
  listener *l = user;
  lua_State *L = l->L;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, request) == LUA_TUSERDATA) ((incoming *)lua_touserdata(L, -1))->request = NULL;
  lua_pop(L, 1);
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, request);
}

static void on_closed(void *user) {
  listener *l = user;
  luaL_unref(l->L, LUA_REGISTRYINDEX, l->handlers);
  lua_pushnil(l->L);
  lua_rawsetp(l->L, LUA_REGISTRYINDEX, l);
}

static const mp_server_events server_events = {on_accept, on_request, on_gone, on_closed};

/* listen{host=, port=, tls={certificate=, key=}, accept=fn(conn, info), request=fn(req), body_timeout=} -> server | nil, err.
 * body_timeout: seconds for the whole body of a request to come (20) */
static int net_listen(lua_State *L) {
  mp_listen_options options = {0};
  mp_error e;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_getfield(L, 1, "host");
  lua_getfield(L, 1, "port");
  options.host = luaL_optstring(L, 2, "127.0.0.1");
  lua_Integer port = luaL_optinteger(L, 3, 0);
  if (port < 0 || port > 65535) return luaL_error(L, "port: 0 to 65535 expected, got %d", (int)port);
  options.port = (uint16_t)port;
  if (lua_getfield(L, 1, "tls") == LUA_TTABLE) {
    lua_getfield(L, 4, "certificate");
    lua_getfield(L, 4, "key");
    options.certificate = luaL_checkstring(L, 5);
    options.key = luaL_checkstring(L, 6);
  }
  lua_getfield(L, 1, "body_timeout");
  options.body_ms = mpl_check_ms(L, -1, "body_timeout");
  listener *l = lua_newuserdatauv(L, sizeof *l, 1);
  memset(l, 0, sizeof *l);
  l->L = mpl_main(L);
  luaL_setmetatable(L, SERVER);
  lua_pushvalue(L, 1);
  l->handlers = luaL_ref(L, LUA_REGISTRYINDEX);
  if (mp_server_listen(&options, &server_events, l, &l->server, &e) != MP_OK) {
    luaL_unref(L, LUA_REGISTRYINDEX, l->handlers);
    return mpl_fail(L, &e);
  }
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, l); /* lives until it is closed */
  return 1;
}

static listener *check_server(lua_State *L) {
  return luaL_checkudata(L, 1, SERVER);
}

static int server_port(lua_State *L) {
  const listener *l = check_server(L);
  if (l->server == NULL) return luaL_error(L, "the server is closed");
  lua_pushinteger(L, mp_server_port(l->server));
  return 1;
}

static int server_close(lua_State *L) {
  listener *l = check_server(L);
  if (l->server == NULL) return 0;
  mp_server *server = l->server;
  l->server = NULL;
  mp_server_close(server); /* the handle stays in the registry until on_closed: connections that are still ending may call it */
  return 0;
}

static int server_tostring(lua_State *L) {
  const listener *l = check_server(L);
  if (l->server == NULL) {
    lua_pushfstring(L, "%s (closed)", SERVER);
  } else {
    lua_pushfstring(L, "%s (port %d)", SERVER, mp_server_port(l->server));
  }
  return 1;
}

static incoming *check_request(lua_State *L) {
  return luaL_checkudata(L, 1, REQUEST);
}

/* req.method, req.path, req.query, req.headers, req.body; req:respond(...) */
static int request_index(lua_State *L) {
  check_request(L);
  if (strcmp(luaL_checkstring(L, 2), "respond") == 0) {
    lua_pushvalue(L, lua_upvalueindex(1));
    return 1;
  }
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_rawget(L, -2);
  return 1;
}

/* respond(status, content type, body); nothing happens when the peer has gone */
static int request_respond(lua_State *L) {
  incoming *in = check_request(L);
  size_t length;
  int status = (int)luaL_checkinteger(L, 2);
  const char *type = luaL_checkstring(L, 3), *body = luaL_checklstring(L, 4, &length);
  if (in->request != NULL) mp_request_respond(in->request, status, type, body, length);
  return 0;
}

static int request_close(lua_State *L) {
  (void)L; /* the server owns what is behind it */
  return 0;
}

static int request_tostring(lua_State *L) {
  lua_pushfstring(L, "%s (%s)", REQUEST, check_request(L)->request != NULL ? "open" : "gone");
  return 1;
}

void mpl_open_net_server(lua_State *L) {
  static const luaL_Reg server_methods[] = {{"port", server_port}, {"close", server_close}, {NULL, NULL}};
  static const luaL_Reg request_methods[] = {{NULL, NULL}};
  static const luaL_Reg functions[] = {{"listen", net_listen}, {NULL, NULL}};
  mpl_new_type(L, SERVER, server_methods, server_close, server_tostring);
  mpl_new_type(L, REQUEST, request_methods, request_close, request_tostring);
  luaL_getmetatable(L, REQUEST);
  lua_pushcfunction(L, request_respond);
  lua_pushcclosure(L, request_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
