/* Frames out of a stream (01 §1.2, vectors of §15.6). */
#include "wire/frame.h"

#include "base/limits.h"
#include "noise/noise.h"
#include "unit.h"

static void feed(mp_frames *frames, const void *bytes, size_t length) {
  mp_error e;
  assert_int_equal(mp_frames_feed(frames, bytes, length, &e), MP_OK);
}

static void feed_hex(mp_frames *frames, const char *hex) {
  mp_buffer bytes = from_hex(hex);
  feed(frames, bytes.data, bytes.length);
  mp_buffer_free(&bytes);
}

static void next_is(mp_frames *frames, const char *hex) {
  const uint8_t *frame;
  size_t length;
  mp_error e;
  assert_int_equal(mp_frames_next(frames, &frame, &length, &e), 1);
  assert_hex(frame, length, hex);
}

static void next_gives(mp_frames *frames, int rc) {
  const uint8_t *frame;
  size_t length;
  mp_error e = {0};
  assert_int_equal(mp_frames_next(frames, &frame, &length, &e), rc);
  if (rc < 0) {
    assert_int_equal(e.code, rc);
    assert_true(e.message[0] != 0);
  }
}

static void the_opening_is_the_sheets(void **state) {
  (void)state;
  mp_buffer out = {0};
  assert_int_equal(mp_frame_opening(&out, "\x08\x02\x08\x0c", 4), MP_OK);
  assert_int_equal(mp_frame_head(&out, 2), MP_OK);
  assert_int_equal(mp_buffer_append(&out, "\xaa\xbb", 2), MP_OK);
  assert_hex(out.data, out.length, "45440001 000004 0802080c 57410603 000002 aabb");
  out.length = 0;
  assert_int_equal(mp_frame_opening(&out, "", 0), MP_OK);
  assert_hex(out.data, out.length, "57410603");
  static const uint8_t long_info[MP_ROUTING_INFO_MAX + 1];
  assert_int_equal(mp_frame_opening(&out, long_info, sizeof long_info), MP_ELIMIT);
  mp_buffer_free(&out);
}

static void the_header_is_the_noise_prologue(void **state) {
  (void)state;
  assert_memory_equal(mp_frame_header, mp_noise_prologue, sizeof mp_frame_header);
}

static void a_frames_length_is_three_bytes(void **state) {
  (void)state;
  mp_buffer out = {0};
  assert_int_equal(mp_frame_head(&out, 1), MP_OK);
  assert_int_equal(mp_frame_head(&out, 0x012345), MP_OK);
  assert_int_equal(mp_frame_head(&out, MP_FRAME_MAX), MP_OK);
  assert_hex(out.data, out.length, "000001 012345 ffffff");
  assert_int_equal(mp_frame_head(&out, (size_t)MP_FRAME_MAX + 1), MP_ELIMIT);
  assert_int_equal(out.length, 9);
  mp_buffer_free(&out);
}

static void the_sheets_pieces_become_two_frames(void **state) {
  (void)state;
  static const char *const pieces[] = {"00", "0005", "0102", "030405000001", "ff"};
  mp_frames frames;
  mp_frames_init(&frames, false);
  for (size_t i = 0; i < COUNT(pieces); i++) {
    feed_hex(&frames, pieces[i]);
    if (i == 3) next_is(&frames, "0102030405");
    if (i == 4) next_is(&frames, "ff");
    next_gives(&frames, 0);
  }
  mp_frames_free(&frames);
}

static const char stream[] = "45440001 000004 0802080c 57410603 000002 aabb 000001 cc 000003 010203";

static void any_split_gives_the_same_frames(void **state) {
  (void)state;
  mp_buffer bytes = from_hex(stream);
  for (size_t first = 0; first <= bytes.length; first++) {
    for (size_t second = first; second <= bytes.length; second++) {
      static const char *const expected[] = {"aabb", "cc", "010203"};
      const size_t cuts[] = {0, first, second, bytes.length};
      size_t got = 0;
      mp_frames frames;
      mp_frames_init(&frames, true);
      for (int i = 0; i < 3; i++) {
        const uint8_t *frame;
        size_t length;
        mp_error e;
        feed(&frames, bytes.data + cuts[i], cuts[i + 1] - cuts[i]);
        while (mp_frames_next(&frames, &frame, &length, &e) == 1) assert_hex(frame, length, expected[got++]);
      }
      assert_int_equal(got, 3);
      assert_hex(frames.routing.data, frames.routing.length, "0802080c");
      mp_frames_free(&frames);
    }
  }
  mp_buffer_free(&bytes);
}

static void one_byte_at_a_time_works(void **state) {
  (void)state;
  mp_buffer bytes = from_hex(stream);
  mp_frames frames;
  int got = 0;
  mp_frames_init(&frames, true);
  for (size_t i = 0; i < bytes.length; i++) {
    const uint8_t *frame;
    size_t length;
    mp_error e;
    feed(&frames, bytes.data + i, 1);
    got += mp_frames_next(&frames, &frame, &length, &e);
  }
  assert_int_equal(got, 3);
  mp_frames_free(&frames);
  mp_buffer_free(&bytes);
}

static void a_stream_without_the_header_is_refused_at_its_first_wrong_byte(void **state) {
  (void)state;
  static const char *const wrong[] = {"00",
                                      "47455420",
                                      "5742",
                                      "574107",
                                      "57410602",
                                      "4544000257",
                                      "16030100",
                                      "4500",
                                      "5741060457",
                                      "45440101",
                                      "45440001000000 45440001000000"};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    mp_frames frames;
    mp_frames_init(&frames, true);
    feed_hex(&frames, wrong[i]);
    next_gives(&frames, MP_EMALFORMED);
    next_gives(&frames, MP_EMALFORMED);
    mp_frames_free(&frames);
  }
}

static void a_client_expects_no_header(void **state) {
  (void)state;
  mp_frames frames;
  mp_frames_init(&frames, false);
  feed_hex(&frames, "000001 57");
  next_is(&frames, "57");
  mp_frames_free(&frames);
}

static void empty_routing_info_counts_as_none(void **state) {
  (void)state;
  mp_frames frames;
  mp_frames_init(&frames, true);
  feed_hex(&frames, "45440001000000 57410603 000001 aa");
  next_is(&frames, "aa");
  assert_int_equal(frames.routing.length, 0);
  mp_frames_free(&frames);
}

static void routing_info_has_a_limit(void **state) {
  (void)state;
  mp_frames frames;
  mp_frames_init(&frames, true);
  feed_hex(&frames, "45440001 ffffff");
  next_gives(&frames, MP_ELIMIT);
  mp_frames_free(&frames);
}

static void a_frame_of_no_bytes_is_refused(void **state) {
  (void)state;
  mp_frames frames;
  mp_frames_init(&frames, false);
  feed_hex(&frames, "000000");
  next_gives(&frames, MP_EMALFORMED);
  mp_frames_free(&frames);
}

static void sixteen_megabytes_announced_before_login_are_refused(void **state) {
  (void)state;
  mp_frames frames;
  mp_frames_init(&frames, true);
  feed_hex(&frames, "57410603 ffffff");
  next_gives(&frames, MP_ELIMIT);
  assert_true(frames.stream.capacity < 1024);
  mp_frames_free(&frames);
}

static void a_stranger_may_send_64_kib_in_all(void **state) {
  (void)state;
  static const uint8_t zeros[1024] = {0};
  mp_frames frames;
  mp_error e;
  mp_frames_init(&frames, false);
  for (int i = 0; i < 64; i++) feed(&frames, zeros, sizeof zeros);
  assert_int_equal(mp_frames_feed(&frames, "x", 1, &e), MP_ELIMIT);
  assert_true(frames.stream.capacity <= 128u * 1024);
  mp_frames_free(&frames);
}

static void after_the_handshake_the_largest_frame_comes_in_pieces_and_memory_follows_the_data(void **state) {
  (void)state;
  static uint8_t piece[60000];
  mp_frames frames;
  const uint8_t *frame;
  size_t length, left = MP_FRAME_MAX;
  mp_error e;
  mp_frames_init(&frames, false);
  frames.established = true;
  feed_hex(&frames, "ffffff");
  next_gives(&frames, 0);
  assert_true(frames.stream.capacity < 1024);
  memset(piece, 0x5a, sizeof piece);
  while (left > 0) {
    size_t part = left < sizeof piece ? left : sizeof piece;
    next_gives(&frames, 0);
    feed(&frames, piece, part);
    left -= part;
  }
  assert_int_equal(mp_frames_next(&frames, &frame, &length, &e), 1);
  assert_int_equal(length, MP_FRAME_MAX);
  assert_int_equal(frame[length - 1], 0x5a);
  next_gives(&frames, 0);
  feed_hex(&frames, "000001 aa");
  assert_true(frames.stream.capacity < 1024); /* the large block was given back */
  next_is(&frames, "aa");
  mp_frames_free(&frames);
}

static void closed_frames_say_so(void **state) {
  (void)state;
  mp_frames frames;
  mp_error e;
  mp_frames_init(&frames, false);
  feed_hex(&frames, "000001 aa 000001");
  next_is(&frames, "aa");
  mp_frames_free(&frames);
  next_gives(&frames, MP_ECLOSED);
  assert_int_equal(mp_frames_feed(&frames, "x", 1, &e), MP_ECLOSED);
  mp_frames_free(&frames);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_opening_is_the_sheets),
      cmocka_unit_test(the_header_is_the_noise_prologue),
      cmocka_unit_test(a_frames_length_is_three_bytes),
      cmocka_unit_test(the_sheets_pieces_become_two_frames),
      cmocka_unit_test(any_split_gives_the_same_frames),
      cmocka_unit_test(one_byte_at_a_time_works),
      cmocka_unit_test(a_stream_without_the_header_is_refused_at_its_first_wrong_byte),
      cmocka_unit_test(a_client_expects_no_header),
      cmocka_unit_test(empty_routing_info_counts_as_none),
      cmocka_unit_test(routing_info_has_a_limit),
      cmocka_unit_test(a_frame_of_no_bytes_is_refused),
      cmocka_unit_test(sixteen_megabytes_announced_before_login_are_refused),
      cmocka_unit_test(a_stranger_may_send_64_kib_in_all),
      cmocka_unit_test(after_the_handshake_the_largest_frame_comes_in_pieces_and_memory_follows_the_data),
      cmocka_unit_test(closed_frames_say_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
