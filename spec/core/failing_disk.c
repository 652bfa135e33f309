/* For LD_PRELOAD: the disk of a program that runs fails as the file named by FAILING_DISK says at the moment: "CALLS ERRNO",
 * CALLS being letters: w writes, h LMDB's header, s syncs, o opening for writing. Only files of a store are concerned. */
#include "failing_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_of_a_store(int fd, const char *path) {
  char link[64], name[4096];
  if (path == NULL) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length <= 0) return false;
    name[length] = 0;
    path = name;
  }
  const char *base = strrchr(path, '/');
  return base != NULL &&
         (strncmp(base, "/keys.mdb", 9) == 0 || strncmp(base, "/traffic.mdb", 12) == 0 || strcmp(base, "/lock") == 0);
}

static int disk_fault(disk_call call, int fd, const char *path) {
  static const char letters[] = {[DISK_WRITE] = 'w', [DISK_HEADER] = 'h', [DISK_SYNC] = 's', [DISK_OPEN] = 'o'};
  const char *file = getenv("FAILING_DISK");
  char text[64] = "";
  if (file == NULL || !is_of_a_store(fd, path)) return 0;
  int control = (int)syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC, 0);
  if (control < 0) return 0;
  ssize_t length = read(control, text, sizeof text - 1);
  close(control);
  const char *space = length > 0 ? strchr(text, ' ') : NULL;
  if (space == NULL || memchr(text, letters[call], (size_t)(space - text)) == NULL) return 0;
  return atoi(space + 1);
}
