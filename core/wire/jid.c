#include "wire/jid.h"

#include <string.h>

#include "wire/utf8.h"

#define SERVER(name, kind) \
  { name, sizeof name - 1, kind }

static const struct {
  const char *name;
  size_t length;
  mp_server_kind kind;
} servers[] = {
    SERVER("s.whatsapp.net", MP_SERVER_PN),
    SERVER("lid", MP_SERVER_LID),
    SERVER("g.us", MP_SERVER_PLAIN),
    SERVER("broadcast", MP_SERVER_PLAIN),
    SERVER("newsletter", MP_SERVER_PLAIN),
    SERVER("c.us", MP_SERVER_PLAIN),
    SERVER("bot", MP_SERVER_PLAIN),
    SERVER("call", MP_SERVER_PLAIN),
    SERVER("hosted", MP_SERVER_HOSTED),
    SERVER("msgr", MP_SERVER_MESSENGER),
    SERVER("hosted.lid", MP_SERVER_HOSTED_LID),
    SERVER("interop", MP_SERVER_INTEROP),
};

const char *mp_jid_server(const char *name, size_t length, mp_server_kind *kind) {
  for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
    if (servers[i].length == length && memcmp(servers[i].name, name, length) == 0) {
      *kind = servers[i].kind;
      return servers[i].name;
    }
  }
  return NULL;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool mp_jid_user_ok(const char *user, size_t length) {
  size_t i = 0;
  if (length > MP_JID_USER_MAX) return false;
  while (i < length && is_digit(user[i])) i++; /* nearly all are numbers: the rest of the checks is for the others */
  if (i == length) return true;
  for (; i < length; i++) {
    unsigned char c = (unsigned char)user[i];
    if (c < 0x20 || c == 0x7f || c == '@' || c == ':') return false;
  }
  return mp_utf8_ok((const uint8_t *)user, length);
}

static bool parse_number(const char *text, size_t length, uint16_t *out) {
  unsigned value = 0;
  if (length == 0 || length > 5) return false;
  for (size_t i = 0; i < length; i++) {
    if (!is_digit(text[i])) return false;
    value = value * 10 + (unsigned)(text[i] - '0');
  }
  *out = (uint16_t)value;
  return value <= UINT16_MAX;
}

/* "7-12345" -> integrator 7, user "12345" */
static bool split_integrator(mp_jid *jid) {
  const char *dash = memchr(jid->user, '-', jid->user_length);
  if (dash == NULL || !parse_number(jid->user, (size_t)(dash - jid->user), &jid->integrator)) return false;
  jid->user_length -= (size_t)(dash + 1 - jid->user);
  jid->user = dash + 1;
  return jid->user_length > 0;
}

/* The agent of a phone number's JID is written ".0" and means nothing; no other is known (01 §5.2). */
static bool drop_agent(mp_jid *jid) {
  const char *dot = memchr(jid->user, '.', jid->user_length);
  if (dot == NULL) return true;
  if (jid->user + jid->user_length - dot != 2 || dot[1] != '0') return false;
  jid->user_length -= 2;
  return jid->user_length > 0;
}

/* "12345:7" -> user "12345", device 7 */
static bool split_device(mp_jid *jid) {
  const char *colon = memchr(jid->user, ':', jid->user_length);
  if (colon == NULL) return true;
  bool wide = jid->kind == MP_SERVER_MESSENGER || jid->kind == MP_SERVER_INTEROP;
  size_t digits = jid->user_length - (size_t)(colon + 1 - jid->user);
  if (jid->kind == MP_SERVER_PLAIN || !parse_number(colon + 1, digits, &jid->device)) return false;
  jid->user_length = (size_t)(colon - jid->user);
  return jid->user_length > 0 && (wide || jid->device <= UINT8_MAX);
}

bool mp_jid_parse(const char *text, size_t length, mp_jid *out) {
  const char *at = memchr(text, '@', length);
  const char *server = at != NULL ? at + 1 : text;
  *out = (mp_jid){.user = text, .user_length = at != NULL ? (size_t)(at - text) : 0};
  out->server = mp_jid_server(server, length - (size_t)(server - text), &out->kind);
  if (out->server == NULL) return false;
  if (out->user_length == 0) return true;
  if (!split_device(out)) return false;
  if (out->kind == MP_SERVER_INTEROP && !split_integrator(out)) return false;
  if (out->kind == MP_SERVER_PN && !drop_agent(out)) return false;
  return mp_jid_user_ok(out->user, out->user_length);
}

/* Writes `before` and the number; returns how many characters. */
static size_t write_number(char *out, const char *before, unsigned number) {
  char digits[5];
  size_t count = 0, length = strlen(before);
  memcpy(out, before, length);
  do digits[count++] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  while (count > 0) out[length++] = digits[--count];
  return length;
}

size_t mp_jid_write(const mp_jid *jid, char *out) {
  size_t length = 0;
  if (jid->user_length > 0) {
    if (jid->kind == MP_SERVER_INTEROP) {
      length += write_number(out, "", jid->integrator);
      out[length++] = '-';
    }
    memcpy(out + length, jid->user, jid->user_length);
    length += jid->user_length;
    if (jid->device > 0) length += write_number(out + length, ":", jid->device);
    out[length++] = '@';
  }
  size_t server = strlen(jid->server);
  memcpy(out + length, jid->server, server + 1);
  return length + server;
}
