#include "store/header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The fixed places of LMDB 0.9's two meta pages (64-bit): page header 16 bytes, then the meta record. */
enum {
  PAGE_FLAGS = 10,
  META_MAGIC = 16,
  META_VERSION = 20,
  META_PAGE_SIZE = 40,
  META_LAST_PAGE = 136,
  META_TXN = 144,
  META_END = 152
};

#define LMDB_MAGIC 0xBEEFC0DEu
#define LMDB_VERSION 1u
#define PAGE_IS_META 0x08

static uint64_t read_at(const uint8_t *bytes, size_t at, size_t size) {
  uint64_t value = 0;
  for (size_t i = size; i > 0; i--) value = value << 8 | bytes[at + i - 1];
  return value;
}

static int check_meta(const uint8_t *page, const char *path, uint64_t *page_size, mp_error *e) {
  if (read_at(page, META_MAGIC, 4) != LMDB_MAGIC || !(read_at(page, PAGE_FLAGS, 2) & PAGE_IS_META)) {
    return mp_fail(e, MP_EMALFORMED, "%s is damaged: its header is not that of a store", path);
  }
  if (read_at(page, META_VERSION, 4) != LMDB_VERSION) return mp_fail(e, MP_EVERSION, "%s has another LMDB format", path);
  *page_size = read_at(page, META_PAGE_SIZE, 4);
  if (*page_size < 512 || *page_size > 65536 || (*page_size & (*page_size - 1)) != 0) {
    return mp_fail(e, MP_EMALFORMED, "%s is damaged: its page size is %llu", path, (unsigned long long)*page_size);
  }
  return MP_OK;
}

static int check_descriptor(int fd, const char *path, mp_error *e) {
  struct stat info;
  uint8_t first[META_END], second[META_END];
  uint64_t page_size, other_size;
  if (fstat(fd, &info) != 0) return mp_fail(e, MP_ESTORE, "cannot read %s: %s", path, strerror(errno));
  if (info.st_size == 0) return MP_OK;
  if (pread(fd, first, sizeof first, 0) != (ssize_t)sizeof first) return mp_fail(e, MP_ETRUNCATED, "%s is truncated", path);
  int rc = check_meta(first, path, &page_size, e);
  if (rc != MP_OK) return rc;
  if (pread(fd, second, sizeof second, (off_t)page_size) != (ssize_t)sizeof second)
    return mp_fail(e, MP_ETRUNCATED, "%s is truncated", path);
  if ((rc = check_meta(second, path, &other_size, e)) != MP_OK) return rc;
  if (page_size != other_size || page_size != (uint64_t)sysconf(_SC_PAGESIZE)) {
    return mp_fail(e, MP_EMALFORMED, "%s is damaged, or from a machine with another page size", path);
  }
  const uint8_t *latest = read_at(first, META_TXN, 8) > read_at(second, META_TXN, 8) ? first : second;
  uint64_t pages = read_at(latest, META_LAST_PAGE, 8) + 1;
  if ((uint64_t)info.st_size / page_size < pages) {
    return mp_fail(e, MP_ETRUNCATED, "%s is truncated: %lld bytes of %llu", path, (long long)info.st_size,
                   (unsigned long long)(pages * page_size));
  }
  return MP_OK;
}

int mp_store_check_file(const char *path, mp_error *e) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? MP_OK : mp_fail(e, MP_ESTORE, "cannot open %s: %s", path, strerror(errno));
  int rc = check_descriptor(fd, path, e);
  close(fd);
  return rc;
}
