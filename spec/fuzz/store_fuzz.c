/* The store's readers: the look at a file before LMDB maps it, the rows of the core, sealed values and the header of a seal. The
 * first byte chooses. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "crypto/signal_provider.h"
#include "fuzz.h"
#include "signal/check.h"
#include "store/check.h"
#include "store/header.h"

#define HEX "00112233445566778899aabbccddeeffffeeddccbbaa99887766554433221100"

/* What is taken must be a file LMDB can map: both headers there, and known by their magic numbers. */
static void check_header(const uint8_t *bytes, size_t length) {
  static char path[64];
  mp_error e = {0};
  bool exists;
  snprintf(path, sizeof path, "/dev/shm/moonpost-fuzz-%ld", (long)getpid());
  int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
  HOLDS(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
  close(fd);
  int rc = mp_store_check_file(path, &exists, &e);
  unlink(path);
  HOLDS(exists == (length > 0));
  if (rc != MP_OK) {
    HOLDS(e.code == rc && strstr(e.message, path) != NULL);
    return;
  }
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  HOLDS(length == 0 || (length >= 2 * page && memcmp(bytes + 16, bytes + page + 16, 4) == 0));
}

static void check_row(const uint8_t *bytes, size_t length) {
  static signal_context *context;
  if (context == NULL) context = mp_signal_context_new();
  if (length < 2) return;
  size_t key = bytes[1] % length < length - 2 ? bytes[1] % length : 0;
  const char *fault =
      mp_row_fault(context, (mp_table)bytes[0], (mp_bytes){bytes + 2, key}, (mp_bytes){bytes + 2 + key, length - 2 - key});
  HOLDS(fault == NULL || strlen(fault) > 0);
}

static mp_store_key make_key(void) {
  mp_store_key key;
  HOLDS(mp_store_key_set(&key, HEX, sizeof HEX - 1, NULL) == MP_OK);
  return key;
}

/* Nothing that was not sealed by us is opened; what was, is, in its place alone. */
static void check_seal(const uint8_t *bytes, size_t length) {
  static mp_seal seal;
  static uint8_t header[MP_SEAL_HEADER];
  mp_store_key key = make_key();
  mp_buffer sealed = {0}, open = {0};
  if (!seal.on) HOLDS(mp_seal_make(&seal, &key, header, NULL) == MP_OK);
  HOLDS(mp_seal_unseal(&seal, "Gx", 2, bytes, length, &open) == MP_ECRYPTO);
  HOLDS(mp_seal_value(&seal, "Gx", 2, bytes, length, &sealed) == MP_OK && sealed.length == length + MP_SEAL_OVERHEAD);
  HOLDS(mp_seal_unseal(&seal, "Gx", 2, sealed.data, sealed.length, &open) == MP_OK && open.length == length);
  HOLDS(length == 0 || memcmp(open.data, bytes, length) == 0);
  HOLDS(mp_seal_unseal(&seal, "Gy", 2, sealed.data, sealed.length, &open) == MP_ECRYPTO);
  mp_buffer_free(&sealed);
  mp_buffer_free(&open);
}

/* A header that is not the store's own is refused, and costs no more than its limits allow: the key is no passphrase here. */
static void check_seal_header(const uint8_t *bytes, size_t length) {
  mp_store_key key = make_key();
  mp_seal seal;
  mp_error e = {0};
  int rc = mp_seal_open(&seal, &key, bytes, length, &e);
  HOLDS(rc == MP_EMALFORMED || rc == MP_EKEY || rc == MP_EVERSION);
  HOLDS(e.code == rc && !seal.on);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  static void (*const checks[])(const uint8_t *, size_t) = {check_header, check_row, check_seal, check_seal_header};
  if (length == 0) return 0;
  checks[bytes[0] % 4](bytes + 1, length - 1);
  return 0;
}
