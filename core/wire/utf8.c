#include "wire/utf8.h"

bool mp_utf8_ok(const uint8_t *bytes, size_t length) {
  for (size_t i = 0; i < length;) {
    uint8_t c = bytes[i];
    size_t more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 4;
    if (more == 4 || length - i <= more) return false;
    for (size_t k = 1; k <= more; k++) {
      if ((bytes[i + k] & 0xc0) != 0x80) return false;
    }
    if ((c == 0xe0 && bytes[i + 1] < 0xa0) || (c == 0xed && bytes[i + 1] > 0x9f)) return false; /* overlong, surrogates */
    if ((c == 0xf0 && bytes[i + 1] < 0x90) || (c == 0xf4 && bytes[i + 1] > 0x8f)) return false;
    i += more + 1;
  }
  return true;
}
