#include "store/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/guard.h"
#include "store/header.h"

#define SLACK_PAGES 256
#define FULL_BYTES (64 * 1024) /* a disk with less room than that is full */

/* LMDB calls a write that a full disk, or the limit of a file's size, cut short an input/output error. */
static bool is_cut_short(const mp_environment *env) {
  struct statvfs disk;
  struct rlimit limit;
  if (env == NULL || env->env == NULL) return false;
  if (fstatvfs(env->fd, &disk) == 0 && (unsigned long long)disk.f_bavail * disk.f_frsize < FULL_BYTES) return true;
  return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

int mp_environment_error(const mp_environment *env, int rc, const char *what, mp_error *e) {
  if (rc == ENOSPC || rc == EDQUOT || rc == EFBIG || rc == MDB_MAP_FULL || (rc == EIO && is_cut_short(env)))
    return mp_fail(e, MP_EFULL, "no room for the store: it cannot %s: %s", what, mdb_strerror(rc == EIO ? ENOSPC : rc));
  if (rc == MDB_NOTFOUND) return mp_fail(e, MP_ENOTFOUND, "no such row");
  if (rc == MDB_PAGE_NOTFOUND || rc == MDB_CORRUPTED)
    return mp_fail(e, MP_EDAMAGED, "the store is damaged, it cannot %s: %s; `moonpost store check` tells more", what,
                   mdb_strerror(rc));
  return mp_fail(e, rc == ENOMEM ? MP_ENOMEM : MP_ESTORE, "the store cannot %s: %s", what, mdb_strerror(rc));
}

/* LMDB is about to end the process, at a page that makes no sense. Nobody else can say why. */
static void tell_damage(MDB_env *env, const char *what) {
  const char *path = "";
  mdb_env_get_path(env, &path);
  fprintf(stderr, "moonpost: the store is damaged and ends this process: %s (%s); `moonpost store check` tells more\n", path,
          what);
}

int mp_environment_open(mp_environment *env, const char *path, unsigned flags, size_t size, mp_error *e) {
  MDB_txn *txn;
  signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk, and no reason to end */
  int rc = mdb_env_create(&env->env);
  if (rc != 0) return mp_environment_error(NULL, rc, "start", e);
  if ((rc = mdb_env_set_mapsize(env->env, size)) != 0 || (rc = mdb_env_set_assert(env->env, tell_damage)) != 0 ||
      (rc = mdb_env_open(env->env, path, flags | MDB_NOSUBDIR | MDB_NOTLS, 0600)) != 0 ||
      (rc = mdb_env_get_fd(env->env, &env->fd)) != 0) {
    mp_environment_close(env);
    return mp_environment_error(NULL, rc, "be opened", e);
  }
  fcntl(env->fd, F_SETFD, FD_CLOEXEC); /* LMDB does so for its other descriptors, not for this one */
  mp_guard_close(env->fd, MP_GUARD_OTHERS);
  if ((rc = mdb_txn_begin(env->env, NULL, MDB_RDONLY, &txn)) != 0) return mp_environment_error(env, rc, "be read", e);
  rc = mdb_dbi_open(txn, NULL, 0, &env->dbi); /* the file's only table: stays open when the transaction ends */
  mdb_txn_abort(txn);
  return rc == 0 ? MP_OK : mp_environment_error(env, rc, "open its table", e);
}

void mp_environment_close(mp_environment *env) {
  if (env->env != NULL) mdb_env_close(env->env);
  env->env = NULL;
}

void mp_environment_remember(mp_environment *env, int folder, const char *name) {
  struct stat file;
  MDB_envinfo info;
  if (fstat(env->fd, &file) != 0 || mdb_env_info(env->env, &info) != 0 || mdb_env_get_flags(env->env, &env->flags) != 0) return;
  env->flags &= MDB_RDONLY | MDB_NOSYNC;
  env->size = info.me_mapsize;
  env->folder = folder;
  env->device = file.st_dev;
  env->inode = file.st_ino;
  env->name = name;
}

/* The file must be the one that was open, and whole: LMDB would make a new one, or believe a torn header. */
static int open_again(mp_environment *env, mp_error *e) {
  char path[64];
  struct stat file;
  bool exists;
  snprintf(path, sizeof path, "/proc/self/fd/%d/%s", env->folder, env->name);
  mp_environment_close(env);
  if (fstatat(env->folder, env->name, &file, AT_SYMLINK_NOFOLLOW) != 0)
    return mp_fail(e, MP_ESTORE, "the store cannot be opened again: %s: %s", env->name, strerror(errno));
  if (file.st_dev != env->device || file.st_ino != env->inode)
    return mp_fail(e, MP_EDAMAGED, "the store cannot be opened again: its %s is another file now", env->name);
  int rc = mp_store_check_file(path, &exists, e);
  if (rc == MP_OK) rc = mp_environment_open(env, path, env->flags, env->size, e);
  env->failed = rc != MP_OK;
  if (rc != MP_OK) mp_environment_close(env);
  return rc;
}

int mp_environment_ready(mp_environment *env, mp_error *e) {
  return env->failed && env->name != NULL ? open_again(env, e) : MP_OK;
}

int mp_environment_begin(mp_environment *env, unsigned flags, MDB_txn **txn, const char *what, mp_error *e) {
  int rc = mp_environment_ready(env, e);
  if (rc != MP_OK) return rc;
  rc = mdb_txn_begin(env->env, NULL, flags, txn);
  return rc == 0 ? MP_OK : mp_environment_error(env, rc, what, e);
}

int mp_environment_commit(mp_environment *env, MDB_txn *txn, mp_error *e) {
  int rc = mdb_txn_commit(txn);
  if (rc == 0) return MP_OK;
  env->failed = true;
  return mp_environment_error(env, rc, "be committed", e);
}

void mp_environment_keep_slack(mp_environment *env) {
  MDB_envinfo info;
  MDB_stat stat;
  struct stat file;
  if (mdb_env_info(env->env, &info) != 0 || mdb_env_stat(env->env, &stat) != 0 || fstat(env->fd, &file) != 0) return;
  off_t least = (off_t)((info.me_last_pgno + 1 + SLACK_PAGES / 2) * stat.ms_psize);
  off_t wanted = (off_t)((info.me_last_pgno + 1 + SLACK_PAGES) * stat.ms_psize);
  if (file.st_size < least && ftruncate(env->fd, wanted) != 0) return; /* only a margin: the data is safe without it */
}
