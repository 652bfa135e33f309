#include "net/late.h"

#include <stdlib.h>
#include <string.h>

/* A copy of a text that may be NULL; false when there is no memory for it. */
static bool copy(char **out, const char *text) {
  *out = text != NULL ? strdup(text) : NULL;
  return text == NULL || *out != NULL;
}

mp_late *mp_late_copy(const mp_connect_options *options) {
  mp_late *late = calloc(1, sizeof *late);
  if (late == NULL) return NULL;
  if (!copy(&late->host, options->host) || !copy(&late->path, options->path) || !copy(&late->origin, options->origin) ||
      !copy(&late->ca, options->ca)) {
    mp_late_free(late);
    return NULL;
  }
  late->options = (mp_connect_options){
      .host = late->host,
      .path = late->path,
      .origin = late->origin,
      .port = options->port,
      .tls = options->tls,
      .ca = late->ca,
  };
  return late;
}

void mp_late_free(mp_late *late) {
  if (late == NULL) return;
  free(late->host);
  free(late->path);
  free(late->origin);
  free(late->ca);
  free(late);
}
