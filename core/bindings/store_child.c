/* A function in a process of its own: what may crash does so there. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store.h"

#define TEXT_MAX (1024 * 1024) /* bytes of what the function returns */

enum { DONE = 0, RAISED = 70 };

static void write_all(int fd, const char *text, size_t length) {
  while (length > 0) {
    ssize_t written = write(fd, text, length);
    if (written < 0 && errno != EINTR) return;
    if (written <= 0) continue;
    text += written;
    length -= (size_t)written;
  }
}

/* Never returns. What LMDB says of its own end is for nobody, and no picture of a store's memory goes to the disk. */
static void live(lua_State *L, int out, unsigned seconds) {
  size_t length;
  int nowhere = open("/dev/null", O_WRONLY);
  if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  signal(SIGSEGV, SIG_DFL);
  signal(SIGBUS, SIG_DFL);
  alarm(seconds);
  lua_pushvalue(L, 1);
  int rc = lua_pcall(L, 0, 1, 0);
  const char *text = luaL_tolstring(L, -1, &length);
  write_all(out, text, length);
  _exit(rc == LUA_OK ? DONE : RAISED);
}

static int read_all(int in, mp_buffer *text) {
  uint8_t piece[4096];
  ssize_t got;
  int rc = MP_OK;
  while ((got = read(in, piece, sizeof piece)) > 0 || (got < 0 && errno == EINTR)) {
    if (got > 0 && rc == MP_OK) rc = mp_buffer_append(text, piece, (size_t)got);
  }
  return rc;
}

static int push_end(lua_State *L, int status, const mp_buffer *text) {
  mp_error e;
  if (WIFEXITED(status) && WEXITSTATUS(status) == DONE) {
    lua_pushlstring(L, (const char *)text->data, text->length);
    return 1;
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == RAISED) {
    mp_fail(&e, MP_ESTORE, "%.*s", (int)(text->length < 300 ? text->length : 300), text->data != NULL ? (char *)text->data : "");
  } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
    mp_fail(&e, MP_EMALFORMED, "it did not come to an end");
  } else {
    mp_fail(&e, MP_EMALFORMED, "it ended the process (%s)", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "aborted");
  }
  return mpl_fail(L, &e);
}

/* child(fn, seconds) -> text | nil, err: runs fn in a process of its own, which inherits what is open, and returns what it
 * returned, as a text. err.code "malformed": it crashed, or did not end within the seconds; "store": it raised. */
static int store_child(lua_State *L) {
  int ends[2], status = 0;
  mp_buffer text;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  unsigned seconds = (unsigned)luaL_checkinteger(L, 2);
  if (pipe2(ends, O_CLOEXEC) != 0) return luaL_error(L, "no pipe: %s", strerror(errno));
  pid_t child = fork();
  if (child == 0) live(L, ends[1], seconds);
  close(ends[1]);
  if (child < 0) {
    close(ends[0]);
    return luaL_error(L, "no process: %s", strerror(errno));
  }
  mp_buffer_init(&text, TEXT_MAX);
  read_all(ends[0], &text);
  close(ends[0]);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  int results = push_end(L, status, &text);
  mp_buffer_free(&text);
  return results;
}

void mpl_open_store_child(lua_State *L) {
  static const luaL_Reg functions[] = {{"child", store_child}, {NULL, NULL}};
  luaL_setfuncs(L, functions, 0);
}
