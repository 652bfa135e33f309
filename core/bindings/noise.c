#include "noise/noise.h"

#include <string.h>

#include "bindings.h"
#include "keypair.h"
#include "noise/certificate.h"

#define HANDSHAKE "moonpost.noise.handshake"
#define TRANSPORT "moonpost.noise.transport"

typedef struct {
  mp_noise noise;
  uint8_t root[32];
  int64_t now;
  bool initiator;
} handshake;

static handshake *check_handshake(lua_State *L) {
  return luaL_checkudata(L, 1, HANDSHAKE);
}

static handshake *check_role(lua_State *L, bool initiator) {
  handshake *hs = check_handshake(L);
  if (hs->initiator != initiator) luaL_error(L, "a step of the %s", initiator ? "initiator" : "responder");
  return hs;
}

static mp_noise_transport *check_transport(lua_State *L) {
  return luaL_checkudata(L, 1, TRANSPORT);
}

/* Pushes the buffer's bytes, or the error; frees the buffer. */
static int push_result(lua_State *L, mp_buffer *out, int rc, const mp_error *e) {
  if (rc == MP_OK) lua_pushlstring(L, (const char *)out->data, out->length);
  mp_buffer_wipe_free(out);
  return rc == MP_OK ? 1 : mpl_fail(L, e);
}

/* A field of the options on the stack's first place, left on the stack: a key, or a time in Unix seconds. */
static const uint8_t *key_option(lua_State *L, const char *name) {
  size_t length = 0;
  if (lua_getfield(L, 1, name) != LUA_TSTRING)
    luaL_error(L, "%s: a key of 32 bytes expected, got %s", name, luaL_typename(L, -1));
  const char *bytes = lua_tolstring(L, -1, &length);
  if (length != MP_KEY_SIZE) luaL_error(L, "%s: a key of 32 bytes expected, got %d bytes", name, (int)length);
  return (const uint8_t *)bytes;
}

static int64_t time_option(lua_State *L, const char *name) {
  lua_Number seconds = lua_getfield(L, 1, name) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
  if (!(seconds >= 0 && seconds < 1e15)) luaL_error(L, "%s: a time in Unix seconds expected", name);
  return (int64_t)seconds;
}

/* Pushes a handshake; the static key is its owner's. */
static handshake *new_handshake(lua_State *L, bool initiator) {
  const mp_keypair *own = mpl_keypair_option(L, 1, "static");
  handshake *hs = lua_newuserdatauv(L, sizeof *hs, 1);
  memset(hs, 0, sizeof *hs);
  hs->initiator = initiator;
  mp_noise_init(&hs->noise, own);
  luaL_setmetatable(L, HANDSHAKE);
  return hs;
}

/* initiator{static=kp, root=32 bytes|nil, now=Unix seconds} -> handshake. Without `root` only the real service's certificates are
 * accepted; another server's root has to be given. */
static int noise_initiator(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  const uint8_t *root = lua_getfield(L, 1, "root") == LUA_TNIL ? mp_noise_root : key_option(L, "root");
  int64_t now = time_option(L, "now");
  handshake *hs = new_handshake(L, true);
  memcpy(hs->root, root, MP_KEY_SIZE);
  hs->now = now;
  return 1;
}

/* responder{static=kp, chain=bytes} -> handshake */
static int noise_responder(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  new_handshake(L, false);
  if (lua_getfield(L, 1, "chain") != LUA_TSTRING) return luaL_error(L, "chain: bytes expected, got %s", luaL_typename(L, -1));
  lua_setiuservalue(L, -2, 1);
  return 1;
}

/* hello() -> client hello | nil, err */
static int handshake_hello(lua_State *L) {
  handshake *hs = check_role(L, true);
  mp_buffer out;
  mp_error e;
  mp_buffer_init(&out, 0);
  return push_result(L, &out, mp_noise_hello(&hs->noise, &out, &e), &e);
}

/* resume(client payload, chain) -> client hello of IK | nil, err: for the server of a chain that `read` gave earlier, as long as
 * it holds. With an error about the chain nothing has begun: hello() is still to be had. */
static int handshake_resume(lua_State *L) {
  handshake *hs = check_role(L, true);
  size_t length, chain_length;
  uint8_t key[MP_KEY_SIZE];
  mp_buffer out;
  mp_error e;
  const char *payload = luaL_checklstring(L, 2, &length), *chain = luaL_checklstring(L, 3, &chain_length);
  if (mp_noise_read_chain((const uint8_t *)chain, chain_length, hs->root, hs->now, key, &e) != MP_OK) return mpl_fail(L, &e);
  mp_buffer_init(&out, 0);
  return push_result(L, &out, mp_noise_resume(&hs->noise, key, (const uint8_t *)payload, length, &out, &e), &e);
}

/* read(server hello) -> "IK" (the handshake is done) or "XX" (finish() is next), chain | nil, err: the certificate chain is
 * checked in full, and "" when IK went without one */
static int handshake_read(lua_State *L) {
  handshake *hs = check_role(L, true);
  size_t length;
  mp_buffer chain;
  mp_error e;
  const char *bytes = luaL_checklstring(L, 2, &length);
  mp_buffer_init(&chain, 0);
  int rc = mp_noise_read_server_hello(&hs->noise, (const uint8_t *)bytes, length, hs->root, hs->now, &chain, &e);
  if (rc == MP_OK) lua_pushstring(L, hs->noise.step == MP_NOISE_DONE ? "IK" : "XX");
  int count = push_result(L, &chain, rc, &e);
  return rc == MP_OK ? 2 : count;
}

/* finish(client payload) -> client finish | nil, err */
static int handshake_finish(lua_State *L) {
  handshake *hs = check_role(L, true);
  size_t length;
  mp_buffer out;
  mp_error e;
  const char *payload = luaL_checklstring(L, 2, &length);
  mp_buffer_init(&out, 0);
  return push_result(L, &out, mp_noise_finish(&hs->noise, (const uint8_t *)payload, length, &out, &e), &e);
}

/* Pushes what a responder got, with the client's static key behind it. */
static int push_payload(lua_State *L, const handshake *hs, mp_buffer *payload) {
  lua_pushlstring(L, (const char *)payload->data, payload->length);
  mp_buffer_wipe_free(payload);
  lua_pushlstring(L, (const char *)hs->noise.peer_static, 32);
  return 2;
}

/* read_hello(bytes) -> server hello[, payload, client's static key] | nil, err. With a payload the client's IK is accepted and
 * the handshake is done; whether the client is there, and no replay of its words, the first frame of it tells. */
static int handshake_read_hello(lua_State *L) {
  handshake *hs = check_role(L, false);
  size_t length, chain_length;
  mp_buffer out, payload;
  mp_error e;
  const char *bytes = luaL_checklstring(L, 2, &length);
  lua_getiuservalue(L, 1, 1);
  const char *chain = luaL_checklstring(L, -1, &chain_length);
  mp_buffer_init(&out, 0);
  mp_buffer_init(&payload, 0);
  int rc =
      mp_noise_read_hello(&hs->noise, (const uint8_t *)bytes, length, (const uint8_t *)chain, chain_length, &out, &payload, &e);
  int count = push_result(L, &out, rc, &e);
  if (rc == MP_OK && hs->noise.step == MP_NOISE_DONE) return count + push_payload(L, hs, &payload);
  mp_buffer_wipe_free(&payload);
  return count;
}

/* read_finish(bytes) -> payload, client's static key | nil, err */
static int handshake_read_finish(lua_State *L) {
  handshake *hs = check_role(L, false);
  size_t length;
  mp_buffer payload;
  mp_error e;
  const char *bytes = luaL_checklstring(L, 2, &length);
  mp_buffer_init(&payload, 0);
  int rc = mp_noise_read_finish(&hs->noise, (const uint8_t *)bytes, length, &payload, &e);
  return rc == MP_OK ? push_payload(L, hs, &payload) : push_result(L, &payload, rc, &e);
}

/* split() -> transport | nil, err; the handshake is over and zeroed */
static int handshake_split(lua_State *L) {
  handshake *hs = check_handshake(L);
  mp_error e;
  mp_noise_transport *transport = lua_newuserdatauv(L, sizeof *transport, 0);
  memset(transport, 0, sizeof *transport);
  luaL_setmetatable(L, TRANSPORT);
  return mp_noise_split(&hs->noise, hs->initiator, transport, &e) == MP_OK ? 1 : mpl_fail(L, &e);
}

static int handshake_close(lua_State *L) {
  mp_noise_wipe(&check_handshake(L)->noise);
  return 0;
}

static int handshake_tostring(lua_State *L) {
  const handshake *hs = check_handshake(L);
  const char *role = hs->initiator ? "initiator" : "responder";
  lua_pushfstring(L, hs->noise.step == MP_NOISE_BROKEN ? "%s (%s, over)" : "%s (%s)", HANDSHAKE, role);
  return 1;
}

/* encrypt(plain) -> a frame's payload, 16 bytes longer | nil, err */
static int transport_encrypt(lua_State *L) {
  mp_noise_transport *transport = check_transport(L);
  size_t length;
  mp_error e;
  luaL_Buffer b;
  const char *plain = luaL_checklstring(L, 2, &length);
  char *out = luaL_buffinitsize(L, &b, length + MP_GCM_TAG);
  if (mp_noise_encrypt(transport, (const uint8_t *)plain, length, (uint8_t *)out, &e) != MP_OK) return mpl_fail(L, &e);
  luaL_pushresultsize(&b, length + MP_GCM_TAG);
  return 1;
}

/* decrypt(a frame's payload) -> plain | nil, err: strictly in the order of arrival; after an error the connection is lost */
static int transport_decrypt(lua_State *L) {
  mp_noise_transport *transport = check_transport(L);
  size_t length;
  mp_error e;
  luaL_Buffer b;
  const char *bytes = luaL_checklstring(L, 2, &length);
  char *out = luaL_buffinitsize(L, &b, length + 1);
  if (mp_noise_decrypt(transport, (const uint8_t *)bytes, length, (uint8_t *)out, &e) != MP_OK) return mpl_fail(L, &e);
  luaL_pushresultsize(&b, length - MP_GCM_TAG);
  return 1;
}

static int transport_close(lua_State *L) {
  mp_noise_transport_free(check_transport(L));
  return 0;
}

static int transport_tostring(lua_State *L) {
  const mp_noise_transport *transport = check_transport(L);
  if (transport->send == NULL) {
    lua_pushliteral(L, TRANSPORT " (closed)");
  } else {
    lua_pushfstring(L, "%s (%I sent, %I received)", TRANSPORT, (lua_Integer)transport->send_count,
                    (lua_Integer)transport->receive_count);
  }
  return 1;
}

/* certificates{root=kp, intermediate=kp, static=32 bytes, not_before=, not_after=} -> CertChain bytes | nil, err. Times are Unix
 * seconds. */
static int noise_certificates(lua_State *L) {
  mp_buffer out;
  mp_error e;
  luaL_checktype(L, 1, LUA_TTABLE);
  const mp_keypair *root = mpl_keypair_option(L, 1, "root"), *intermediate = mpl_keypair_option(L, 1, "intermediate");
  const uint8_t *server = key_option(L, "static");
  uint64_t not_before = (uint64_t)time_option(L, "not_before"), not_after = (uint64_t)time_option(L, "not_after");
  mp_buffer_init(&out, 0);
  return push_result(L, &out, mp_noise_make_chain(root, intermediate, server, not_before, not_after, &out, &e), &e);
}

static const luaL_Reg handshake_methods[] = {
    {"hello", handshake_hello},
    {"resume", handshake_resume},
    {"read", handshake_read},
    {"finish", handshake_finish},
    {"read_hello", handshake_read_hello},
    {"read_finish", handshake_read_finish},
    {"split", handshake_split},
    {NULL, NULL},
};

static const luaL_Reg transport_methods[] = {{"encrypt", transport_encrypt}, {"decrypt", transport_decrypt}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"initiator", noise_initiator},
    {"responder", noise_responder},
    {"certificates", noise_certificates},
    {NULL, NULL},
};

int mpl_open_noise(lua_State *L) {
  mpl_new_type(L, HANDSHAKE, handshake_methods, handshake_close, handshake_tostring);
  mpl_new_type(L, TRANSPORT, transport_methods, transport_close, transport_tostring);
  luaL_newlib(L, functions);
  lua_pushlstring(L, (const char *)mp_noise_root, sizeof mp_noise_root);
  lua_setfield(L, -2, "ROOT");
  return 1;
}
