/* core.media, the part for preparing files: waveforms, and the packs of stickers. */
#include "bindings.h"
#include "media.h"
#include "media/sticker.h"
#include "media/waveform.h"

#define WAVEFORM "moonpost.media.waveform"

/* waveform() -> w: w:update(samples) takes bytes of them: signed, 16 bits, little endian, one channel; w:finish() -> 64 bytes,
 * each 0 to 100, and how many samples they are of */
static int media_waveform(lua_State *L) {
  mp_waveform_start(lua_newuserdatauv(L, sizeof(mp_waveform), 0));
  luaL_setmetatable(L, WAVEFORM);
  return 1;
}

static int waveform_update(lua_State *L) {
  size_t length;
  mp_waveform *w = luaL_checkudata(L, 1, WAVEFORM);
  const char *bytes = luaL_checklstring(L, 2, &length);
  mp_waveform_add(w, (const uint8_t *)bytes, length);
  return 0;
}

static int waveform_finish(lua_State *L) {
  const mp_waveform *w = luaL_checkudata(L, 1, WAVEFORM);
  uint8_t bars[MP_WAVEFORM_BARS];
  mp_waveform_bars(w, bars);
  lua_pushlstring(L, (const char *)bars, sizeof bars);
  lua_pushinteger(L, (lua_Integer)w->samples);
  return 2;
}

/* sticker_library() -> true | nil, err: whether what reads and writes the packs of stickers is there */
static int media_sticker_library(lua_State *L) {
  mp_error e;
  if (mp_sticker_library(&e) != MP_OK) return mpl_fail(L, &e);
  lua_pushboolean(L, true);
  return 1;
}

static int push_result(lua_State *L, int rc, const mp_buffer *out, const mp_error *e) {
  if (rc != MP_OK) return mpl_fail(L, e);
  lua_pushlstring(L, (const char *)out->data, out->length);
  return 1;
}

/* sticker_read(webp) -> json | nil, err (code "not-found": it says nothing of a pack, "malformed", "limit") */
static int media_sticker_read(lua_State *L) {
  size_t length;
  mp_error e;
  const char *webp = luaL_checklstring(L, 1, &length);
  mp_buffer *out = mpl_output(L);
  int rc = mp_sticker_read_pack((const uint8_t *)webp, length, out, &e);
  return push_result(L, rc, out, &e);
}

/* sticker_write(webp, json) -> webp with it | nil, err */
static int media_sticker_write(lua_State *L) {
  size_t length, json_length;
  mp_error e;
  const char *webp = luaL_checklstring(L, 1, &length), *json = luaL_checklstring(L, 2, &json_length);
  mp_buffer *out = mpl_output(L);
  int rc = mp_sticker_write_pack((const uint8_t *)webp, length, (const uint8_t *)json, json_length, out, &e);
  return push_result(L, rc, out, &e);
}

static int waveform_gc(lua_State *L) {
  luaL_checkudata(L, 1, WAVEFORM);
  return 0;
}

static int waveform_tostring(lua_State *L) {
  lua_pushfstring(L, "%s (%d samples)", WAVEFORM, (int)((const mp_waveform *)luaL_checkudata(L, 1, WAVEFORM))->samples);
  return 1;
}

void mpl_open_media_tools(lua_State *L) {
  static const luaL_Reg methods[] = {{"update", waveform_update}, {"finish", waveform_finish}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"waveform", media_waveform},
                                       {"sticker_library", media_sticker_library},
                                       {"sticker_read", media_sticker_read},
                                       {"sticker_write", media_sticker_write},
                                       {NULL, NULL}};
  mpl_new_type(L, WAVEFORM, methods, waveform_gc, waveform_tostring);
  luaL_setfuncs(L, functions, 0);
}
