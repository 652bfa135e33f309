/* The dictionary of the binary codec (01 §4.2); made from tokens.tsv at build time. */
#ifndef MOONPOST_WIRE_TOKENS_H
#define MOONPOST_WIRE_TOKENS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint16_t code; /* 256 * page + index; page 0 holds the single-byte tokens, pages 1-4 the dictionaries 0-3 */
  uint16_t length;
  bool jid; /* an attribute of this name holds a JID */
  const char *text;
} mp_token;

extern const mp_token mp_tokens[];
extern const size_t mp_token_count;

#define MP_TOKEN_PAGES 5

/* The token of a code that is one. */
const mp_token *mp_token_at(uint16_t code);

#endif
