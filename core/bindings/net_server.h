/* What the binding of the listener and that of its requests share. */
#ifndef MOONPOST_BINDINGS_NET_SERVER_H
#define MOONPOST_BINDINGS_NET_SERVER_H
#include "net.h"

typedef struct {
  mp_server *server;
  lua_State *L;
  int handlers; /* the options table, in the registry until the last connection has ended */
} mpl_listener;

void mpl_open_net_request(lua_State *L);

void mpl_set_text(lua_State *L, const char *name, const char *value);
/* Pushes those a decision on a caller needs. */
void mpl_push_few_headers(lua_State *L, const mp_request_info *info);

/* The server's events that are a request's; `user` is the listener. */
bool mpl_on_head(void *user, mp_request *request, const mp_request_info *info);
void mpl_on_moved(void *user, mp_request *request);
void mpl_on_request(void *user, mp_request *request, const mp_request_info *info);
void mpl_on_gone(void *user, mp_request *request);

#endif
