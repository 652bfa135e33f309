#include "signal/check.h"

#include <signal/session_record.h>
#include <string.h>

#include "crypto/curve.h"
#include "signal/account.h"

static const char *session_fault(signal_context *context, mp_bytes value) {
  session_record *record = NULL;
  int rc = session_record_deserialize(&record, value.data, value.length, context);
  SIGNAL_UNREF(record);
  return rc == SG_SUCCESS ? NULL : "it is no session record";
}

static bool is_key(mp_bytes key, const char *name) {
  return key.length == strlen(name) && memcmp(key.data, name, key.length) == 0;
}

static const char *meta_fault(mp_bytes key, mp_bytes value) {
  if (is_key(key, "version") || is_key(key, "epoch")) return value.length == 4 ? NULL : "it is no number";
  if (is_key(key, "seal")) return value.length == MP_SEAL_HEADER ? NULL : "it does not say how the store is sealed";
  return NULL;
}

/* By its length: all of them are of fixed ones (tables.h). */
static const char *length_fault(mp_bytes value, size_t a, size_t b) {
  return value.length == a || value.length == b ? NULL : "it is too long or too short";
}

const char *mp_row_fault(signal_context *context, mp_table table, mp_bytes key, mp_bytes value) {
  switch (table) {
    case MP_TABLE_SESSION:
      return session_fault(context, value);
    case MP_TABLE_META:
      return meta_fault(key, value);
    case MP_TABLE_IDENTITY:
      return length_fault(value, 32, 32);
    case MP_TABLE_PREKEY:
      return length_fault(value, 1 + sizeof(mp_keypair), 1 + sizeof(mp_keypair));
    case MP_TABLE_COUNTER:
      return length_fault(value, 4, 4);
    case MP_TABLE_KEYPAIR:
      return length_fault(value, sizeof(mp_keypair), sizeof(mp_keypair));
    case MP_TABLE_SENDER_KEY:
      return length_fault(value, 104, 40);
    default:
      return NULL;
  }
}
