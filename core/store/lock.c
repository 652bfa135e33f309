#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int mp_store_lock(const char *folder, int *fd, mp_error *e) {
  char path[4096], pid[24] = "";
  snprintf(path, sizeof path, "%s/lock", folder);
  *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (*fd < 0) return mp_fail(e, MP_ESTORE, "cannot open %s: %s", path, strerror(errno));
  if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
    ssize_t length = pread(*fd, pid, sizeof pid - 1, 0);
    close(*fd);
    long holder = length > 0 ? strtol(pid, NULL, 10) : 0;
    return mp_fail(e, MP_EBUSY, "store %s is in use by process %ld", folder, holder);
  }
  int length = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
  if (ftruncate(*fd, 0) != 0 || pwrite(*fd, pid, (size_t)length, 0) != length) {
    int reason = errno;
    close(*fd);
    return mp_fail(e, reason == ENOSPC ? MP_EFULL : MP_ESTORE, "cannot write %s: %s", path, strerror(reason));
  }
  return MP_OK;
}
