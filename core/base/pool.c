#include "base/pool.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SLAB_SIZE ((size_t)32 * 1024)

#ifdef __SANITIZE_ADDRESS__
#define SMALL_MAX ((size_t)0) /* the sanitizer watches blocks of malloc only */
#else
#define SMALL_MAX ((size_t)MP_POOL_STEP * MP_POOL_SIZES)
#endif

static size_t list_of(size_t size) {
  return (size - 1) / MP_POOL_STEP;
}

static bool is_small(size_t size) {
  return size > 0 && size <= SMALL_MAX;
}

static void give_back(mp_pool *pool, void *memory, size_t list) {
  mp_pool_block *block = memory;
  block->next = pool->unused[list];
  pool->unused[list] = block;
}

/* Begins a new slab; the rest of the old one serves smaller sizes. */
static int new_slab(mp_pool *pool) {
  size_t rest = (size_t)(pool->end - pool->at);
  mp_pool_block *slab = malloc(SLAB_SIZE);
  if (slab == NULL) return -1;
  if (rest > 0) give_back(pool, pool->at, list_of(rest));
  slab->next = pool->slabs;
  pool->slabs = slab;
  pool->at = (char *)slab + MP_POOL_STEP;
  pool->end = (char *)slab + SLAB_SIZE;
  return 0;
}

static void *carve(mp_pool *pool, size_t size) {
  if ((size_t)(pool->end - pool->at) < size && new_slab(pool) != 0) return NULL;
  void *memory = pool->at;
  pool->at += size;
  return memory;
}

static void *take(mp_pool *pool, size_t size) {
  if (!is_small(size)) return malloc(size);
  size_t list = list_of(size);
  mp_pool_block *block = pool->unused[list];
  if (block == NULL) return carve(pool, (list + 1) * MP_POOL_STEP);
  pool->unused[list] = block->next;
  return block;
}

static void release(mp_pool *pool, void *memory, size_t size) {
  if (is_small(size)) {
    give_back(pool, memory, list_of(size));
  } else {
    free(memory);
  }
}

static void *resize(mp_pool *pool, void *old, size_t old_size, size_t new_size) {
  bool small = is_small(old_size);
  if (!small && !is_small(new_size)) return realloc(old, new_size);
  if (small && is_small(new_size) && list_of(old_size) == list_of(new_size)) return old;
  void *made = take(pool, new_size);
  if (made == NULL) return new_size <= old_size ? old : NULL; /* Lua counts on it that a block can become smaller */
  memcpy(made, old, old_size < new_size ? old_size : new_size);
  release(pool, old, old_size);
  return made;
}

void *mp_pool_resize(void *pool, void *old, size_t old_size, size_t new_size) {
  if (new_size > 0) return old == NULL ? take(pool, new_size) : resize(pool, old, old_size, new_size);
  if (old != NULL) release(pool, old, old_size);
  return NULL;
}

void mp_pool_free(mp_pool *pool) {
  while (pool->slabs != NULL) {
    mp_pool_block *next = pool->slabs->next;
    free(pool->slabs);
    pool->slabs = next;
  }
  memset(pool, 0, sizeof *pool);
}
