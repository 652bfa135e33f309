#include "noise/certificate.h"

#include <stdbool.h>
#include <string.h>

#include "base/protobuf.h"

/* Fields of CertChain, NoiseCertificate and its Details. */
enum { LEAF = 1, INTERMEDIATE = 2, DETAILS = 1, SIGNATURE = 2 };
enum { SERIAL = 1, ISSUER_SERIAL = 2, KEY = 3, NOT_BEFORE = 4, NOT_AFTER = 5 };

typedef struct {
  mp_proto_span details, signature, key;
  uint64_t serial, issuer_serial, not_before, not_after;
} certificate;

static bool read_details(mp_proto_span span, certificate *cert) {
  uint32_t number;
  int type;
  while (span.at < span.end) {
    if (!mp_proto_read_tag(&span, &number, &type)) return false;
    uint64_t *slot = number == SERIAL          ? &cert->serial
                     : number == ISSUER_SERIAL ? &cert->issuer_serial
                     : number == NOT_BEFORE    ? &cert->not_before
                     : number == NOT_AFTER     ? &cert->not_after
                                               : NULL;
    bool ok = slot != NULL && type == MP_PROTO_VARINT   ? mp_proto_read_varint(&span, slot)
              : number == KEY && type == MP_PROTO_BYTES ? mp_proto_read_bytes(&span, &cert->key)
                                                        : mp_proto_skip(&span, type);
    if (!ok) return false;
  }
  return true;
}

static int read_certificate(mp_proto_span span, certificate *cert, const char *which, mp_error *e) {
  uint32_t number;
  int type;
  while (span.at < span.end) {
    if (!mp_proto_read_tag(&span, &number, &type)) return mp_fail(e, MP_EMALFORMED, "%s certificate is malformed", which);
    bool bytes = type == MP_PROTO_BYTES;
    bool ok = bytes && number == DETAILS     ? mp_proto_read_bytes(&span, &cert->details)
              : bytes && number == SIGNATURE ? mp_proto_read_bytes(&span, &cert->signature)
                                             : mp_proto_skip(&span, type);
    if (!ok) return mp_fail(e, MP_EMALFORMED, "%s certificate is malformed", which);
  }
  if (cert->details.at == NULL || !read_details(cert->details, cert))
    return mp_fail(e, MP_EMALFORMED, "%s certificate has no readable details", which);
  if (cert->signature.end - cert->signature.at != MP_SIGNATURE_SIZE)
    return mp_fail(e, MP_EMALFORMED, "%s certificate has no signature of 64 bytes", which);
  if (cert->key.end - cert->key.at != MP_KEY_SIZE)
    return mp_fail(e, MP_EMALFORMED, "%s certificate has no key of 32 bytes", which);
  return MP_OK;
}

static int check_certificate(const certificate *cert, const uint8_t signer[32], int64_t now, const char *which, mp_error *e) {
  if (!mp_verify(signer, cert->details.at, (size_t)(cert->details.end - cert->details.at), cert->signature.at)) {
    return mp_fail(e, MP_ECRYPTO, "%s certificate is not signed by its issuer", which);
  }
  if (now < 0 || (uint64_t)now < cert->not_before || (uint64_t)now > cert->not_after) {
    return mp_fail(e, MP_ECRYPTO, "%s certificate is not valid at this time (check the clock)", which);
  }
  return MP_OK;
}

int mp_noise_read_chain(const uint8_t *chain, size_t length, const uint8_t root[32], int64_t now, uint8_t key[32], mp_error *e) {
  mp_proto_span span = {chain, chain + length}, leaf_span = {0}, intermediate_span = {0};
  certificate leaf = {0}, intermediate = {0};
  uint32_t number;
  int type, rc;
  while (span.at < span.end) {
    if (!mp_proto_read_tag(&span, &number, &type)) return mp_fail(e, MP_EMALFORMED, "the certificate chain is malformed");
    bool bytes = type == MP_PROTO_BYTES;
    bool ok = bytes && number == LEAF           ? mp_proto_read_bytes(&span, &leaf_span)
              : bytes && number == INTERMEDIATE ? mp_proto_read_bytes(&span, &intermediate_span)
                                                : mp_proto_skip(&span, type);
    if (!ok) return mp_fail(e, MP_EMALFORMED, "the certificate chain is malformed");
  }
  if ((rc = read_certificate(intermediate_span, &intermediate, "the intermediate", e)) != MP_OK) return rc;
  if ((rc = read_certificate(leaf_span, &leaf, "the leaf", e)) != MP_OK) return rc;
  if (intermediate.issuer_serial != 0) return mp_fail(e, MP_ECRYPTO, "the intermediate certificate is not issued by the root");
  if ((rc = check_certificate(&intermediate, root, now, "the intermediate", e)) != MP_OK) return rc;
  if (leaf.issuer_serial != intermediate.serial)
    return mp_fail(e, MP_ECRYPTO, "the leaf certificate is not issued by the intermediate");
  if ((rc = check_certificate(&leaf, intermediate.key.at, now, "the leaf", e)) != MP_OK) return rc;
  memcpy(key, leaf.key.at, MP_KEY_SIZE);
  return MP_OK;
}

int mp_noise_check_chain(const uint8_t *chain, size_t length, const uint8_t root[32], const uint8_t server_static[32],
                         int64_t now, mp_error *e) {
  uint8_t key[MP_KEY_SIZE];
  int rc = mp_noise_read_chain(chain, length, root, now, key, e);
  if (rc != MP_OK) return rc;
  if (memcmp(key, server_static, MP_KEY_SIZE) != 0) return mp_fail(e, MP_ECRYPTO, "the leaf certificate is for another key");
  return MP_OK;
}

/* Appends one certificate as field `number` of the chain. */
static int write_certificate(mp_buffer *out, uint32_t number, uint64_t serial, uint64_t issuer, const uint8_t key[32],
                             uint64_t not_before, uint64_t not_after, const mp_keypair *signer) {
  mp_buffer details;
  uint8_t signature[64];
  size_t mark;
  mp_buffer_init(&details, 0);
  int bad = mp_proto_write_tag(&details, SERIAL, MP_PROTO_VARINT) || mp_proto_write_varint(&details, serial) ||
            mp_proto_write_tag(&details, ISSUER_SERIAL, MP_PROTO_VARINT) || mp_proto_write_varint(&details, issuer) ||
            mp_proto_write_tag(&details, KEY, MP_PROTO_BYTES) || mp_proto_write_bytes(&details, key, 32) ||
            mp_proto_write_tag(&details, NOT_BEFORE, MP_PROTO_VARINT) || mp_proto_write_varint(&details, not_before) ||
            mp_proto_write_tag(&details, NOT_AFTER, MP_PROTO_VARINT) || mp_proto_write_varint(&details, not_after) ||
            mp_sign(signature, signer, details.data, details.length) || mp_proto_write_tag(out, number, MP_PROTO_BYTES) ||
            mp_proto_begin(out, &mark) || mp_proto_write_tag(out, DETAILS, MP_PROTO_BYTES) ||
            mp_proto_write_bytes(out, details.data, details.length) || mp_proto_write_tag(out, SIGNATURE, MP_PROTO_BYTES) ||
            mp_proto_write_bytes(out, signature, sizeof signature) || mp_proto_end(out, mark);
  mp_buffer_free(&details);
  return bad ? MP_ENOMEM : MP_OK;
}

int mp_noise_make_chain(const mp_keypair *root, const mp_keypair *intermediate, const uint8_t server_static[32],
                        uint64_t not_before, uint64_t not_after, mp_buffer *out, mp_error *e) {
  if (write_certificate(out, LEAF, 2, 1, server_static, not_before, not_after, intermediate) != MP_OK ||
      write_certificate(out, INTERMEDIATE, 1, 0, intermediate->public_key, not_before, not_after, root) != MP_OK) {
    return mp_fail(e, MP_ENOMEM, "no memory for the certificate chain");
  }
  return MP_OK;
}
