#include <stdlib.h>

#include "net/net.h"

typedef struct {
  uv_work_t request;
  mp_work_fn run, done;
  void *user;
} job;

static void on_thread(uv_work_t *request) {
  job *j = request->data;
  j->run(j->user);
}

static void on_done(uv_work_t *request, int status) {
  job *j = request->data;
  (void)status; /* nobody cancels */
  mp_loop_release();
  j->done(j->user);
  free(j);
}

int mp_work(mp_work_fn run, mp_work_fn done, void *user, mp_error *e) {
  job *j = calloc(1, sizeof *j);
  if (j == NULL) return mp_fail(e, MP_ENOMEM, "no memory for a job");
  *j = (job){.run = run, .done = done, .user = user};
  j->request.data = j;
  int rc = uv_queue_work(mp_loop(), &j->request, on_thread, on_done);
  if (rc != 0) {
    free(j);
    return mp_fail(e, MP_ENET, "the thread pool takes no job: %s", uv_strerror(rc));
  }
  mp_loop_hold();
  return MP_OK;
}
