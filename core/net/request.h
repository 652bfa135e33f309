/* A request at the server, as the files that read its body and write its answer share it. */
#ifndef MOONPOST_NET_REQUEST_H
#define MOONPOST_NET_REQUEST_H
#include "net/chunked.h"
#include "net/server.h"

struct mp_request {
  mp_tagged tagged;
  struct lws *wsi;
  mp_request_head head;
  mp_buffer body; /* what has come of it and was not taken */
  mp_chunked chunked;
  int64_t length; /* of the body; -1: in chunks */
  bool streams;   /* its owner takes the body as it comes */
  bool is_chunked, dispatched, body_complete, paused;
  bool killed;     /* its connection is being ended */
  bool expects;    /* the peer waits to be told to send it */
  int refusal;     /* what a body that cannot be taken is answered with, 0 when it can */
  mp_error reason; /* why a streamed body ended early */
  bool answered, head_written, lingers, waits;
  bool keeps_alive;              /* the connection serves another request after this one */
  bool cuts, resets;             /* when what there is of the answer is out */
  mp_buffer answer_head, answer; /* LWS_PRE bytes of room first */
  size_t written;                /* bytes of `answer` that are out, its room among them */
  uint64_t unwritten;            /* bytes of the answer that its owner has not given yet */
  uint64_t unread;               /* bytes of the body forgotten since the answer is out */
};

/* False: the header does not fit, or is there without a value. "" for one that is absent. */
bool mp_request_copy_header(struct lws *wsi, enum lws_token_indexes token, char *out, int size);
/* The owner hears of the request. */
void mp_request_dispatch(mp_request *request);
/* Wakes an owner who waits. */
void mp_request_wake(mp_request *request);

/* How a body follows: not at all, by its length, or in chunks; then whether the owner streams it. */
void mp_request_begin_body(mp_request *request, bool fits);
int mp_request_feed(mp_request *request, const void *bytes, size_t length);
int mp_request_complete(mp_request *request);

/* Ends the connection; and: at the latest in a while. */
void mp_request_end_now(mp_request *request);
void mp_request_linger(mp_request *request);
/* All is said: the connection waits for another request. */
int mp_request_over(mp_request *request);
/* Writes what there is to write of the answer: what a WRITEABLE callback returns. */
int mp_request_write_on(mp_request *request);

#endif
