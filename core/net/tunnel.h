/* A way through an HTTP proxy: CONNECT (RFC 9110 §9.3.6), then bytes both ways. */
#ifndef MOONPOST_NET_TUNNEL_H
#define MOONPOST_NET_TUNNEL_H
#include "net/net.h"

#define MP_TUNNEL_ADDRESS 64 /* bytes of the text of a tunnel's local address, with its ending 0 */

typedef struct mp_tunnel mp_tunnel;

/* Called once: the proxy lets us through, or it is over, with the reason. */
typedef void (*mp_tunnel_done)(void *user, const mp_error *reason);

/* Asks the proxy for host:port. Nothing of its credentials is in any error. */
int mp_tunnel_open(const mp_proxy *proxy, const char *host, uint16_t port, mp_tunnel_done done, void *user, mp_tunnel **out,
                   mp_error *e);
/* The near end, for libwebsockets, which makes its own connections: a local address in its notation, for one connection. */
int mp_tunnel_listen(mp_tunnel *tunnel, char address[MP_TUNNEL_ADDRESS], mp_error *e);
/* Takes that connection; none but this process's own. From here on the tunnel ends with either of its ends. */
int mp_tunnel_accept(mp_tunnel *tunnel, mp_error *e);
/* Gives up: `done` comes with a reason in the next turn of the loop. */
void mp_tunnel_cancel(mp_tunnel *tunnel);
/* Ends one that has not been accepted; its `done` is not called any more. */
void mp_tunnel_close(mp_tunnel *tunnel);

/* Writes the request for host:port; `credentials`, "user:password", at most MP_PROXY_CREDENTIALS_MAX bytes, or NULL. */
int mp_tunnel_write_request(mp_buffer *out, const char *target, const char *credentials);

/* Reads the head of a proxy's answer: 1, with its status and length; 0: more bytes are needed; negative: it is no HTTP, or more
 * than MP_PROXY_HEAD_MAX. */
int mp_tunnel_read_answer(const uint8_t *bytes, size_t length, int *status, size_t *head);

#endif
