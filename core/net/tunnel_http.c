/* What is said to an HTTP proxy, and what it answers. */
#include <http_parser.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "net/tunnel.h"

/* A tunnel's answer has no body (RFC 9110 §9.3.6): what follows the head is not the parser's. */
static int end_of_head(http_parser *parser) {
  *(bool *)parser->data = true;
  return 2;
}

int mp_tunnel_read_answer(const uint8_t *bytes, size_t length, int *status, size_t *head) {
  http_parser_settings settings;
  http_parser parser;
  bool complete = false;
  http_parser_settings_init(&settings);
  settings.on_headers_complete = end_of_head;
  http_parser_init(&parser, HTTP_RESPONSE);
  parser.data = &complete;
  size_t read = length == 0 ? 0 : http_parser_execute(&parser, &settings, (const char *)bytes, length);
  if (HTTP_PARSER_ERRNO(&parser) != HPE_OK || (complete && parser.http_major != 1)) return MP_EMALFORMED;
  if (!complete) return length < MP_PROXY_HEAD_MAX ? 0 : MP_ELIMIT;
  *status = parser.status_code;
  *head = read;
  return 1;
}

int mp_tunnel_write_request(mp_buffer *out, const char *target, const char *credentials) {
  char line[700];
  int length = snprintf(line, sizeof line, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", target, target);
  int bad = mp_buffer_append(out, line, (size_t)length);
  if (credentials != NULL && !bad) {
    char encoded[sodium_base64_ENCODED_LEN(MP_PROXY_CREDENTIALS_MAX, sodium_base64_VARIANT_ORIGINAL)];
    sodium_bin2base64(encoded, sizeof encoded, (const uint8_t *)credentials, strlen(credentials), sodium_base64_VARIANT_ORIGINAL);
    bad = mp_buffer_append(out, "Proxy-Authorization: Basic ", 27) || mp_buffer_append(out, encoded, strlen(encoded)) ||
          mp_buffer_append(out, "\r\n", 2);
    mp_wipe(encoded, sizeof encoded);
  }
  return bad || mp_buffer_append(out, "\r\n", 2) ? MP_ENOMEM : MP_OK;
}
