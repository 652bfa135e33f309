#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

int mp_fail(mp_error *e, int code, const char *format, ...) {
  if (e != NULL) {
    va_list args;
    va_start(args, format);
    e->code = code;
    vsnprintf(e->message, sizeof e->message, format, args);
    va_end(args);
  }
  return code;
}

const char *mp_error_name(int code) {
  static const char *const names[] = {"ok",
                                      "invalid",
                                      "malformed",
                                      "truncated",
                                      "limit",
                                      "memory",
                                      "crypto",
                                      "not-found",
                                      "store",
                                      "busy",
                                      "network",
                                      "closed",
                                      "duplicate",
                                      "no-session",
                                      "untrusted",
                                      "invalid-key-id",
                                      "version",
                                      "full",
                                      "key",
                                      "padding",
                                      "damaged",
                                      "stalled",
                                      "tls",
                                      "media-mac",
                                      "media-enc-hash",
                                      "media-hash",
                                      "media-length",
                                      "media-truncated",
                                      "media-padding",
                                      "media-sidecar"};
  int index = -code;
  if (index < 0 || index >= (int)(sizeof names / sizeof *names)) return "unknown";
  return names[index];
}
