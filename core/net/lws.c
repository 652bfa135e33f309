#include "net/lws.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/library_log.h"
#include "net/tls.h"

#define TIMEOUT 20       /* seconds for connecting and for a handshake (01 §1.1) */
#define READ_SIZE 32768  /* bytes of one read, in a buffer that all share */
#define WRITE_SIZE 65536 /* bytes of one write; else libwebsockets copies what is beyond 4 KiB, to write it later */
#define FD_LIMIT 8192    /* sockets of one process; else libwebsockets takes memory for RLIMIT_NOFILE, which may be a million */

typedef struct client_vhost {
  struct client_vhost *next;
  struct lws_vhost *vhost;
  char *ca; /* NULL: system */
  bool tls;
} client_vhost;

static struct lws_context *context;
static client_vhost *client_vhosts;
static struct lws_vhost *server_vhost;
static SSL_CTX *made_ctx; /* of the TLS server made last */

/* What libwebsockets calls the end of a connection before its answer: an address nobody serves, most often. */
static bool is_hang_up(const void *in, size_t length) {
  static const char words[] = "read failed";
  return length == sizeof words - 1 && memcmp(in, words, length) == 0;
}

void mp_lws_reason(struct lws *wsi, const void *in, size_t length, mp_error *reason) {
  SSL *ssl = lws_get_ssl(wsi);
  long verdict = ssl != NULL ? SSL_get_verify_result(ssl) : X509_V_OK;
  int code = 0;
  socklen_t size = sizeof code;
  lws_sockfd_type fd = lws_get_socket_fd(wsi);
  if (verdict != X509_V_OK) {
    mp_fail(reason, MP_ENET, "the server's certificate is refused: %s", X509_verify_cert_error_string(verdict));
  } else if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) == 0 && code != 0) {
    mp_fail(reason, MP_ENET, "%s", strerror(code));
  } else if (in != NULL && is_hang_up(in, length)) {
    mp_fail(reason, MP_ENET, "the server hung up before it answered: is the address right?");
  } else if (in != NULL && length > 0) {
    mp_fail(reason, MP_ENET, "%.*s", (int)length, (const char *)in);
  } else {
    mp_fail(reason, MP_ENET, "the connection failed");
  }
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t length) {
  if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS) made_ctx = user;
  if (reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS ||
      reason == LWS_CALLBACK_OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS || wsi == NULL) {
    return 0;
  }
  mp_tagged *tagged = lws_get_opaque_user_data(wsi);
  if (tagged == NULL) return 0;
  switch (tagged->kind) {
    case MP_KIND_SOCKET:
      return mp_socket_callback(wsi, reason, (mp_socket *)tagged, in, length);
    default:
      return mp_server_callback(wsi, reason, tagged, in, length);
  }
}

const struct lws_protocols mp_protocols[] = {
    {.name = MP_PROTOCOL_NAME, .callback = callback, .rx_buffer_size = 4096, .tx_packet_size = WRITE_SIZE},
    {.name = NULL},
};

static void note(uv_handle_t *handle, void *seen) {
  mp_buffer_append(seen, &handle, sizeof handle);
}

static void release_new(uv_handle_t *handle, void *seen) {
  const mp_buffer *before = seen;
  for (size_t at = 0; at < before->length; at += sizeof handle) {
    if (memcmp(before->data + at, &handle, sizeof handle) == 0) return;
  }
  uv_unref(handle);
}

/* The handles libwebsockets makes for itself must not keep a host's loop going; its sockets are held one by one. */
static struct lws_context *create_context(const struct lws_context_creation_info *info) {
  mp_buffer seen;
  mp_buffer_init(&seen, 0);
  if (mp_loop_borrowed()) uv_walk(mp_loop(), note, &seen);
  struct lws_context *made = lws_create_context(info);
  if (mp_loop_borrowed()) uv_walk(mp_loop(), release_new, &seen);
  mp_buffer_free(&seen);
  return made;
}

struct lws_context *mp_lws_context(mp_error *e) {
  static const lws_retry_bo_t no_pings = {0};
  void *loops[1] = {mp_loop()};
  struct lws_context_creation_info info;
  if (context != NULL) return context;
  memset(&info, 0, sizeof info);
  info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_LIBUV;
  info.foreign_loops = loops;
  info.fd_limit_per_thread = FD_LIMIT;
  info.pt_serv_buf_size = READ_SIZE;
  info.timeout_secs = TIMEOUT;
  info.connect_timeout_secs = TIMEOUT;
  info.retry_and_idle_policy = &no_pings;
  info.pcontext = &context;
  mp_library_log_again();
  context = create_context(&info);
  if (context == NULL) mp_fail(e, MP_ENET, "libwebsockets does not start (is libwebsockets-evlib-uv installed?)");
  return context;
}

static void common(struct lws_context_creation_info *info, const char *name) {
  memset(info, 0, sizeof *info);
  info->port = CONTEXT_PORT_NO_LISTEN;
  info->protocols = mp_protocols;
  info->vhost_name = name;
  info->http_proxy_address = ""; /* else http_proxy of the environment is taken, for loopback too */
  info->timeout_secs = TIMEOUT;
  info->connect_timeout_secs = TIMEOUT;
}

struct lws_vhost *mp_lws_client_vhost(bool tls, const char *ca, mp_error *e) {
  struct lws_context_creation_info info;
  if (mp_lws_context(e) == NULL) return NULL;
  for (client_vhost *v = client_vhosts; v != NULL; v = v->next) {
    if (v->tls == tls && (!tls || (ca == NULL ? v->ca == NULL : v->ca != NULL && strcmp(ca, v->ca) == 0))) return v->vhost;
  }
  common(&info, tls ? "client-tls" : "client");
  if (tls) {
    info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.provided_client_ssl_ctx = mp_tls_client(ca, e);
    if (info.provided_client_ssl_ctx == NULL) return NULL;
  }
  client_vhost *made = calloc(1, sizeof *made);
  if (made != NULL) made->vhost = lws_create_vhost(context, &info);
  if (made == NULL || made->vhost == NULL) {
    free(made);
    if (tls) SSL_CTX_free(info.provided_client_ssl_ctx);
    mp_fail(e, MP_ENET, "libwebsockets cannot make a client");
    return NULL;
  }
  made->tls = tls;
  made->ca = ca != NULL ? strdup(ca) : NULL;
  made->next = client_vhosts;
  client_vhosts = made;
  return made->vhost;
}

struct lws_vhost *mp_lws_server_vhost(mp_error *e) {
  struct lws_context_creation_info info;
  if (server_vhost != NULL || mp_lws_context(e) == NULL) return server_vhost;
  common(&info, "server");
  info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
  info.alpn = "http/1.1";
  info.keepalive_timeout = 30;
  server_vhost = lws_create_vhost(context, &info);
  if (server_vhost == NULL) mp_fail(e, MP_ENET, "libwebsockets cannot make a server");
  return server_vhost;
}

struct lws_vhost *mp_lws_tls_vhost(const char *certificate, const char *key, mp_error *e) {
  struct lws_context_creation_info info;
  if (mp_lws_server_vhost(e) == NULL) return NULL;
  common(&info, "server-tls");
  info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
  info.alpn = "http/1.1";
  info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_ALLOW_NON_SSL_ON_SSL_PORT |
                 LWS_SERVER_OPTION_ALLOW_HTTP_ON_HTTPS_LISTENER;
  info.server_ssl_cert_mem = certificate;
  info.server_ssl_cert_mem_len = (unsigned)strlen(certificate);
  info.server_ssl_private_key_mem = key;
  info.server_ssl_private_key_mem_len = (unsigned)strlen(key);
  made_ctx = NULL;
  struct lws_vhost *made = lws_create_vhost(context, &info);
  if (made == NULL) mp_fail(e, MP_EINVAL, "the certificate or its key is unusable");
  /* The name a client asks for would choose among all servers of this process: each has one certificate. */
  if (made_ctx != NULL) SSL_CTX_set_tlsext_servername_callback(made_ctx, NULL);
  return made;
}

void mp_lws_wake(void) {
  if (context != NULL) lws_cancel_service(context);
}
