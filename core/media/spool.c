#include "media/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct mp_spool {
  mp_buffer memory;
  uint64_t size;
  int file; /* -1: all of it is in memory */
  char *folder;
};

mp_spool *mp_spool_new(const char *folder) {
  mp_spool *spool = calloc(1, sizeof *spool);
  if (folder == NULL) folder = getenv("TMPDIR");
  if (folder == NULL || *folder == 0) folder = "/var/tmp"; /* not /tmp, which may itself be memory */
  if (spool == NULL) return NULL;
  mp_buffer_init(&spool->memory, MP_SPOOL_MEMORY);
  spool->file = -1;
  spool->folder = strdup(folder);
  if (spool->folder != NULL) return spool;
  free(spool);
  return NULL;
}

void mp_spool_free(mp_spool *spool) {
  if (spool == NULL) return;
  if (spool->file >= 0) close(spool->file);
  mp_buffer_wipe_free(&spool->memory);
  free(spool->folder);
  free(spool);
}

static int no_file(const mp_spool *spool, const char *verb, mp_error *e) {
  int code = errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? MP_EFULL : MP_ESTORE;
  return mp_fail(e, code, "a temporary file in %.200s cannot be %s: %s", spool->folder, verb, strerror(errno));
}

static int write_all(const mp_spool *spool, const uint8_t *bytes, size_t length, uint64_t at, mp_error *e) {
  while (length > 0) {
    ssize_t written = pwrite(spool->file, bytes, length, (off_t)at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return no_file(spool, "written", e);
    bytes += written;
    at += (uint64_t)written;
    length -= (size_t)written;
  }
  return MP_OK;
}

/* Some file systems have no files without a name: there it is unlinked at once. */
static int open_file(const mp_spool *spool) {
  char path[4096];
  int file = open(spool->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return file;
  if (snprintf(path, sizeof path, "%s/moonpost-XXXXXX", spool->folder) >= (int)sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  file = mkostemp(path, O_CLOEXEC);
  if (file >= 0) unlink(path);
  return file;
}

static int move_to_file(mp_spool *spool, mp_error *e) {
  spool->file = open_file(spool);
  if (spool->file < 0) return no_file(spool, "made", e);
  int rc = write_all(spool, spool->memory.data, spool->memory.length, 0, e);
  if (rc == MP_OK) {
    mp_buffer_wipe_free(&spool->memory);
    return MP_OK;
  }
  close(spool->file);
  spool->file = -1;
  return rc;
}

int mp_spool_write(mp_spool *spool, const void *bytes, size_t length, mp_error *e) {
  int rc = MP_OK;
  if (spool->file < 0 && length <= MP_SPOOL_MEMORY - spool->memory.length) {
    if (mp_buffer_append(&spool->memory, bytes, length) != MP_OK) return mp_fail(e, MP_ENOMEM, "no memory to keep a file in");
  } else {
    if (spool->file < 0) rc = move_to_file(spool, e);
    if (rc == MP_OK) rc = write_all(spool, bytes, length, spool->size, e);
  }
  if (rc == MP_OK) spool->size += length;
  return rc;
}

int mp_spool_read(mp_spool *spool, uint64_t offset, size_t length, mp_buffer *out, mp_error *e) {
  if (offset >= spool->size) return MP_OK;
  if (length > spool->size - offset) length = (size_t)(spool->size - offset);
  if (mp_buffer_reserve(out, length) != MP_OK) return mp_fail(e, MP_ENOMEM, "no memory for %zu bytes of a file", length);
  if (spool->file < 0) {
    mp_buffer_append(out, spool->memory.data + offset, length);
    return MP_OK;
  }
  while (length > 0) {
    ssize_t got = pread(spool->file, out->data + out->length, length, (off_t)offset);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = EIO;
    if (got <= 0) return no_file(spool, "read", e);
    out->length += (size_t)got;
    offset += (uint64_t)got;
    length -= (size_t)got;
  }
  return MP_OK;
}

uint64_t mp_spool_size(const mp_spool *spool) {
  return spool->size;
}
