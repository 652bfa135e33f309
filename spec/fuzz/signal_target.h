/* Two accounts over stores in memory, for targets of the signal room. Each run happens in a nested transaction that is rolled
 * back, so every input finds them as they were made.
 *
 * An input changes a genuine message: edits of three bytes (place, place, byte xor-ed in), or, when it is to replace, its bytes.
 */
#ifndef MOONPOST_SPEC_FUZZ_SIGNAL_TARGET_H
#define MOONPOST_SPEC_FUZZ_SIGNAL_TARGET_H
#include <stdbool.h>
#include <string.h>

#include "fuzz.h"
#include "signal/account.h"

#define ANA "15550001@s.whatsapp.net"
#define BOT "15550002:7@s.whatsapp.net"

static const char plaintext[] = "a text of forty bytes, more or less";

typedef struct {
  mp_store *store;
  mp_account account;
} device;

static device ana, bot;

static inline void must(int rc, const mp_error *e) {
  if (rc != MP_OK) fprintf(stderr, "%s\n", e->message);
  HOLDS(rc == MP_OK);
}

static inline void open_device(device *d) {
  mp_error e;
  must(mp_store_open(&(mp_store_options){0}, &d->store, &e), &e);
  must(mp_account_open(&d->account, d->store, "s", 1, &e), &e);
  must(mp_account_create(&d->account, &e), &e);
  must(mp_store_commit(d->store, &e), &e);
}

static inline void begin_run(void) {
  mp_error e;
  must(mp_store_begin(ana.store, &e), &e);
  must(mp_store_begin(bot.store, &e), &e);
}

static inline void end_run(void) {
  mp_store_rollback(ana.store);
  mp_store_rollback(bot.store);
}

static inline mp_buffer padded_plaintext(void) {
  mp_buffer padded = {0};
  HOLDS(mp_pad(&padded, (const uint8_t *)plaintext, sizeof plaintext - 1) == MP_OK);
  return padded;
}

static inline bool is_plaintext(const mp_buffer *b) {
  return b->length == sizeof plaintext - 1 && memcmp(b->data, plaintext, b->length) == 0;
}

/* A copy of a message as the input has it; *changed tells whether it is another one. */
static inline mp_buffer change(const mp_buffer *message, bool replace, const uint8_t *bytes, size_t length, bool *changed) {
  mp_buffer out = {0};
  HOLDS(mp_buffer_append(&out, replace ? bytes : message->data, replace ? length : message->length) == MP_OK);
  for (; !replace && length >= 3; bytes += 3, length -= 3) out.data[(bytes[0] << 8 | bytes[1]) % out.length] ^= bytes[2];
  *changed = out.length != message->length || memcmp(out.data, message->data, out.length) != 0;
  return out;
}

#endif
