#include "media/waveform.h"

#include <stdlib.h>
#include <string.h>

void mp_waveform_start(mp_waveform *w) {
  memset(w, 0, sizeof *w);
  w->each = 1;
}

/* Two neighbours become one: half as many parts, each twice as long. */
static void merge(mp_waveform *w) {
  for (size_t i = 0; i < MP_WAVEFORM_PARTS / 2; i++) w->sums[i] = w->sums[2 * i] + w->sums[2 * i + 1];
  memset(w->sums + MP_WAVEFORM_PARTS / 2, 0, sizeof w->sums / 2);
  w->parts = MP_WAVEFORM_PARTS / 2;
  w->each *= 2;
}

static void add(mp_waveform *w, uint8_t low, uint8_t high) {
  int sample = (int16_t)(uint16_t)(low | high << 8);
  w->sums[w->parts] += (uint64_t)abs(sample);
  w->samples++;
  if (++w->in_last < w->each) return;
  w->in_last = 0;
  if (++w->parts == MP_WAVEFORM_PARTS) merge(w);
}

void mp_waveform_add(mp_waveform *w, const uint8_t *bytes, size_t length) {
  size_t at = 0;
  if (w->has_odd && length > 0) {
    add(w, w->odd, bytes[at++]);
    w->has_odd = false;
  }
  for (; at + 1 < length; at += 2) add(w, bytes[at], bytes[at + 1]);
  if (at < length) {
    w->odd = bytes[at];
    w->has_odd = true;
  }
}

/* The mean of what lies in the parts from `from` to before `to`; at least of one. */
static double mean(const mp_waveform *w, size_t from, size_t to) {
  uint64_t sum = 0;
  if (to == from) to++;
  for (size_t i = from; i < to; i++) sum += w->sums[i];
  return (double)sum / (double)(to - from);
}

void mp_waveform_bars(const mp_waveform *w, uint8_t bars[MP_WAVEFORM_BARS]) {
  double means[MP_WAVEFORM_BARS], loudest = 0;
  size_t parts = w->parts > 0 ? w->parts : 1; /* one that has begun counts only where it is the only one */
  for (size_t i = 0; i < MP_WAVEFORM_BARS; i++) {
    means[i] = mean(w, i * parts / MP_WAVEFORM_BARS, (i + 1) * parts / MP_WAVEFORM_BARS);
    if (means[i] > loudest) loudest = means[i];
  }
  for (size_t i = 0; i < MP_WAVEFORM_BARS; i++) bars[i] = loudest > 0 ? (uint8_t)(means[i] / loudest * 100) : 0;
}
