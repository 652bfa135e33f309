/* libsignal-protocol-c's callbacks for hashes, ciphers and random bytes (fact sheet 02 §15.2). */
#ifndef MOONPOST_CRYPTO_SIGNAL_PROVIDER_H
#define MOONPOST_CRYPTO_SIGNAL_PROVIDER_H
#include <signal/signal_protocol.h>

/* A libsignal context with our provider and no locks: moonpost runs it in one thread. NULL without memory. */
signal_context *mp_signal_context_new(void);

#endif
