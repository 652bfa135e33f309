/* core.system: what this process stands on. For `moonpost doctor`; and files for one's eyes alone. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libwebsockets.h>
#include <lmdb.h>
#include <openssl/crypto.h>
#include <protobuf-c/protobuf-c.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "bindings.h"
#include "net/tls.h"
#include "store/guard.h"

static void set_text(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

/* versions() -> {library = version as it is loaded} */
static int system_versions(lua_State *L) {
  lua_createtable(L, 0, 7);
  set_text(L, "lua", LUA_RELEASE);
  set_text(L, "libwebsockets", lws_get_library_version());
  set_text(L, "libuv", uv_version_string());
  set_text(L, "openssl", OpenSSL_version(OPENSSL_VERSION));
  set_text(L, "libsodium", sodium_version_string());
  set_text(L, "lmdb", mdb_version(NULL, NULL, NULL));
  set_text(L, "protobuf-c", protobuf_c_version());
  return 1;
}

/* A name that OpenSSL looks up: eight hex digits, a dot, a number. */
static bool is_hashed(const char *name) {
  for (int i = 0; i < 8; i++) {
    if (!isxdigit((unsigned char)name[i])) return false;
  }
  return name[8] == '.' && isdigit((unsigned char)name[9]);
}

/* authorities() -> {file=, directory=, certificates = how many the directory holds by hashed names}: where the certificates of
 * TLS servers are looked up; `file` is nil when the environment names none */
static int system_authorities(lua_State *L) {
  const char *file = getenv("SSL_CERT_FILE"), *directory = getenv("SSL_CERT_DIR");
  if (directory == NULL && file == NULL) directory = MP_TLS_DIRECTORY;
  lua_Integer count = 0;
  DIR *list = directory != NULL ? opendir(directory) : NULL;
  for (const struct dirent *entry = list != NULL ? readdir(list) : NULL; entry != NULL; entry = readdir(list))
    count += strlen(entry->d_name) >= 10 && is_hashed(entry->d_name);
  if (list != NULL) closedir(list);
  lua_createtable(L, 0, 3);
  if (file != NULL) set_text(L, "file", file);
  if (directory != NULL) set_text(L, "directory", directory);
  lua_pushinteger(L, count);
  lua_setfield(L, -2, "certificates");
  return 1;
}

/* open_files() -> how many files this process may have open */
static int system_open_files(lua_State *L) {
  struct rlimit limit = {0, 0};
  getrlimit(RLIMIT_NOFILE, &limit);
  lua_pushinteger(L, limit.rlim_cur > 1u << 30 ? 1 << 30 : (lua_Integer)limit.rlim_cur);
  return 1;
}

/* stat(path) -> {mode = permission bits, ours = whether it belongs to this user, kind = "file", "folder" or "other"} | nil,
 * why, errno: of the path itself, no link is followed */
static int system_stat(lua_State *L) {
  struct stat info;
  if (lstat(luaL_checkstring(L, 1), &info) != 0) return luaL_fileresult(L, 0, NULL);
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, info.st_mode & 07777);
  lua_setfield(L, -2, "mode");
  lua_pushboolean(L, info.st_uid == geteuid());
  lua_setfield(L, -2, "ours");
  set_text(L, "kind", S_ISREG(info.st_mode) ? "file" : S_ISDIR(info.st_mode) ? "folder" : "other");
  return 1;
}

/* executable(path) -> whether it is a file this process may run */
static int system_executable(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct stat info;
  lua_pushboolean(L, stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0);
  return 1;
}

/* make_folder(path) -> true | nil, why, errno: makes a folder, unless there is one, or a link to one */
static int system_make_folder(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  if (mkdir(path, 0777) != 0) {
    int reason = errno;
    struct stat info;
    if (reason != EEXIST || stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
      errno = reason == EEXIST ? ENOTDIR : reason;
      return luaL_fileresult(L, 0, NULL);
    }
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* temporary_file() -> path | nil, why, errno: of a new empty file, for its owner alone, in TMPDIR or /var/tmp: not in /tmp, which
 * may itself be memory. The caller's to remove. */
static int system_temporary_file(lua_State *L) {
  const char *folder = getenv("TMPDIR");
  char path[4096];
  if (folder == NULL || *folder == 0) folder = "/var/tmp";
  if (snprintf(path, sizeof path, "%s/moonpost-XXXXXX", folder) >= (int)sizeof path) {
    errno = ENAMETOOLONG;
    return luaL_fileresult(L, 0, folder);
  }
  int fd = mkostemp(path, O_CLOEXEC);
  if (fd < 0) return luaL_fileresult(L, 0, folder);
  close(fd);
  lua_pushstring(L, path);
  return 1;
}

static int close_stream(lua_State *L) {
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/* Opens it; -1, and errno. What is appended to may be whatever the user named; any other file is one of ours. */
static int open_private(const char *path, bool append) {
  if (append) return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (mp_guard_file(path, NULL) != MP_OK) {
    errno = EINVAL;
    return -1;
  }
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0) mp_guard_close(fd, MP_GUARD_OTHERS);
  return fd;
}

/* private_file(path, mode) -> file of Lua | nil, why, errno: made for its owner alone when it is missing. Mode "a": to be
 * appended to; one that is there keeps its permissions. "r+": to be read and written, a file of ours, which is closed to others;
 * no link. */
static int system_private_file(lua_State *L) {
  static const char *const modes[] = {"a", "r+", NULL};
  const char *path = luaL_checkstring(L, 1);
  const char *mode = modes[luaL_checkoption(L, 2, NULL, modes)];
  luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
  stream->closef = NULL; /* closed still */
  luaL_setmetatable(L, LUA_FILEHANDLE);
  int fd = open_private(path, mode[0] == 'a');
  stream->f = fd >= 0 ? fdopen(fd, mode) : NULL;
  if (stream->f == NULL) {
    int reason = errno;
    if (fd >= 0) close(fd);
    errno = reason;
    return luaL_fileresult(L, 0, path);
  }
  stream->closef = close_stream;
  return 1;
}

/* open_file(path) -> file of Lua to read, its bytes | nil, why, errno: a file, no folder or pipe, which would have us wait */
static int system_open_file(lua_State *L) {
  struct stat info;
  const char *path = luaL_checkstring(L, 1);
  luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
  stream->closef = NULL; /* closed still */
  luaL_setmetatable(L, LUA_FILEHANDLE);
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), reason = fd < 0 ? errno : 0;
  if (reason == 0 && fstat(fd, &info) != 0) reason = errno;
  if (reason == 0 && !S_ISREG(info.st_mode)) reason = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
  stream->f = reason == 0 ? fdopen(fd, "r") : NULL;
  if (reason == 0 && stream->f == NULL) reason = errno;
  if (reason != 0) {
    if (fd >= 0) close(fd);
    errno = reason;
    return luaL_fileresult(L, 0, NULL);
  }
  stream->closef = close_stream;
  lua_pushinteger(L, (lua_Integer)info.st_size);
  return 2;
}

static const luaL_Reg functions[] = {
    {"open_file", system_open_file},
    {"versions", system_versions},
    {"authorities", system_authorities},
    {"open_files", system_open_files},
    {"stat", system_stat},
    {"private_file", system_private_file},
    {"executable", system_executable},
    {"make_folder", system_make_folder},
    {"temporary_file", system_temporary_file},
    {NULL, NULL},
};

int mpl_open_system(lua_State *L) {
  luaL_newlib(L, functions);
  mpl_open_draft(L);
  return 1;
}
