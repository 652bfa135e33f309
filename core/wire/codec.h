/* The bytes of the binary codec (01 §4): reading and writing of single values. Trees are walked by the caller. */
#ifndef MOONPOST_WIRE_CODEC_H
#define MOONPOST_WIRE_CODEC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "wire/jid.h"
#include "wire/utf8.h"

enum {
  MP_TAG_LIST_EMPTY = 0,
  MP_TAG_DICTIONARY_0 = 236,
  MP_TAG_DICTIONARY_3 = 239,
  MP_TAG_INTEROP_JID = 245,
  MP_TAG_FB_JID = 246,
  MP_TAG_AD_JID = 247,
  MP_TAG_LIST_8 = 248,
  MP_TAG_LIST_16 = 249,
  MP_TAG_JID_PAIR = 250,
  MP_TAG_HEX_8 = 251,
  MP_TAG_BINARY_8 = 252,
  MP_TAG_BINARY_20 = 253,
  MP_TAG_BINARY_32 = 254,
  MP_TAG_NIBBLE_8 = 255
};

typedef enum { MP_VALUE_NONE, MP_VALUE_TOKEN, MP_VALUE_BYTES, MP_VALUE_PACKED, MP_VALUE_JID, MP_VALUE_LIST } mp_value_kind;

#define MP_PACKED_MAX 254   /* characters a packed string can hold (01 §4.4) */
#define MP_PACKABLE_MAX 127 /* characters a string may have to be packed */

typedef struct {
  mp_value_kind kind;
  uint16_t token;       /* TOKEN: its code */
  const uint8_t *bytes; /* BYTES, PACKED, JID (text): where they are; PACKED and JID point into `text` */
  size_t length;
  uint32_t count;            /* LIST: its size */
  char text[MP_AT_TEXT_MAX]; /* room for a packed string, a JID, or a text that came as one */
} mp_value;

typedef struct {
  const uint8_t *start, *at, *end;
} mp_reader;

/* Reads one value of any kind. MP_ETRUNCATED or MP_EMALFORMED with the offset in the sentence. */
int mp_read_value(mp_reader *reader, mp_value *value, mp_error *e);
/* Reads a value that may be a token, packed, bytes or NONE; a JID or a list is refused unread. */
int mp_read_string(mp_reader *reader, mp_value *value, mp_error *e);
/* Reads a list header only: LIST_EMPTY, LIST_8 or LIST_16. */
int mp_read_list(mp_reader *reader, uint32_t *count, mp_error *e);

int mp_write_list(mp_buffer *out, size_t count); /* MP_ELIMIT above 65,535 */
int mp_write_token(mp_buffer *out, uint16_t code);
/* A string that is no token: packed when it can be, else its bytes. */
int mp_write_string(mp_buffer *out, const char *text, size_t length);
int mp_write_bytes(mp_buffer *out, const void *bytes, size_t length);
int mp_write_jid(mp_buffer *out, const mp_jid *jid); /* canonical: device 0 as JID_PAIR (01 §4.5) */

/* The code of a text's token, or -1. A hash table is made at the first call. */
int mp_token_find(const char *text, size_t length);

#endif
