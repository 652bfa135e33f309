/* JIDs as text (01 §5). */
#include "wire/jid.h"

#include "unit.h"

/* The text form that comes back, or NULL when the text is no JID. */
static const struct {
  const char *text, *canonical;
} forms[] = {
    {"15551234567@s.whatsapp.net", "15551234567@s.whatsapp.net"},
    {"15551234567:7@s.whatsapp.net", "15551234567:7@s.whatsapp.net"},
    {"15551234567:0@s.whatsapp.net", "15551234567@s.whatsapp.net"},
    {"15551234567.0:5@s.whatsapp.net", "15551234567:5@s.whatsapp.net"},
    {"15551234567.0@s.whatsapp.net", "15551234567@s.whatsapp.net"},
    {"15551234567:255@s.whatsapp.net", "15551234567:255@s.whatsapp.net"},
    {"100000012345678@lid", "100000012345678@lid"},
    {"100000012345678:33@lid", "100000012345678:33@lid"},
    {"1.2:3@lid", "1.2:3@lid"}, /* a LID's dots belong to the user */
    {"15551234567:99@hosted", "15551234567:99@hosted"},
    {"100000012345678:99@hosted.lid", "100000012345678:99@hosted.lid"},
    {"120363000000000001@g.us", "120363000000000001@g.us"},
    {"15551234567-1600000000@g.us", "15551234567-1600000000@g.us"},
    {"status@broadcast", "status@broadcast"},
    {"120363000000000002@newsletter", "120363000000000002@newsletter"},
    {"0@c.us", "0@c.us"},
    {"867051314767696@bot", "867051314767696@bot"},
    {"abc@call", "abc@call"},
    {"12345:3@msgr", "12345:3@msgr"},
    {"12345:65535@msgr", "12345:65535@msgr"},
    {"12345@msgr", "12345@msgr"},
    {"7-12345:3@interop", "7-12345:3@interop"},
    {"65535-12345@interop", "65535-12345@interop"},
    {"s.whatsapp.net", "s.whatsapp.net"},
    {"@s.whatsapp.net", "s.whatsapp.net"},
    {"@g.us", "g.us"},
    {"lid", "lid"},
    {"interop", "interop"},
    /* what is none */
    {"", NULL},
    {"@", NULL},
    {"hello", NULL},
    {"x@unknown", NULL},
    {"me@home", NULL},
    {"a@b@lid", NULL},
    {"15551234567@s.whatsapp.net ", NULL},
    {"15551234567@S.WHATSAPP.NET", NULL},
    {"15551234567.5@s.whatsapp.net", NULL},
    {"15551234567.00@s.whatsapp.net", NULL},
    {".0@s.whatsapp.net", NULL},
    {"a:b@lid", NULL},
    {"1:@lid", NULL},
    {":1@lid", NULL},
    {"1:-1@lid", NULL},
    {"1:+1@lid", NULL},
    {"1:1.0@lid", NULL},
    {"1:2:3@lid", NULL},
    {"1:256@lid", NULL},
    {"1:65536@msgr", NULL},
    {"1:100000@msgr", NULL},
    {"1:2@g.us", NULL},
    {"1:2@newsletter", NULL},
    {"12345@interop", NULL},
    {"x-12345@interop", NULL},
    {"65536-12345@interop", NULL},
    {"7-@interop", NULL},
    {"1\n2@lid", NULL},
    {"1\x7f@lid", NULL},
    {"\xff@lid", NULL},
    {"\xc3@lid", NULL},
};

static void every_form_reads_and_writes_as_the_sheet_says(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(forms); i++) {
    char out[MP_JID_TEXT_MAX];
    mp_jid jid, again;
    size_t length = strlen(forms[i].text);
    char *exact = malloc(length + 1);
    assert_non_null(exact);
    memcpy(exact, forms[i].text, length);
    exact[length] = '9'; /* nothing ends the text */
    bool ok = mp_jid_parse(exact, length, &jid);
    if (ok != (forms[i].canonical != NULL)) fail_msg("'%s' was %s", forms[i].text, ok ? "taken" : "refused");
    if (ok) {
      assert_int_equal(mp_jid_write(&jid, out), strlen(forms[i].canonical));
      assert_string_equal(out, forms[i].canonical);
      assert_true(mp_jid_parse(out, strlen(out), &again));
      assert_int_equal(again.kind, jid.kind);
    }
    free(exact);
  }
}

static void the_parts_are_told(void **state) {
  (void)state;
  mp_jid jid;
  assert_true(mp_jid_parse("7-12345:3@interop", 17, &jid));
  assert_int_equal(jid.integrator, 7);
  assert_int_equal(jid.device, 3);
  assert_int_equal(jid.user_length, 5);
  assert_memory_equal(jid.user, "12345", 5);
  assert_string_equal(jid.server, "interop");
  assert_int_equal(jid.kind, MP_SERVER_INTEROP);
}

static void every_server_is_known_with_its_kind(void **state) {
  (void)state;
  static const struct {
    const char *name;
    mp_server_kind kind;
  } servers[] = {
      {"s.whatsapp.net", MP_SERVER_PN}, {"lid", MP_SERVER_LID},
      {"hosted", MP_SERVER_HOSTED},     {"hosted.lid", MP_SERVER_HOSTED_LID},
      {"msgr", MP_SERVER_MESSENGER},    {"interop", MP_SERVER_INTEROP},
      {"g.us", MP_SERVER_PLAIN},        {"broadcast", MP_SERVER_PLAIN},
      {"newsletter", MP_SERVER_PLAIN},  {"c.us", MP_SERVER_PLAIN},
      {"bot", MP_SERVER_PLAIN},         {"call", MP_SERVER_PLAIN},
  };
  mp_server_kind kind;
  for (size_t i = 0; i < COUNT(servers); i++) {
    const char *found = mp_jid_server(servers[i].name, strlen(servers[i].name), &kind);
    assert_non_null(found);
    assert_string_equal(found, servers[i].name);
    assert_int_equal(kind, servers[i].kind);
  }
  assert_null(mp_jid_server("", 0, &kind));
  assert_null(mp_jid_server("lid2", 4, &kind));
  assert_null(mp_jid_server("li", 2, &kind));
}

static void a_user_part_has_255_bytes_at_most(void **state) {
  (void)state;
  char text[300], out[MP_JID_TEXT_MAX];
  mp_jid jid;
  memset(text, '1', sizeof text);
  memcpy(text + 255, ":255@s.whatsapp.net", 19);
  assert_true(mp_jid_parse(text, 255 + 19, &jid));
  assert_int_equal(mp_jid_write(&jid, out), 255 + 19);
  memset(text, '1', sizeof text);
  memcpy(text + 256, "@lid", 4);
  assert_false(mp_jid_parse(text, 260, &jid));
  /* the longest text of all: integrator, user, device, server */
  memset(text, '1', sizeof text);
  memcpy(text, "65535-", 6);
  memcpy(text + 6 + 255, ":65535@interop", 14);
  assert_true(mp_jid_parse(text, 6 + 255 + 14, &jid));
  assert_int_equal(mp_jid_write(&jid, out), 6 + 255 + 14);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_form_reads_and_writes_as_the_sheet_says),
      cmocka_unit_test(the_parts_are_told),
      cmocka_unit_test(every_server_is_known_with_its_kind),
      cmocka_unit_test(a_user_part_has_255_bytes_at_most),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
