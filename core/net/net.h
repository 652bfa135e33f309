/* Sockets on one libuv loop: a WebSocket client, a loopback listener that speaks ws, wss, http and https on one port, and a
 * small HTTP client. libwebsockets does the protocols; nothing here knows a stanza. Callbacks run on the loop's thread. */
#ifndef MOONPOST_NET_NET_H
#define MOONPOST_NET_NET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/buffer.h"
#include "base/error.h"

/* Makes the loop; a second call does nothing. MP_ENET when the process has no file descriptor left. */
int mp_loop_open(mp_error *e);
uv_loop_t *mp_loop(void);
/* Lives in a host's loop in place of the own one; MP_EINVAL when something has been made in that already. The host runs its loop,
 * or mp_loop_run does; when nothing is held, nothing of ours keeps it from ending. */
int mp_loop_borrow(uv_loop_t *host, mp_error *e);
bool mp_loop_borrowed(void);
/* The host's loop goes away with its Lua state, at the end of the process: what it holds is kept, and it is run no more. */
void mp_loop_keep(void);
/* What keeps mp_loop_run going: sockets, servers, timers, readers. */
void mp_loop_hold(void);
void mp_loop_release(void);
/* Runs until mp_loop_stop or until nothing is held. */
void mp_loop_run(void);
void mp_loop_stop(void);
/* How many pieces have come from sockets so far: who waits for the end of a turn sees by it whether more comes. */
uint64_t mp_loop_received(void);
void mp_loop_count_received(void);
/* Keeps the loop from blocking once: it looks for what is there, and goes on. */
void mp_loop_look_again(void);

/* Has the process end, with a line on standard error, when after SIGINT or SIGTERM (`number`) the loop does not turn for 5 s, and
 * at once at a second SIGINT; the first goes to libuv's handler. To be called after each start of a handle for the signal, which
 * puts libuv's own in place. In a host's loop only the second SIGINT ends it. */
void mp_interrupt_watch(int number);

#define MP_ADDRESSES_MAX 8 /* addresses of one host that are looked at */
#define MP_ADDRESS_SIZE 64 /* bytes of the text of an address, with its ending 0 */

/* Called once with the numeric addresses of a host in the order to try them, or with 0 of them and a reason. */
typedef void (*mp_resolve_done)(void *user, const char (*addresses)[MP_ADDRESS_SIZE], size_t count, const mp_error *reason);
/* Looks a host name up off the loop, in libuv's thread pool: it may take seconds. */
int mp_resolve(const char *host, mp_resolve_done done, void *user, mp_error *e);

typedef void (*mp_work_fn)(void *user);
/* Calls `run` in a thread of libuv's pool, which must touch nothing but `user`, then `done` on the loop's thread. */
int mp_work(mp_work_fn run, mp_work_fn done, void *user, mp_error *e);

typedef struct mp_socket mp_socket;

typedef struct {
  void (*open)(void *user);
  void (*message)(void *user, const uint8_t *bytes, size_t length); /* binary payload, in pieces as it comes; text is ignored */
  void (*drain)(void *user);                                        /* the queue fell under MP_SEND_QUEUE_HIGH again */
  /* The last call for this socket. `code` is the peer's close code or 0; `reason` NULL after an orderly end. */
  void (*close)(void *user, int code, const mp_error *reason);
} mp_socket_events;

/* An HTTP proxy, which connections go through by CONNECT. */
typedef struct {
  const char *name, *address; /* as people call it, and its numeric address */
  uint16_t port;
  const char *credentials; /* "user:password" or NULL; never in an error */
} mp_proxy;

typedef struct {
  const char *host, *path, *origin; /* origin may be NULL */
  const char *address;              /* the numeric address to connect to; NULL: the host is one itself */
  uint16_t port;
  bool tls;
  const char *ca;        /* PEM the server is checked against; NULL: the system's authorities */
  const mp_proxy *proxy; /* NULL: none; what the environment names is never used */
} mp_connect_options;

int mp_socket_connect(const mp_connect_options *options, const mp_socket_events *events, void *user, mp_socket **out,
                      mp_error *e);
/* Queues a copy. MP_ECLOSED, or MP_ELIMIT when more than MP_SEND_QUEUE_MAX would wait. */
int mp_socket_send(mp_socket *socket, const void *bytes, size_t length, mp_error *e);
size_t mp_socket_pending(const mp_socket *socket);   /* bytes the kernel has not taken yet */
void mp_socket_close(mp_socket *socket, int code);   /* after what is queued, or after 20 s */
void mp_socket_abort(mp_socket *socket);             /* at once, without a close frame */
void mp_socket_pause(mp_socket *socket, bool pause); /* stops and starts reading */

typedef struct mp_server mp_server;
typedef struct mp_request mp_request;

typedef struct {
  const char *method, *path, *query, *host, *origin, *content_type; /* "" when absent */
  const uint8_t *body;
  size_t body_length;
  int64_t length; /* of the body; -1: it comes in chunks */
} mp_request_info;

typedef struct {
  /* A WebSocket wants in: fills *events and *user and returns true, or refuses. The socket is usable after `open`. */
  bool (*accept)(void *user, mp_socket *socket, const mp_request_info *info, const mp_socket_events **events, void **socket_user);
  /* The head of a request has come: true when its body is taken as it comes, by mp_request_read. May be NULL. */
  bool (*head)(void *user, mp_request *request, const mp_request_info *info);
  void (*moved)(void *user, mp_request *request); /* what mp_request_wait waited for; not needed without `head` */
  void (*request)(void *user, mp_request *request, const mp_request_info *info); /* it is whole: answer now or later */
  void (*gone)(void *user, mp_request *request);                                 /* the request was answered, or its peer left */
  void (*closed)(void *user); /* the last call: the server is closed and all its connections have ended */
} mp_server_events;

typedef struct {
  const char *host;              /* a loopback address, else MP_EINVAL */
  uint16_t port;                 /* 0: any */
  const char *certificate, *key; /* PEM, or NULL for no TLS */
  unsigned body_ms;              /* for a request's whole body to come; 0: 20 s */
} mp_listen_options;

int mp_server_listen(const mp_listen_options *options, const mp_server_events *events, void *user, mp_server **out, mp_error *e);
uint16_t mp_server_port(const mp_server *server);
void mp_server_close(mp_server *server); /* its sockets end too */
void mp_request_respond(mp_request *request, int status, const char *content_type, const void *body, size_t length);

/* In `head` or `request` alone: the headers libwebsockets knows, and a few others that request.c names; names in lower case. */
typedef void (*mp_request_header_fn)(void *user, const char *name, const char *value);
void mp_request_each_header(mp_request *request, mp_request_header_fn each, void *user);

#define MP_REQUEST_END 2 /* what mp_request_read returns at the end of the body */
/* Appends what is there of a streamed body. 1: some; 0: wait; MP_REQUEST_END; negative: an error. */
int mp_request_read(mp_request *request, mp_buffer *out, mp_error *e);
/* The head of an answer of `length` bytes; `headers` are lines that end in "\r\n". To a HEAD nothing follows. */
int mp_request_start(mp_request *request, int status, const char *headers, uint64_t length, mp_error *e);
/* How many bytes of the answer were taken; 0: wait. When `length` are out, the request is gone. */
size_t mp_request_write(mp_request *request, const void *bytes, size_t length);
/* Has `moved` called once: when there is something to read, room to write, or nothing has moved for so long: reading then fails.
 */
void mp_request_wait(mp_request *request, unsigned stall_ms);
/* Ends the connection when what was written is out, wherever in the answer that is; `reset`: by a reset of TCP. */
void mp_request_cut(mp_request *request, bool reset);

typedef struct {
  const char *method, *host, *path;
  uint16_t port;
  bool tls;
  const char *ca, *content_type; /* may be NULL */
  const void *body;
  size_t body_length;
  unsigned timeout_ms; /* for the whole exchange; 0: 30 s */
} mp_http_options;

/* One exchange; `done` is called once, with status 0 and a reason when it failed. A redirect is an answer like others: it is not
 * followed. `date`: the server's clock, Unix seconds, 0 when it does not say. */
typedef void (*mp_http_done)(void *user, int status, int64_t date, const uint8_t *body, size_t length, const mp_error *reason);
int mp_http_request(const mp_http_options *options, mp_http_done done, void *user, mp_error *e);

#endif
