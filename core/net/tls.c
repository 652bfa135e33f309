#include "net/tls.h"

#include <openssl/pem.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int trust_given(SSL_CTX *ctx, const char *pem) {
  BIO *bio = BIO_new_mem_buf(pem, -1);
  int count = 0;
  for (X509 *cert; bio != NULL && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL; count++) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert);
    X509_free(cert);
  }
  BIO_free(bio);
  return count;
}

/* By directory: a certificate is read when a chain asks for it. The bundle would cost 20 ms and 1.5 MB at each start. The
 * environment's file and directory take the place of the system's, both when both are set, as everywhere with OpenSSL. */
static int trust_system(SSL_CTX *ctx) {
  const char *file = getenv("SSL_CERT_FILE"), *directory = getenv("SSL_CERT_DIR");
  if (file != NULL && !SSL_CTX_load_verify_file(ctx, file)) return 0;
  if (file != NULL && directory == NULL) return 1;
  return SSL_CTX_load_verify_dir(ctx, directory != NULL ? directory : MP_TLS_DIRECTORY);
}

SSL_CTX *mp_tls_client(const char *ca, mp_error *e) {
  SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
  if (ctx == NULL) {
    mp_fail(e, MP_ENOMEM, "no memory for TLS");
    return NULL;
  }
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
  if (!(ca != NULL ? trust_given(ctx, ca) : trust_system(ctx))) {
    SSL_CTX_free(ctx);
    mp_fail(e, MP_EINVAL,
            ca != NULL ? "the given certificate is no PEM"
                       : "the system's certificates cannot be read (SSL_CERT_FILE, SSL_CERT_DIR)");
    return NULL;
  }
  return ctx;
}

typedef struct shared {
  struct shared *next;
  SSL_CTX *ctx;
  bool system;
  char ca[];
} shared;

SSL_CTX *mp_tls_shared(const char *ca, mp_error *e) {
  static shared *all;
  for (const shared *one = all; one != NULL; one = one->next) {
    if (one->system == (ca == NULL) && strcmp(one->ca, ca != NULL ? ca : "") == 0) return one->ctx;
  }
  size_t size = ca != NULL ? strlen(ca) + 1 : 1;
  SSL_CTX *ctx = mp_tls_client(ca, e);
  if (ctx == NULL) return NULL;
  shared *made = malloc(sizeof *made + size);
  if (made == NULL) {
    SSL_CTX_free(ctx);
    mp_fail(e, MP_ENOMEM, "no memory for TLS");
    return NULL;
  }
  memcpy(made->ca, ca != NULL ? ca : "", size);
  made->ctx = ctx;
  made->system = ca == NULL;
  made->next = all;
  all = made;
  return ctx;
}
