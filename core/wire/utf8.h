/* UTF-8 as the wire demands it of strings (01 §4.6): no overlong form, no surrogate, nothing above U+10FFFF. */
#ifndef MOONPOST_WIRE_UTF8_H
#define MOONPOST_WIRE_UTF8_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool mp_utf8_ok(const uint8_t *bytes, size_t length);
size_t mp_utf8_prefix(const uint8_t *bytes, size_t length); /* bytes before the first that is none */

/* Writes the text with U+FFFD for each byte that belongs to no character; `out` has room for 3 * length bytes. Returns its
 * length. */
size_t mp_utf8_repair(const uint8_t *bytes, size_t length, uint8_t *out);

#endif
