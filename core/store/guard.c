#include "store/guard.h"

#include <errno.h>
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
