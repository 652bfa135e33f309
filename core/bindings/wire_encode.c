/* Node tables to the binary codec's bytes. Attributes go out in the order of their names' tokens, others behind by name. */
#include <string.h>

#include "base/limits.h"
#include "wire.h"

#define ATTRS_MAX 200

typedef struct {
  lua_State *L;
  mp_buffer *out;
  uint32_t nodes;
} encoder;

/* Fixed places on the stack during an encode. */
enum { NODE = 1, TOKENS, KEY_TAG, KEY_ATTRS, KEY_CONTENT, KEY_TEXT };

typedef struct {
  int rank;         /* the name's code with its bits */
  const char *name; /* anchored by the attrs table */
  size_t length;
} attribute;

static void encode_node(encoder *e, int node, int depth);

static void check(encoder *e, int rc) {
  if (rc == MP_ELIMIT) luaL_error(e->L, "a stanza has too many attributes or children");
  if (rc != MP_OK) luaL_error(e->L, "no memory for the stanza");
}

static int field(lua_State *L, int node, int key) {
  lua_pushvalue(L, key);
  return lua_rawget(L, node);
}

/* The code of the string on top of the stack, with its bits; MPL_NAME_PLAIN when it is no token. */
static int code_of_top(lua_State *L) {
  lua_pushvalue(L, -1);
  lua_rawget(L, TOKENS);
  int code = lua_isnil(L, -1) ? MPL_NAME_PLAIN : (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return code;
}

static void write_text(encoder *e, int code, const char *text, size_t length) {
  if (code & MPL_NAME_PLAIN) {
    check(e, mp_write_string(e->out, text, length));
  } else {
    check(e, mp_write_token(e->out, (uint16_t)(code & 0x7fff)));
  }
}

/* Whether an attribute's value goes out as a JID. A bare server ("call", "lid") is one in `to` and `from` only: elsewhere it is
 * more likely a word. */
static bool is_jid(const attribute *attr, const char *text, size_t length, mp_jid *jid) {
  if (!(attr->rank & MPL_NAME_JID) || !mp_jid_parse(text, length, jid)) return false;
  return jid->user_length > 0 || text[0] == '@' || strcmp(attr->name, "to") == 0 || strcmp(attr->name, "from") == 0;
}

/* The value on top of the stack; integers and booleans as text. */
static void write_value(encoder *e, const attribute *attr, const char *tag) {
  lua_State *L = e->L;
  size_t length;
  if (lua_isboolean(L, -1)) lua_pushstring(L, lua_toboolean(L, -1) ? "true" : "false");
  const char *text = lua_tolstring(L, -1, &length);
  mp_jid jid;
  if (is_jid(attr, text, length, &jid)) {
    check(e, mp_write_jid(e->out, &jid));
    return;
  }
  int code = code_of_top(L);
  if (code & MPL_NAME_PLAIN && !mp_utf8_ok((const uint8_t *)text, length)) {
    luaL_error(L, "<%s>: attribute '%s' is not UTF-8", tag, attr->name);
  }
  write_text(e, code, text, length);
}

static int compare(const attribute *a, const attribute *b) {
  int ra = a->rank & 0xffff, rb = b->rank & 0xffff;
  if (ra != rb) return ra - rb;
  size_t shorter = a->length < b->length ? a->length : b->length;
  int order = memcmp(a->name, b->name, shorter);
  return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

/* Collects the names of the attrs table on top of the stack, in order. */
static int collect(encoder *e, attribute *attrs, const char *tag) {
  lua_State *L = e->L;
  int table = lua_gettop(L), count = 0;
  lua_pushnil(L);
  while (lua_next(L, table) != 0) {
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "<%s>: an attribute's name is a %s", tag, luaL_typename(L, -2));
    if (lua_rawlen(L, -2) == 0) luaL_error(L, "<%s>: an attribute has no name", tag);
    int type = lua_type(L, -1);
    if (type != LUA_TSTRING && type != LUA_TBOOLEAN && !lua_isinteger(L, -1)) {
      luaL_error(L, "<%s>: attribute '%s' is a %s, not a string, integer or boolean", tag, lua_tostring(L, -2),
                 luaL_typename(L, -1));
    }
    bool empty = type == LUA_TSTRING && lua_rawlen(L, -1) == 0; /* canonical form: left out (01 §4.5) */
    lua_pop(L, 1);
    if (empty) continue;
    if (count == ATTRS_MAX) luaL_error(L, "<%s>: more than %d attributes", tag, ATTRS_MAX);
    attribute attr = {.rank = code_of_top(L)};
    attr.name = lua_tolstring(L, -1, &attr.length);
    int at = count++;
    for (; at > 0 && compare(&attrs[at - 1], &attr) > 0; at--) attrs[at] = attrs[at - 1];
    attrs[at] = attr;
  }
  return count;
}

static void write_attrs(encoder *e, const attribute *attrs, int count, int table, const char *tag) {
  lua_State *L = e->L;
  for (int i = 0; i < count; i++) {
    lua_pushlstring(L, attrs[i].name, attrs[i].length);
    write_text(e, attrs[i].rank & 0xffff, attrs[i].name, attrs[i].length);
    lua_rawget(L, table);
    int top = lua_gettop(L);
    write_value(e, &attrs[i], tag);
    lua_settop(L, top - 1);
  }
}

static void write_children(encoder *e, int list, int depth, const char *tag) {
  lua_State *L = e->L;
  lua_Integer count = (lua_Integer)lua_rawlen(L, list);
  check(e, mp_write_list(e->out, (size_t)count));
  for (lua_Integer i = 1; i <= count; i++) {
    if (lua_rawgeti(L, list, i) != LUA_TTABLE)
      luaL_error(L, "<%s>: child %d is a %s, not a node", tag, (int)i, luaL_typename(L, -1));
    encode_node(e, lua_gettop(L), depth + 1);
    lua_pop(L, 1);
  }
}

/* Leaves the content on the stack and says whether there is any; an empty list counts as none. */
static bool push_content(encoder *e, int node, const char *tag, bool *is_text) {
  lua_State *L = e->L;
  int type = field(L, node, KEY_TEXT);
  *is_text = type == LUA_TSTRING;
  if (*is_text) return true;
  if (type != LUA_TNIL) luaL_error(L, "<%s>: text is a %s, not a string", tag, luaL_typename(L, -1));
  lua_pop(L, 1);
  switch (field(L, node, KEY_CONTENT)) {
    case LUA_TNIL:
      return false;
    case LUA_TSTRING:
      return true;
    case LUA_TTABLE:
      return lua_rawlen(L, -1) > 0;
    default:
      return luaL_error(L, "<%s>: content is a %s, not bytes or a list of nodes", tag, luaL_typename(L, -1));
  }
}

static void encode_node(encoder *e, int node, int depth) {
  lua_State *L = e->L;
  attribute attrs[ATTRS_MAX];
  bool is_text;
  int count = 0, table = 0;
  if (depth >= MP_NODE_DEPTH_MAX) luaL_error(L, "a stanza is nested deeper than %d nodes", MP_NODE_DEPTH_MAX);
  if (++e->nodes > MP_NODE_COUNT_MAX) luaL_error(L, "a stanza has more than %d nodes", MP_NODE_COUNT_MAX);
  luaL_checkstack(L, 12, "stanza");
  if (field(L, node, KEY_TAG) != LUA_TSTRING || lua_rawlen(L, -1) == 0) luaL_error(L, "a node has no tag");
  size_t tag_length;
  const char *tag = lua_tolstring(L, -1, &tag_length);
  int tag_code = code_of_top(L);
  int type = field(L, node, KEY_ATTRS);
  if (type == LUA_TTABLE) {
    table = lua_gettop(L);
    count = collect(e, attrs, tag);
  } else if (type != LUA_TNIL) {
    luaL_error(L, "<%s>: attrs is a %s, not a table", tag, luaL_typename(L, -1));
  }
  bool has_content = push_content(e, node, tag, &is_text);
  int content = lua_gettop(L);
  check(e, mp_write_list(e->out, 1 + 2 * (size_t)count + (has_content ? 1 : 0)));
  write_text(e, tag_code, tag, tag_length);
  write_attrs(e, attrs, count, table, tag);
  if (has_content && lua_istable(L, content)) {
    write_children(e, content, depth, tag);
  } else if (has_content) {
    size_t length;
    const char *bytes = lua_tolstring(L, content, &length);
    if (is_text) {
      lua_pushvalue(L, content);
      write_text(e, code_of_top(L), bytes, length);
    } else {
      check(e, mp_write_bytes(e->out, bytes, length));
    }
  }
  lua_settop(L, node);
}

/* encode(node) -> bytes with flag 0 in front (01 §4.3); raises when the table is no node or passes a limit. */
int mpl_wire_encode(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  encoder e = {.L = L, .out = mpl_output(L)};
  mpl_wire_push_tokens(L);
  for (int i = 1; i <= 4; i++) lua_pushvalue(L, lua_upvalueindex(i));
  check(&e, mp_buffer_push(e.out, 0));
  lua_pushvalue(L, NODE);
  encode_node(&e, lua_gettop(L), 0);
  lua_pushlstring(L, (const char *)e.out->data, e.out->length);
  return 1;
}
