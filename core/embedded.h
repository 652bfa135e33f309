/* The Lua files built into the executable; they are made at build time by cmake/embed.lua. */
#ifndef MOONPOST_EMBEDDED_H
#define MOONPOST_EMBEDDED_H
#include <stddef.h>

#define MP_EMBEDDED_PAGE 4096 /* where the bytes begin: at a page of memory of their own */

typedef struct {
  const char *module; /* "moonpost.task" */
  size_t offset;      /* of its compiled chunk in mp_embedded_bytes */
  size_t length;      /* bytes */
} mp_embedded_file;

extern const unsigned char mp_embedded_bytes[];
extern const size_t mp_embedded_length;
extern const mp_embedded_file mp_embedded_files[]; /* ends with a NULL module */

#endif
