/* Pairwise messages that were changed on their way, at a live account (signal_target.h).
 *
 * The input: which kind (0 pkmsg, 1 msg; bit 7: replaced), how many messages were passed over before it, then the changes. */
#include "signal_target.h"

static mp_prekey prekey;

static void prepare(void) {
  mp_error e;
  if (ana.store != NULL) return;
  open_device(&ana);
  open_device(&bot);
  must(mp_prekeys_make(&bot.account, 1, &prekey, &e), &e);
  must(mp_store_commit(bot.store, &e), &e);
}

static void start_session(void) {
  mp_error e;
  const mp_account *to = &bot.account;
  mp_bundle bundle = {.registration_id = to->registration_id, .signed_prekey_id = to->signed_prekey_id, .prekey_id = prekey.id};
  bundle.has_prekey = true;
  memcpy(bundle.identity, to->identity.public_key, 32);
  memcpy(bundle.signed_prekey, to->signed_prekey.public_key, 32);
  memcpy(bundle.signature, to->signed_prekey_signature, 64);
  memcpy(bundle.prekey, prekey.public_key, 32);
  must(mp_session_start(&ana.account, BOT, &bundle, &e), &e);
}

static mp_buffer write_to(device *from, const char *to, bool *prekey_message) {
  mp_error e;
  mp_buffer padded = padded_plaintext(), out = {0};
  must(mp_encrypt(&from->account, to, padded.data, padded.length, &out, prekey_message, &e), &e);
  mp_buffer_free(&padded);
  return out;
}

/* What comes out is what was written, whatever was changed. */
static int read_from(device *to, const char *from, const mp_buffer *message, bool prekey_message) {
  mp_error e = {0};
  mp_buffer plain = {0};
  uint8_t identity[32];
  int rc = mp_decrypt(&to->account, from, prekey_message, message->data, message->length, &plain, identity, &e);
  HOLDS(rc == MP_OK ? is_plaintext(&plain) : e.code == rc && e.message[0] != 0 && plain.length == 0);
  mp_buffer_free(&plain);
  return rc;
}

/* From now on both write `msg`. */
static void settle(void) {
  bool kind;
  mp_buffer one = write_to(&ana, BOT, &kind);
  HOLDS(kind && read_from(&bot, ANA, &one, kind) == MP_OK);
  mp_buffer two = write_to(&bot, ANA, &kind);
  HOLDS(!kind && read_from(&ana, BOT, &two, kind) == MP_OK);
  mp_buffer_free(&one);
  mp_buffer_free(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  bool kind, changed;
  if (length < 2) return 0;
  prepare();
  begin_run();
  start_session();
  if (bytes[0] % 2 == 1) settle();
  for (int i = bytes[1] % 48; i > 0; i--) {
    mp_buffer lost = write_to(&ana, BOT, &kind);
    mp_buffer_free(&lost);
  }
  mp_buffer message = write_to(&ana, BOT, &kind);
  HOLDS(kind == (bytes[0] % 2 == 0));
  mp_buffer other = change(&message, bytes[0] & 0x80, bytes + 2, length - 2, &changed);
  int rc = read_from(&bot, ANA, &other, kind);
  /* a pkmsg has parts nobody vouches for: with those changed it is read all the same */
  HOLDS(changed ? kind || rc != MP_OK : rc == MP_OK);
  int genuine = read_from(&bot, ANA, &message, kind);
  HOLDS(rc == MP_OK ? genuine != MP_OK : genuine == MP_OK);
  mp_buffer_free(&other);
  mp_buffer_free(&message);
  end_run();
  return 0;
}
