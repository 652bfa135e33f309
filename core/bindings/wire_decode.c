/* The binary codec's bytes to node tables. */
#include <string.h>

#include "base/limits.h"
#include "wire.h"
#include "wire/compress.h"

typedef struct {
  lua_State *L;
  mp_reader reader;
  mp_error *error;
  size_t nodes; /* read so far */
  size_t owed;  /* announced and not read yet */
  mp_value value;
} decoder;

enum { BYTES = 1, TOKENS, KEY_TAG, KEY_ATTRS, KEY_CONTENT };

static bool decode_node(decoder *d, int depth);

static bool fail(decoder *d, int code, const char *what) {
  mp_fail(d->error, code, "%s at byte %zu", what, (size_t)(d->reader.at - d->reader.start));
  return false;
}

/* Every announced node needs 3 bytes and every attribute 2: what the stanza cannot hold is refused before room is made for it. */
static bool fits(const decoder *d, size_t attrs) {
  return 3 * d->owed + 2 * attrs <= (size_t)(d->reader.end - d->reader.at);
}

/* Most names and many values are one byte: a token of page 0. Pushes it; false when the next value is something else. */
static bool push_short_token(decoder *d) {
  mp_reader *reader = &d->reader;
  if (reader->at == reader->end || *reader->at == MP_TAG_LIST_EMPTY || *reader->at >= MP_TAG_DICTIONARY_0) return false;
  lua_rawgeti(d->L, TOKENS, *reader->at++);
  return true;
}

static void push_value(decoder *d) {
  if (d->value.kind == MP_VALUE_TOKEN) {
    lua_rawgeti(d->L, TOKENS, d->value.token);
  } else {
    lua_pushlstring(d->L, (const char *)d->value.bytes, d->value.length);
  }
}

/* Reads a tag or an attribute's name: a string that is not empty and no JID. */
static bool push_name(decoder *d, const char *what) {
  if (push_short_token(d)) return true;
  if (mp_read_string(&d->reader, &d->value, d->error) != MP_OK) return false;
  mp_value_kind kind = d->value.kind;
  if (kind == MP_VALUE_NONE || (kind != MP_VALUE_TOKEN && d->value.length == 0)) return fail(d, MP_EMALFORMED, what);
  if (kind == MP_VALUE_BYTES && !mp_utf8_ok(d->value.bytes, d->value.length)) return fail(d, MP_EMALFORMED, what);
  push_value(d);
  return true;
}

static bool decode_attrs(decoder *d, uint32_t count) {
  lua_State *L = d->L;
  if (!fits(d, count)) return fail(d, MP_EMALFORMED, "more attributes than bytes");
  lua_createtable(L, 0, (int)count);
  for (uint32_t i = 0; i < count; i++) {
    if (!push_name(d, "an attribute's name is malformed")) return false;
    if (mp_read_value(&d->reader, &d->value, d->error) != MP_OK) return false;
    if (d->value.kind == MP_VALUE_LIST) return fail(d, MP_EMALFORMED, "an attribute holds a list");
    if (d->value.kind == MP_VALUE_BYTES && !mp_utf8_ok(d->value.bytes, d->value.length)) {
      return fail(d, MP_EMALFORMED, "an attribute is not UTF-8");
    }
    if (d->value.kind == MP_VALUE_NONE) {
      lua_pop(L, 1);
    } else {
      push_value(d);
      lua_rawset(L, -3);
    }
  }
  return true;
}

static bool decode_children(decoder *d, uint32_t count, int depth) {
  d->owed += count;
  if (d->nodes + d->owed > MP_NODE_COUNT_MAX) return fail(d, MP_ELIMIT, "too many nodes");
  if (!fits(d, 0)) return fail(d, MP_EMALFORMED, "more children than bytes");
  lua_createtable(d->L, (int)count, 0);
  for (uint32_t i = 1; i <= count; i++) {
    d->owed--;
    if (!decode_node(d, depth + 1)) return false;
    lua_rawseti(d->L, -2, i);
  }
  return true;
}

/* Leaves the content on the stack, nil when there is none. */
static bool decode_content(decoder *d, int depth) {
  if (mp_read_value(&d->reader, &d->value, d->error) != MP_OK) return false;
  bool list = d->value.kind == MP_VALUE_LIST;
  if (list && d->value.count > 0) return decode_children(d, d->value.count, depth);
  if (list || d->value.kind == MP_VALUE_NONE) {
    lua_pushnil(d->L);
  } else {
    push_value(d);
  }
  return true;
}

static bool decode_node(decoder *d, int depth) {
  lua_State *L = d->L;
  uint32_t size;
  if (depth >= MP_NODE_DEPTH_MAX) return fail(d, MP_ELIMIT, "nodes are nested too deeply");
  d->nodes++;
  if (!lua_checkstack(L, 10)) return fail(d, MP_ENOMEM, "no room on the Lua stack");
  if (mp_read_list(&d->reader, &size, d->error) != MP_OK) return false;
  if (size == 0) return fail(d, MP_EMALFORMED, "a node of size 0");
  lua_createtable(L, 0, 3);
  lua_pushvalue(L, KEY_TAG);
  if (!push_name(d, "a node's tag is malformed")) return false;
  lua_rawset(L, -3);
  lua_pushvalue(L, KEY_ATTRS);
  if (!decode_attrs(d, (size - 1) / 2)) return false;
  lua_rawset(L, -3);
  if (size % 2 == 0) {
    lua_pushvalue(L, KEY_CONTENT);
    if (!decode_content(d, depth)) return false;
    lua_rawset(L, -3);
  }
  return true;
}

/* The stanza's bytes without their flag, inflated into `out` when the flag says so. */
static bool open_stanza(decoder *d, const uint8_t *bytes, size_t length, mp_buffer *out) {
  if (length < 2) return mp_fail(d->error, MP_ETRUNCATED, "a stanza of %zu bytes", length), false;
  d->reader = (mp_reader){bytes + 1, bytes + 1, bytes + length};
  if (!(bytes[0] & 2)) return true;
  if (mp_inflate(bytes + 1, length - 1, out, d->error) != MP_OK) return false;
  d->reader = (mp_reader){out->data, out->data, out->data + out->length};
  return true;
}

/* decode(bytes) -> node | nil, err: a stanza with its flag byte (01 §4.6). Strings and bytes as content look alike; a null
 * attribute and an empty list are left out. err.code: "malformed", "truncated", "limit", "memory". */
int mpl_wire_decode(lua_State *L) {
  size_t length;
  mp_error error = {0};
  const char *bytes = luaL_checklstring(L, 1, &length);
  lua_settop(L, 1);
  mpl_wire_push_tokens(L);
  for (int i = 1; i <= 3; i++) lua_pushvalue(L, lua_upvalueindex(i));
  decoder d = {.L = L, .error = &error};
  if (!open_stanza(&d, (const uint8_t *)bytes, length, mpl_output(L)) || !decode_node(&d, 0)) return mpl_fail(L, &error);
  if (d.reader.at != d.reader.end) {
    fail(&d, MP_EMALFORMED, "bytes behind the stanza");
    return mpl_fail(L, &error);
  }
  return 1;
}
