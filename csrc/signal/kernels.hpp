// The chain's inner loops, one copy for each instruction set; all copies give the same bits.
#pragma once

#include <cstdint>

#include "signal/lanes.hpp"

namespace seizurekit::signal {

/// A second-order section, a0 = 1.
struct Section {
  double b0, b1, b2, a1, a2;
};

/// Input rows and their weights, of which an output row is made.
struct Window {
  const Row* x;
  const float* weights;
};

/// Sum and sum of squares of a channel.
struct Moments {
  double sum, sum_of_squares;
};

#define SEIZUREKIT_SIGNAL_KERNELS(isa)                                                                                \
  namespace isa {                                                                                                     \
  /* Samples of `lanes` channels to one row a time, and back. */                                                      \
  void interleave(const float* const* channels, std::int64_t count, Row* out);                                        \
  void deinterleave(const Row* x, std::int64_t count, float* const* channels);                                        \
  void add(Row* x, std::int64_t count, const Row& offset);                                                            \
  /* y[i] = sum over t below taps of weights[t] * x[t] of the i-th window; x of one array, forward,                   \
     windows less than `taps` apart. */                                                                               \
  void fir(const Window* windows, std::int64_t count, std::int64_t taps, Row* y);                                     \
  /* out[k] = a[k] + fraction * (b[k] - a[k]) */                                                                      \
  void interpolate_taps(const float* a, const float* b, float fraction, std::int64_t count, float* out);              \
  /* Sections in cascade over the first channels in place, direct form II transposed; state[section][2][lane]. */     \
  void filter(Row* x, std::int64_t count, std::int64_t channels, const Section* sections, std::int64_t section_count, \
              double* state);                                                                                         \
  Moments moments(const float* x, std::int64_t count);                                                                \
  /* x = (x - mean) * inverse_std, within +-clip, 0 where that is no number. */                                       \
  void normalize(float* x, std::int64_t count, double mean, double inverse_std, float clip);                          \
  /* out = the nearest integer to x * inverse_step, ties to even, within +-32767, 0 where that is no number. */       \
  void quantize(const float* x, std::int64_t count, float inverse_step, std::int16_t* out);                           \
  bool all_finite(const float* x, std::int64_t count);                                                                \
  }

SEIZUREKIT_SIGNAL_KERNELS(baseline)
#ifdef SEIZUREKIT_X86_LEVELS
SEIZUREKIT_SIGNAL_KERNELS(avx2)
SEIZUREKIT_SIGNAL_KERNELS(avx512)
#endif

}  // namespace seizurekit::signal
