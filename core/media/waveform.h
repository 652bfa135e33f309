/* How loud a voice message is over its time, as apps draw it (fact sheet 05 §15.4): from samples as they come, in constant
 * memory. */
#ifndef MOONPOST_MEDIA_WAVEFORM_H
#define MOONPOST_MEDIA_WAVEFORM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MP_WAVEFORM_BARS 64
#define MP_WAVEFORM_PARTS 8192 /* the time is measured in 4096 to 8192 equal parts, however long it turns out to be */

typedef struct {
  uint64_t sums[MP_WAVEFORM_PARTS]; /* of the samples' absolute values */
  size_t parts;                     /* that are full */
  uint64_t each, in_last, samples;  /* samples of a part, of the one that fills, of all */
  uint8_t odd;                      /* the first half of a sample */
  bool has_odd;
} mp_waveform;

void mp_waveform_start(mp_waveform *w);
/* `length` bytes of samples: signed, 16 bits, little endian, one channel. */
void mp_waveform_add(mp_waveform *w, const uint8_t *bytes, size_t length);
/* The bars, each 0 to 100: means of equal stretches of time, the loudest 100. Silence is all 0. */
void mp_waveform_bars(const mp_waveform *w, uint8_t bars[MP_WAVEFORM_BARS]);

#endif
