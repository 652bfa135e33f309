/* What the files of the net binding share: URLs, and callbacks kept in a handle's table. */
#ifndef MOONPOST_BINDINGS_NET_H
#define MOONPOST_BINDINGS_NET_H
#include "bindings.h"
#include "net/net.h"

/* The main state: callbacks from the loop run there, never on the coroutine that made the handle. */
lua_State *mpl_main(lua_State *L);
/* Pushes field `name` of the table at `index` when it is a function and returns true; else pushes nothing. */
bool mpl_push_handler(lua_State *L, int index, const char *name);

typedef struct {
  char host[256], path[8192]; /* a directPath may have 4096 bytes, and its query comes behind it */
  uint16_t port;
  bool tls, http;
} mpl_url;

/* ws, wss, http or https; false when it is none of them. */
bool mpl_parse_url(const char *text, mpl_url *url);

/* The value at `index` in seconds, as milliseconds; 0 when it is nil. `name` is the option's, for the error it raises. */
unsigned mpl_check_ms(lua_State *L, int index, const char *name);

/* The field `proxy` of the options at index 1: {name=, address=, port=, credentials=}, its strings left on the stack. False:
 * there is none. */
bool mpl_read_proxy(lua_State *L, mp_proxy *proxy);

/* Pushes the headers in the table at `index` (or nil) as lines; raises for what is no header, and for the `forbidden` ones (up to
 * NULL). */
const char *mpl_push_headers(lua_State *L, int index, const char *const *forbidden);

void mpl_open_net_socket(lua_State *L); /* each adds its functions to the table on top of the stack */
void mpl_open_net_http(lua_State *L);
void mpl_open_net_server(lua_State *L);
void mpl_open_net_handles(lua_State *L);
void mpl_open_net_resolve(lua_State *L);
void mpl_open_net_borrow(lua_State *L);
void mpl_open_net_spawn(lua_State *L);

/* Wraps an accepted socket: pushes its userdata and returns what the events want as `user`. */
void *mpl_socket_wrap(lua_State *L, mp_socket *socket, const mp_socket_events **events);
/* Gives a wrapped socket its table of handlers (at `index`). */
void mpl_socket_handlers(lua_State *L, void *user, int index);

#endif
