/* Sender keys: distribution messages and group messages that were changed on their way (signal_target.h).
 *
 * The input: which one is changed (0 the distribution message, 1 the group message; bit 7: replaced), how many messages were
 * passed over before it, then the changes. */
#include "signal/sender_keys.h"

#include "signal_target.h"

#define GROUP "120363000000000001@g.us"
#define NOW 1700000000u

static const mp_sender from_ana = {GROUP, ANA};

static int read_group(const mp_buffer *message, mp_buffer *plain, mp_error *e) {
  *e = (mp_error){0};
  int rc = mp_sender_key_decrypt(&bot.account, &from_ana, message->data, message->length, NOW, plain, e);
  HOLDS(rc == MP_OK ? is_plaintext(plain) : e->code == rc && e->message[0] != 0 && plain->length == 0);
  return rc;
}

static int reads(const mp_buffer *message) {
  mp_error e;
  mp_buffer plain = {0};
  int rc = read_group(message, &plain, &e);
  mp_buffer_free(&plain);
  return rc;
}

static mp_buffer write_group(void) {
  mp_error e;
  mp_buffer padded = padded_plaintext(), out = {0};
  must(mp_sender_key_encrypt(&ana.account, GROUP, padded.data, padded.length, &out, &e), &e);
  mp_buffer_free(&padded);
  return out;
}

static int tell(const mp_buffer *told) {
  mp_error e = {0};
  int rc = mp_sender_key_process(&bot.account, &from_ana, told->data, told->length, &e);
  HOLDS(rc == MP_OK || (rc == MP_EMALFORMED && e.code == rc));
  return rc;
}

/* A distribution message that was refused leaves nothing; one that was taken harms no later, genuine one under another key id. */
static void change_the_key(const mp_buffer *told, const mp_buffer *message, bool replace, const uint8_t *bytes, size_t length) {
  bool changed;
  mp_buffer other = change(told, replace, bytes, length, &changed);
  int rc = tell(&other);
  HOLDS(changed || rc == MP_OK);
  if (rc != MP_OK) HOLDS(reads(message) == MP_ENOSESSION);
  if (!changed) HOLDS(reads(message) == MP_OK);
  mp_buffer_free(&other);
}

/* No message that was changed is read, and none keeps the genuine one from being read, once. */
static void change_the_message(const mp_buffer *message, bool replace, const uint8_t *bytes, size_t length) {
  bool changed;
  mp_buffer other = change(message, replace, bytes, length, &changed);
  int rc = reads(&other);
  HOLDS(changed ? rc != MP_OK : rc == MP_OK);
  HOLDS(reads(message) == (changed ? MP_OK : MP_EDUPLICATE));
  HOLDS(reads(message) == MP_EDUPLICATE);
  mp_buffer_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  mp_error e;
  mp_buffer told = {0};
  if (length < 2) return 0;
  if (ana.store == NULL) {
    open_device(&ana);
    open_device(&bot);
  }
  begin_run();
  must(mp_sender_key_distribution(&ana.account, GROUP, &told, &e), &e);
  for (int i = bytes[1] % 32; i > 0; i--) {
    mp_buffer lost = write_group();
    mp_buffer_free(&lost);
  }
  mp_buffer message = write_group();
  if (bytes[0] % 2 == 0) {
    change_the_key(&told, &message, bytes[0] & 0x80, bytes + 2, length - 2);
  } else {
    HOLDS(tell(&told) == MP_OK);
    change_the_message(&message, bytes[0] & 0x80, bytes + 2, length - 2);
  }
  mp_buffer_free(&told);
  mp_buffer_free(&message);
  end_run();
  return 0;
}
