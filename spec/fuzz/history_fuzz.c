/* Chunks of history: whatever the bytes are, deflated or not, what a reader hands out is bounded, and does not depend on the
 * pieces it is fed. The first byte says how it is fed. */
#include <string.h>

#include "base/limits.h"
#include "fuzz.h"
#include "history/reader.h"

typedef struct {
  uint64_t sum; /* of all that was handed out */
  unsigned items, messages;
  int code;
} outcome;

static void add(outcome *o, const mp_history_item *item) {
  o->sum = o->sum * 1099511628211u + (uint64_t)item->kind;
  for (size_t i = 0; i < item->length; i++) o->sum = (o->sum ^ item->bytes[i]) * 1099511628211u;
  o->items++;
  if (item->kind == MP_HISTORY_MESSAGE || item->kind == MP_HISTORY_STATUS) o->messages++;
}

/* Reads all of it; pauses are no items, since they depend on nothing but the clock of bytes. */
static outcome read_all(const uint8_t *bytes, size_t length, size_t piece, mp_history_options options) {
  mp_history h;
  mp_history_item item;
  mp_error e = {0};
  outcome o = {0};
  size_t at = 0;
  HOLDS(mp_history_init(&h, &options, &e) == MP_OK);
  for (;;) {
    o.code = mp_history_next(&h, &item, &e);
    HOLDS(h.window.capacity <= 2 * (MP_HISTORY_MESSAGE_MAX + 65536u) && h.chat.length <= MP_HISTORY_FIELDS_MAX);
    HOLDS(o.code == MP_OK || (e.code == o.code && e.message[0] != 0));
    if (o.code != MP_OK || item.kind == MP_HISTORY_END) break;
    if (item.kind == MP_HISTORY_MORE) {
      HOLDS(mp_history_hungry(&h));
      size_t count = length - at < piece ? length - at : piece;
      if (count == 0) mp_history_finish(&h);
      if (count > 0) mp_history_feed(&h, bytes + at, count);
      at += count;
    } else if (item.kind != MP_HISTORY_PAUSE) {
      HOLDS(item.length <= MP_HISTORY_FIELDS_MAX);
      add(&o, &item);
    }
  }
  mp_history_free(&h);
  return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  if (length == 0) return 0;
  mp_history_options options = {.plain = (bytes[0] & 1) != 0};
  size_t piece = (size_t)(bytes[0] >> 1) + 1;
  bytes++;
  length--;
  outcome whole = read_all(bytes, length, length + 1, options), cut = read_all(bytes, length, piece, options);
  HOLDS(whole.code == cut.code && whole.items == cut.items && whole.sum == cut.sum);
  if (whole.code == MP_OK) {
    options.skip = whole.items;
    HOLDS(read_all(bytes, length, length + 1, options).items == 0);
    options.skip = 0;
    options.since = 1000;
    HOLDS(read_all(bytes, length, length + 1, options).messages <= whole.messages);
  }
  return 0;
}
