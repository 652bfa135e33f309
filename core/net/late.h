/* The options of a connection that is made later, when a proxy lets us through: a copy of them. */
#ifndef MOONPOST_NET_LATE_H
#define MOONPOST_NET_LATE_H
#include "net/net.h"

typedef struct {
  mp_connect_options options; /* without the proxy and the address */
  char *host, *path, *origin, *ca;
} mp_late;

mp_late *mp_late_copy(const mp_connect_options *options); /* NULL: no memory */
void mp_late_free(mp_late *late);

#endif
