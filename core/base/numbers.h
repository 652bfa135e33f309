/* Big-endian numbers, as keys and values of rows hold them: they sort. */
#ifndef MOONPOST_BASE_NUMBERS_H
#define MOONPOST_BASE_NUMBERS_H
#include <stdint.h>

static inline void mp_put_u32(uint8_t out[4], uint32_t number) {
  for (int i = 0; i < 4; i++) out[i] = (uint8_t)(number >> (24 - 8 * i));
}

static inline uint32_t mp_get_u32(const uint8_t bytes[4]) {
  return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline void mp_put_u64(uint8_t out[8], uint64_t number) {
  mp_put_u32(out, (uint32_t)(number >> 32));
  mp_put_u32(out + 4, (uint32_t)number);
}

static inline uint64_t mp_get_u64(const uint8_t bytes[8]) {
  return (uint64_t)mp_get_u32(bytes) << 32 | mp_get_u32(bytes + 4);
}

#endif
