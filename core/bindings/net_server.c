/* The loopback listener. */
#include <stdlib.h>
#include <string.h>

#include "net_server.h"

#define SERVER "moonpost.net.server"

typedef mpl_listener listener;

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
    mpl_set_text(L, "path", info->path);
    mpl_push_few_headers(L, info);
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

static void on_closed(void *user) {
  listener *l = user;
  luaL_unref(l->L, LUA_REGISTRYINDEX, l->handlers);
  lua_pushnil(l->L);
  lua_rawsetp(l->L, LUA_REGISTRYINDEX, l);
}

static const mp_server_events server_events = {
    .accept = on_accept,
    .head = mpl_on_head,
    .moved = mpl_on_moved,
    .request = mpl_on_request,
    .gone = mpl_on_gone,
    .closed = on_closed,
};

/* listen{host=, port=, tls={certificate=, key=}, accept=fn(conn, info), request=fn(req), head=fn(req), body_timeout=} -> server |
 * nil, err. `request` gets requests whose body has come in full, 1 MiB at most; `head` gets each before its body, with all its
 * headers, and streams it when it returns true (moonpost.http makes that wait). body_timeout: seconds for the whole body of a
 * request to come that is not streamed (20) */
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

void mpl_open_net_server(lua_State *L) {
  static const luaL_Reg server_methods[] = {{"port", server_port}, {"close", server_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"listen", net_listen}, {NULL, NULL}};
  mpl_new_type(L, SERVER, server_methods, server_close, server_tostring);
  mpl_open_net_request(L);
  luaL_setfuncs(L, functions, 0);
}
