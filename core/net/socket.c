#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "net/socket.h"

#define CLOSE_SECONDS 20                         /* for what is queued to leave before a close frame */
#define WRITE_CLOSE ((enum lws_write_protocol)4) /* a close frame: the public header speaks of it without its number */
#define ANSWER_SECONDS 5                         /* for the peer's close frame after ours */
#define WRITES_MAX 16                            /* in a row on one socket */

mp_socket *mp_socket_new(void) {
  mp_socket *socket = calloc(1, sizeof *socket);
  if (socket == NULL) return NULL;
  socket->tagged.kind = MP_KIND_SOCKET;
  socket->last = &socket->first;
  mp_loop_hold();
  return socket;
}

static void drop_queue(mp_socket *socket) {
  while (socket->first != NULL) {
    mp_chunk *next = socket->first->next;
    free(socket->first);
    socket->first = next;
  }
  socket->last = &socket->first;
  socket->pending = socket->chunks = 0;
}

void mp_socket_free(mp_socket *socket) {
  drop_queue(socket);
  if (socket->tunnel != NULL) mp_tunnel_close(socket->tunnel);
  mp_late_free(socket->late);
  mp_server_release(&socket->tagged);
  mp_loop_release();
  free(socket);
}

void mp_socket_finish(mp_socket *socket) {
  if (socket->finished) return;
  socket->finished = true;
  if (socket->wsi != NULL) lws_set_opaque_user_data(socket->wsi, NULL);
  if (socket->aborted) {
    socket->reason.code = MP_OK; /* our own doing */
  } else if (socket->reason.code == MP_OK && !socket->opened) {
    mp_fail(&socket->reason, MP_ENET, "the server gave no answer");
  } else if (socket->reason.code == MP_OK && !socket->close_sent && !socket->peer_closed) {
    mp_fail(&socket->reason, MP_ENET, "the connection broke off");
  }
  if (socket->events != NULL) {
    socket->events->close(socket->user, socket->peer_code, socket->reason.code != MP_OK ? &socket->reason : NULL);
  }
  mp_socket_free(socket);
}

mp_socket *mp_socket_accepted(struct lws *wsi, mp_server *server) {
  mp_socket *socket = mp_socket_new();
  if (socket == NULL) return NULL;
  mp_server_hold(server, &socket->tagged);
  socket->wsi = wsi;
  lws_set_opaque_user_data(wsi, socket);
  return socket;
}

void mp_socket_bind(mp_socket *socket, const mp_socket_events *events, void *user) {
  socket->events = events;
  socket->user = user;
}

void mp_socket_forget(mp_socket *socket) {
  socket->events = NULL;
  mp_socket_finish(socket);
}

int mp_socket_send(mp_socket *socket, const void *bytes, size_t length, mp_error *e) {
  if (socket->closing || socket->aborted) return mp_fail(e, MP_ECLOSED, "the connection is closing");
  if (length > MP_SEND_QUEUE_MAX || socket->pending + length + socket->chunks * (sizeof(mp_chunk) + LWS_PRE) > MP_SEND_QUEUE_MAX)
    return mp_fail(e, MP_ELIMIT, "more than %u bytes wait to be sent", MP_SEND_QUEUE_MAX);
  mp_chunk *made = malloc(sizeof *made + LWS_PRE + length);
  if (made == NULL) return mp_fail(e, MP_ENOMEM, "no memory for what is sent");
  made->next = NULL;
  made->length = length;
  memcpy(made->bytes + LWS_PRE, bytes, length);
  *socket->last = made;
  socket->last = &made->next;
  socket->pending += length;
  socket->chunks++;
  socket->above_high = socket->above_high || socket->pending > MP_SEND_QUEUE_HIGH;
  if (socket->opened) lws_callback_on_writable(socket->wsi);
  return MP_OK;
}

size_t mp_socket_pending(const mp_socket *socket) {
  return socket->pending;
}

void mp_socket_close(mp_socket *socket, int code) {
  if (socket->closing || socket->aborted) return;
  socket->closing = true;
  socket->close_code = code;
  if (socket->opened) {
    lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_OK, CLOSE_SECONDS);
    lws_callback_on_writable(socket->wsi);
    mp_lws_wake();
  } else {
    mp_socket_abort(socket);
  }
}

void mp_socket_abort(mp_socket *socket) {
  if (socket->aborted) return;
  socket->aborted = true;
  if (socket->tunnel != NULL) {
    mp_tunnel_cancel(socket->tunnel);
    return;
  }
  if (socket->wsi == NULL) return;
  lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
  mp_lws_wake();
}

void mp_socket_pause(mp_socket *socket, bool pause) {
  socket->paused = pause;
  if (socket->opened) lws_rx_flow_control(socket->wsi, !pause);
}

/* The kernel has taken all of the last write. */
static void written(mp_socket *socket) {
  socket->pending -= socket->in_flight;
  socket->in_flight = 0;
}

static int write_first(mp_socket *socket) {
  mp_chunk *next = socket->first;
  socket->first = next->next;
  if (socket->first == NULL) socket->last = &socket->first;
  socket->chunks--;
  socket->in_flight = next->length;
  int count = lws_write(socket->wsi, next->bytes + LWS_PRE, next->length, LWS_WRITE_BINARY);
  bool failed = count < (int)next->length;
  free(next);
  if (failed) return -1;
  if (!lws_partial_buffered(socket->wsi)) written(socket);
  return 0;
}

/* libwebsockets' own way (lws_close_reason and a return of -1) sends no frame from a WRITEABLE callback. */
static int write_close(mp_socket *socket) {
  uint8_t frame[LWS_PRE + 2] = {0};
  if (socket->close_sent) return 0;
  socket->close_sent = true;
  frame[LWS_PRE] = (uint8_t)(socket->close_code >> 8);
  frame[LWS_PRE + 1] = (uint8_t)socket->close_code;
  lws_set_timeout(socket->wsi, PENDING_TIMEOUT_CLOSE_ACK, ANSWER_SECONDS);
  return lws_write(socket->wsi, frame + LWS_PRE, 2, WRITE_CLOSE) < 2 ? -1 : 0;
}

/* Writes what waits while the kernel takes it: libwebsockets would take everything, and keep the rest without a bound. A turn
 * that made many stanzas goes out together; the other sockets have their turn after WRITES_MAX. */
static int write_chunks(mp_socket *socket) {
  for (int i = 0; i < WRITES_MAX && socket->first != NULL; i++) {
    if (i > 0 && (lws_partial_buffered(socket->wsi) || lws_send_pipe_choked(socket->wsi))) break;
    if (write_first(socket) != 0) return -1;
  }
  if (socket->first != NULL || socket->closing) lws_callback_on_writable(socket->wsi);
  return 0;
}

static int write_next(mp_socket *socket) {
  if (socket->aborted) return -1;
  if (lws_partial_buffered(socket->wsi)) return 0; /* it calls again by itself when that is out */
  written(socket);
  if (socket->first != NULL) {
    if (write_chunks(socket) != 0) return -1;
  } else if (socket->closing) {
    return write_close(socket);
  }
  if (socket->above_high && socket->pending <= MP_SEND_QUEUE_HIGH / 2) {
    socket->above_high = false;
    socket->events->drain(socket->user);
  }
  return 0;
}

static void opened(mp_socket *socket, struct lws *wsi) {
  socket->wsi = wsi;
  socket->opened = true;
  if (socket->paused) lws_rx_flow_control(wsi, 0);
  socket->events->open(socket->user);
  if (socket->first != NULL || socket->closing) lws_callback_on_writable(wsi);
}

int mp_socket_callback(struct lws *wsi, enum lws_callback_reasons reason, mp_socket *socket, void *in, size_t length) {
  switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
      opened(socket, wsi);
      return socket->aborted ? -1 : 0;
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
      mp_loop_count_received();
      if (lws_frame_is_binary(wsi) && !socket->aborted) socket->events->message(socket->user, in, length);
      return socket->aborted ? -1 : 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
      return write_next(socket);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
      socket->peer_closed = true;
      if (socket->close_sent) return -1; /* the answer to ours */
      if (length >= 2) socket->peer_code = ((const uint8_t *)in)[0] << 8 | ((const uint8_t *)in)[1];
      return 0;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
      mp_lws_reason(wsi, in, length, &socket->reason);
      if (!socket->connecting) mp_socket_finish(socket);
      return 0;
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY:
      if (!socket->connecting) mp_socket_finish(socket);
      return 0;
    default:
      return 0;
  }
}
