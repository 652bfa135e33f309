/* The names the codec knows, tokens and JID attributes, as pinned Lua strings that are found by their address. */
#include <string.h>

#include "wire.h"

/* Attribute names that hold JIDs and are no tokens (07 §0.2); those that are tokens are marked in tokens.tsv. */
static const char *const jid_names[] = {"author",
                                        "caller_pn",
                                        "creator_pn",
                                        "new",
                                        "new_lid",
                                        "old",
                                        "old_lid",
                                        "participant_lid",
                                        "participant_pn",
                                        "peer_participant_pn",
                                        "peer_recipient_lid",
                                        "peer_recipient_pn",
                                        "peer_pn_jid",
                                        "phone_number",
                                        "pn_jid",
                                        "recipient_lid",
                                        "recipient_pn",
                                        "s_o_pn",
                                        "sender_lid",
                                        "sender_pn",
                                        NULL};

static const char tokens_key;

void mpl_wire_push_tokens(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tokens_key);
}

static size_t slot_of(const char *text) {
  return ((uintptr_t)text >> 3) * 2654435761u % MPL_NAME_SLOTS;
}

static void add_name(mpl_names *names, const char *text, int code) {
  size_t slot = slot_of(text);
  while (names->texts[slot] != NULL) slot = (slot + 1) % MPL_NAME_SLOTS;
  names->texts[slot] = text;
  names->codes[slot] = code;
}

/* Whether two strings of this length are one object. */
static bool is_one_object(lua_State *L, size_t length) {
  char text[64];
  memset(text, 'x', sizeof text);
  const char *first = lua_pushlstring(L, text, length);
  const char *second = lua_pushlstring(L, text, length);
  lua_pop(L, 2);
  return first == second;
}

void mpl_wire_push_names(lua_State *L) {
  mpl_names *names = lua_newuserdatauv(L, sizeof *names, 1);
  memset(names, 0, sizeof *names);
  names->short_most = is_one_object(L, 40) ? 40 : 0;
  lua_createtable(L, MP_TOKEN_PAGES * 256, 16);
  for (size_t i = 0; i < mp_token_count; i++) {
    const char *text = lua_pushlstring(L, mp_tokens[i].text, mp_tokens[i].length);
    add_name(names, text, mp_tokens[i].code | (mp_tokens[i].jid ? MPL_NAME_JID : 0));
    lua_rawseti(L, -2, mp_tokens[i].code);
  }
  for (size_t i = 0; jid_names[i] != NULL; i++) {
    add_name(names, lua_pushstring(L, jid_names[i]), MPL_NAME_PLAIN | MPL_NAME_JID);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &tokens_key);
  lua_setiuservalue(L, -2, 1); /* pinned as long as `names` is */
}

/* The long way, by content: for strings that are not one object. */
static int find_code(const char *text, size_t length) {
  int code = mp_token_find(text, length);
  if (code >= 0) return code | (mp_token_at((uint16_t)code)->jid ? MPL_NAME_JID : 0);
  for (size_t i = 0; jid_names[i] != NULL; i++) {
    if (strlen(jid_names[i]) == length && memcmp(jid_names[i], text, length) == 0) return MPL_NAME_PLAIN | MPL_NAME_JID;
  }
  return MPL_NAME_PLAIN;
}

int mpl_wire_code(const mpl_names *names, const char *text, size_t length) {
  if (length > names->short_most) return find_code(text, length);
  size_t slot = slot_of(text);
  while (names->texts[slot] != NULL && names->texts[slot] != text) slot = (slot + 1) % MPL_NAME_SLOTS;
  return names->texts[slot] != NULL ? names->codes[slot] : MPL_NAME_PLAIN;
}
