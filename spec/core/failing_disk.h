/* A disk that fails on request: these stand before the C library's functions, for whatever LMDB and moonpost write by them. */
#ifndef SPEC_CORE_FAILING_DISK_H
#define SPEC_CORE_FAILING_DISK_H
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

typedef enum { DISK_WRITE, DISK_HEADER, DISK_SYNC, DISK_OPEN } disk_call; /* header: of LMDB, by a descriptor that syncs */

/* errno of a call, or 0: it goes through. The includer's. */
static int disk_fault(disk_call call, int fd, const char *path);

#define FAILING __attribute__((visibility("default")))

static int fails(disk_call call, int fd, const char *path) {
  int fault = disk_fault(call, fd, path);
  if (fault != 0) errno = fault;
  return fault;
}

FAILING ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) {
  int flags = fcntl(fd, F_GETFL);
  disk_call call = (flags & O_DSYNC) != 0 || at < 8192 ? DISK_HEADER : DISK_WRITE;
  return fails(call, fd, NULL) ? -1 : syscall(SYS_pwrite64, fd, bytes, length, at);
}

FAILING ssize_t writev(int fd, const struct iovec *pieces, int count) {
  return fails(DISK_WRITE, fd, NULL) ? -1 : syscall(SYS_writev, fd, pieces, count);
}

FAILING int fdatasync(int fd) {
  return fails(DISK_SYNC, fd, NULL) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

FAILING int fsync(int fd) {
  return fails(DISK_SYNC, fd, NULL) ? -1 : (int)syscall(SYS_fsync, fd);
}

FAILING int ftruncate(int fd, off_t length) {
  return fails(DISK_WRITE, fd, NULL) ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

FAILING int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  bool writes = (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0;
  return writes && fails(DISK_OPEN, -1, path) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#endif
