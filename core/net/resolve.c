#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "net/net.h"

typedef struct {
  uv_getaddrinfo_t request;
  mp_resolve_done done;
  void *user;
  char host[256];
} lookup;

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list) {
  lookup *l = request->data;
  char addresses[MP_ADDRESSES_MAX][MP_ADDRESS_SIZE];
  size_t count = 0;
  mp_error reason;
  for (struct addrinfo *at = status == 0 ? list : NULL; at != NULL && count < MP_ADDRESSES_MAX; at = at->ai_next) {
    if (getnameinfo(at->ai_addr, at->ai_addrlen, addresses[count], MP_ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) == 0) count++;
  }
  uv_freeaddrinfo(list);
  if (count == 0) {
    mp_fail(&reason, MP_ENET, "cannot find the address of %s: %s", l->host, status != 0 ? uv_strerror(status) : "it has none");
  }
  mp_loop_release();
  l->done(l->user, (const char(*)[MP_ADDRESS_SIZE])addresses, count, count == 0 ? &reason : NULL);
  free(l);
}

int mp_resolve(const char *host, mp_resolve_done done, void *user, mp_error *e) {
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
  lookup *l = calloc(1, sizeof *l);
  if (l == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a lookup");
  if (strlen(host) >= sizeof l->host) {
    free(l);
    return mp_fail(e, MP_EINVAL, "a host name of %zu bytes", strlen(host));
  }
  memcpy(l->host, host, strlen(host) + 1);
  l->done = done;
  l->user = user;
  l->request.data = l;
  int rc = uv_getaddrinfo(mp_loop(), &l->request, on_resolved, host, NULL, &hints);
  if (rc != 0) {
    free(l);
    return mp_fail(e, MP_ENET, "cannot look up %s: %s", host, uv_strerror(rc));
  }
  mp_loop_hold();
  return MP_OK;
}
