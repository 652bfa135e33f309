/* Connections kept open for the next request to the same place: making one costs 2 ms of CPU in TLS, and round trips. */
#ifndef MOONPOST_NET_IDLE_H
#define MOONPOST_NET_IDLE_H
#include "net/stream.h"

/* One that goes where `options` say, through the same proxy and with the same authorities; NULL: there is none. */
mp_stream *mp_idle_take(const mp_stream_options *options, mp_stream_moved moved, void *user);
/* Keeps an open stream, on which nothing is outstanding, for a while; or closes it. Nothing kept keeps the loop going. */
void mp_idle_give(mp_stream *stream);

#endif
