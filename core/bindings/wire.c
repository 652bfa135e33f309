#include "wire.h"

#include <string.h>

#include "base/limits.h"
#include "wire/compress.h"
#include "wire/frame.h"

#define FRAMES "moonpost.wire.frames"

static mp_frames *check_frames(lua_State *L) {
  return luaL_checkudata(L, 1, FRAMES);
}

/* frames{role="client"|"server"} -> frames; a server's first take a client's opening off the stream */
static int wire_frames(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_getfield(L, 1, "role");
  const char *role = lua_tostring(L, -1);
  bool server = role != NULL && strcmp(role, "server") == 0;
  if (!server && (role == NULL || strcmp(role, "client") != 0)) return luaL_error(L, "role: 'client' or 'server' expected");
  mp_frames *frames = lua_newuserdatauv(L, sizeof *frames, 0);
  mp_frames_init(frames, server);
  luaL_setmetatable(L, FRAMES);
  return 1;
}

/* feed(bytes) -> true | nil, err */
static int frames_feed(lua_State *L) {
  size_t length;
  mp_error e;
  mp_frames *frames = check_frames(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  if (mp_frames_feed(frames, bytes, length, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushboolean(L, 1);
  return 1;
}

/* next() -> frame | nil (more bytes are needed) | nil, err */
static int frames_next(lua_State *L) {
  const uint8_t *frame;
  size_t length;
  mp_error e;
  int rc = mp_frames_next(check_frames(L), &frame, &length, &e);
  if (rc < 0) return mpl_fail(L, &e);
  if (rc == 0) {
    lua_pushnil(L);
  } else {
    lua_pushlstring(L, (const char *)frame, length);
  }
  return 1;
}

/* established(): the handshake is done, frames may be as long as the protocol allows */
static int frames_established(lua_State *L) {
  check_frames(L)->established = true;
  return 0;
}

/* routing_info() -> bytes | nil */
static int frames_routing_info(lua_State *L) {
  const mp_frames *frames = check_frames(L);
  if (frames->routing.length == 0) return 0;
  lua_pushlstring(L, (const char *)frames->routing.data, frames->routing.length);
  return 1;
}

static int frames_close(lua_State *L) {
  mp_frames_free(check_frames(L));
  return 0;
}

static int frames_tostring(lua_State *L) {
  const mp_frames *frames = check_frames(L);
  if (frames->closed) {
    lua_pushliteral(L, FRAMES " (closed)");
  } else {
    lua_pushfstring(L, "%s (%d bytes waiting)", FRAMES, (int)(frames->stream.length - frames->read));
  }
  return 1;
}

/* frame(payload) -> the payload with its length in front; raises above 2^24 - 1 bytes */
static int wire_frame(lua_State *L) {
  size_t length;
  const char *payload = luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, length > 0 && length <= MP_FRAME_MAX, 1, "a frame holds 1 to 16,777,215 bytes");
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, length + 3);
  out[0] = (char)(length >> 16);
  out[1] = (char)(length >> 8);
  out[2] = (char)length;
  memcpy(out + 3, payload, length);
  luaL_pushresultsize(&b, length + 3);
  return 1;
}

/* header([routing info]) -> what stands before the first frame of a client (01 §1.2) */
static int wire_header(lua_State *L) {
  size_t length = 0;
  const char *routing = luaL_optlstring(L, 1, "", &length);
  luaL_argcheck(L, length <= MP_ROUTING_INFO_MAX, 1, "routing info is too long");
  mp_buffer *out = mpl_output(L);
  if (mp_frame_opening(out, routing, length) != MP_OK) return luaL_error(L, "no memory for the header");
  lua_pushlstring(L, (const char *)out->data, out->length);
  return 1;
}

/* jid.parse(text) -> user, server, device | nil when it is no JID; an interop user is "integrator-user" */
static int jid_parse(lua_State *L) {
  size_t length;
  mp_jid jid;
  const char *text = luaL_checklstring(L, 1, &length);
  if (!mp_jid_parse(text, length, &jid)) return 0;
  if (jid.kind == MP_SERVER_INTEROP && jid.user_length > 0) {
    lua_pushfstring(L, "%d-", jid.integrator);
    lua_pushlstring(L, jid.user, jid.user_length);
    lua_concat(L, 2);
  } else {
    lua_pushlstring(L, jid.user, jid.user_length);
  }
  lua_pushstring(L, jid.server);
  lua_pushinteger(L, jid.device);
  return 3;
}

static int push_jid(lua_State *L, const mp_jid *jid) {
  char out[MP_JID_TEXT_MAX];
  lua_pushlstring(L, out, mp_jid_write(jid, out));
  return 1;
}

/* jid.make(user, server [, device]) -> text in canonical form; raises when they make no JID */
static int jid_make(lua_State *L) {
  mp_jid jid;
  size_t length;
  luaL_checkstring(L, 1);
  luaL_checkstring(L, 2);
  lua_Integer device = luaL_optinteger(L, 3, 0);
  lua_pushvalue(L, 1);
  if (device != 0) {
    lua_pushfstring(L, ":%I", device);
    lua_concat(L, 2);
  }
  lua_pushliteral(L, "@");
  lua_pushvalue(L, 2);
  lua_concat(L, 3);
  const char *text = lua_tolstring(L, -1, &length);
  if (!mp_jid_parse(text, length, &jid)) return luaL_error(L, "'%s' is no JID", text);
  return push_jid(L, &jid);
}

/* jid.bare(text) -> the JID without its device, in canonical form; raises when it is no JID */
static int jid_bare(lua_State *L) {
  size_t length;
  mp_jid jid;
  const char *text = luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, mp_jid_parse(text, length, &jid), 1, "a JID is expected");
  jid.device = 0;
  return push_jid(L, &jid);
}

/* inflate(bytes) -> bytes | nil, err: a zlib stream, at most MP_INFLATED_MAX bytes of it */
static int wire_inflate(lua_State *L) {
  mp_error e;
  size_t length;
  const char *bytes = luaL_checklstring(L, 1, &length);
  mp_buffer *out = mpl_output(L);
  if (mp_inflate((const uint8_t *)bytes, length, out, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushlstring(L, (const char *)out->data, out->length);
  return 1;
}

/* deflate(bytes) -> a zlib stream | nil, err */
static int wire_deflate(lua_State *L) {
  mp_error e;
  size_t length;
  const char *bytes = luaL_checklstring(L, 1, &length);
  mp_buffer *out = mpl_output(L);
  if (mp_deflate((const uint8_t *)bytes, length, out, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushlstring(L, (const char *)out->data, out->length);
  return 1;
}

static const luaL_Reg frames_methods[] = {
    {"feed", frames_feed}, {"next", frames_next}, {"established", frames_established}, {"routing_info", frames_routing_info},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"frames", wire_frames},   {"frame", wire_frame},     {"header", wire_header},
    {"inflate", wire_inflate}, {"deflate", wire_deflate}, {NULL, NULL},
};
static const luaL_Reg jid_functions[] = {{"parse", jid_parse}, {"make", jid_make}, {"bare", jid_bare}, {NULL, NULL}};

int mpl_open_wire(lua_State *L) {
  mpl_new_type(L, FRAMES, frames_methods, frames_close, frames_tostring);
  luaL_newlib(L, functions);
  luaL_newlib(L, jid_functions);
  lua_setfield(L, -2, "jid");
  /* The field names of a node are upvalues: found by pointer, never made again. */
  lua_pushliteral(L, "tag");
  lua_pushliteral(L, "attrs");
  lua_pushliteral(L, "content");
  lua_pushliteral(L, "text");
  mpl_wire_push_names(L);
  lua_pushcclosure(L, mpl_wire_encode, 5);
  lua_setfield(L, -2, "encode");
  lua_pushliteral(L, "tag");
  lua_pushliteral(L, "attrs");
  lua_pushliteral(L, "content");
  lua_pushcclosure(L, mpl_wire_decode, 3);
  lua_setfield(L, -2, "decode");
  lua_pushinteger(L, MP_FRAME_MAX); /* bytes */
  lua_setfield(L, -2, "FRAME_MAX");
  return 1;
}
