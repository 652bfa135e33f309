/* Protobuf's wire format: varints, tags, fixed numbers, lengths; and that protobuf-c is the one we built against. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */
#include <cmocka.h>
#include <string.h>

#include "base/error.h"
#include "base/protobuf.h"
#include "proto/schema.h"

static mp_proto_span span_of(const char *bytes, size_t length) {
  return (mp_proto_span){(const uint8_t *)bytes, (const uint8_t *)bytes + length};
}

static void reads_what_it_writes(void **state) {
  static const uint64_t values[] = {0,       1,          127,        128,       16383,      16384,
                                    1 << 21, UINT32_MAX, 1ull << 35, INT64_MAX, 1ull << 63, UINT64_MAX};
  (void)state;
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    mp_buffer out;
    uint64_t value;
    mp_buffer_init(&out, 0);
    assert_int_equal(mp_proto_write_varint(&out, values[i]), MP_OK);
    mp_proto_span span = {out.data, out.data + out.length};
    assert_true(mp_proto_read_varint(&span, &value));
    assert_int_equal(value, values[i]);
    assert_ptr_equal(span.at, span.end);
    for (size_t length = 0; length < out.length; length++) {
      mp_proto_span cut = {out.data, out.data + length};
      assert_false(mp_proto_read_varint(&cut, &value));
    }
    mp_buffer_free(&out);
  }
}

static void refuses_varints_of_more_than_64_bits(void **state) {
  uint64_t value;
  (void)state;
  mp_proto_span full = span_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
  assert_true(mp_proto_read_varint(&full, &value));
  assert_int_equal(value, UINT64_MAX);
  mp_proto_span wide = span_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);
  assert_false(mp_proto_read_varint(&wide, &value));
  mp_proto_span overlong = span_of("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11);
  assert_false(mp_proto_read_varint(&overlong, &value));
}

static void reads_tags(void **state) {
  uint32_t number;
  int type;
  (void)state;
  mp_proto_span largest = span_of("\xfa\xff\xff\xff\x0f", 5);
  assert_true(mp_proto_read_tag(&largest, &number, &type));
  assert_int_equal(number, (1u << 29) - 1);
  assert_int_equal(type, MP_PROTO_BYTES);
  mp_proto_span zero = span_of("\x02", 1), beyond = span_of("\x80\x80\x80\x80\x10", 5);
  assert_false(mp_proto_read_tag(&zero, &number, &type));
  assert_false(mp_proto_read_tag(&beyond, &number, &type));
}

static void never_reads_past_the_end(void **state) {
  uint64_t value;
  mp_proto_span content;
  (void)state;
  mp_proto_span seven = span_of("\1\2\3\4\5\6\7", 7);
  assert_false(mp_proto_read_fixed(&seven, 8, &value));
  mp_proto_span three = span_of("\1\2\3", 3);
  assert_false(mp_proto_read_fixed(&three, 4, &value));
  mp_proto_span four = span_of("\1\2\3\4", 4);
  assert_true(mp_proto_read_fixed(&four, 4, &value));
  assert_int_equal(value, 0x04030201);
  mp_proto_span huge = span_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", 11);
  assert_false(mp_proto_read_bytes(&huge, &content));
  mp_proto_span one_short = span_of("\3ab", 3);
  assert_false(mp_proto_read_bytes(&one_short, &content));
  mp_proto_span fits = span_of("\3abc", 4);
  assert_true(mp_proto_read_bytes(&fits, &content));
  assert_int_equal(content.end - content.at, 3);
}

static void skips_values_and_refuses_groups(void **state) {
  static const int refused[] = {3, 4, 6, 7};
  (void)state;
  mp_proto_span varint = span_of("\x96\x01", 2), bytes = span_of("\2ab", 3);
  assert_true(mp_proto_skip(&varint, MP_PROTO_VARINT));
  assert_ptr_equal(varint.at, varint.end);
  assert_true(mp_proto_skip(&bytes, MP_PROTO_BYTES));
  assert_ptr_equal(bytes.at, bytes.end);
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    mp_proto_span span = span_of("\0\0\0\0\0\0\0\0", 8);
    assert_false(mp_proto_skip(&span, refused[i]));
  }
}

/* A length is written behind its content, in as many bytes as it needs. */
static void writes_nested_lengths(void **state) {
  static const size_t lengths[] = {0, 1, 127, 128, 16383, 16384, 100000};
  (void)state;
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    mp_buffer out;
    size_t outer, inner;
    mp_buffer_init(&out, 0);
    assert_int_equal(mp_proto_begin(&out, &outer), MP_OK);
    assert_int_equal(mp_proto_begin(&out, &inner), MP_OK);
    for (size_t at = 0; at < lengths[i]; at++) assert_int_equal(mp_buffer_push(&out, (uint8_t)at), MP_OK);
    assert_int_equal(mp_proto_end(&out, inner), MP_OK);
    assert_int_equal(mp_proto_end(&out, outer), MP_OK);
    mp_proto_span span = {out.data, out.data + out.length}, middle, content;
    assert_true(mp_proto_read_bytes(&span, &middle));
    assert_ptr_equal(span.at, span.end);
    assert_true(mp_proto_read_bytes(&middle, &content));
    assert_ptr_equal(middle.at, middle.end);
    assert_int_equal(content.end - content.at, lengths[i]);
    for (size_t at = 0; at < lengths[i]; at++) assert_int_equal(content.at[at], (uint8_t)at);
    mp_buffer_free(&out);
  }
}

static void stops_at_the_limit_of_its_buffer(void **state) {
  mp_buffer out;
  (void)state;
  mp_buffer_init(&out, 4);
  assert_int_equal(mp_proto_write_bytes(&out, "abc", 3), MP_OK);
  assert_int_equal(mp_proto_write_varint(&out, 1), MP_ELIMIT);
  assert_int_equal(out.length, 4);
  mp_buffer_free(&out);
}

/* libsignal exports a protobuf-c of its own, 1.1.1: linked in the wrong order, our calls would go there. */
static void is_linked_with_the_protobuf_c_it_was_built_for(void **state) {
  (void)state;
  assert_int_equal(protobuf_c_version_number(), PROTOBUF_C_VERSION_NUMBER);
}

static void finds_messages_and_enums_by_name(void **state) {
  size_t length;
  (void)state;
  assert_string_equal(mp_schema_name(mp_schema_message("Message.ExtendedTextMessage")), "Message.ExtendedTextMessage");
  assert_null(mp_schema_message("Message.ExtendedText"));
  const char *name = mp_schema_enum_name(mp_schema_enum("ADVEncryptionType"), &length);
  assert_int_equal(length, strlen("ADVEncryptionType"));
  assert_memory_equal(name, "ADVEncryptionType", length);
  assert_null(mp_schema_enum("ADVEncryption"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_what_it_writes),
      cmocka_unit_test(refuses_varints_of_more_than_64_bits),
      cmocka_unit_test(reads_tags),
      cmocka_unit_test(never_reads_past_the_end),
      cmocka_unit_test(skips_values_and_refuses_groups),
      cmocka_unit_test(writes_nested_lengths),
      cmocka_unit_test(stops_at_the_limit_of_its_buffer),
      cmocka_unit_test(is_linked_with_the_protobuf_c_it_was_built_for),
      cmocka_unit_test(finds_messages_and_enums_by_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
