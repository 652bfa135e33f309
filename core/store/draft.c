#include "draft.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 32 /* bytes of a temporary name */
#define TRIES 8      /* temporary names that may be taken */

struct mp_draft {
  int folder, file;
  char name[NAME_SIZE]; /* the temporary one; "": it has none */
};

static int fail(mp_error *e, const char *what) {
  int reason = errno;
  bool full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
  return mp_fail(e, full ? MP_EFULL : MP_ESTORE, "%s: %s", what, strerror(reason));
}

static void make_name(char name[NAME_SIZE]) {
  snprintf(name, NAME_SIZE, ".moonpost-%08x%08x.part", randombytes_random(), randombytes_random());
}

/* The file behind a descriptor by a path that can be linked to. */
static void own_path(const mp_draft *draft, char path[NAME_SIZE]) {
  snprintf(path, NAME_SIZE, "/proc/self/fd/%d", draft->file);
}

/* Without a name. False: not here. */
static bool open_nameless(mp_draft *draft) {
  char path[NAME_SIZE];
  draft->file = openat(draft->folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
  if (draft->file < 0) return false;
  own_path(draft, path);
  if (access(path, F_OK) == 0) return true;
  close(draft->file); /* no /proc: it could not be given a name */
  draft->file = -1;
  return false;
}

static int open_named(mp_draft *draft, mp_error *e) {
  for (int i = 0; i < TRIES; i++) {
    make_name(draft->name);
    draft->file = openat(draft->folder, draft->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (draft->file >= 0) return MP_OK;
    if (errno != EEXIST) break;
  }
  draft->name[0] = 0;
  return fail(e, "no file can be made in the folder");
}

int mp_draft_open(mp_draft **out, const char *folder, bool named, mp_error *e) {
  *out = NULL;
  mp_draft *draft = malloc(sizeof *draft);
  if (draft == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a file");
  *draft = (mp_draft){.file = -1};
  draft->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int rc = draft->folder < 0 ? fail(e, "the folder cannot be opened") : MP_OK;
  if (rc == MP_OK && (named || !open_nameless(draft))) rc = open_named(draft, e);
  if (rc == MP_OK) {
    *out = draft;
  } else {
    mp_draft_close(draft);
  }
  return rc;
}

int mp_draft_write(mp_draft *draft, const void *bytes, size_t length, mp_error *e) {
  const char *at = bytes;
  while (length > 0) {
    ssize_t written = write(draft->file, at, length);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(e, "the file cannot be written");
    at += written;
    length -= (size_t)written;
  }
  return MP_OK;
}

int mp_draft_restart(mp_draft *draft, mp_error *e) {
  if (ftruncate(draft->file, 0) != 0 || lseek(draft->file, 0, SEEK_SET) != 0) return fail(e, "the file cannot be begun anew");
  return MP_OK;
}

/* Gives a nameless file one that nobody has. */
static int link_as(const mp_draft *draft, const char *name) {
  char path[NAME_SIZE];
  own_path(draft, path);
  return linkat(AT_FDCWD, path, draft->folder, name, AT_SYMLINK_FOLLOW);
}

/* In place of whatever has the name: by way of a temporary one. */
static int replace_file(mp_draft *draft, const char *name) {
  if (draft->name[0] == 0) {
    if (link_as(draft, name) == 0) return 0;
    if (errno != EEXIST) return -1;
    char temporary[NAME_SIZE];
    make_name(temporary);
    if (link_as(draft, temporary) != 0) return -1;
    memcpy(draft->name, temporary, sizeof temporary);
  }
  if (renameat(draft->folder, draft->name, draft->folder, name) != 0) return -1;
  draft->name[0] = 0;
  return 0;
}

/* Beside whatever is there. A named file then has two, of which the temporary one goes with the draft. */
static int add_file(const mp_draft *draft, const char *name) {
  if (draft->name[0] == 0) return link_as(draft, name);
  return linkat(draft->folder, draft->name, draft->folder, name, 0);
}

int mp_draft_publish(mp_draft *draft, const char *name, bool replace, mp_error *e) {
  if (strchr(name, '/') != NULL) return mp_fail(e, MP_EINVAL, "a file's name has no / in it");
  if (fsync(draft->file) != 0) return fail(e, "the file cannot be brought to the disk");
  if ((replace ? replace_file(draft, name) : add_file(draft, name)) != 0) {
    if (errno == EEXIST) return mp_fail(e, MP_EBUSY, "a file has that name");
    return fail(e, "the file cannot be given its name");
  }
  if (fsync(draft->folder) != 0 && errno != EINVAL) /* some file systems sync no folders */
    return fail(e, "the folder cannot be brought to the disk");
  return MP_OK;
}

void mp_draft_close(mp_draft *draft) {
  if (draft == NULL) return;
  if (draft->name[0] != 0) unlinkat(draft->folder, draft->name, 0);
  if (draft->file >= 0) close(draft->file);
  if (draft->folder >= 0) close(draft->folder);
  free(draft);
}
