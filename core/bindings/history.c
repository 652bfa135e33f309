/* Chunks of history, read as their bytes come. */
#include "history/reader.h"

#include "base/limits.h"
#include "bindings.h"

#define TYPE "moonpost.history_reader"

typedef struct {
  mp_history reader;
  bool open, failed;
} handle;

static handle *check_reader(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, TYPE);
  if (!h->open) luaL_error(L, "the history reader is closed");
  return h;
}

static int reader_close(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, TYPE);
  if (h->open) mp_history_free(&h->reader);
  h->open = false;
  return 0;
}

static int reader_tostring(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, TYPE);
  lua_pushfstring(L, TYPE " (%s)", h->open ? "open" : "closed");
  return 1;
}

/* reader:feed(bytes): more of the chunk, once `next` has asked for it */
static int reader_feed(lua_State *L) {
  size_t length;
  handle *h = check_reader(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  luaL_argcheck(L, length <= MP_HISTORY_INFLATED_MAX, 2, "too many bytes at once");
  if (!mp_history_hungry(&h->reader)) return luaL_error(L, "the history reader has not read what it was fed before");
  mp_history_feed(&h->reader, (const uint8_t *)bytes, length);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 1, 1);
  return 0;
}

/* reader:finish(): there are no more bytes */
static int reader_finish(lua_State *L) {
  mp_history_finish(&check_reader(L)->reader);
  return 0;
}

/* reader:next() -> kind, bytes, number of the conversation | nil: more is to be fed | nil, err. Kinds: "message" (bytes: a
 * WebMessageInfo of the conversation of that number), "conversation" (its end: the Conversation without its messages), "status"
 * (a WebMessageInfo: a status post), "fields" (a HistorySync of some other fields), "pause" (much was read and nothing found yet:
 * time for something else), "end". */
static int reader_next(lua_State *L) {
  static const char *const kinds[] = {NULL, "pause", "message", "conversation", "status", "fields", "end"};
  handle *h = check_reader(L);
  mp_history_item item;
  mp_error e;
  if (h->failed) return luaL_error(L, "the history reader has failed");
  if (mp_history_next(&h->reader, &item, &e) != MP_OK) {
    h->failed = true;
    return mpl_fail(L, &e);
  }
  if (item.kind == MP_HISTORY_MORE) {
    lua_pushnil(L);
    return 1;
  }
  lua_pushstring(L, kinds[item.kind]);
  lua_pushlstring(L, item.length > 0 ? (const char *)item.bytes : "", item.length);
  lua_pushinteger(L, h->reader.conversations);
  return 3;
}

/* reader:counts() -> {conversations = begun, messages = handed out, skipped = fields too large, inflated = bytes} */
static int reader_counts(lua_State *L) {
  const mp_history *h = &check_reader(L)->reader;
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, h->conversations);
  lua_setfield(L, -2, "conversations");
  lua_pushinteger(L, h->messages);
  lua_setfield(L, -2, "messages");
  lua_pushinteger(L, h->skipped);
  lua_setfield(L, -2, "skipped");
  lua_pushinteger(L, (lua_Integer)h->inflated);
  lua_setfield(L, -2, "inflated");
  return 1;
}

static uint64_t option(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  lua_Integer value = lua_isnil(L, -1) ? 0 : luaL_checkinteger(L, -1);
  if (value < 0) luaL_error(L, "'%s' must be 0 or more", name);
  lua_pop(L, 1);
  return (uint64_t)value;
}

/* reader { since = Unix seconds: older messages are passed over; skip = so many items are passed over first; plain = true: the
 * bytes are the HistorySync itself, not deflated } -> a reader of one chunk (fact sheet 06 §13) | nil, err */
static int new_reader(lua_State *L) {
  mp_history_options options = {0};
  mp_error e;
  luaL_checktype(L, 1, LUA_TTABLE);
  options.since = option(L, "since");
  options.skip = option(L, "skip");
  lua_getfield(L, 1, "plain");
  options.plain = lua_toboolean(L, -1);
  handle *h = lua_newuserdatauv(L, sizeof *h, 1);
  h->open = h->failed = false;
  luaL_setmetatable(L, TYPE);
  if (mp_history_init(&h->reader, &options, &e) != MP_OK) return mpl_fail(L, &e);
  h->open = true;
  return 1;
}

static const luaL_Reg methods[] = {
    {"feed", reader_feed},     {"finish", reader_finish}, {"next", reader_next},
    {"counts", reader_counts}, {"close", reader_close},   {NULL, NULL},
};

static const luaL_Reg functions[] = {{"reader", new_reader}, {NULL, NULL}};

int mpl_open_history(lua_State *L) {
  mpl_new_type(L, TYPE, methods, reader_close, reader_tostring);
  luaL_newlib(L, functions);
  return 1;
}
