/* The TLS settings of outgoing connections. */
#ifndef MOONPOST_NET_TLS_H
#define MOONPOST_NET_TLS_H
#include <openssl/ssl.h>

#include "base/error.h"

#define MP_TLS_DIRECTORY "/etc/ssl/certs" /* where the system keeps the authorities, by hashed names */

/* A client context that verifies: against the certificates in `ca` (PEM), or the system's hashed directory, looked up when needed
 * (SSL_CERT_DIR and SSL_CERT_FILE are respected). NULL with an error. */
SSL_CTX *mp_tls_client(const char *ca, mp_error *e);
/* The same, made once for each `ca` and kept. */
SSL_CTX *mp_tls_shared(const char *ca, mp_error *e);

#endif
