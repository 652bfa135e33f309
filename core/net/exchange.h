/* One HTTP/1.1 exchange of ours, whose bodies pass as streams: its owner sends and reads what is possible, and waits for more.
 * What is kept of it is the head of the answer, and what came in one read behind that. */
#ifndef MOONPOST_NET_EXCHANGE_H
#define MOONPOST_NET_EXCHANGE_H
#include "net/net.h"

typedef struct mp_exchange mp_exchange;

#define MP_EXCHANGE_END 2 /* what mp_exchange_read returns at the end of the body */

typedef struct {
  const char *method, *host, *path;
  const char *headers; /* lines that end in "\r\n", checked by the caller; without Host, Content-Length, Connection */
  const char *ca;      /* PEM; NULL: the system's authorities */
  const mp_proxy *proxy;
  uint16_t port;
  bool tls, has_body;
  uint64_t length;          /* of the request's body */
  unsigned stall_ms;        /* without a byte in either direction while we wait for the peer */
  void (*wake)(void *user); /* what mp_exchange_wait waited for may be possible */
  void *user;
} mp_exchange_options;

typedef struct {
  int status;
  int64_t length;    /* of the body as announced; -1: not announced */
  mp_buffer headers; /* name and value in turn, each with its ending 0; the names in lower case */
} mp_answer;

int mp_exchange_open(const mp_exchange_options *options, mp_exchange **out, mp_error *e);
/* How many bytes of the request's body were taken; 0: wait. Never an error: what goes wrong is told by the two below. */
size_t mp_exchange_send(mp_exchange *exchange, const void *bytes, size_t length);
/* Whether the request's body is to be sent on: when the head is out, and until it is answered, which may be early. */
bool mp_exchange_sends(const mp_exchange *exchange);
/* 1: the head of the answer, which lives as long as the exchange; 0: wait; negative: an error. */
int mp_exchange_head(mp_exchange *exchange, const mp_answer **answer, mp_error *e);
/* Appends what is there of the answer's body, MP_EXCHANGE_PIECE at most. 1: some; 0: wait; MP_EXCHANGE_END; negative: an error.
 */
int mp_exchange_read(mp_exchange *exchange, mp_buffer *out, mp_error *e);
/* Has `wake` called once; false: there is no need to wait. */
bool mp_exchange_wait(mp_exchange *exchange);
/* At any time; ends the transfer. */
void mp_exchange_close(mp_exchange *exchange);

#endif
