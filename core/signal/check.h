/* Whether rows of this room can be read: for `moonpost store check`. */
#ifndef MOONPOST_SIGNAL_CHECK_H
#define MOONPOST_SIGNAL_CHECK_H
#include <signal/signal_protocol.h>

#include "store/store.h"

/* What is wrong with a row that the core writes; NULL when nothing is, and for the tables of others. */
const char *mp_row_fault(signal_context *context, mp_table table, mp_bytes key, mp_bytes value);

#endif
