// The chain's inner loops, one copy for each instruction set; all copies give the same bits.
#pragma once

#include <cstdint>

#include "signal/lanes.hpp"

namespace seizurekit::signal {

/// A second-order section, a0 = 1.
struct Section {
  double b0, b1, b2, a1, a2;
};

/// Sum and sum of squares of a row.
struct Moments {
  double sum, sum_of_squares;
};

#define SEIZUREKIT_SIGNAL_KERNELS(isa)                                                                       \
  namespace isa {                                                                                            \
  /* y[lane] = sum over k of taps[k] * x[k * lanes + lane]; count is a multiple of 4. */                     \
  void fir(const float* x, const float* taps, int count, float* y);                                          \
  /* out[k] = a[k] + fraction * (b[k] - a[k]) */                                                             \
  void interpolate_taps(const float* a, const float* b, float fraction, int count, float* out);              \
  /* Sections in cascade over x[time][lane] in place, direct form II transposed; state[section][2][lane]. */ \
  void filter(float* x, std::int64_t count, const Section* sections, int section_count, double* state);      \
  Moments moments(const float* x, std::int64_t count);                                                       \
  /* x = (x - mean) * inverse_std, within +-clip, 0 where that is no number. */                              \
  void normalize(float* x, std::int64_t count, double mean, double inverse_std, float clip);                 \
  /* out = the nearest integer to x / step, ties to even, saturated. */                                      \
  void quantize(const float* x, std::int64_t count, float inverse_step, std::int16_t* out);                  \
  /* out[time * lanes + lane] = in[lane][time] */                                                            \
  void to_times(const float* const* in, std::int64_t count, float* out);                                     \
  /* out[channel][time] = in[time * lanes + channel], for the first so many channels. */                     \
  void to_channels(const float* in, std::int64_t count, std::int64_t channels, float* const* out);           \
  bool all_finite(const float* x, std::int64_t count);                                                       \
  }

SEIZUREKIT_SIGNAL_KERNELS(baseline)
#ifdef SEIZUREKIT_X86_LEVELS
SEIZUREKIT_SIGNAL_KERNELS(avx2)
SEIZUREKIT_SIGNAL_KERNELS(avx512)
#endif

}  // namespace seizurekit::signal
