// The chain's inner loops, compiled once per instruction set. All give the same bits.
#pragma once

#include <cstdint>

#include "signal/lanes.hpp"

namespace seizurekit::signal {

/// A second-order section, a0 = 1.
struct Section {
  double b0, b1, b2, a1, a2;
};

/// Input rows and weights of one output row.
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
  /* Samples of `lanes` channels to rows, and back. */                                                                \
  void interleave(const float* const* channels, std::int64_t count, Row* out);                                        \
  void deinterleave(const Row* x, std::int64_t count, float* const* channels);                                        \
  void add(Row* x, std::int64_t count, const Row& offset);                                                            \
  /* y[i] = sum of weights[t] * x[t] over t < taps, of window i. Windows are in one array, ascending, and less than   \
     `taps` apart. */                                                                                                 \
  void fir(const Window* windows, std::int64_t count, std::int64_t taps, Row* y);                                     \
  /* out[k] = a[k] + fraction * (b[k] - a[k]) */                                                                      \
  void interpolate_taps(const float* a, const float* b, float fraction, std::int64_t count, float* out);              \
  /* Sections in cascade over the first channels, in place, direct form II transposed; state[section][2][lane]. */    \
  void filter(Row* x, std::int64_t count, std::int64_t channels, const Section* sections, std::int64_t section_count, \
              double* state);                                                                                         \
  Moments moments(const float* x, std::int64_t count);                                                                \
  /* x = (x - mean) * inverse_std, clipped to +-clip, 0 if NaN. */                                                    \
  void normalize(float* x, std::int64_t count, double mean, double inverse_std, float clip);                          \
  /* out = x * inverse_step, rounded to nearest, ties to even, clipped to +-32767, 0 if NaN. */                       \
  void quantize(const float* x, std::int64_t count, float inverse_step, std::int16_t* out);                           \
  bool all_finite(const float* x, std::int64_t count);                                                                \
  }

SEIZUREKIT_SIGNAL_KERNELS(baseline)
#ifdef SEIZUREKIT_X86_LEVELS
SEIZUREKIT_SIGNAL_KERNELS(avx2)
SEIZUREKIT_SIGNAL_KERNELS(avx512)
#endif

}  // namespace seizurekit::signal
