#include "net/library_log.h"

#include <libwebsockets.h>

#define LINES_MAX ((size_t)64 * 1024) /* bytes kept until they are taken */

static mp_buffer lines = {.limit = LINES_MAX};
static int levels;

/* It finds fault with the empty proxy that keeps it from the environment's (lws.c): nobody has set one. */
static bool is_noise(const char *line) {
  return strstr(line, "http_proxy needs to be") != NULL;
}

static void keep(int level, const char *line) {
  (void)level;
  if (is_noise(line)) return;
  (void)mp_buffer_append(&lines, line, strlen(line)); /* what is too much is lost: it is but a log */
}

void mp_library_log(bool on) {
  levels = on ? LLL_ERR | LLL_WARN | LLL_NOTICE : 0; /* what lies below shows what passes */
  lws_set_log_level(levels, on ? keep : NULL);
}

void mp_library_log_again(void) {
  mp_library_log(levels != 0);
}

void mp_library_log_take(mp_buffer *out) {
  if (mp_buffer_append(out, lines.data, lines.length) == 0) lines.length = 0;
}
