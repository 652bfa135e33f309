/* QR codes: libqrencode makes them, libpng writes the picture. */
#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bindings.h"

#define QUIET 4        /* modules of quiet zone (ISO 18004) */
#define SCALE 8        /* pixels a module */
#define SIDE_MAX 177   /* modules a side of the largest QR, version 40 */
#define TEXT_MAX 2953u /* bytes it holds at error correction level L */

/* In memory of Lua's: nothing is left behind when an error passes. */
typedef struct {
  int width;
  uint8_t modules[SIDE_MAX * SIDE_MAX]; /* 1 is dark */
} qr;

/* Pushes the QR of the text at `arg`. NULL and an error when the text is empty or too long. */
static const qr *make(lua_State *L, int arg, mp_error *e) {
  size_t length;
  const char *text = luaL_checklstring(L, arg, &length);
  qr *out = lua_newuserdatauv(L, sizeof *out, 0);
  if (length == 0 || length > TEXT_MAX) {
    mp_fail(e, MP_ELIMIT, "a QR holds 1 to %u bytes, not %zu", TEXT_MAX, length);
    return NULL;
  }
  QRcode *code = QRcode_encodeData((int)length, (const unsigned char *)text, 0, QR_ECLEVEL_L);
  if (code == NULL) {
    mp_fail(e, MP_ENOMEM, "a text of %zu bytes makes no QR: %s", length, strerror(errno));
    return NULL;
  }
  out->width = code->width;
  for (int i = 0; i < code->width * code->width; i++) out->modules[i] = code->data[i] & 1;
  QRcode_free(code);
  return out;
}

static bool dark(const qr *code, int x, int y) {
  if (x < 0 || y < 0 || x >= code->width || y >= code->width) return false;
  return code->modules[y * code->width + x];
}

/* encode(text) -> {size=, rows={"0110…", …}} | nil, err: 1 is dark, the quiet zone is not in it */
static int qr_encode(lua_State *L) {
  mp_error e;
  const qr *code = make(L, 1, &e);
  if (code == NULL) return mpl_fail(L, &e);
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, code->width);
  lua_setfield(L, -2, "size");
  lua_createtable(L, code->width, 0);
  for (int y = 0; y < code->width; y++) {
    char row[SIDE_MAX];
    for (int x = 0; x < code->width; x++) row[x] = dark(code, x, y) ? '1' : '0';
    lua_pushlstring(L, row, (size_t)code->width);
    lua_rawseti(L, -2, y + 1);
  }
  lua_setfield(L, -2, "rows");
  return 1;
}

/* terminal(text) -> printable text | nil, err: two modules a character, black on white by explicit colours, so that it reads on
 * light and dark terminals */
static int qr_terminal(lua_State *L) {
  static const char *const blocks[] = {" ", "\xe2\x96\x80", "\xe2\x96\x84", "\xe2\x96\x88"}; /* none, upper, lower, full */
  mp_error e;
  luaL_Buffer b;
  const qr *code = make(L, 1, &e);
  if (code == NULL) return mpl_fail(L, &e);
  luaL_buffinit(L, &b);
  for (int y = -QUIET; y < code->width + QUIET; y += 2) {
    luaL_addstring(&b, "\x1b[30;107m");
    for (int x = -QUIET; x < code->width + QUIET; x++) luaL_addstring(&b, blocks[dark(code, x, y) + 2 * dark(code, x, y + 1)]);
    luaL_addstring(&b, "\x1b[0m\n");
  }
  luaL_pushresult(&b);
  return 1;
}

/* A file for its owner alone, whatever the umask, made anew or emptied: who reads a QR in time can link his device instead. */
static FILE *open_private(const char *path) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) return NULL;
  FILE *stream = fchmod(file, S_IRUSR | S_IWUSR) == 0 ? fdopen(file, "wb") : NULL;
  if (stream == NULL) close(file);
  return stream;
}

/* Writes the picture to `path`; the reason it could not is in `why`. */
static bool write_image(png_image *image, const char *path, const png_byte *pixels, char why[64]) {
  FILE *stream = open_private(path);
  if (stream == NULL) {
    snprintf(why, 64, "%s", strerror(errno));
    return false;
  }
  bool ok = png_image_write_to_stdio(image, stream, 0, pixels, (png_int_32)image->width, NULL) != 0;
  if (!ok) snprintf(why, 64, "%s", image->message);
  if (fclose(stream) == 0 || !ok) return ok;
  snprintf(why, 64, "%s", strerror(errno));
  return false;
}

static int write_png(const qr *code, const char *path, mp_error *e) {
  png_image image;
  int side = (code->width + 2 * QUIET) * SCALE;
  png_byte *pixels = malloc((size_t)side * (size_t)side);
  if (pixels == NULL) return mp_fail(e, MP_ENOMEM, "no memory for the picture");
  for (int y = 0; y < side; y++) {
    for (int x = 0; x < side; x++) pixels[y * side + x] = dark(code, x / SCALE - QUIET, y / SCALE - QUIET) ? 0 : 255;
  }
  memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.width = image.height = (png_uint_32)side;
  image.format = PNG_FORMAT_GRAY;
  char why[64];
  bool ok = write_image(&image, path, pixels, why);
  free(pixels);
  return ok ? MP_OK : mp_fail(e, MP_ESTORE, "cannot write %s: %s", path, why);
}

/* png(text, path) -> true | nil, err: a picture of 8 pixels a module, readable by its owner alone */
static int qr_png(lua_State *L) {
  mp_error e;
  const char *path = luaL_checkstring(L, 2);
  const qr *code = make(L, 1, &e);
  if (code == NULL || write_png(code, path, &e) != MP_OK) return mpl_fail(L, &e);
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg functions[] = {{"encode", qr_encode}, {"terminal", qr_terminal}, {"png", qr_png}, {NULL, NULL}};

int mpl_open_qr(lua_State *L) {
  luaL_newlib(L, functions);
  return 1;
}
