/* What every C unit begins with: cmocka behind the headers it wants, and bytes written as hex. */
#ifndef MOONPOST_SPEC_UNIT_H
#define MOONPOST_SPEC_UNIT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "base/buffer.h"
#include "base/error.h"

#define COUNT(list) (sizeof(list) / sizeof *(list))

static inline int hex_digit(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The bytes of a hex text, spaces ignored, in memory of exactly their size: a read behind the end is seen. Free it as a buffer.
 */
static inline mp_buffer from_hex(const char *text) {
  mp_buffer out = {0};
  int high = -1;
  out.data = malloc(strlen(text) / 2 + 1);
  assert_non_null(out.data);
  for (; *text != 0; text++) {
    int digit = hex_digit(*text);
    if (digit < 0) {
      assert_int_equal(*text, ' ');
    } else if (high < 0) {
      high = digit;
    } else {
      out.data[out.length++] = (uint8_t)(high << 4 | digit);
      high = -1;
    }
  }
  assert_int_equal(high, -1);
  void *exact = malloc(out.length > 0 ? out.length : 1);
  assert_non_null(exact);
  memcpy(exact, out.data, out.length);
  free(out.data);
  out.data = exact;
  out.capacity = out.length;
  return out;
}

static inline void assert_hex(const void *bytes, size_t length, const char *hex) {
  mp_buffer expected = from_hex(hex);
  assert_int_equal(length, expected.length);
  assert_memory_equal(bytes, expected.data, length);
  mp_buffer_free(&expected);
}

/* A key of 32 bytes written as hex. */
static inline void key_from_hex(uint8_t out[32], const char *hex) {
  mp_buffer bytes = from_hex(hex);
  assert_int_equal(bytes.length, 32);
  memcpy(out, bytes.data, 32);
  mp_buffer_free(&bytes);
}

#endif
