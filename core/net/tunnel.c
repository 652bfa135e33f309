#include "net/tunnel.h"

#include <errno.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/limits.h"

#define ANSWER_MS 20000 /* for the proxy to answer */

/* One end: what comes from it goes to the other, and is read no further until that is out. */
typedef struct {
  union {
    uv_handle_t any;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv;
  uv_write_t write;
  bool made;
  char buffer[16 * 1024];
} side;

struct mp_tunnel {
  side far, near; /* the proxy, and libwebsockets */
  uv_timer_t limit;
  uv_connect_t connect;
  int listener;
  unsigned handles; /* open */
  bool closing, through;
  mp_tunnel_done done;
  void *user;
  mp_buffer request, answer;
  char proxy[320], target[300]; /* host:port of both, for errors */
  bool has_credentials;
};

static void on_closed(uv_handle_t *handle) {
  mp_tunnel *tunnel = handle->data;
  if (--tunnel->handles > 0) return;
  mp_buffer_wipe_free(&tunnel->request);
  mp_buffer_free(&tunnel->answer);
  mp_loop_release();
  free(tunnel);
}

static void close_side(side *one) {
  if (one->made) uv_close(&one->uv.any, on_closed);
  one->made = false;
}

void mp_tunnel_close(mp_tunnel *tunnel) {
  if (tunnel->closing) return;
  tunnel->closing = true;
  tunnel->done = NULL;
  if (tunnel->listener >= 0) close(tunnel->listener);
  tunnel->listener = -1;
  close_side(&tunnel->far);
  close_side(&tunnel->near);
  uv_close((uv_handle_t *)&tunnel->limit, on_closed);
}

/* The proxy does not let us through. */
static void refuse(mp_tunnel *tunnel, const char *why) {
  mp_error reason;
  mp_tunnel_done done = tunnel->done;
  mp_fail(&reason, MP_ENET, "the proxy %s %s", tunnel->proxy, why);
  mp_tunnel_close(tunnel);
  if (done != NULL) done(tunnel->user, &reason);
}

static void refuse_status(mp_tunnel *tunnel, int status) {
  char why[400];
  if (status == 407) {
    snprintf(why, sizeof why, "wants %s (407)", tunnel->has_credentials ? "another user or password" : "a user and a password");
  } else {
    snprintf(why, sizeof why, "refuses the way to %s (%d)", tunnel->target, status);
  }
  refuse(tunnel, why);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  mp_tunnel *tunnel = handle->data;
  side *from = handle == &tunnel->far.uv.any ? &tunnel->far : &tunnel->near;
  (void)suggested;
  *buffer = uv_buf_init(from->buffer, sizeof from->buffer);
}

static void on_bytes(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer);

static void on_passed(uv_write_t *write, int status) {
  mp_tunnel *tunnel = write->data;
  side *from = write == &tunnel->far.write ? &tunnel->far : &tunnel->near;
  if (status < 0) {
    mp_tunnel_close(tunnel);
  } else if (!tunnel->closing) {
    uv_read_start(&from->uv.stream, give_room, on_bytes);
  }
}

static void pass(mp_tunnel *tunnel, side *from, void *bytes, size_t length) {
  side *to = from == &tunnel->far ? &tunnel->near : &tunnel->far;
  uv_buf_t buffer = uv_buf_init(bytes, (unsigned)length);
  uv_read_stop(&from->uv.stream);
  from->write.data = tunnel;
  if (uv_write(&from->write, &to->uv.stream, &buffer, 1, on_passed) != 0) mp_tunnel_close(tunnel);
}

static void on_bytes(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
  mp_tunnel *tunnel = stream->data;
  if (count == 0) return;
  if (count < 0) {
    mp_tunnel_close(tunnel);
  } else {
    pass(tunnel, stream == &tunnel->far.uv.stream ? &tunnel->far : &tunnel->near, buffer->base, (size_t)count);
  }
}

/* What came behind the head is the server's already: it goes to the near end first. */
static void be_through(mp_tunnel *tunnel, size_t head) {
  mp_tunnel_done done = tunnel->done;
  tunnel->through = true;
  uv_timer_stop(&tunnel->limit);
  uv_read_stop(&tunnel->far.uv.stream);
  mp_buffer_consume(&tunnel->answer, head);
  done(tunnel->user, NULL);
}

static void on_answer(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
  mp_tunnel *tunnel = stream->data;
  size_t head = 0;
  int status = 0;
  if (count == 0) return;
  if (count < 0) return refuse(tunnel, "closed the connection without an answer");
  if (mp_buffer_append(&tunnel->answer, buffer->base, (size_t)count) != MP_OK)
    return refuse(tunnel, "cannot be heard: no memory");
  int rc = mp_tunnel_read_answer(tunnel->answer.data, tunnel->answer.length, &status, &head);
  if (rc == MP_ELIMIT) return refuse(tunnel, "answers without an end");
  if (rc < 0) return refuse(tunnel, "does not speak HTTP");
  if (rc == 0) return;
  if (status / 100 == 2) return be_through(tunnel, head);
  refuse_status(tunnel, status);
}

static void on_asked(uv_write_t *write, int status) {
  mp_tunnel *tunnel = write->data;
  mp_buffer_wipe_free(&tunnel->request);
  if (tunnel->closing) return;
  if (status < 0) return refuse(tunnel, "closed the connection without an answer");
  uv_read_start(&tunnel->far.uv.stream, give_room, on_answer);
}

static void on_connected(uv_connect_t *connect, int status) {
  mp_tunnel *tunnel = connect->data;
  char why[200];
  if (tunnel->closing) return;
  if (status < 0) {
    snprintf(why, sizeof why, "cannot be reached: %s", uv_strerror(status));
    return refuse(tunnel, why);
  }
  uv_buf_t buffer = uv_buf_init((char *)tunnel->request.data, (unsigned)tunnel->request.length);
  uv_tcp_nodelay(&tunnel->far.uv.tcp, 1);
  tunnel->far.write.data = tunnel;
  if (uv_write(&tunnel->far.write, &tunnel->far.uv.stream, &buffer, 1, on_asked) != 0) refuse(tunnel, "takes no request");
}

static void on_limit(uv_timer_t *timer) {
  refuse(timer->data, "does not answer");
}

void mp_tunnel_cancel(mp_tunnel *tunnel) {
  uv_timer_start(&tunnel->limit, on_limit, 0, 0);
}

static bool read_address(const mp_proxy *proxy, struct sockaddr_storage *out) {
  return uv_ip4_addr(proxy->address, proxy->port, (struct sockaddr_in *)out) == 0 ||
         uv_ip6_addr(proxy->address, proxy->port, (struct sockaddr_in6 *)out) == 0;
}

static void start(mp_tunnel *tunnel) {
  mp_loop_hold();
  uv_tcp_init(mp_loop(), &tunnel->far.uv.tcp);
  uv_timer_init(mp_loop(), &tunnel->limit);
  tunnel->far.made = true;
  tunnel->handles = 2;
  tunnel->far.uv.any.data = tunnel->limit.data = tunnel->connect.data = tunnel;
  uv_timer_start(&tunnel->limit, on_limit, ANSWER_MS, 0);
}

int mp_tunnel_open(const mp_proxy *proxy, const char *host, uint16_t port, mp_tunnel_done done, void *user, mp_tunnel **out,
                   mp_error *e) {
  struct sockaddr_storage address;
  memset(&address, 0, sizeof address);
  if (!read_address(proxy, &address)) return mp_fail(e, MP_EINVAL, "the proxy's address is none");
  if (proxy->credentials != NULL && strlen(proxy->credentials) > MP_PROXY_CREDENTIALS_MAX)
    return mp_fail(e, MP_EINVAL, "the proxy's user and password have more than %d bytes", MP_PROXY_CREDENTIALS_MAX);
  mp_tunnel *tunnel = calloc(1, sizeof *tunnel);
  if (tunnel == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a tunnel");
  tunnel->listener = -1;
  tunnel->has_credentials = proxy->credentials != NULL;
  snprintf(tunnel->proxy, sizeof tunnel->proxy, "%s:%u", proxy->name, proxy->port);
  snprintf(tunnel->target, sizeof tunnel->target, "%s:%u", host, port);
  mp_buffer_init(&tunnel->request, 0);
  mp_buffer_init(&tunnel->answer, 0);
  if (mp_tunnel_write_request(&tunnel->request, tunnel->target, proxy->credentials) != MP_OK) {
    mp_buffer_wipe_free(&tunnel->request);
    free(tunnel);
    return mp_fail(e, MP_ENOMEM, "no memory for a tunnel");
  }
  tunnel->done = done;
  tunnel->user = user;
  start(tunnel);
  int rc = uv_tcp_connect(&tunnel->connect, &tunnel->far.uv.tcp, (const struct sockaddr *)&address, on_connected);
  if (rc != 0) {
    mp_fail(e, MP_ENET, "the proxy %s cannot be reached: %s", tunnel->proxy, uv_strerror(rc));
    mp_tunnel_close(tunnel);
    return e->code;
  }
  *out = tunnel;
  return MP_OK;
}

/* libwebsockets takes "+@name" for a socket of the abstract namespace. */
int mp_tunnel_listen(mp_tunnel *tunnel, char address[MP_TUNNEL_ADDRESS], mp_error *e) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  uint8_t random[16];
  char hex[2 * sizeof random + 1];
  randombytes_buf(random, sizeof random);
  sodium_bin2hex(hex, sizeof hex, random, sizeof random);
  snprintf(address, MP_TUNNEL_ADDRESS, "+@moonpost-%s", hex);
  memcpy(at.sun_path + 1, address + 2, strlen(address) - 2);
  size_t size = offsetof(struct sockaddr_un, sun_path) + strlen(address) - 1;
  tunnel->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (tunnel->listener >= 0 && bind(tunnel->listener, (struct sockaddr *)&at, (socklen_t)size) == 0 &&
      listen(tunnel->listener, 1) == 0)
    return MP_OK;
  return mp_fail(e, MP_ENET, "no local socket for the proxy: %s", strerror(errno));
}

int mp_tunnel_accept(mp_tunnel *tunnel, mp_error *e) {
  struct ucred peer = {0};
  socklen_t size = sizeof peer;
  int fd = accept4(tunnel->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return mp_fail(e, MP_ENET, "no local connection to the proxy: %s", strerror(errno));
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid != getpid()) {
    close(fd);
    return mp_fail(e, MP_ENET, "another process took the way to the proxy");
  }
  close(tunnel->listener);
  tunnel->listener = -1;
  uv_pipe_init(mp_loop(), &tunnel->near.uv.pipe, 0);
  tunnel->near.made = true;
  tunnel->handles++;
  tunnel->near.uv.any.data = tunnel;
  int rc = uv_pipe_open(&tunnel->near.uv.pipe, fd);
  if (rc != 0) {
    close(fd);
    return mp_fail(e, MP_ENET, "no local connection to the proxy: %s", uv_strerror(rc));
  }
  uv_read_start(&tunnel->near.uv.stream, give_room, on_bytes);
  if (tunnel->answer.length > 0) {
    pass(tunnel, &tunnel->far, tunnel->answer.data, tunnel->answer.length);
  } else {
    uv_read_start(&tunnel->far.uv.stream, give_room, on_bytes);
  }
  return MP_OK;
}
