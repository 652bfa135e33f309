/* core.system.draft: files that appear whole or not at all. */
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "store/draft.h"

#define DRAFT "moonpost.system.draft"

typedef struct {
  mp_draft *draft; /* NULL: closed */
  bool busy;       /* another thread has it */
  bool closing;    /* it is closed when that has ended */
} handle;

static handle *check(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, DRAFT);
  if (h->draft == NULL || h->closing) luaL_error(L, "the draft is closed");
  if (h->busy) luaL_error(L, "the draft is being given its name");
  return h;
}

static int done(lua_State *L, int rc, const mp_error *e) {
  if (rc != MP_OK) return mpl_fail(L, e);
  lua_pushboolean(L, 1);
  return 1;
}

/* draft(folder) -> draft | nil, err: a file without a name in that folder. err.code "full", "store" */
static int new_draft(lua_State *L) {
  mp_error e;
  const char *folder = luaL_checkstring(L, 1);
  handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  *h = (handle){.draft = NULL};
  luaL_setmetatable(L, DRAFT);
  return mp_draft_open(&h->draft, folder, false, &e) == MP_OK ? 1 : mpl_fail(L, &e);
}

/* draft:write(bytes) -> true | nil, err: appends. err.code "full": no room on the disk, or the file may not grow */
static int draft_write(lua_State *L) {
  mp_error e;
  size_t length;
  handle *h = check(L);
  const char *bytes = luaL_checklstring(L, 2, &length);
  return done(L, mp_draft_write(h->draft, bytes, length, &e), &e);
}

/* draft:restart() -> true | nil, err: what was written is gone */
static int draft_restart(lua_State *L) {
  mp_error e;
  return done(L, mp_draft_restart(check(L)->draft, &e), &e);
}

typedef struct {
  handle *h;
  char *name;
  bool replace;
  int rc;
  mp_error e;
  lua_State *L;
  int ref, anchor; /* the function; the draft */
} job;

static void forget(job *j) {
  luaL_unref(j->L, LUA_REGISTRYINDEX, j->ref);
  luaL_unref(j->L, LUA_REGISTRYINDEX, j->anchor);
  free(j->name);
  free(j);
}

static void publish(void *user) {
  job *j = user;
  j->rc = mp_draft_publish(j->h->draft, j->name, j->replace, &j->e);
}

static void close_handle(handle *h) {
  mp_draft_close(h->draft);
  h->draft = NULL;
}

static void on_published(void *user) {
  job *j = user;
  lua_State *L = j->L;
  j->h->busy = false;
  if (j->h->closing) close_handle(j->h);
  lua_rawgeti(L, LUA_REGISTRYINDEX, j->ref);
  int results = done(L, j->rc, &j->e);
  forget(j);
  mpl_call(L, results);
}

/* draft:publish(name, replace, done) -> true | nil, err: brings it to the disk and gives it its name in the folder, off the loop;
 * then calls done(true | nil, err). `replace`: in place of a file that has the name; else that is err.code "busy", and another
 * name may be tried */
static int draft_publish(lua_State *L) {
  mp_error e;
  handle *h = check(L);
  const char *name = luaL_checkstring(L, 2);
  luaL_checktype(L, 4, LUA_TFUNCTION);
  job *j = calloc(1, sizeof *j);
  char *copy = strdup(name);
  if (j == NULL || copy == NULL) {
    free(j);
    free(copy);
    return luaL_error(L, "no memory for a file's name");
  }
  *j = (job){.h = h, .name = copy, .replace = lua_toboolean(L, 3), .L = mpl_main(L)};
  lua_pushvalue(L, 4);
  j->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushvalue(L, 1);
  j->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
  if (mp_work(publish, on_published, j, &e) != MP_OK) {
    forget(j);
    return mpl_fail(L, &e);
  }
  h->busy = true;
  lua_pushboolean(L, 1);
  return 1;
}

/* draft:close(): without a name, it is gone. Also a `<close>` variable, and when it is collected */
static int draft_close(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, DRAFT);
  if (h->busy) {
    h->closing = true;
  } else {
    close_handle(h);
  }
  return 0;
}

static int draft_tostring(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, DRAFT);
  lua_pushfstring(L, h->draft == NULL ? DRAFT " (closed)" : DRAFT);
  return 1;
}

void mpl_open_draft(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"write", draft_write}, {"restart", draft_restart}, {"publish", draft_publish}, {"close", draft_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"draft", new_draft}, {NULL, NULL}};
  mpl_new_type(L, DRAFT, methods, draft_close, draft_tostring);
  luaL_setfuncs(L, functions, 0);
}
