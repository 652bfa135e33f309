/* What libwebsockets has to say: kept, at most so much of it, until somebody takes it. Off at first. */
#ifndef MOONPOST_NET_LIBRARY_LOG_H
#define MOONPOST_NET_LIBRARY_LOG_H
#include <stdbool.h>

#include "base/buffer.h"

void mp_library_log(bool on);
void mp_library_log_again(void); /* making a context turns it off or on as it likes */
void mp_library_log_take(mp_buffer *out);

#endif
