/* JIDs in their one text form (01 §5.2): "user@server", "user:device@server", "server"; device 0 is left out. An interop user
 * reads "integrator-user". */
#ifndef MOONPOST_WIRE_JID_H
#define MOONPOST_WIRE_JID_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/limits.h"

#define MP_JID_TEXT_MAX (MP_JID_USER_MAX + 64) /* bytes of the longest text form, with its ending 0 */

typedef enum {
  MP_SERVER_PN,         /* s.whatsapp.net */
  MP_SERVER_LID,        /* lid */
  MP_SERVER_HOSTED,     /* hosted */
  MP_SERVER_HOSTED_LID, /* hosted.lid */
  MP_SERVER_MESSENGER,  /* msgr */
  MP_SERVER_INTEROP,    /* interop */
  MP_SERVER_PLAIN       /* g.us, broadcast, newsletter, c.us, bot, call: no devices */
} mp_server_kind;

typedef struct {
  const char *user; /* not ended by 0; of an interop JID without the integrator */
  size_t user_length;
  const char *server; /* a constant, ended by 0 */
  mp_server_kind kind;
  uint16_t device;
  uint16_t integrator; /* interop only */
} mp_jid;

/* Parses a text, strictly: a known server, a device the wire can carry, no agent but a phone number's ".0". Also taken:
 * "@server" and ":0". False when it is no JID; `out` points into the text. */
bool mp_jid_parse(const char *text, size_t length, mp_jid *out);
/* Writes the text form; returns its length. `out` has MP_JID_TEXT_MAX bytes. */
size_t mp_jid_write(const mp_jid *jid, char *out);
/* The constant for a server's name, or NULL; *kind is set with it. */
const char *mp_jid_server(const char *name, size_t length, mp_server_kind *kind);
/* Whether a user part is one the wire may carry: at most MP_JID_USER_MAX bytes of UTF-8, no control characters, no '@' or ':'. */
bool mp_jid_user_ok(const char *user, size_t length);

#endif
