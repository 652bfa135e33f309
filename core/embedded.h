/* The Lua files built into the executable; the table is made at build time by cmake/embed.lua. */
#ifndef MOONPOST_EMBEDDED_H
#define MOONPOST_EMBEDDED_H
#include <stddef.h>

typedef struct {
  const char *module; /* "moonpost.task" */
  const unsigned char *chunk;
  size_t length; /* bytes */
} mp_embedded_file;

extern const mp_embedded_file mp_embedded_files[]; /* ends with a NULL module */

#endif
