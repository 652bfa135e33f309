#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "store/guard.h"
#include "store/store.h"

#define PID_TRIES 50 /* a millisecond apart: the holder may not have written its id yet */

static long read_holder(int fd) {
  const struct timespec pause = {0, 1000000};
  for (int i = 0; i < PID_TRIES; i++) {
    char pid[24] = "";
    if (pread(fd, pid, sizeof pid - 1, 0) > 0) return strtol(pid, NULL, 10);
    nanosleep(&pause, NULL);
  }
  return 0;
}

/* Of one width, and over what was there: works on a full disk too. */
static int write_holder(int fd, long holder) {
  char pid[24];
  int length = snprintf(pid, sizeof pid, "%-20ld\n", holder);
  ssize_t written = pwrite(fd, pid, (size_t)length, 0);
  return written == length ? 0 : written < 0 ? errno : ENOSPC;
}

int mp_store_lock(const char *folder, int *fd, mp_error *e) {
  char path[MP_STORE_PATH_MAX];
  snprintf(path, sizeof path, "%s/lock", folder);
  *fd = -1;
  int guarded = mp_guard_file(path, e);
  if (guarded != MP_OK) return guarded;
  *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (*fd < 0)
    return mp_fail(e, errno == ENOSPC ? MP_EFULL : MP_ESTORE, "cannot open the store's lock file %s: %s", path, strerror(errno));
  int rc = MP_OK, reason;
  if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
    rc = errno == EWOULDBLOCK ? mp_fail(e, MP_EBUSY, "store is in use by process %ld (%s)", read_holder(*fd), folder)
                              : mp_fail(e, MP_ESTORE, "cannot lock %s: %s", path, strerror(errno));
  } else if ((reason = write_holder(*fd, (long)getpid())) != 0) {
    rc = mp_fail(e, reason == ENOSPC ? MP_EFULL : MP_ESTORE, "cannot write %s: %s", path, strerror(reason));
  }
  if (rc == MP_OK) {
    mp_guard_close(*fd, MP_GUARD_OTHERS);
  } else {
    close(*fd);
    *fd = -1;
  }
  return rc;
}

void mp_store_unlock(int fd) {
  int rc = write_holder(fd, 0);
  (void)rc; /* one that passes for killed is looked at more closely, no more */
  close(fd);
}
