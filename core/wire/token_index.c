#include <string.h>

#include "wire/codec.h"
#include "wire/tokens.h"

#define SLOTS 4096 /* a power of two, well above the 1,259 tokens */

/* Eight bytes at a time: most strings that are asked for are users and ids, and no tokens. */
static uint32_t hash(const char *text, size_t length) {
  uint64_t h = length;
  for (size_t i = 0; i < length; i += 8) {
    uint64_t word = 0;
    memcpy(&word, text + i, length - i < 8 ? length - i : 8);
    h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    h ^= h >> 29;
  }
  return (uint32_t)(h >> 20) & (SLOTS - 1);
}

/* Pages are full but for single 0, and mp_tokens is in order of pages (cmake/tokens.lua sees to it). */
const mp_token *mp_token_at(uint16_t code) {
  return &mp_tokens[code < 256 ? code - 1u : 235u + (code - 256u)];
}

int mp_token_find(const char *text, size_t length) {
  static uint16_t slots[SLOTS]; /* index into mp_tokens, plus one */
  static bool filled;
  if (!filled) {
    for (size_t i = 0; i < mp_token_count; i++) {
      uint32_t slot = hash(mp_tokens[i].text, mp_tokens[i].length);
      while (slots[slot] != 0) slot = (slot + 1) & (SLOTS - 1);
      slots[slot] = (uint16_t)(i + 1);
    }
    filled = true;
  }
  for (uint32_t slot = hash(text, length); slots[slot] != 0; slot = (slot + 1) & (SLOTS - 1)) {
    const mp_token *token = &mp_tokens[slots[slot] - 1];
    if (token->length == length && memcmp(token->text, text, length) == 0) return token->code;
  }
  return -1;
}
