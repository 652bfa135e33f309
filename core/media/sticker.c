#include "media/sticker.h"

#include <dlfcn.h>

#define LIBRARY "libwebpmux.so.3"
#define ABI 0x0108 /* of its functions as they are declared here: the first half must be the library's */
#define CHUNK "EXIF"
#define TAG 0x5741u /* of the one entry in the TIFF directory */
#define UNDEFINED 7u
#define ENTRY 12u

typedef struct {
  const uint8_t *bytes;
  size_t size;
} webp_data;
typedef struct webp_mux webp_mux;
enum { MUX_NOT_FOUND = 0, MUX_OK = 1, MUX_MEMORY = -3 };

static struct {
  webp_mux *(*create)(const webp_data *data, int copy, int abi);
  void (*destroy)(webp_mux *mux);
  int (*set)(webp_mux *mux, const char fourcc[4], const webp_data *data, int copy);
  int (*get)(const webp_mux *mux, const char fourcc[4], webp_data *data);
  int (*assemble)(webp_mux *mux, webp_data *data);
  void (*free)(void *bytes); /* libwebp's, which comes along */
} library;

/* ISO C has no way from an object to a function pointer, POSIX demands one. */
static bool find(void *from, const char *name, void *function) {
  void *object = dlsym(from, name);
  memcpy(function, &object, sizeof object);
  return object != NULL;
}

int mp_sticker_library(mp_error *e) {
  static bool loaded;
  if (loaded) return MP_OK;
  void *from = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
  if (from == NULL) return mp_fail(e, MP_ENOTFOUND, "%s is not there: apt-get install libwebpmux3", LIBRARY);
  loaded = find(from, "WebPMuxCreateInternal", &library.create) && find(from, "WebPMuxDelete", &library.destroy) &&
           find(from, "WebPMuxSetChunk", &library.set) && find(from, "WebPMuxGetChunk", &library.get) &&
           find(from, "WebPMuxAssemble", &library.assemble) && find(from, "WebPFree", &library.free);
  if (loaded) return MP_OK;
  dlclose(from);
  return mp_fail(e, MP_ENOTFOUND, "%s is another than is known here", LIBRARY);
}

static uint32_t u16(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const uint8_t *p) {
  return u16(p) | u16(p + 2) << 16;
}

int mp_sticker_find_pack(const uint8_t *exif, size_t length, const uint8_t **json, size_t *json_length, mp_error *e) {
  if (length < 8 || memcmp(exif, "II*\0", 4) != 0) return mp_fail(e, MP_ENOTFOUND, "the sticker says nothing of a pack");
  size_t at = u32(exif + 4);
  if (at > length || length - at < 2) return mp_fail(e, MP_EMALFORMED, "EXIF: a directory at %zu of %zu bytes", at, length);
  size_t count = u16(exif + at);
  at += 2;
  for (size_t i = 0; i < count && length - at >= ENTRY; i++, at += ENTRY) {
    const uint8_t *entry = exif + at;
    if (u16(entry) != TAG || u16(entry + 2) != UNDEFINED) continue;
    size_t size = u32(entry + 4), place = u32(entry + 8);
    if (size > MP_STICKER_PACK_MAX) return mp_fail(e, MP_ELIMIT, "EXIF: %zu bytes about a pack", size);
    if (place > length || size > length - place)
      return mp_fail(e, MP_EMALFORMED, "EXIF: %zu bytes at %zu of %zu", size, place, length);
    *json = exif + place;
    *json_length = size;
    return MP_OK;
  }
  return mp_fail(e, MP_ENOTFOUND, "the sticker says nothing of a pack");
}

static int open_mux(webp_mux **mux, const uint8_t *webp, size_t length, mp_error *e) {
  if (length > MP_STICKER_MAX) return mp_fail(e, MP_ELIMIT, "a sticker of %zu bytes", length);
  int rc = mp_sticker_library(e);
  if (rc != MP_OK) return rc;
  *mux = library.create(&(webp_data){webp, length}, 0, ABI);
  return *mux != NULL ? MP_OK : mp_fail(e, MP_EMALFORMED, "the sticker is no whole WebP file");
}

int mp_sticker_read_pack(const uint8_t *webp, size_t length, mp_buffer *out, mp_error *e) {
  webp_mux *mux;
  webp_data exif;
  const uint8_t *json = NULL;
  size_t json_length = 0;
  int rc = open_mux(&mux, webp, length, e);
  if (rc != MP_OK) return rc;
  if (library.get(mux, CHUNK, &exif) != MUX_OK)
    rc = mp_fail(e, MP_ENOTFOUND, "the sticker says nothing of a pack");
  else
    rc = mp_sticker_find_pack(exif.bytes, exif.size, &json, &json_length, e);
  if (rc == MP_OK && mp_buffer_append(out, json, json_length) != 0) rc = mp_fail(e, MP_ENOMEM, "no memory for a sticker's pack");
  library.destroy(mux);
  return rc;
}

static int build_exif(const uint8_t *json, size_t length, mp_buffer *exif, mp_error *e) {
  uint8_t head[] = {'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, TAG & 0xff, TAG >> 8, UNDEFINED, 0, 0, 0, 0, 0, 22, 0, 0, 0};
  if (length > MP_STICKER_PACK_MAX) return mp_fail(e, MP_ELIMIT, "%zu bytes about a pack", length);
  for (int i = 0; i < 4; i++) head[14 + i] = (uint8_t)(length >> 8 * i);
  if (mp_buffer_append(exif, head, sizeof head) == 0 && mp_buffer_append(exif, json, length) == 0) return MP_OK;
  return mp_fail(e, MP_ENOMEM, "no memory for a sticker's pack");
}

static int assemble(webp_mux *mux, const mp_buffer *exif, mp_buffer *out, mp_error *e) {
  webp_data made = {NULL, 0};
  int rc = library.set(mux, CHUNK, &(webp_data){exif->data, exif->length}, 0);
  if (rc == MUX_OK) rc = library.assemble(mux, &made);
  if (rc == MUX_OK && mp_buffer_append(out, made.bytes, made.size) != 0) rc = MUX_MEMORY;
  library.free((void *)made.bytes); /* ours to give back */
  if (rc == MUX_OK) return MP_OK;
  if (rc == MUX_MEMORY) return mp_fail(e, MP_ENOMEM, "no memory for a sticker");
  return mp_fail(e, MP_EMALFORMED, "the sticker is no whole WebP file");
}

int mp_sticker_write_pack(const uint8_t *webp, size_t length, const uint8_t *json, size_t json_length, mp_buffer *out,
                          mp_error *e) {
  webp_mux *mux;
  mp_buffer exif;
  int rc = open_mux(&mux, webp, length, e);
  if (rc != MP_OK) return rc;
  mp_buffer_init(&exif, 0);
  rc = build_exif(json, json_length, &exif, e);
  if (rc == MP_OK) rc = assemble(mux, &exif, out, e);
  library.destroy(mux);
  mp_buffer_free(&exif);
  return rc;
}
