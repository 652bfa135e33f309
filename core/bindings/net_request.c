/* The requests a listener gets: whole ones, and those whose bodies pass as streams. */
#include <string.h>

#include "base/limits.h"
#include "net_server.h"

#define REQUEST "moonpost.net.request"

typedef struct {
  mp_request *request; /* NULL once it is answered or gone */
  lua_State *L;
  int waiter; /* who is called when it goes on */
} incoming;

void mpl_set_text(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

void mpl_push_few_headers(lua_State *L, const mp_request_info *info) {
  lua_createtable(L, 0, 3);
  if (info->host[0] != 0) mpl_set_text(L, "host", info->host);
  if (info->origin[0] != 0) mpl_set_text(L, "origin", info->origin);
  if (info->content_type[0] != 0) mpl_set_text(L, "content-type", info->content_type);
}

static void add_header(void *user, const char *name, const char *value) {
  mpl_set_text(user, name, value);
}

/* Pushes the userdata of a request, with its fields; the registry maps a live request to it. */
static void push_request(lua_State *L, mp_request *request, const mp_request_info *info) {
  incoming *in = lua_newuserdatauv(L, sizeof *in, 1);
  *in = (incoming){.request = request, .L = L, .waiter = LUA_NOREF};
  luaL_setmetatable(L, REQUEST);
  lua_createtable(L, 0, 6);
  mpl_set_text(L, "method", info->method);
  mpl_set_text(L, "path", info->path);
  mpl_set_text(L, "query", info->query);
  if (info->length >= 0) {
    lua_pushinteger(L, info->length);
    lua_setfield(L, -2, "length");
  }
}

static void keep_request(lua_State *L, mp_request *request) {
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, request);
}

void mpl_on_request(void *user, mp_request *request, const mp_request_info *info) {
  mpl_listener *l = user;
  lua_State *L = l->L;
  int top = lua_gettop(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, l->handlers);
  if (!mpl_push_handler(L, -1, "request")) {
    mp_request_respond(request, 404, "text/plain", "nothing here\n", 13);
    lua_settop(L, top);
    return;
  }
  push_request(L, request, info);
  mpl_push_few_headers(L, info);
  lua_setfield(L, -2, "headers");
  lua_pushlstring(L, info->body != NULL ? (const char *)info->body : "", info->body_length);
  lua_setfield(L, -2, "body");
  keep_request(L, request);
  if (!mpl_call(L, 1)) mp_request_respond(request, 500, "text/plain", "internal error\n", 15);
  lua_settop(L, top);
}

static void forget_request(mpl_listener *l, mp_request *request) {
  lua_pushnil(l->L);
  lua_rawsetp(l->L, LUA_REGISTRYINDEX, request);
}

/* Whether the handler `head` takes it. */
bool mpl_on_head(void *user, mp_request *request, const mp_request_info *info) {
  mpl_listener *l = user;
  lua_State *L = l->L;
  int top = lua_gettop(L);
  bool taken = false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, l->handlers);
  if (mpl_push_handler(L, -1, "head")) {
    push_request(L, request, info);
    lua_newtable(L);
    mp_request_each_header(request, add_header, L);
    lua_setfield(L, -2, "headers");
    keep_request(L, request);
    lua_pushvalue(L, -1);
    lua_insert(L, -3);
    if (lua_pcall(L, 1, 1, 0) == LUA_OK) {
      taken = lua_toboolean(L, -1);
    } else {
      lua_pushcfunction(L, lua_error);
      lua_insert(L, -2);
      mpl_call(L, 1);
    }
    if (!taken) {
      incoming *in = lua_touserdata(L, top + 2);
      in->request = NULL;
      forget_request(l, request);
    }
  }
  lua_settop(L, top);
  return taken;
}

static void call_waiter(incoming *in) {
  lua_State *L = in->L;
  if (in->waiter == LUA_NOREF) return;
  lua_rawgeti(L, LUA_REGISTRYINDEX, in->waiter);
  luaL_unref(L, LUA_REGISTRYINDEX, in->waiter);
  in->waiter = LUA_NOREF;
  mpl_call(L, 0);
}

void mpl_on_moved(void *user, mp_request *request) {
  mpl_listener *l = user;
  lua_State *L = l->L;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, request) == LUA_TUSERDATA) call_waiter(lua_touserdata(L, -1));
  lua_pop(L, 1);
}

void mpl_on_gone(void *user, mp_request *request) {
  mpl_listener *l = user;
  lua_State *L = l->L;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, request) == LUA_TUSERDATA) {
    incoming *in = lua_touserdata(L, -1);
    in->request = NULL;
    call_waiter(in);
  }
  lua_pop(L, 1);
  forget_request(l, request);
}

static incoming *check_request(lua_State *L) {
  return luaL_checkudata(L, 1, REQUEST);
}

/* req.method, req.path, req.query, req.headers, req.body, req.length; and methods */
static int request_index(lua_State *L) {
  check_request(L);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL) return 1;
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

static int gone(lua_State *L) {
  mp_error e;
  mp_fail(&e, MP_ECLOSED, "the peer has left");
  return mpl_fail(L, &e);
}

/* read() -> bytes | false: not yet | nil: the body has ended | nil, err. Of streamed requests, as the following ones */
static int request_read(lua_State *L) {
  incoming *in = check_request(L);
  mp_error e;
  if (in->request == NULL) return gone(L);
  mp_buffer *out = mpl_output(L);
  int rc = mp_request_read(in->request, out, &e);
  if (rc < 0) return mpl_fail(L, &e);
  if (rc == MP_REQUEST_END) return 0;
  if (rc == 0) {
    lua_pushboolean(L, 0);
  } else {
    lua_pushlstring(L, (const char *)out->data, out->length);
  }
  return 1;
}

/* start(status, headers, length) -> true | nil, err: the head of an answer of so many bytes */
static int request_start(lua_State *L) {
  static const char *const ours[] = {"Content-Length", "Connection", "Transfer-Encoding", "Date", NULL};
  incoming *in = check_request(L);
  mp_error e;
  lua_Integer status = luaL_checkinteger(L, 2), length = luaL_checkinteger(L, 4);
  luaL_argcheck(L, status >= 200 && status <= 599, 2, "a final status");
  luaL_argcheck(L, length >= 0, 4, "a number of bytes");
  const char *headers = mpl_push_headers(L, 3, ours);
  if (in->request == NULL) return gone(L);
  if (mp_request_start(in->request, (int)status, headers, (uint64_t)length, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushboolean(L, 1);
  return 1;
}

/* write(bytes, from) -> where the rest begins: `from` when nothing was taken | nil, err */
static int request_write(lua_State *L) {
  incoming *in = check_request(L);
  size_t length;
  const char *bytes = luaL_checklstring(L, 2, &length);
  lua_Integer from = luaL_checkinteger(L, 3);
  luaL_argcheck(L, from >= 1 && (size_t)from <= length + 1, 3, "a position in the bytes");
  if (in->request == NULL) return gone(L);
  size_t left = length - (size_t)(from - 1);
  if (left > MP_HTTP_PIECE) left = MP_HTTP_PIECE;
  lua_pushinteger(L, from + (lua_Integer)mp_request_write(in->request, bytes + from - 1, left));
  return 1;
}

/* wait(fn, seconds) -> whether fn will be called, once: when it may go on, when the peer has left, or when nothing has moved for
 * so long; false: the peer has left */
static int request_wait(lua_State *L) {
  incoming *in = check_request(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  unsigned stall_ms = mpl_check_ms(L, 3, "stall");
  lua_pushboolean(L, in->request != NULL);
  if (in->request == NULL) return 1;
  luaL_unref(L, LUA_REGISTRYINDEX, in->waiter);
  lua_pushvalue(L, 2);
  in->waiter = luaL_ref(L, LUA_REGISTRYINDEX);
  mp_request_wait(in->request, stall_ms);
  return 1;
}

/* cut([reset]): ends the connection when what was written is out */
static int request_cut(lua_State *L) {
  incoming *in = check_request(L);
  if (in->request != NULL) mp_request_cut(in->request, lua_toboolean(L, 2));
  return 0;
}

/* is_open() -> whether the peer is still there, and unanswered */
static int request_is_open(lua_State *L) {
  lua_pushboolean(L, check_request(L)->request != NULL);
  return 1;
}

static int request_close(lua_State *L) {
  (void)L; /* the server owns what is behind it */
  return 0;
}

static int request_tostring(lua_State *L) {
  lua_pushfstring(L, "%s (%s)", REQUEST, check_request(L)->request != NULL ? "open" : "gone");
  return 1;
}

void mpl_open_net_request(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"respond", request_respond}, {"read", request_read}, {"start", request_start},     {"write", request_write},
      {"wait", request_wait},       {"cut", request_cut},   {"is_open", request_is_open}, {NULL, NULL},
  };
  mpl_new_type(L, REQUEST, methods, request_close, request_tostring);
  luaL_getmetatable(L, REQUEST);
  lua_getfield(L, -1, "__index");
  lua_pushcclosure(L, request_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
