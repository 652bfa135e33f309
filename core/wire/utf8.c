#include "wire/utf8.h"

#include <string.h>

size_t mp_utf8_prefix(const uint8_t *bytes, size_t length) {
  size_t i = 0;
  while (i < length) {
    uint8_t c = bytes[i];
    size_t more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 4;
    if (more == 4 || length - i <= more) return i;
    for (size_t k = 1; k <= more; k++) {
      if ((bytes[i + k] & 0xc0) != 0x80) return i;
    }
    if ((c == 0xe0 && bytes[i + 1] < 0xa0) || (c == 0xed && bytes[i + 1] > 0x9f)) return i; /* overlong, surrogates */
    if ((c == 0xf0 && bytes[i + 1] < 0x90) || (c == 0xf4 && bytes[i + 1] > 0x8f)) return i;
    i += more + 1;
  }
  return i;
}

bool mp_utf8_ok(const uint8_t *bytes, size_t length) {
  return mp_utf8_prefix(bytes, length) == length;
}

size_t mp_utf8_repair(const uint8_t *bytes, size_t length, uint8_t *out) {
  size_t written = 0;
  while (length > 0) {
    size_t good = mp_utf8_prefix(bytes, length);
    memcpy(out + written, bytes, good);
    written += good;
    if (good == length) break;
    memcpy(out + written, "\xef\xbf\xbd", 3); /* U+FFFD */
    written += 3;
    bytes += good + 1;
    length -= good + 1;
  }
  return written;
}
