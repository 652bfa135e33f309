/* UTF-8 as the wire demands it of strings (01 §4.6): no overlong form, no surrogate, nothing above U+10FFFF. */
#ifndef MOONPOST_WIRE_UTF8_H
#define MOONPOST_WIRE_UTF8_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool mp_utf8_ok(const uint8_t *bytes, size_t length);

#endif
