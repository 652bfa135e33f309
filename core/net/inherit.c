#include "net/inherit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int mp_keep_back(mp_buffer *kept, mp_error *e) {
  DIR *list = opendir("/proc/self/fd");
  if (list == NULL) return mp_fail(e, MP_ENET, "no child process: /proc/self/fd cannot be read: %s", strerror(errno));
  int rc = MP_OK;
  for (const struct dirent *entry = readdir(list); entry != NULL && rc == MP_OK; entry = readdir(list)) {
    int fd = atoi(entry->d_name), flags = fd > 2 ? fcntl(fd, F_GETFD) : -1;
    if (flags < 0 || (flags & FD_CLOEXEC) != 0) continue;
    rc = mp_buffer_append(kept, &fd, sizeof fd);
    if (rc == MP_OK) fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
  }
  closedir(list);
  return rc == MP_OK ? MP_OK : mp_fail(e, MP_ENOMEM, "no memory for a child process");
}

void mp_let_go(mp_buffer *kept) {
  for (size_t at = 0; at < kept->length; at += sizeof(int)) {
    int fd;
    memcpy(&fd, kept->data + at, sizeof fd);
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0) fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC);
  }
  mp_buffer_free(kept);
}
