/* Reads an HTTP answer as its bytes come: http_parser's events, with limits. Touches no socket. */
#ifndef MOONPOST_NET_ANSWER_H
#define MOONPOST_NET_ANSWER_H
#include <http_parser.h>

#include "net/exchange.h"

typedef struct {
  http_parser parser;
  mp_answer answer;
  bool to_head;             /* it answers a HEAD: no body follows */
  bool begun;               /* a byte of it has come */
  bool head_complete;       /* of the final answer, no interim one (1xx) */
  bool complete;            /* all of the body has come */
  bool keeps_alive;         /* the connection may serve another request after that */
  bool in_value, too_large; /* of a header; `too_large`: a limit was passed */
  size_t head_bytes;        /* of all heads so far, interim ones too */
  unsigned count;           /* headers */
  mp_buffer *out;           /* where the body goes, while bytes are fed */
  int failed;               /* the body could not be kept */
} mp_answer_reader;

void mp_answer_init(mp_answer_reader *reader, bool to_head);
void mp_answer_free(mp_answer_reader *reader);
/* Feeds bytes; those of the body are appended to `out`. What comes behind the answer's end is nobody's. */
int mp_answer_feed(mp_answer_reader *reader, const void *bytes, size_t length, mp_buffer *out, mp_error *e);
/* The stream has ended in order: whether the answer is complete with that. */
bool mp_answer_end(mp_answer_reader *reader, mp_buffer *out);

#endif
