#include "base/pool.h"
#include "unit.h"

static void fill(char *block, size_t size, char with) {
  memset(block, with, size);
}

static void check(const char *block, size_t size, char with) {
  for (size_t i = 0; i < size; i++) assert_int_equal(block[i], with);
}

static void test_keeps_the_content_through_every_size(void **state) {
  static const size_t sizes[] = {1, 16, 17, 100, 256, 257, 5000, 256, 40, 41, 3};
  mp_pool pool = {0};
  char *block = mp_pool_resize(&pool, NULL, 5, sizes[0]); /* for a new block Lua gives its kind instead of a size */
  (void)state;
  fill(block, sizes[0], 'x');
  for (size_t i = 1; i < COUNT(sizes); i++) {
    size_t kept = sizes[i] < sizes[i - 1] ? sizes[i] : sizes[i - 1];
    block = mp_pool_resize(&pool, block, sizes[i - 1], sizes[i]);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % MP_POOL_STEP, 0);
    check(block, kept, 'x');
    fill(block, sizes[i], 'x');
  }
  assert_null(mp_pool_resize(&pool, block, sizes[COUNT(sizes) - 1], 0));
  mp_pool_free(&pool);
}

static void test_gives_blocks_that_do_not_overlap(void **state) {
  enum { BLOCKS = 3000 };
  static char *blocks[BLOCKS];
  mp_pool pool = {0};
  (void)state;
  for (int round = 0; round < 2; round++) { /* the second time from what the first gave back */
    for (size_t i = 0; i < BLOCKS; i++) {
      blocks[i] = mp_pool_resize(&pool, NULL, 0, i % 300 + 1);
      assert_non_null(blocks[i]);
      fill(blocks[i], i % 300 + 1, (char)(i % 251));
    }
    for (size_t i = 0; i < BLOCKS; i++) {
      check(blocks[i], i % 300 + 1, (char)(i % 251));
      mp_pool_resize(&pool, blocks[i], i % 300 + 1, 0);
    }
  }
  mp_pool_free(&pool);
}

static void test_makes_nothing_of_nothing(void **state) {
  mp_pool pool = {0};
  (void)state;
  assert_null(mp_pool_resize(&pool, NULL, 0, 0));
  mp_pool_free(&pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_keeps_the_content_through_every_size),
      cmocka_unit_test(test_gives_blocks_that_do_not_overlap),
      cmocka_unit_test(test_makes_nothing_of_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
