#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/stream_internal.h"
#include "net/tls.h"

static void free_poll(uv_handle_t *handle) {
  free(handle);
}

static void drop_descriptor(mp_stream *stream) {
  SSL_free(stream->ssl);
  stream->ssl = NULL;
  if (stream->poll != NULL) uv_close((uv_handle_t *)stream->poll, free_poll);
  stream->poll = NULL;
  if (stream->fd >= 0) close(stream->fd);
  stream->fd = -1;
}

static void free_stream(uv_handle_t *limit) {
  mp_stream *stream = limit->data;
  mp_buffer_wipe_free(&stream->request);
  mp_buffer_free(&stream->answer);
  if (stream->credentials != NULL) mp_wipe(stream->credentials, strlen(stream->credentials));
  free(stream->credentials);
  free(stream->proxy);
  free(stream->proxy_address);
  free(stream->host);
  free(stream->ca);
  free(stream);
}

void mp_stream_close(mp_stream *stream) {
  stream->closed = true;
  drop_descriptor(stream);
  if (!stream->looking) uv_close((uv_handle_t *)&stream->limit, free_stream); /* else when the look-up is over */
}

void mp_stream_own(mp_stream *stream, mp_stream_moved moved, void *user) {
  stream->moved = moved;
  stream->user = user;
}

int mp_stream_ready(const mp_stream *stream, mp_error *e) {
  if (stream->reason.code != MP_OK) *e = stream->reason;
  return stream->reason.code != MP_OK ? stream->reason.code : stream->state == MP_STREAM_OPEN;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  mp_stream *stream = poll->data;
  (void)status; /* the next call on the descriptor says what is wrong with it */
  (void)events;
  if (stream->state == MP_STREAM_OPEN) {
    uv_poll_stop(poll);
    mp_loop_count_received();
    stream->moved(stream->user);
  } else {
    mp_stream_step(stream);
  }
}

void mp_stream_watch(mp_stream *stream, int events) {
  uv_poll_start(stream->poll, events, on_poll);
}

void mp_stream_wait(mp_stream *stream, bool readable, bool writable) {
  if (stream->state != MP_STREAM_OPEN || stream->reason.code != MP_OK) return; /* it tells of that by itself */
  int events = (readable || (writable && stream->write_wants_read) ? UV_READABLE : 0) |
               ((writable && !stream->write_wants_read) || stream->read_wants_write ? UV_WRITABLE : 0);
  mp_stream_watch(stream, events);
}

void mp_stream_wait_no_more(mp_stream *stream) {
  if (stream->state == MP_STREAM_OPEN && stream->poll != NULL) uv_poll_stop(stream->poll);
}

void mp_stream_opened(mp_stream *stream) {
  stream->state = MP_STREAM_OPEN;
  uv_timer_stop(&stream->limit);
  if (stream->poll != NULL) uv_poll_stop(stream->poll);
  stream->moved(stream->user);
}

static void on_limit(uv_timer_t *limit) {
  mp_stream *stream = limit->data;
  mp_error reason;
  mp_fail(&reason, MP_ESTALLED, "%s did not answer within %.3g s", stream->proxy != NULL ? stream->proxy : stream->host,
          stream->connect_ms / 1000.0);
  mp_stream_fail(stream, &reason);
}

static void start_limit(mp_stream *stream) {
  uv_update_time(mp_loop());
  uv_timer_start(&stream->limit, on_limit, stream->connect_ms, 0);
}

/* Begins to connect to the present address. */
static int connect_to(mp_stream *stream, mp_error *e) {
  struct sockaddr_storage at = {0};
  const char *address = stream->addresses[stream->at];
  int yes = 1;
  bool four = uv_ip4_addr(address, stream->peer_port, (struct sockaddr_in *)&at) == 0;
  if (!four && uv_ip6_addr(address, stream->peer_port, (struct sockaddr_in6 *)&at) != 0)
    return mp_fail(e, MP_ENET, "'%s' is no address", address);
  stream->fd = socket(four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (stream->fd < 0) return mp_fail(e, MP_ENET, "no socket: %s", strerror(errno));
  setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  int rc = connect(stream->fd, (struct sockaddr *)&at, four ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
  if (rc != 0 && errno != EINPROGRESS) return mp_fail(e, MP_ENET, "%s", strerror(errno));
  stream->poll = malloc(sizeof *stream->poll);
  if (stream->poll == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a socket");
  if (uv_poll_init(mp_loop(), stream->poll, stream->fd) != 0) {
    free(stream->poll);
    stream->poll = NULL;
    return mp_fail(e, MP_ENET, "the socket cannot be watched");
  }
  stream->poll->data = stream;
  stream->state = MP_STREAM_CONNECTS;
  start_limit(stream);
  mp_stream_watch(stream, UV_WRITABLE);
  return MP_OK;
}

/* Tries the addresses from the present one on, until one is no failure at once. */
static int connect_on(mp_stream *stream, mp_error *e) {
  for (;;) {
    int rc = connect_to(stream, e);
    if (rc == MP_OK) return rc;
    drop_descriptor(stream);
    if (++stream->at >= stream->count) return rc;
  }
}

/* Another address may be better than one nobody answers at; none makes a certificate better. */
void mp_stream_fail(mp_stream *stream, const mp_error *reason) {
  mp_error last = *reason;
  bool other = stream->state <= MP_STREAM_CONNECTS && ++stream->at < stream->count;
  drop_descriptor(stream);
  if (other && connect_on(stream, &last) == MP_OK) return;
  uv_timer_stop(&stream->limit);
  if (stream->state <= MP_STREAM_CONNECTS) {
    mp_fail(&stream->reason, last.code,
            stream->proxy != NULL ? "the proxy %s:%u cannot be reached: %s" : "cannot connect to %s:%u: %s",
            stream->proxy != NULL ? stream->proxy : stream->host, stream->peer_port, last.message);
  } else {
    stream->reason = last;
  }
  stream->moved(stream->user);
}

static void on_resolved(void *user, const char (*addresses)[MP_ADDRESS_SIZE], size_t count, const mp_error *reason) {
  mp_stream *stream = user;
  mp_error failed;
  stream->looking = false;
  if (stream->closed) return uv_close((uv_handle_t *)&stream->limit, free_stream);
  if (stream->reason.code != MP_OK) return; /* it took too long */
  if (reason != NULL) return mp_stream_fail(stream, reason);
  memcpy(stream->addresses, addresses, count * MP_ADDRESS_SIZE);
  stream->count = count;
  if (connect_on(stream, &failed) != MP_OK) mp_stream_fail(stream, &failed);
}

static bool is_address(const char *host) {
  struct sockaddr_storage at;
  return uv_ip4_addr(host, 0, (struct sockaddr_in *)&at) == 0 || uv_ip6_addr(host, 0, (struct sockaddr_in6 *)&at) == 0;
}

/* Goes to the peer's address, or looks its name up first. */
static int start(mp_stream *stream, const char *peer, mp_error *e) {
  if (is_address(peer) && strlen(peer) < MP_ADDRESS_SIZE) {
    snprintf(stream->addresses[0], MP_ADDRESS_SIZE, "%s", peer);
    stream->count = 1;
    return connect_on(stream, e);
  }
  int rc = mp_resolve(peer, on_resolved, stream, e);
  if (rc != MP_OK) return rc;
  stream->looking = true;
  start_limit(stream);
  return MP_OK;
}

static bool copy(char **out, const char *text) {
  *out = text != NULL ? strdup(text) : NULL;
  return text == NULL || *out != NULL;
}

static bool copy_options(mp_stream *stream, const mp_stream_options *options) {
  const mp_proxy *proxy = options->proxy;
  stream->port = options->port;
  stream->peer_port = proxy != NULL ? proxy->port : options->port;
  stream->tls = options->tls;
  stream->connect_ms = options->connect_ms;
  return copy(&stream->host, options->host) && copy(&stream->ca, options->ca) &&
         copy(&stream->proxy, proxy != NULL ? proxy->name : NULL) &&
         copy(&stream->proxy_address, proxy != NULL ? proxy->address : NULL) &&
         copy(&stream->credentials, proxy != NULL ? proxy->credentials : NULL);
}

int mp_stream_open(const mp_stream_options *options, mp_stream_moved moved, void *user, mp_stream **out, mp_error *e) {
  const mp_proxy *proxy = options->proxy;
  if (options->tls && mp_tls_shared(options->ca, e) == NULL) return e->code;
  mp_stream *stream = calloc(1, sizeof *stream);
  if (stream == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a connection");
  signal(SIGPIPE, SIG_IGN); /* TLS writes by write(); libwebsockets does the same for its own */
  stream->fd = -1;
  mp_buffer_init(&stream->request, 0);
  mp_buffer_init(&stream->answer, 0);
  uv_timer_init(mp_loop(), &stream->limit);
  stream->limit.data = stream;
  mp_stream_own(stream, moved, user);
  const char *peer = proxy == NULL ? options->host : proxy->address != NULL ? proxy->address : proxy->name;
  int rc = copy_options(stream, options) ? start(stream, peer, e) : mp_fail(e, MP_ENOMEM, "no memory for a connection");
  if (rc != MP_OK) {
    mp_stream_close(stream);
    return rc;
  }
  *out = stream;
  return MP_OK;
}

int mp_stream_open_again(const mp_stream *stream, mp_stream_moved moved, void *user, mp_stream **out, mp_error *e) {
  mp_proxy proxy = {
      .name = stream->proxy,
      .address = stream->proxy_address,
      .port = stream->peer_port,
      .credentials = stream->credentials,
  };
  mp_stream_options options = {
      .host = stream->host,
      .ca = stream->ca,
      .proxy = stream->proxy != NULL ? &proxy : NULL,
      .port = stream->port,
      .tls = stream->tls,
      .connect_ms = stream->connect_ms,
  };
  return mp_stream_open(&options, moved, user, out, e);
}

static bool same(const char *one, const char *other) {
  return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

bool mp_stream_goes(const mp_stream *stream, const mp_stream_options *options) {
  const mp_proxy *proxy = options->proxy;
  if (stream->port != options->port || stream->tls != options->tls || !same(stream->host, options->host) ||
      (stream->tls && !same(stream->ca, options->ca)))
    return false;
  if (proxy == NULL || stream->proxy == NULL) return proxy == NULL && stream->proxy == NULL;
  return stream->peer_port == proxy->port && same(stream->proxy, proxy->name) && same(stream->proxy_address, proxy->address) &&
         same(stream->credentials, proxy->credentials);
}
