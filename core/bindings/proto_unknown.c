/* Unknown fields: decoding keeps them as bytes in `_unknown`, in number order; encoding writes each where its number belongs. */
#include <stdlib.h>

#include "proto.h"

static bool next_field(mp_proto_span *span, mpl_proto_unknown_field *field) {
  int type;
  field->at = span->at;
  if (!mp_proto_read_tag(span, &field->number, &type) || !mp_proto_skip(span, type)) return false;
  field->length = (size_t)(span->at - field->at);
  return true;
}

static bool count_fields(mp_proto_span span, size_t *count) {
  mpl_proto_unknown_field field;
  for (*count = 0; span.at < span.end; ++*count) {
    if (!next_field(&span, &field)) return false;
  }
  return true;
}

/* Fields of one number stay in the order they came in: that of their bytes. */
static int compare(const void *left, const void *right) {
  const mpl_proto_unknown_field *a = left, *b = right;
  if (a->number != b->number) return a->number < b->number ? -1 : 1;
  return a->at < b->at ? -1 : a->at > b->at;
}

bool mpl_proto_list_unknown(mpl_proto *p, int table, mpl_proto_unknown *list) {
  lua_State *L = p->L;
  size_t length;
  bool sorted = true;
  *list = (mpl_proto_unknown){0};
  lua_pushliteral(L, "_unknown");
  int type = lua_rawget(L, table);
  if (type == LUA_TNIL) return true;
  if (type != LUA_TSTRING) return mpl_proto_fail(p, MP_EINVAL, "'_unknown' must be a string, not a %s", lua_typename(L, type));
  const uint8_t *bytes = (const uint8_t *)lua_tolstring(L, -1, &length);
  mp_proto_span span = {bytes, bytes + length};
  if (!count_fields(span, &list->count)) return mpl_proto_fail(p, MP_EINVAL, "'_unknown' does not hold whole fields");
  list->fields = lua_newuserdatauv(L, list->count * sizeof *list->fields, 0);
  for (size_t i = 0; i < list->count && next_field(&span, &list->fields[i]); i++) {
    if (i > 0 && list->fields[i].number < list->fields[i - 1].number) sorted = false;
  }
  if (!sorted) qsort(list->fields, list->count, sizeof *list->fields, compare);
  return true;
}

bool mpl_proto_sort_unknown(mpl_proto *p, int table) {
  lua_State *L = p->L;
  mpl_proto_unknown list;
  luaL_Buffer joined;
  int top = lua_gettop(L);
  if (!mpl_proto_list_unknown(p, table, &list)) return false;
  luaL_buffinit(L, &joined);
  for (size_t i = 0; i < list.count; i++) luaL_addlstring(&joined, (const char *)list.fields[i].at, list.fields[i].length);
  luaL_pushresult(&joined);
  lua_setfield(L, table, "_unknown");
  lua_settop(L, top);
  return true;
}
