#include "net/answer.h"

#include <ctype.h>
#include <string.h>

#include "base/limits.h"

static mp_answer_reader *reader_of(http_parser *parser) {
  return parser->data;
}

static int keep(mp_answer_reader *r, const char *bytes, size_t length) {
  if (mp_buffer_append(&r->answer.headers, bytes, length) == MP_OK) return 0;
  r->too_large = true;
  return 1;
}

/* A name or a value begins: the one before it ends. */
static int end_text(mp_answer_reader *r) {
  return r->count > 0 || r->in_value ? keep(r, "", 1) : 0;
}

static int on_field(http_parser *parser, const char *bytes, size_t length) {
  mp_answer_reader *r = reader_of(parser);
  if (r->head_complete) return 0; /* behind a body in chunks */
  bool begins = r->in_value || r->count == 0;
  if (begins && end_text(r) != 0) return 1;
  if (begins && ++r->count > MP_HTTP_HEADERS_MAX) {
    r->too_large = true;
    return 1;
  }
  r->in_value = false;
  size_t at = r->answer.headers.length;
  if (keep(r, bytes, length) != 0) return 1;
  for (; at < r->answer.headers.length; at++) r->answer.headers.data[at] = (uint8_t)tolower(r->answer.headers.data[at]);
  return 0;
}

static int on_value(http_parser *parser, const char *bytes, size_t length) {
  mp_answer_reader *r = reader_of(parser);
  if (r->head_complete) return 0;
  if (!r->in_value && end_text(r) != 0) return 1;
  r->in_value = true;
  return keep(r, bytes, length);
}

static bool is_interim(const http_parser *parser) {
  return parser->status_code / 100 == 1;
}

static int on_headers(http_parser *parser) {
  mp_answer_reader *r = reader_of(parser);
  if (r->in_value && end_text(r) != 0) return -1;
  r->in_value = false;
  r->count = 0;
  if (is_interim(parser)) {
    r->answer.headers.length = 0;
    return 0;
  }
  r->head_complete = true;
  r->answer.status = (int)parser->status_code;
  r->answer.length =
      parser->content_length == UINT64_MAX || parser->content_length > INT64_MAX ? -1 : (int64_t)parser->content_length;
  return r->to_head || parser->status_code == 204 || parser->status_code == 304 ? 1 : 0; /* the parser would wait for a body */
}

static int on_body(http_parser *parser, const char *bytes, size_t length) {
  mp_answer_reader *r = reader_of(parser);
  r->failed = mp_buffer_append(r->out, bytes, length);
  return r->failed != MP_OK;
}

static int on_complete(http_parser *parser) {
  mp_answer_reader *r = reader_of(parser);
  if (!r->head_complete) return 0; /* an interim answer: the one it announces follows */
  r->complete = true;
  r->keeps_alive = http_should_keep_alive(parser) != 0;
  http_parser_pause(parser, 1);
  return 0;
}

static const http_parser_settings settings = {
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void mp_answer_init(mp_answer_reader *r, bool to_head) {
  memset(r, 0, sizeof *r);
  http_parser_init(&r->parser, HTTP_RESPONSE);
  r->parser.data = r;
  r->to_head = to_head;
  r->answer.length = -1;
  mp_buffer_init(&r->answer.headers, MP_HTTP_HEAD_MAX);
}

void mp_answer_free(mp_answer_reader *r) {
  mp_buffer_free(&r->answer.headers);
}

static int too_large(mp_error *e) {
  return mp_fail(e, MP_ELIMIT, "the answer's head has more than %u bytes, or more than %u headers", MP_HTTP_HEAD_MAX,
                 MP_HTTP_HEADERS_MAX);
}

int mp_answer_feed(mp_answer_reader *r, const void *bytes, size_t length, mp_buffer *out, mp_error *e) {
  bool in_head = !r->head_complete;
  r->begun = true;
  r->out = out;
  size_t read = http_parser_execute(&r->parser, &settings, bytes, length);
  enum http_errno problem = HTTP_PARSER_ERRNO(&r->parser);
  if (r->failed != MP_OK) return mp_fail(e, r->failed, "no memory for the answer's body");
  if (in_head) r->head_bytes += read;
  if (r->too_large || problem == HPE_HEADER_OVERFLOW || (!r->head_complete && r->head_bytes > MP_HTTP_HEAD_MAX))
    return too_large(e);
  if (r->complete && read < length) r->keeps_alive = false; /* nobody asked for more */
  if (r->complete) return MP_OK;
  if (problem != HPE_OK) return mp_fail(e, MP_EMALFORMED, "the answer is no HTTP: %s", http_errno_description(problem));
  if (r->parser.upgrade) return mp_fail(e, MP_EMALFORMED, "the answer goes on in another protocol");
  return MP_OK;
}

bool mp_answer_end(mp_answer_reader *r, mp_buffer *out) {
  r->out = out;
  if (r->begun) http_parser_execute(&r->parser, &settings, NULL, 0);
  return r->complete;
}
