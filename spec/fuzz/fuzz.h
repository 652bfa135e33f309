/* What the fuzz targets share. Each feeds libFuzzer's bytes to one decoder and checks what must hold of any input: a target that
 * only looks for crashes would miss a decoder that lies. */
#ifndef MOONPOST_SPEC_FUZZ_H
#define MOONPOST_SPEC_FUZZ_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* A property that does not hold is a finding: libFuzzer keeps the input when the process aborts. */
#define HOLDS(property)                                                             \
  do {                                                                              \
    if (!(property)) {                                                              \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #property); \
      abort();                                                                      \
    }                                                                               \
  } while (0)

/* A small generator, seeded from the input, for choices that need not be steered byte by byte. */
static inline uint32_t next_choice(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

#endif
