/* Single values of the binary codec, both ways (01 §4, vectors of §15.5). Trees are walked by the binding: spec/wire_spec.lua. */
#include "wire/codec.h"

#include "unit.h"
#include "wire/tokens.h"

static int read_hex(const char *hex, mp_value *value, size_t *left, mp_error *e) {
  mp_buffer bytes = from_hex(hex);
  mp_reader reader = {bytes.data, bytes.data, bytes.data + bytes.length};
  int rc = mp_read_value(&reader, value, e);
  *left = (size_t)(reader.end - reader.at);
  if (rc == MP_OK && value->kind == MP_VALUE_BYTES) {
    static uint8_t copy[4096]; /* the bytes outlive the buffer they were in */
    assert_true(value->length <= sizeof copy);
    memcpy(copy, value->bytes, value->length);
    value->bytes = copy;
  }
  mp_buffer_free(&bytes);
  return rc;
}

static void reads_as(const char *hex, mp_value_kind kind, const char *text) {
  mp_value value;
  mp_error e = {0};
  size_t left;
  int rc = read_hex(hex, &value, &left, &e);
  if (rc != MP_OK) fail_msg("%s: %s", hex, e.message);
  if (value.kind != kind) fail_msg("%s is of kind %d, not %d", hex, (int)value.kind, (int)kind);
  assert_int_equal(left, 0);
  assert_int_equal(value.length, strlen(text));
  assert_memory_equal(value.bytes, text, value.length);
}

static void refuses(const char *hex, int code) {
  mp_value value;
  mp_error e = {0};
  size_t left;
  int rc = read_hex(hex, &value, &left, &e);
  if (rc != code) fail_msg("%s gives %s, not %s", hex, mp_error_name(rc), mp_error_name(code));
  assert_int_equal(e.code, code);
  assert_non_null(strstr(e.message, " at byte "));
}

static void every_truncation_is_seen(const char *hex) {
  mp_buffer bytes = from_hex(hex);
  for (size_t length = 0; length < bytes.length; length++) {
    uint8_t *cut = malloc(length + (length == 0));
    assert_non_null(cut);
    memcpy(cut, bytes.data, length);
    mp_reader reader = {cut, cut, cut + length};
    mp_value value;
    mp_error e = {0};
    int rc = mp_read_value(&reader, &value, &e);
    if (rc != MP_ETRUNCATED) fail_msg("%s cut at %zu gives %s", hex, length, mp_error_name(rc));
    free(cut);
  }
  mp_buffer_free(&bytes);
}

static void every_token_goes_out_and_comes_back(void **state) {
  (void)state;
  size_t longer = 0;
  assert_int_equal(mp_token_count, 235 + 4 * 256);
  for (size_t i = 0; i < mp_token_count; i++) {
    const mp_token *token = &mp_tokens[i];
    mp_buffer out = {0};
    mp_value value;
    mp_error e;
    assert_int_equal(strlen(token->text), token->length);
    assert_int_equal(mp_token_find(token->text, token->length), token->code);
    assert_int_equal(mp_write_token(&out, token->code), MP_OK);
    assert_int_equal(out.length, i < 235 ? 1 : 2);
    mp_reader reader = {out.data, out.data, out.data + out.length};
    assert_int_equal(mp_read_value(&reader, &value, &e), MP_OK);
    assert_int_equal(value.kind, MP_VALUE_TOKEN);
    assert_int_equal(value.token, token->code);
    assert_ptr_equal(reader.at, reader.end);
    longer += token->length > 40;
    mp_buffer_free(&out);
  }
  assert_int_equal(longer, 5); /* beyond Lua's interned strings */
}

static void what_is_no_token_is_not_found(void **state) {
  (void)state;
  assert_int_equal(mp_token_find("", 0), -1);
  assert_int_equal(mp_token_find("messag", 6), -1);
  assert_int_equal(mp_token_find("messagE", 7), -1);
  assert_int_equal(mp_token_find("message\0", 8), -1);
}

static void the_pages_begin_where_the_sheet_says(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int code;
  } known[] = {{"xmlstreamstart", 1}, {"xmlstreamend", 2}, {"s.whatsapp.net", 3}, {"type", 4},     {"jid", 12},
               {"message", 19},       {"iq", 25},          {"1", 0x55},           {"props", 0x5c}, {"conflict", 0x10e},
               {"replaced", 0x111},   {"reason", 0x12e},   {"dirty", 0x201},      {"27", 0x304},   {"failure", 0x33c}};
  for (size_t i = 0; i < COUNT(known); i++) assert_int_equal(mp_token_find(known[i].text, strlen(known[i].text)), known[i].code);
}

static const struct {
  const char *text, *hex;
} strings[] = {
    {"12345", "ff8312345f"},
    {"-.0", "ff82ab0f"},
    {"1.2-1", "ff831b2a1f"},
    {"1700000000", "ff051700000000"},
    {"15551234567-1600000000", "ff0b15551234567a1600000000"},
    {"DEADBEEF", "fb04deadbeef"},
    {"ABC", "fb82abcf"},
    {"3EB0ABCDEF0123456789", "fb0a3eb0abcdef0123456789"},
    {"deadbeef", "fc086465616462656566"},
    {"A.1", "fc03412e31"},
    {"\xc3\xa9\xe2\x82\xac", "fc05c3a9e282ac"},
    {"ib", "fc026962"},
    {"", "fc00"},
};

static void strings_are_packed_as_the_sheet_says(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(strings); i++) {
    mp_buffer out = {0};
    bool packed = strncmp(strings[i].hex, "fc", 2) != 0;
    assert_int_equal(mp_write_string(&out, strings[i].text, strlen(strings[i].text)), MP_OK);
    assert_hex(out.data, out.length, strings[i].hex);
    reads_as(strings[i].hex, packed ? MP_VALUE_PACKED : MP_VALUE_BYTES, strings[i].text);
    every_truncation_is_seen(strings[i].hex);
    mp_buffer_free(&out);
  }
}

static void strings_of_127_are_packed_and_of_128_are_not(void **state) {
  (void)state;
  char text[128];
  mp_buffer out = {0};
  memset(text, '1', sizeof text);
  assert_int_equal(mp_write_string(&out, text, 127), MP_OK);
  assert_int_equal(out.length, 2 + 64);
  assert_hex(out.data, 3, "ffc011");
  assert_int_equal(out.data[65], 0x1f);
  mp_value value;
  mp_error e;
  mp_reader reader = {out.data, out.data, out.data + out.length};
  assert_int_equal(mp_read_value(&reader, &value, &e), MP_OK);
  assert_int_equal(value.length, 127);
  assert_memory_equal(value.bytes, text, 127);
  out.length = 0;
  assert_int_equal(mp_write_string(&out, text, 128), MP_OK);
  assert_int_equal(out.length, 2 + 128);
  assert_hex(out.data, 3, "fc8031");
  mp_buffer_free(&out);
}

static void packed_strings_of_254_characters_are_read(void **state) {
  (void)state;
  uint8_t bytes[2 + 127] = {MP_TAG_HEX_8, 127};
  mp_value value;
  mp_error e;
  memset(bytes + 2, 0xaf, 127);
  mp_reader reader = {bytes, bytes, bytes + sizeof bytes};
  assert_int_equal(mp_read_value(&reader, &value, &e), MP_OK);
  assert_int_equal(value.length, 254);
  assert_memory_equal(value.bytes + 252, "AF", 2);
}

static void packed_strings_are_read_leniently_where_it_is_safe(void **state) {
  (void)state;
  reads_as("ff8112", MP_VALUE_PACKED, "1"); /* a pad that is not 15 */
  reads_as("fb811a", MP_VALUE_PACKED, "1");
  reads_as("ff00", MP_VALUE_PACKED, "");
  reads_as("ff06123456789012", MP_VALUE_PACKED, "123456789012");
  reads_as("fb010f", MP_VALUE_PACKED, "0F");
}

static void damaged_packed_strings_are_refused(void **state) {
  (void)state;
  refuses("ff01c0", MP_EMALFORMED);
  refuses("ff010d", MP_EMALFORMED);
  refuses("ff01e1", MP_EMALFORMED);
  refuses("ff02f11f", MP_EMALFORMED); /* an inner 15 */
  refuses("ff011f", MP_EMALFORMED);   /* a 15 in an even string */
  refuses("ff80", MP_EMALFORMED);
  refuses("fb80", MP_EMALFORMED);
  refuses("ff7f11", MP_ETRUNCATED);
}

static void lengths_take_the_shortest_form(void **state) {
  (void)state;
  static const struct {
    size_t length, head;
    const char *hex;
  } sizes[] = {{0, 2, "fc00"},
               {255, 2, "fcff"},
               {256, 4, "fd000100"},
               {0xfffff, 4, "fd0fffff"},
               {0x100000, 5, "fe00100000"},
               {0x100001, 5, "fe00100001"}};
  uint8_t *bytes = calloc(1, 0x100001);
  assert_non_null(bytes);
  for (size_t i = 0; i < COUNT(sizes); i++) {
    mp_buffer out = {0};
    mp_value value;
    mp_error e;
    assert_int_equal(mp_write_bytes(&out, bytes, sizes[i].length), MP_OK);
    assert_int_equal(out.length, sizes[i].head + sizes[i].length);
    assert_hex(out.data, sizes[i].head, sizes[i].hex);
    mp_reader reader = {out.data, out.data, out.data + out.length};
    assert_int_equal(mp_read_value(&reader, &value, &e), MP_OK);
    assert_int_equal(value.length, sizes[i].length);
    assert_ptr_equal(reader.at, reader.end);
    mp_buffer_free(&out);
  }
  free(bytes);
}

static void lengths_beyond_the_data_are_refused_and_the_high_nibble_is_ignored(void **state) {
  (void)state;
  reads_as("fdf0000161", MP_VALUE_BYTES, "a"); /* only 20 bits count */
  reads_as("fe0000000161", MP_VALUE_BYTES, "a");
  refuses("fc0261", MP_ETRUNCATED);
  refuses("fd00000261", MP_ETRUNCATED);
  refuses("fe0000000261", MP_ETRUNCATED);
  refuses("feffffffff61", MP_ETRUNCATED); /* not a negative number */
  refuses("fe8000000061", MP_ETRUNCATED);
}

static void lists_take_the_shortest_form(void **state) {
  (void)state;
  static const struct {
    size_t count;
    const char *hex;
  } sizes[] = {{0, "00"}, {1, "f801"}, {255, "f8ff"}, {256, "f90100"}, {257, "f90101"}, {65535, "f9ffff"}};
  mp_buffer out = {0};
  for (size_t i = 0; i < COUNT(sizes); i++) {
    uint32_t count;
    mp_error e;
    out.length = 0;
    assert_int_equal(mp_write_list(&out, sizes[i].count), MP_OK);
    assert_hex(out.data, out.length, sizes[i].hex);
    mp_reader reader = {out.data, out.data, out.data + out.length};
    assert_int_equal(mp_read_list(&reader, &count, &e), MP_OK);
    assert_int_equal(count, sizes[i].count);
    for (size_t cut = 0; cut < out.length; cut++) {
      mp_reader shorter = {out.data, out.data, out.data + cut};
      assert_int_equal(mp_read_list(&shorter, &count, &e), MP_ETRUNCATED);
    }
  }
  out.length = 0;
  assert_int_equal(mp_write_list(&out, 65536), MP_ELIMIT);
  assert_int_equal(out.length, 0);
  mp_buffer_free(&out);
}

static void a_list_is_told_from_a_value(void **state) {
  (void)state;
  mp_value value;
  mp_error e;
  size_t left;
  uint32_t count;
  assert_int_equal(read_hex("f90102", &value, &left, &e), MP_OK);
  assert_int_equal(value.kind, MP_VALUE_LIST);
  assert_int_equal(value.count, 258);
  assert_int_equal(read_hex("00", &value, &left, &e), MP_OK);
  assert_int_equal(value.kind, MP_VALUE_NONE);
  static const uint8_t token[] = {0x13};
  mp_reader reader = {token, token, token + 1};
  assert_int_equal(mp_read_list(&reader, &count, &e), MP_EMALFORMED);
}

static void unassigned_tags_are_refused(void **state) {
  (void)state;
  refuses("f0", MP_EMALFORMED);
  refuses("f100", MP_EMALFORMED);
  refuses("f200", MP_EMALFORMED);
  refuses("f300", MP_EMALFORMED);
  refuses("f400", MP_EMALFORMED);
  refuses("", MP_ETRUNCATED);
  refuses("ec", MP_ETRUNCATED); /* a dictionary without its index */
  refuses("ef", MP_ETRUNCATED);
}

/* Canonical bytes (01 §4.5): written so, and read back to the same text. */
static const struct {
  const char *text, *hex;
} jids[] = {
    {"15551234567@s.whatsapp.net", "faff8615551234567f03"},
    {"s.whatsapp.net", "fa0003"},
    {"g.us", "fa001c"},
    {"broadcast", "fa000d"},
    {"15551234567:7@s.whatsapp.net", "f70007ff8615551234567f"},
    {"100000012345678@lid", "faff88100000012345678f76"},
    {"100000012345678:33@lid", "f70121ff88100000012345678f"},
    {"15551234567:99@hosted", "f78063ff8615551234567f"},
    {"100000012345678:99@hosted.lid", "f78163ff88100000012345678f"},
    {"15551234567@hosted", "faff8615551234567ffc06686f73746564"},
    {"120363000000000001@g.us", "faff091203630000000000011c"},
    {"15551234567-1600000000@g.us", "faff0b15551234567a16000000001c"},
    {"120363000000000002@newsletter", "faff09120363000000000002fc0a6e6577736c6574746572"},
    {"status@broadcast", "fa0b0d"},
    {"0@s.whatsapp.net", "fa2d03"},
    {"0@c.us", "fa2dfc04632e7573"},
    {"867051314767696@bot", "faff88867051314767696ffc03626f74"},
    {"abc@call", "fafc0361626364"},
    {"12345:3@msgr", "f6ff8312345f0003cc"},
    {"12345:258@msgr", "f6ff8312345f0102cc"},
    {"7-12345:3@interop", "f5ff8312345f00030007fc07696e7465726f70"},
};

static void every_jid_goes_out_in_its_canonical_form_and_comes_back(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(jids); i++) {
    mp_buffer out = {0};
    mp_jid jid;
    assert_true(mp_jid_parse(jids[i].text, strlen(jids[i].text), &jid));
    assert_int_equal(mp_write_jid(&out, &jid), MP_OK);
    assert_hex(out.data, out.length, jids[i].hex);
    reads_as(jids[i].hex, MP_VALUE_JID, jids[i].text);
    if (jid.kind != MP_SERVER_INTEROP) every_truncation_is_seen(jids[i].hex);
    mp_buffer_free(&out);
  }
}

static void foreign_forms_of_jids_are_read(void **state) {
  (void)state;
  reads_as("f5ff8312345f00030007", MP_VALUE_JID, "7-12345:3@interop"); /* without its server */
  reads_as("f70100ff88100000012345678f", MP_VALUE_JID, "100000012345678@lid");
  reads_as("f78205ff8615551234567f", MP_VALUE_JID, "15551234567:5@hosted");
  reads_as("f7fe05ff8615551234567f", MP_VALUE_JID, "15551234567:5@hosted");
  reads_as("f6ff8312345f0000cc", MP_VALUE_JID, "12345@msgr");
  reads_as("fafc0531323334351c", MP_VALUE_JID, "12345@g.us"); /* digits not packed */
  reads_as("fa5503", MP_VALUE_JID, "1@s.whatsapp.net");       /* a token as user */
  reads_as("fa55fc03626f74", MP_VALUE_JID, "1@bot");
}

static void an_interop_jid_takes_its_server_only_when_it_is_there(void **state) {
  (void)state;
  mp_value value;
  mp_error e;
  size_t left;
  assert_int_equal(read_hex("f5ff8312345f000300070413", &value, &left, &e), MP_OK);
  assert_int_equal(left, 2); /* type="message" follows */
  assert_int_equal(read_hex("f5ff8312345f00030007fc07696e7465726f71", &value, &left, &e), MP_OK);
  assert_int_equal(left, 9);
}

static void text_that_a_foreign_encoder_took_for_a_jid_is_text_again(void **state) {
  (void)state;
  char hex[2 * 400 + 20] = "fafc026d65fd00012c", text[400] = "me@";
  reads_as("fafc026d65fc0b6578616d706c652e636f6d", MP_VALUE_PACKED, "me@example.com");
  reads_as("fa00fc04686f6d65", MP_VALUE_PACKED, "@home");
  reads_as("fafc0161fc03624063", MP_VALUE_PACKED, "a@b@c");
  for (int i = 0; i < 300; i++) { /* a long subject with an address in it */
    memcpy(hex + strlen("fafc026d65fd00012c") + 2 * (size_t)i, "78", 3);
    text[3 + i] = 'x';
  }
  reads_as(hex, MP_VALUE_PACKED, text);
}

static void damaged_jids_are_refused(void **state) {
  (void)state;
  refuses("f70205ff8615551234567f", MP_EMALFORMED); /* an unknown domain */
  refuses("f77f05ff8615551234567f", MP_EMALFORMED);
  refuses("f78305ff8615551234567f", MP_EMALFORMED);
  refuses("fa2d00", MP_EMALFORMED);   /* no server */
  refuses("fa00fc00", MP_EMALFORMED); /* an empty one */
  refuses("f7000100", MP_EMALFORMED); /* no user */
  refuses("f6000001cc", MP_EMALFORMED);
  refuses("f50000010001", MP_EMALFORMED);
  refuses("f7000bfc00", MP_EMALFORMED);         /* an empty user */
  refuses("f6ff8312345f000303", MP_EMALFORMED); /* a messenger JID of another server */
  refuses("f6ff8312345f00031c", MP_EMALFORMED);
  refuses("fafc0261401c", MP_EMALFORMED);   /* '@' in the user */
  refuses("fafc03613a311c", MP_EMALFORMED); /* ':' in the user */
  refuses("fafc02610a1c", MP_EMALFORMED);   /* a control character */
  refuses("fafc0261001c", MP_EMALFORMED);   /* a zero */
  refuses("fafc02c3281c", MP_EMALFORMED);   /* no UTF-8 */
  refuses("fafc0161fc02c328", MP_EMALFORMED);
}

static void a_jid_of_256_bytes_of_user_is_refused(void **state) {
  (void)state;
  uint8_t bytes[4 + 256 + 2] = {MP_TAG_JID_PAIR, MP_TAG_BINARY_20, 0, 1, 0};
  memset(bytes + 5, 'x', 256);
  bytes[sizeof bytes - 1] = 3;
  mp_value value;
  mp_error e;
  mp_reader reader = {bytes, bytes, bytes + sizeof bytes};
  assert_int_equal(mp_read_value(&reader, &value, &e), MP_EMALFORMED);
  /* nor can text be made longer than there is room for */
  uint8_t text[2 * (4 + 1000) + 1] = {MP_TAG_JID_PAIR, MP_TAG_BINARY_20, 0, 0x03, 0xe8};
  memset(text + 5, 'x', 1000);
  memcpy(text + 1005, "\xfd\x00\x03\xe8", 4);
  memset(text + 1009, 'y', 1000);
  reader = (mp_reader){text, text, text + sizeof text};
  assert_int_equal(mp_read_value(&reader, &value, &e), MP_EMALFORMED);
}

static void jids_do_not_nest(void **state) {
  (void)state;
  uint8_t deep[20000];
  memset(deep, MP_TAG_JID_PAIR, sizeof deep);
  mp_value value;
  mp_error e;
  mp_reader reader = {deep, deep, deep + sizeof deep};
  assert_int_equal(mp_read_value(&reader, &value, &e), MP_EMALFORMED);
  refuses("fafa00030003", MP_EMALFORMED);
  refuses("fa2df70001550055", MP_EMALFORMED);
  refuses("faf80103", MP_EMALFORMED);
  refuses("fa2df90001", MP_EMALFORMED);
  refuses("f70001f655000155", MP_EMALFORMED);
}

static void a_string_is_read_where_no_jid_or_list_may_stand(void **state) {
  (void)state;
  static const uint8_t tags[] = {MP_TAG_INTEROP_JID, MP_TAG_FB_JID,  MP_TAG_AD_JID,
                                 MP_TAG_LIST_8,      MP_TAG_LIST_16, MP_TAG_JID_PAIR};
  mp_value value;
  mp_error e;
  for (size_t i = 0; i < COUNT(tags); i++) {
    mp_reader reader = {&tags[i], &tags[i], &tags[i] + 1};
    assert_int_equal(mp_read_string(&reader, &value, &e), MP_EMALFORMED);
  }
  static const uint8_t token[] = {19};
  mp_reader reader = {token, token, token + 1};
  assert_int_equal(mp_read_string(&reader, &value, &e), MP_OK);
  assert_int_equal(value.kind, MP_VALUE_TOKEN);
  assert_int_equal(mp_read_string(&reader, &value, &e), MP_ETRUNCATED);
}

static void utf8_is_strict(void **state) {
  (void)state;
  static const char *const good[] = {"",
                                     "61",
                                     "00",
                                     "7f",
                                     "c280",
                                     "dfbf",
                                     "e0a080",
                                     "ed9fbf",
                                     "ee8080",
                                     "efbfbf",
                                     "f0908080",
                                     "f48fbfbf",
                                     "61c3a9e282acf09f9880"};
  static const char *const bad[] = {"80",       "bf",       "c0af",   "c1bf", "c2",     "c261",   "e0",       "e08080",
                                    "e09fbf",   "eda080",   "edbfbf", "e282", "e28261", "f08080", "f08fbfbf", "f4908080",
                                    "f5808080", "f8888080", "ff",     "fe",   "6180",   "f09f98", "f09f9861", "e2e282ac"};
  for (size_t i = 0; i < COUNT(good); i++) {
    mp_buffer bytes = from_hex(good[i]);
    if (!mp_utf8_ok(bytes.data, bytes.length)) fail_msg("%s is UTF-8", good[i]);
    mp_buffer_free(&bytes);
  }
  for (size_t i = 0; i < COUNT(bad); i++) {
    mp_buffer bytes = from_hex(bad[i]);
    uint8_t repaired[3 * 8];
    if (mp_utf8_ok(bytes.data, bytes.length)) fail_msg("%s is no UTF-8", bad[i]);
    size_t length = mp_utf8_repair(bytes.data, bytes.length, repaired);
    if (!mp_utf8_ok(repaired, length) || length <= bytes.length) fail_msg("%s is not repaired", bad[i]);
    mp_buffer_free(&bytes);
  }
}

static void writing_stops_at_a_buffers_limit(void **state) {
  (void)state;
  mp_jid jid;
  assert_true(mp_jid_parse("7-12345:3@interop", 17, &jid));
  for (size_t limit = 1; limit < 19; limit++) {
    mp_buffer out;
    mp_buffer_init(&out, limit);
    assert_int_equal(mp_write_jid(&out, &jid), MP_ELIMIT);
    assert_true(out.length <= limit);
    mp_buffer_free(&out);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_token_goes_out_and_comes_back),
      cmocka_unit_test(what_is_no_token_is_not_found),
      cmocka_unit_test(the_pages_begin_where_the_sheet_says),
      cmocka_unit_test(strings_are_packed_as_the_sheet_says),
      cmocka_unit_test(strings_of_127_are_packed_and_of_128_are_not),
      cmocka_unit_test(packed_strings_of_254_characters_are_read),
      cmocka_unit_test(packed_strings_are_read_leniently_where_it_is_safe),
      cmocka_unit_test(damaged_packed_strings_are_refused),
      cmocka_unit_test(lengths_take_the_shortest_form),
      cmocka_unit_test(lengths_beyond_the_data_are_refused_and_the_high_nibble_is_ignored),
      cmocka_unit_test(lists_take_the_shortest_form),
      cmocka_unit_test(a_list_is_told_from_a_value),
      cmocka_unit_test(unassigned_tags_are_refused),
      cmocka_unit_test(every_jid_goes_out_in_its_canonical_form_and_comes_back),
      cmocka_unit_test(foreign_forms_of_jids_are_read),
      cmocka_unit_test(an_interop_jid_takes_its_server_only_when_it_is_there),
      cmocka_unit_test(text_that_a_foreign_encoder_took_for_a_jid_is_text_again),
      cmocka_unit_test(damaged_jids_are_refused),
      cmocka_unit_test(a_jid_of_256_bytes_of_user_is_refused),
      cmocka_unit_test(jids_do_not_nest),
      cmocka_unit_test(a_string_is_read_where_no_jid_or_list_may_stand),
      cmocka_unit_test(utf8_is_strict),
      cmocka_unit_test(writing_stops_at_a_buffers_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
