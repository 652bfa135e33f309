#include "store/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int mp_guard_file(const char *path, mp_error *e) {
  struct stat info;
  if (lstat(path, &info) != 0)
    return errno == ENOENT ? MP_OK : mp_fail(e, MP_ESTORE, "cannot open %s: %s", path, strerror(errno));
  if (S_ISREG(info.st_mode)) return MP_OK;
  return mp_fail(e, MP_ESTORE, "%s is %s: a store has files of its own", path,
                 S_ISLNK(info.st_mode) ? "a symbolic link" : "no file");
}

void mp_guard_close(int fd, mode_t bits) {
  struct stat info;
  if (fstat(fd, &info) != 0 || info.st_uid != geteuid() || (info.st_mode & bits) == 0) return;
  if (fchmod(fd, info.st_mode & 07777 & ~bits) != 0) return; /* a file system that knows no permissions */
}

void mp_guard_close_path(const char *path, mode_t bits) {
  struct stat info;
  char own[64];
  int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC); /* stands for the file without opening it */
  if (fd < 0) return;
  snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
  bool ours = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid();
  int rc = ours && (info.st_mode & bits) != 0 ? chmod(own, info.st_mode & 07777 & ~bits) : 0;
  (void)rc; /* a file system that knows no permissions */
  close(fd);
}
