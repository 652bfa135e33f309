#include "crypto/certificate.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "crypto/hash.h"

static int add_extension(X509 *cert, int nid, const char *value) {
  X509V3_CTX ctx;
  X509V3_set_ctx_nodb(&ctx);
  X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
  int ok = extension != NULL && X509_add_ext(cert, extension, -1);
  X509_EXTENSION_free(extension);
  return ok;
}

static int fill(X509 *cert, EVP_PKEY *key, const char *host, int days) {
  char names[160];
  uint32_t serial;
  mp_random(&serial, sizeof serial);
  snprintf(names, sizeof names, "IP:%s,DNS:localhost", host);
  X509_NAME *name = X509_get_subject_name(cert);
  return X509_set_version(cert, 2) && ASN1_INTEGER_set(X509_get_serialNumber(cert), (long)(serial >> 1) + 1) &&
         X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
         X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL) != NULL && X509_set_pubkey(cert, key) &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"moonpost sandbox", -1, -1, 0) &&
         X509_set_issuer_name(cert, name) && add_extension(cert, NID_subject_alt_name, names) &&
         add_extension(cert, NID_basic_constraints, "critical,CA:TRUE") && X509_sign(cert, key, EVP_sha256());
}

static int take(BIO *bio, mp_buffer *out) {
  char *data;
  long length = BIO_get_mem_data(bio, &data);
  return mp_buffer_append(out, data, (size_t)length) == MP_OK;
}

int mp_certificate_make(const char *host, int days, mp_buffer *certificate, mp_buffer *key, mp_error *e) {
  EVP_PKEY *pair = EVP_EC_gen("P-256");
  X509 *cert = X509_new();
  BIO *cert_out = BIO_new(BIO_s_mem()), *key_out = BIO_new(BIO_s_mem());
  int ok = pair != NULL && cert != NULL && cert_out != NULL && key_out != NULL && fill(cert, pair, host, days) &&
           PEM_write_bio_X509(cert_out, cert) && PEM_write_bio_PrivateKey(key_out, pair, NULL, NULL, 0, NULL, NULL) &&
           take(cert_out, certificate) && take(key_out, key);
  BIO_free(cert_out);
  BIO_free(key_out);
  X509_free(cert);
  EVP_PKEY_free(pair);
  return ok ? MP_OK : mp_fail(e, MP_ECRYPTO, "cannot make a certificate for '%s'", host);
}
