/* Memory for Lua: a state makes and drops tables and strings of a few small sizes without end. Those come from slabs, one list of
 * free blocks for each size, the rest from malloc. One thread. */
#ifndef MOONPOST_BASE_POOL_H
#define MOONPOST_BASE_POOL_H
#include <stddef.h>

#define MP_POOL_STEP 16  /* bytes between two sizes */
#define MP_POOL_SIZES 16 /* 16 to 256 bytes */

typedef struct mp_pool_block {
  struct mp_pool_block *next;
} mp_pool_block;

typedef struct {
  mp_pool_block *unused[MP_POOL_SIZES];
  mp_pool_block *slabs; /* all of them, for the end */
  char *at, *end;       /* what is left of the newest slab */
} mp_pool;              /* all zero at the start */

/* A lua_Alloc: makes, resizes and (new_size 0) frees a block. `old_size` is exact unless `old` is NULL. NULL without memory. */
void *mp_pool_resize(void *pool, void *old, size_t old_size, size_t new_size);
/* Frees the slabs; the blocks in them are gone. */
void mp_pool_free(mp_pool *pool);

#endif
