/* A listening TCP socket on the loop. libwebsockets' own is not closed with its virtual host, so it gets accepted ones from here.
 */
#ifndef MOONPOST_NET_LISTEN_H
#define MOONPOST_NET_LISTEN_H
#include <netinet/in.h>
#include <stdint.h>

#include "base/error.h"

typedef struct mp_listener mp_listener;

/* Called for each connection with its descriptor, which is then the callee's: not blocking, closed on exec, without delay. */
typedef void (*mp_accepted)(void *user, int fd);

/* Port 0: any. MP_ENET when it cannot be had. */
int mp_listener_open(struct in_addr address, uint16_t port, mp_accepted accepted, void *user, mp_listener **out, mp_error *e);
uint16_t mp_listener_port(const mp_listener *listener);
void mp_listener_close(mp_listener *listener); /* the port is free at once */

#endif
