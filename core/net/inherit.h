/* What a child process would inherit: descriptors that others have opened, such as the files of Lua, without the mark that keeps
 * them from it. */
#ifndef MOONPOST_NET_INHERIT_H
#define MOONPOST_NET_INHERIT_H
#include "base/buffer.h"
#include "base/error.h"

/* Marks all but the three streams for the moment; `kept` lists which had no mark. MP_ENET when they cannot be found out. */
int mp_keep_back(mp_buffer *kept, mp_error *e);
/* Takes those marks away, and frees the list. */
void mp_let_go(mp_buffer *kept);

#endif
