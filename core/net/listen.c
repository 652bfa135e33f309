#include "net/listen.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net.h"

#define BACKLOG 511
#define ACCEPTS_MAX 64 /* connections taken in one turn of the loop */
#define REST 100       /* ms without accepting when the process has no descriptor left: the socket stays readable */

struct mp_listener {
  uv_poll_t poll;
  uv_timer_t rest;
  int fd;
  uint16_t port;
  unsigned open_handles;
  mp_accepted accepted;
  void *user;
};

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_rested(uv_timer_t *timer) {
  mp_listener *listener = timer->data;
  uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  mp_listener *listener = poll->data;
  int yes = 1;
  (void)events;
  if (status < 0) return;
  for (int i = 0; i < ACCEPTS_MAX && listener->fd >= 0; i++) {
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      listener->accepted(listener->user, fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      uv_poll_stop(poll);
      uv_timer_start(&listener->rest, on_rested, REST, 0);
      return;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return;
    }
  }
}

static int bind_to(mp_listener *listener, struct in_addr address, uint16_t port, mp_error *e) {
  int yes = 1;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address};
  socklen_t size = sizeof at;
  listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener->fd < 0) return mp_fail(e, MP_ENET, "no socket: %s", strerror(errno));
  setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(listener->fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener->fd, BACKLOG) == 0 &&
      getsockname(listener->fd, (struct sockaddr *)&at, &size) == 0) {
    listener->port = ntohs(at.sin_port);
    return MP_OK;
  }
  if (errno == EADDRINUSE) return mp_fail(e, MP_ENET, "port %u is in use", port);
  return mp_fail(e, MP_ENET, "cannot listen on port %u: %s", port, strerror(errno));
}

static void on_closed(uv_handle_t *handle) {
  mp_listener *listener = handle->data;
  if (--listener->open_handles == 0) free(listener);
}

int mp_listener_open(struct in_addr address, uint16_t port, mp_accepted accepted, void *user, mp_listener **out, mp_error *e) {
  mp_listener *listener = calloc(1, sizeof *listener);
  if (listener == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a server");
  int rc = bind_to(listener, address, port, e);
  if (rc == MP_OK && uv_poll_init(mp_loop(), &listener->poll, listener->fd) != 0) {
    rc = mp_fail(e, MP_ENET, "port %u cannot be watched", port);
  }
  if (rc != MP_OK) {
    if (listener->fd >= 0) close(listener->fd);
    free(listener);
    return rc;
  }
  uv_timer_init(mp_loop(), &listener->rest);
  listener->open_handles = 2;
  listener->poll.data = listener->rest.data = listener;
  listener->accepted = accepted;
  listener->user = user;
  uv_poll_start(&listener->poll, UV_READABLE, on_readable);
  *out = listener;
  return MP_OK;
}

uint16_t mp_listener_port(const mp_listener *listener) {
  return listener->port;
}

void mp_listener_close(mp_listener *listener) {
  uv_close((uv_handle_t *)&listener->poll, on_closed);
  uv_close((uv_handle_t *)&listener->rest, on_closed);
  close(listener->fd);
  listener->fd = -1;
}
