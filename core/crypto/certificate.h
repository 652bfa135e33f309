/* A self-signed TLS certificate for loopback, in PEM. */
#ifndef MOONPOST_CRYPTO_CERTIFICATE_H
#define MOONPOST_CRYPTO_CERTIFICATE_H
#include "base/buffer.h"
#include "base/error.h"

/* For `host` (an IP address) and localhost, valid from an hour ago for `days` days; ECDSA on P-256. */
int mp_certificate_make(const char *host, int days, mp_buffer *certificate, mp_buffer *key, mp_error *e);

#endif
