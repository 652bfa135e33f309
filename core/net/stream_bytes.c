/* From a connected descriptor to an open stream: the proxy's leave, TLS. Then bytes, both ways. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/limits.h"
#include "net/stream_internal.h"
#include "net/tls.h"
#include "net/tunnel.h"

static void fail_plainly(mp_stream *stream, int code, const char *why) {
  mp_error reason;
  mp_fail(&reason, code, "%s", why);
  mp_stream_fail(stream, &reason);
}

/* Not for what OpenSSL says of itself: the certificate's fault is a sentence, the rest is its reason. */
static int tls_reason(mp_stream *stream, mp_error *e) {
  long verdict = SSL_get_verify_result(stream->ssl);
  unsigned long code = ERR_peek_last_error();
  if (verdict != X509_V_OK)
    return mp_fail(e, MP_ETLS, "the server's certificate is refused: %s", X509_verify_cert_error_string(verdict));
  if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) return mp_fail(e, MP_ENET, "the connection broke off");
  const char *why = ERR_reason_error_string(code);
  return mp_fail(e, MP_ETLS, "TLS with %s fails: %s", stream->host, why != NULL ? why : "no reason given");
}

int mp_stream_tls_result(mp_stream *stream, int result, bool writing, mp_error *e) {
  switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
      stream->write_wants_read = writing;
      return 0;
    case SSL_ERROR_WANT_WRITE:
      stream->read_wants_write = !writing;
      return 0;
    case SSL_ERROR_ZERO_RETURN:
      return MP_STREAM_END;
    case SSL_ERROR_SYSCALL:
      return mp_fail(e, MP_ENET, "%s", errno != 0 ? strerror(errno) : "the connection broke off");
    default:
      return tls_reason(stream, e);
  }
}

static void shake_hands(mp_stream *stream) {
  mp_error reason;
  ERR_clear_error();
  errno = 0;
  int result = SSL_connect(stream->ssl);
  if (result == 1) return mp_stream_opened(stream);
  int rc = mp_stream_tls_result(stream, result, false, &reason);
  if (rc == 0) {
    mp_stream_watch(stream, stream->read_wants_write ? UV_WRITABLE : UV_READABLE);
    stream->read_wants_write = false;
  } else if (rc == MP_STREAM_END) {
    fail_plainly(stream, MP_ENET, "the connection broke off");
  } else {
    mp_stream_fail(stream, &reason);
  }
}

/* The name is checked as one of the certificate's; an address as an address. */
static bool name_peer(mp_stream *stream) {
  X509_VERIFY_PARAM *param = SSL_get0_param(stream->ssl);
  uint8_t address[16];
  bool numeric = inet_pton(AF_INET, stream->host, address) == 1 || inet_pton(AF_INET6, stream->host, address) == 1;
  if (numeric) return X509_VERIFY_PARAM_set1_ip_asc(param, stream->host) == 1;
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(param, stream->host, 0) == 1 && SSL_set_tlsext_host_name(stream->ssl, stream->host) == 1;
}

static void begin_tls(mp_stream *stream) {
  mp_error reason;
  if (!stream->tls) return mp_stream_opened(stream);
  SSL_CTX *ctx = mp_tls_shared(stream->ca, &reason);
  if (ctx == NULL) return mp_stream_fail(stream, &reason);
  stream->ssl = SSL_new(ctx);
  if (stream->ssl == NULL || SSL_set_fd(stream->ssl, stream->fd) != 1 || !name_peer(stream))
    return fail_plainly(stream, MP_ENOMEM, "no memory for TLS");
  stream->state = MP_STREAM_SHAKES;
  shake_hands(stream);
}

static void proxy_fails(mp_stream *stream, const char *why) {
  mp_error reason;
  mp_fail(&reason, MP_ENET, "the proxy %s:%u %s", stream->proxy, stream->peer_port, why);
  mp_stream_fail(stream, &reason);
}

/* Asks the proxy, in as many pieces as the socket wants. */
static void ask(mp_stream *stream) {
  ssize_t sent = send(stream->fd, stream->request.data, stream->request.length, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EINTR) return proxy_fails(stream, "closed the connection without an answer");
  if (sent > 0) mp_buffer_consume(&stream->request, (size_t)sent);
  if (stream->request.length > 0) return mp_stream_watch(stream, UV_WRITABLE);
  mp_buffer_wipe_free(&stream->request);
  stream->state = MP_STREAM_HEARS;
  mp_stream_watch(stream, UV_READABLE);
}

static void refuse_status(mp_stream *stream, int status) {
  char why[400];
  if (status == 407) {
    snprintf(why, sizeof why, "wants %s (407)",
             stream->credentials != NULL ? "another user or password" : "a user and a password");
  } else {
    snprintf(why, sizeof why, "refuses the way to %s:%u (%d)", stream->host, stream->port, status);
  }
  proxy_fails(stream, why);
}

/* Reads the head of the proxy's answer, and not a byte behind it: those are the server's. */
static void hear(mp_stream *stream) {
  uint8_t bytes[2048];
  size_t head = 0, before = stream->answer.length;
  int status = 0;
  ssize_t seen = recv(stream->fd, bytes, sizeof bytes, MSG_PEEK);
  if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (seen <= 0) return proxy_fails(stream, "closed the connection without an answer");
  if (mp_buffer_append(&stream->answer, bytes, (size_t)seen) != MP_OK) return proxy_fails(stream, "cannot be heard: no memory");
  int rc = mp_tunnel_read_answer(stream->answer.data, stream->answer.length, &status, &head);
  if (rc == MP_ELIMIT) return proxy_fails(stream, "answers without an end");
  if (rc < 0) return proxy_fails(stream, "does not speak HTTP");
  if (recv(stream->fd, bytes, rc == 0 ? (size_t)seen : head - before, 0) < 0) return proxy_fails(stream, strerror(errno));
  if (rc == 0) return;
  if (status / 100 != 2) return refuse_status(stream, status);
  mp_buffer_free(&stream->answer);
  begin_tls(stream);
}

void mp_stream_connected(mp_stream *stream) {
  char target[300];
  if (stream->proxy == NULL) return begin_tls(stream);
  snprintf(target, sizeof target, "%s:%u", stream->host, stream->port);
  if (stream->credentials != NULL && strlen(stream->credentials) > MP_PROXY_CREDENTIALS_MAX)
    return proxy_fails(stream, "has a user and a password that are too long");
  if (mp_tunnel_write_request(&stream->request, target, stream->credentials) != MP_OK)
    return proxy_fails(stream, "cannot be asked: no memory");
  stream->state = MP_STREAM_ASKS;
  ask(stream);
}

void mp_stream_step(mp_stream *stream) {
  int code = 0;
  socklen_t size = sizeof code;
  switch (stream->state) {
    case MP_STREAM_CONNECTS:
      if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &code, &size) != 0) code = errno;
      if (code != 0) return fail_plainly(stream, MP_ENET, strerror(code));
      return mp_stream_connected(stream);
    case MP_STREAM_ASKS:
      return ask(stream);
    case MP_STREAM_HEARS:
      return hear(stream);
    default:
      return shake_hands(stream);
  }
}

/* Whole records as long as there is room for one: what is left is in the descriptor, which tells of it. */
static ptrdiff_t read_tls(mp_stream *stream, uint8_t *bytes, size_t room, mp_error *e) {
  size_t total = 0;
  stream->read_wants_write = false;
  while (room - total >= MP_STREAM_READ_MIN) {
    ERR_clear_error();
    errno = 0;
    int count = SSL_read(stream->ssl, bytes + total, (int)(room - total));
    if (count <= 0 && total > 0) break; /* what ended it comes again at the next call */
    if (count <= 0) return mp_stream_tls_result(stream, count, false, e);
    total += (size_t)count;
  }
  return (ptrdiff_t)total;
}

ptrdiff_t mp_stream_read(mp_stream *stream, void *bytes, size_t room, mp_error *e) {
  if (stream->ssl != NULL) return read_tls(stream, bytes, room, e);
  ssize_t count = recv(stream->fd, bytes, room, 0);
  if (count > 0) return count;
  if (count == 0) return MP_STREAM_END;
  return errno == EAGAIN || errno == EINTR ? 0 : mp_fail(e, MP_ENET, "%s", strerror(errno));
}

static ptrdiff_t write_tls(mp_stream *stream, const uint8_t *bytes, size_t length, mp_error *e) {
  size_t total = 0;
  stream->write_wants_read = false;
  while (total < length) {
    ERR_clear_error();
    errno = 0;
    int count = SSL_write(stream->ssl, bytes + total, (int)(length - total));
    if (count <= 0) {
      int rc = mp_stream_tls_result(stream, count, true, e);
      return total > 0 ? (ptrdiff_t)total : rc == MP_STREAM_END ? mp_fail(e, MP_ENET, "the peer closed the connection") : rc;
    }
    total += (size_t)count;
  }
  return (ptrdiff_t)total;
}

ptrdiff_t mp_stream_write(mp_stream *stream, const void *bytes, size_t length, mp_error *e) {
  if (length == 0) return 0;
  if (stream->ssl != NULL) return write_tls(stream, bytes, length, e);
  ssize_t count = send(stream->fd, bytes, length, MSG_NOSIGNAL);
  if (count >= 0) return count;
  return errno == EAGAIN || errno == EINTR ? 0 : mp_fail(e, MP_ENET, "%s", strerror(errno));
}
