/* Node tables to the binary codec's bytes. Attributes go out in the order of their names' tokens, others behind by name. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "wire.h"

#define ATTRS_MAX 200
#define UNKNOWN (-1)

/* An attribute on its way out. Its strings are anchored by the node's attrs table. */
typedef struct {
  int rank;         /* the name's code with its bits */
  int code;         /* the value's token; MPL_NAME_PLAIN when it is none; UNKNOWN when nobody has looked */
  const char *name; /* ended by 0 */
  const char *text; /* the value; NULL: the integer below */
  size_t name_length, length;
  lua_Integer integer;
} attribute;

typedef struct {
  lua_State *L;
  mp_buffer *out;
  const mpl_names *names;
  uint32_t nodes;
  const char *tag;                /* of the node at hand, for errors */
  attribute attrs[ATTRS_MAX + 1]; /* of the node at hand: they are written before its children are looked at */
} encoder;

/* Fixed places on the stack during an encode. */
enum { NODE = 1, KEY_TAG, KEY_ATTRS, KEY_CONTENT, KEY_TEXT };

static void encode_node(encoder *e, int node, int depth);

static void check(encoder *e, int rc) {
  if (rc == MP_ELIMIT) luaL_error(e->L, "a stanza has too many attributes or children");
  if (rc != MP_OK) luaL_error(e->L, "no memory for the stanza");
}

static int field(lua_State *L, int node, int key) {
  lua_pushvalue(L, key);
  return lua_rawget(L, node);
}

static void write_text(encoder *e, int code, const char *text, size_t length) {
  check(e, code & MPL_NAME_PLAIN ? mp_write_string(e->out, text, length) : mp_write_token(e->out, (uint16_t)(code & 0x7fff)));
}

static void check_utf8(encoder *e, int code, const char *text, size_t length, const char *name) {
  if (!(code & MPL_NAME_PLAIN) || mp_utf8_ok((const uint8_t *)text, length)) return;
  if (name == NULL) luaL_error(e->L, "a node's tag is not UTF-8");
  luaL_error(e->L, "<%s>: attribute '%s' is not UTF-8", e->tag, name);
}

/* Whether an attribute's value goes out as a JID. A bare server ("call", "lid") is one in `to` and `from` only: elsewhere it is
 * more likely a word. */
static bool is_jid(const attribute *attr, mp_jid *jid) {
  if (!(attr->rank & MPL_NAME_JID) || !mp_jid_parse(attr->text, attr->length, jid)) return false;
  return jid->user_length > 0 || attr->text[0] == '@' || strcmp(attr->name, "to") == 0 || strcmp(attr->name, "from") == 0;
}

/* The value on top of the stack: a string, an integer or a boolean. False when it is an empty string: left out (01 §4.5). */
static bool read_value(encoder *e, attribute *attr) {
  lua_State *L = e->L;
  attr->code = UNKNOWN;
  switch (lua_type(L, -1)) {
    case LUA_TSTRING:
      attr->text = lua_tolstring(L, -1, &attr->length);
      if (!(attr->rank & MPL_NAME_JID)) attr->code = mpl_wire_code(e->names, attr->text, attr->length);
      return attr->length > 0;
    case LUA_TBOOLEAN:
      attr->text = lua_toboolean(L, -1) ? "true" : "false";
      attr->length = strlen(attr->text);
      return true;
    case LUA_TNUMBER:
      attr->text = NULL;
      attr->integer = lua_tointeger(L, -1);
      if (lua_isinteger(L, -1)) return true; /* else: no such attribute */
  }
  luaL_error(L, "<%s>: attribute '%s' is a %s, not a string, integer or boolean", e->tag, attr->name, luaL_typename(L, -1));
  return false;
}

static int compare(const attribute *a, const attribute *b) {
  int ra = a->rank & 0xffff, rb = b->rank & 0xffff;
  if (ra != rb) return ra - rb;
  size_t shorter = a->name_length < b->name_length ? a->name_length : b->name_length;
  int order = memcmp(a->name, b->name, shorter);
  return order != 0 ? order : (a->name_length > b->name_length) - (a->name_length < b->name_length);
}

/* Moves the attribute at `last` before those it comes before. */
static void put_in_order(attribute *attrs, int last) {
  const attribute moved = attrs[last];
  int at = last;
  for (; at > 0 && compare(&attrs[at - 1], &moved) > 0; at--) attrs[at] = attrs[at - 1];
  attrs[at] = moved;
}

/* Collects the attributes of the attrs table on top of the stack, in order; returns how many. */
static int collect(encoder *e) {
  lua_State *L = e->L;
  int table = lua_gettop(L), count = 0;
  lua_pushnil(L);
  for (; lua_next(L, table) != 0; lua_pop(L, 1)) {
    attribute *attr = &e->attrs[count];
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "<%s>: an attribute's name is a %s", e->tag, luaL_typename(L, -2));
    attr->name = lua_tolstring(L, -2, &attr->name_length);
    if (attr->name_length == 0) luaL_error(L, "<%s>: an attribute has no name", e->tag);
    attr->rank = mpl_wire_code(e->names, attr->name, attr->name_length);
    check_utf8(e, attr->rank, attr->name, attr->name_length, attr->name);
    if (!read_value(e, attr)) continue;
    if (count == ATTRS_MAX) luaL_error(L, "<%s>: more than %d attributes", e->tag, ATTRS_MAX);
    if (count > 0 && compare(attr - 1, attr) > 0) put_in_order(e->attrs, count);
    count++;
  }
  return count;
}

static void write_value(encoder *e, attribute *attr) {
  char digits[24];
  mp_jid jid;
  if (attr->text == NULL) {
    attr->length = (size_t)snprintf(digits, sizeof digits, "%" PRId64, (int64_t)attr->integer);
    attr->text = digits;
  } else if (is_jid(attr, &jid)) {
    check(e, mp_write_jid(e->out, &jid));
    return;
  }
  if (attr->code == UNKNOWN) attr->code = mp_token_find(attr->text, attr->length);
  if (attr->code < 0) attr->code = MPL_NAME_PLAIN;
  check_utf8(e, attr->code, attr->text, attr->length, attr->name);
  write_text(e, attr->code, attr->text, attr->length);
}

static void write_attrs(encoder *e, int count) {
  for (attribute *attr = e->attrs; attr < e->attrs + count; attr++) {
    write_text(e, attr->rank, attr->name, attr->name_length);
    write_value(e, attr);
  }
}

/* A child that was encoded before, as `encode` gave it: without the flag it goes in as it is. */
static void write_encoded(encoder *e, const char *tag, int index) {
  size_t length;
  const char *bytes = lua_tolstring(e->L, -1, &length);
  if (length < 2 || bytes[0] != 0) luaL_error(e->L, "<%s>: child %d is no encoded node", tag, index);
  if (++e->nodes > MP_NODE_COUNT_MAX) luaL_error(e->L, "a stanza has more than %d nodes", MP_NODE_COUNT_MAX);
  check(e, mp_buffer_append(e->out, bytes + 1, length - 1));
}

static void write_children(encoder *e, int list, int depth) {
  lua_State *L = e->L;
  lua_Integer count = (lua_Integer)lua_rawlen(L, list);
  const char *tag = e->tag;
  check(e, mp_write_list(e->out, (size_t)count));
  for (lua_Integer i = 1; i <= count; i++) {
    int type = lua_rawgeti(L, list, i);
    if (type != LUA_TTABLE && type != LUA_TSTRING)
      luaL_error(L, "<%s>: child %d is a %s, not a node", tag, (int)i, luaL_typename(L, -1));
    if (type == LUA_TTABLE)
      encode_node(e, lua_gettop(L), depth + 1);
    else
      write_encoded(e, tag, (int)i);
    lua_pop(L, 1);
  }
}

/* Leaves the content on the stack and says whether there is any; an empty list counts as none. */
static bool push_content(encoder *e, int node, bool *is_text) {
  lua_State *L = e->L;
  *is_text = false;
  switch (field(L, node, KEY_CONTENT)) {
    case LUA_TNIL:
      break;
    case LUA_TSTRING:
      return true;
    case LUA_TTABLE:
      return lua_rawlen(L, -1) > 0;
    default:
      return luaL_error(L, "<%s>: content is a %s, not bytes or a list of nodes", e->tag, luaL_typename(L, -1));
  }
  lua_pop(L, 1);
  int type = field(L, node, KEY_TEXT);
  if (type != LUA_TNIL && type != LUA_TSTRING) luaL_error(L, "<%s>: text is a %s, not a string", e->tag, luaL_typename(L, -1));
  *is_text = type == LUA_TSTRING;
  return *is_text;
}

static void write_content(encoder *e, int content, bool is_text, int depth) {
  size_t length;
  if (lua_istable(e->L, content)) {
    write_children(e, content, depth);
    return;
  }
  const char *bytes = lua_tolstring(e->L, content, &length);
  if (is_text) {
    write_text(e, mpl_wire_code(e->names, bytes, length), bytes, length);
  } else {
    check(e, mp_write_bytes(e->out, bytes, length));
  }
}

static void encode_node(encoder *e, int node, int depth) {
  lua_State *L = e->L;
  size_t tag_length = 0;
  bool is_text;
  int count = 0;
  if (depth >= MP_NODE_DEPTH_MAX) luaL_error(L, "a stanza is nested deeper than %d nodes", MP_NODE_DEPTH_MAX);
  if (++e->nodes > MP_NODE_COUNT_MAX) luaL_error(L, "a stanza has more than %d nodes", MP_NODE_COUNT_MAX);
  if (depth % 8 == 0) luaL_checkstack(L, 8 * 6 + 12, "stanza"); /* a node and what belongs to it take 6 places */
  e->tag = field(L, node, KEY_TAG) == LUA_TSTRING ? lua_tolstring(L, -1, &tag_length) : "";
  if (tag_length == 0) luaL_error(L, "a node has no tag");
  int tag_code = mpl_wire_code(e->names, e->tag, tag_length);
  check_utf8(e, tag_code, e->tag, tag_length, NULL);
  int type = field(L, node, KEY_ATTRS);
  if (type == LUA_TTABLE) {
    count = collect(e);
  } else if (type != LUA_TNIL) {
    luaL_error(L, "<%s>: attrs is a %s, not a table", e->tag, luaL_typename(L, -1));
  }
  bool has_content = push_content(e, node, &is_text);
  check(e, mp_write_list(e->out, 1 + 2 * (size_t)count + (has_content ? 1 : 0)));
  write_text(e, tag_code, e->tag, tag_length);
  write_attrs(e, count);
  if (has_content) write_content(e, lua_gettop(L), is_text, depth);
  lua_settop(L, node);
}

/* encode(node) -> bytes with flag 0 in front (01 §4.3); raises when the table is no node or passes a limit. A child may be the
 * bytes of a node encoded before: so a large stanza is made in several turns of the loop. */
int mpl_wire_encode(lua_State *L) {
  encoder e;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  e.L = L;
  e.out = mpl_output(L);
  e.names = lua_touserdata(L, lua_upvalueindex(5));
  e.nodes = 0;
  for (int i = 1; i <= 4; i++) lua_pushvalue(L, lua_upvalueindex(i));
  check(&e, mp_buffer_push(e.out, 0));
  lua_pushvalue(L, NODE);
  encode_node(&e, lua_gettop(L), 0);
  lua_pushlstring(L, (const char *)e.out->data, e.out->length);
  return 1;
}
