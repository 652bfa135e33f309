#include "store/header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The fixed places of LMDB 0.9's two meta pages (64-bit): page header 16 bytes, then the meta record, which holds the records of
 * two trees, of free pages and of rows. */
enum {
  PAGE_NUMBER = 0,
  PAGE_FLAGS = 10,
  PAGE_HEADER = 16,
  META_MAGIC = 16,
  META_VERSION = 20,
  META_PAGE_SIZE = 40,
  META_FREE = 40,
  META_ROWS = 88,
  META_LAST_PAGE = 136,
  META_TXN = 144,
  META_END = 152,
  TREE_FLAGS = 4, /* in a tree's record */
  TREE_DEPTH = 6,
  TREE_ROOT = 40
};

enum { PAGE_IS_BRANCH = 0x01, PAGE_IS_LEAF = 0x02, PAGE_IS_META = 0x08 };
enum { FLAG_FIXED_MAP = 0x01, FLAG_INTEGER_KEY = 0x08 };

#define LMDB_MAGIC 0xBEEFC0DEu
#define LMDB_VERSION 1u
#define DEPTH_MAX 32 /* LMDB's cursor stack */
#define NO_PAGE UINT64_MAX

typedef struct {
  int fd;
  const char *path;
  uint64_t page_size, pages; /* bytes of a page; pages in use */
} file;

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
  if (*page_size != (uint64_t)sysconf(_SC_PAGESIZE)) {
    return mp_fail(e, MP_EMALFORMED, "%s is damaged, or from a machine with another page size: %llu", path,
                   (unsigned long long)*page_size);
  }
  return MP_OK;
}

/* The root page of a tree must be in the file and know itself. */
static int check_tree(const file *f, const uint8_t *meta, size_t tree, mp_error *e) {
  uint8_t header[PAGE_HEADER];
  uint64_t root = read_at(meta, tree + TREE_ROOT, 8);
  if (root == NO_PAGE) return MP_OK;
  if (root < 2 || root >= f->pages || read_at(meta, tree + TREE_DEPTH, 2) > DEPTH_MAX ||
      pread(f->fd, header, sizeof header, (off_t)(root * f->page_size)) != (ssize_t)sizeof header ||
      read_at(header, PAGE_NUMBER, 8) != root || !(read_at(header, PAGE_FLAGS, 2) & (PAGE_IS_BRANCH | PAGE_IS_LEAF))) {
    return mp_fail(e, MP_EMALFORMED, "%s is damaged: its header leads nowhere", f->path);
  }
  return MP_OK;
}

static int check_trees(const file *f, const uint8_t *meta, mp_error *e) {
  uint64_t free_flags = read_at(meta, META_FREE + TREE_FLAGS, 2);
  if (read_at(meta, META_ROWS + TREE_FLAGS, 2) != 0 || !(free_flags & FLAG_INTEGER_KEY) || (free_flags & FLAG_FIXED_MAP)) {
    return mp_fail(e, MP_EMALFORMED, "%s is damaged: its header has flags no store has", f->path);
  }
  int rc = check_tree(f, meta, META_FREE, e);
  return rc == MP_OK ? check_tree(f, meta, META_ROWS, e) : rc;
}

static int check_descriptor(file *f, uint64_t size, mp_error *e) {
  uint8_t first[META_END], second[META_END];
  if (pread(f->fd, first, sizeof first, 0) != (ssize_t)sizeof first) return mp_fail(e, MP_ETRUNCATED, "%s is truncated", f->path);
  int rc = check_meta(first, f->path, &f->page_size, e);
  if (rc != MP_OK) return rc;
  if (pread(f->fd, second, sizeof second, (off_t)f->page_size) != (ssize_t)sizeof second)
    return mp_fail(e, MP_ETRUNCATED, "%s is truncated", f->path);
  if ((rc = check_meta(second, f->path, &f->page_size, e)) != MP_OK) return rc;
  const uint8_t *latest = read_at(first, META_TXN, 8) >= read_at(second, META_TXN, 8) ? first : second;
  f->pages = read_at(latest, META_LAST_PAGE, 8) + 1;
  if (f->pages < 2) return mp_fail(e, MP_EMALFORMED, "%s is damaged: its header counts no pages", f->path);
  if (size / f->page_size < f->pages) {
    return mp_fail(e, MP_ETRUNCATED,
                   "%s is truncated, or its header is damaged: it has %llu bytes, and its header counts "
                   "%llu pages of %llu",
                   f->path, (unsigned long long)size, (unsigned long long)f->pages, (unsigned long long)f->page_size);
  }
  return check_trees(f, latest, e);
}

int mp_store_check_file(const char *path, bool *exists, mp_error *e) {
  struct stat info;
  file f = {.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), .path = path};
  *exists = false;
  if (f.fd < 0) return errno == ENOENT ? MP_OK : mp_fail(e, MP_ESTORE, "cannot open %s: %s", path, strerror(errno));
  int rc = fstat(f.fd, &info) == 0 ? MP_OK : mp_fail(e, MP_ESTORE, "cannot read %s: %s", path, strerror(errno));
  if (rc == MP_OK && !S_ISREG(info.st_mode)) rc = mp_fail(e, MP_EMALFORMED, "%s is no file", path);
  if (rc == MP_OK && info.st_size > 0) {
    *exists = true;
    rc = check_descriptor(&f, (uint64_t)info.st_size, e);
  }
  close(f.fd);
  return rc;
}
