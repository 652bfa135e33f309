/* Keeping others out of a store's files: no link leads elsewhere, no permission lets others in. */
#ifndef MOONPOST_STORE_GUARD_H
#define MOONPOST_STORE_GUARD_H
#include <sys/types.h>

#include "base/error.h"

/* MP_ESTORE when something stands at `path` that is no file of its own: a link, a folder, a pipe. Nothing there is no error. */
int mp_guard_file(const char *path, mp_error *e);
/* Takes permissions (of mode bits) away from what is ours; on what is another's, or where nothing can be changed, does nothing.
 */
void mp_guard_close(int fd, mode_t bits);
/* The same for a file that must not be opened and closed, since that would drop the locks this process has on it (LMDB's). */
void mp_guard_close_path(const char *path, mode_t bits);

#define MP_GUARD_OTHERS 077 /* all there is for group and others: on files */
#define MP_GUARD_WRITE 022  /* to write: on folders */

#endif
