/* The answer to a request: whole, or a head and then what its owner gives. One write per WRITEABLE would be a turn of the loop
 * for each 16 KiB: there are a few, as long as the kernel takes them. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "net/request.h"

#define WRITES_MAX 4
#define WRITE_SIZE 16384u /* bytes: a record of TLS */
#define LINGER_MS 5000    /* for a peer that goes on sending to have read the answer */

static const uint8_t room[LWS_PRE];

/* The status line is libwebsockets', the rest is ours. */
static int write_lines(mp_request *request, int status, const char *headers, uint64_t length) {
  uint8_t line[LWS_PRE + 256], *start = line + LWS_PRE, *at = start;
  char date[64], last[160];
  time_t now = time(NULL);
  struct tm parts;
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
  int size = snprintf(last, sizeof last, "content-length: %" PRIu64 "\r\nconnection: %s\r\ndate: %s\r\n\r\n", length,
                      request->keeps_alive ? "keep-alive" : "close", date);
  mp_buffer *out = &request->answer_head;
  if (lws_add_http_header_status(request->wsi, (unsigned)status, &at, line + sizeof line)) return -1;
  return mp_buffer_append(out, room, sizeof room) || mp_buffer_append(out, start, (size_t)(at - start)) ||
         mp_buffer_append(out, headers, strlen(headers)) || mp_buffer_append(out, last, (size_t)size);
}

static bool has_body(const mp_request *request, int status) {
  return strcmp(request->head.method, "HEAD") != 0 && status != 204 && status != 304;
}

int mp_request_start(mp_request *request, int status, const char *headers, uint64_t length, mp_error *e) {
  if (request->answered) return mp_fail(e, MP_EINVAL, "the request is answered already");
  request->answered = true;
  request->keeps_alive = request->keeps_alive && request->body_complete && !request->is_chunked;
  request->unwritten = has_body(request, status) ? length : 0;
  if (write_lines(request, status, headers, length) != 0) {
    mp_request_cut(request, false);
    return mp_fail(e, MP_ENOMEM, "no memory for an answer");
  }
  lws_callback_on_writable(request->wsi);
  return MP_OK;
}

/* Takes nothing while there is something to write. */
size_t mp_request_write(mp_request *request, const void *bytes, size_t length) {
  if (length > request->unwritten) length = (size_t)request->unwritten;
  if (request->answer.length > 0 || length == 0 || request->cuts) return 0;
  if (mp_buffer_append(&request->answer, room, sizeof room) || mp_buffer_append(&request->answer, bytes, length)) {
    mp_request_cut(request, false);
    return 0;
  }
  request->written = LWS_PRE;
  request->unwritten -= length;
  lws_callback_on_writable(request->wsi);
  return length;
}

void mp_request_respond(mp_request *request, int status, const char *content_type, const void *body, size_t length) {
  char header[MP_REQUEST_FIELD + 32];
  mp_error e;
  snprintf(header, sizeof header, "content-type: %s\r\n", content_type);
  if (!request->answered && mp_request_start(request, status, header, length, &e) == MP_OK)
    mp_request_write(request, body, (size_t)request->unwritten);
}

void mp_request_linger(mp_request *request) {
  request->lingers = true;
  lws_set_timer_usecs(request->wsi, (lws_usec_t)LINGER_MS * 1000);
  mp_lws_wake();
}

/* The answer is out. A connection closed with bytes unread is reset, and the answer lost: a peer that is still sending is
 * listened to for a while. */
static int end_answer(mp_request *request) {
  if (request->keeps_alive && request->body_complete) return mp_request_over(request);
  bool more = request->streams && !request->body_complete && request->reason.code == MP_OK;
  if (!more) return -1;
  if (request->lingers) return 0;
  request->body.length = 0;
  lws_rx_flow_control(request->wsi, 1);
  mp_request_linger(request);
  return 0;
}

static bool is_choked(mp_request *request) {
  return lws_partial_buffered(request->wsi) || lws_send_pipe_choked(request->wsi);
}

static int write_head(mp_request *request) {
  size_t size = request->answer_head.length - LWS_PRE;
  request->head_written = true;
  int count = lws_write(request->wsi, request->answer_head.data + LWS_PRE, size, LWS_WRITE_HTTP_HEADERS);
  mp_buffer_free(&request->answer_head);
  return count < (int)size ? -1 : 0;
}

/* In front of each piece is what has gone before it: room enough. */
static int write_pieces(mp_request *request) {
  mp_buffer *from = &request->answer;
  for (int i = 0; i < WRITES_MAX && request->written < from->length; i++) {
    if (i > 0 && is_choked(request)) break;
    size_t left = from->length - request->written, size = left < WRITE_SIZE ? left : WRITE_SIZE;
    bool last = request->unwritten == 0 && size == left;
    int count = lws_write(request->wsi, from->data + request->written, size, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP);
    if (count < (int)size) return -1;
    request->written += size;
  }
  return 0;
}

/* To a peer that waits for leave to send its body (RFC 9110 §10.1.1). */
static int write_interim(mp_request *request) {
  static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
  uint8_t bytes[LWS_PRE + sizeof line];
  request->expects = false;
  memcpy(bytes + LWS_PRE, line, sizeof line);
  return lws_write(request->wsi, bytes + LWS_PRE, sizeof line - 1, LWS_WRITE_HTTP_HEADERS) < 0 ? -1 : 0;
}

int mp_request_write_on(mp_request *request) {
  if (request->paused) lws_set_timeout(request->wsi, NO_PENDING_TIMEOUT, 0);
  if (request->expects && !request->answered) return write_interim(request);
  if (!request->answered || lws_partial_buffered(request->wsi)) return 0; /* it calls again by itself when that is out */
  if (!request->head_written && write_head(request) != 0) return -1;
  if (request->answer.length > 0 && !lws_partial_buffered(request->wsi) && write_pieces(request) != 0) return -1;
  if (lws_partial_buffered(request->wsi)) return 0;
  if (request->answer.length > request->written) {
    lws_callback_on_writable(request->wsi);
    return 0;
  }
  request->answer.length = 0;
  if (request->cuts) {
    mp_request_end_now(request);
    return 0;
  }
  if (request->unwritten == 0) return end_answer(request);
  mp_request_wake(request);
  return 0;
}
