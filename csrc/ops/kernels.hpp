// The causal convolution's inner loops, one copy for each instruction set.
#pragma once

#include <cstdint>

namespace seizurekit::ops {

/// The sums over a stretch of a line that the gradients of a filter and its bias are made of.
template <typename Real>
struct LineSums {
  Real taps[4];
  Real bias;
};

// Rows: `channels` neighbouring channels at one time; rows[t + k] lies under tap k of time t, taps[k * channels + d].
// Lines: one channel at `count` neighbouring times; x[t + k] lies under tap k of time t.
// NOLINTBEGIN(bugprone-macro-parentheses): the argument is a type
#define SEIZUREKIT_OPS_KERNELS_OF(Real)                                                                              \
  /* out[t] = bias + sum of taps times rows, and SiLU of it where wanted; bias may be null. */                       \
  void filter_rows(const Real* const* rows, const Real* taps, const Real* bias, int width, std::int64_t channels,    \
                   std::int64_t count, bool silu, Real* const* out);                                                 \
  void filter_line(const Real* x, const Real* taps, Real bias, int width, std::int64_t count, bool silu, Real* out); \
  /* out[t] = dy[t] times the derivative of SiLU at what it is taken of. */                                          \
  void silu_backward_rows(const Real* const* rows, const Real* taps, const Real* bias, int width,                    \
                          std::int64_t channels, std::int64_t count, const Real* const* dy, Real* const* out);       \
  void silu_backward_line(const Real* x, const Real* taps, Real bias, int width, std::int64_t count, const Real* dy, \
                          Real* out);                                                                                \
  /* Adds to tap_sums[k][d] the products of dpre and the rows under tap k, to bias_sums[d] dpre. */                  \
  void add_products_rows(const Real* const* rows, const Real* const* dpre, int width, std::int64_t channels,         \
                         std::int64_t count, Real* tap_sums, Real* bias_sums);                                       \
  LineSums<Real> products_line(const Real* x, const Real* dpre, int width, std::int64_t count);

// NOLINTEND(bugprone-macro-parentheses)

#define SEIZUREKIT_OPS_KERNELS(isa)                                                      \
  namespace isa {                                                                        \
  SEIZUREKIT_OPS_KERNELS_OF(float)                                                       \
  SEIZUREKIT_OPS_KERNELS_OF(double)                                                      \
  /* Between float and the bits of bfloat16 and IEEE binary16, to nearest, ties even. */ \
  void from_bfloat16(const std::uint16_t* x, std::int64_t count, float* out);            \
  void to_bfloat16(const float* x, std::int64_t count, std::uint16_t* out);              \
  void from_float16(const std::uint16_t* x, std::int64_t count, float* out);             \
  void to_float16(const float* x, std::int64_t count, std::uint16_t* out);               \
  }

SEIZUREKIT_OPS_KERNELS(baseline)
#ifdef SEIZUREKIT_X86_LEVELS
SEIZUREKIT_OPS_KERNELS(avx2)
SEIZUREKIT_OPS_KERNELS(avx512)
#endif

#undef SEIZUREKIT_OPS_KERNELS
#undef SEIZUREKIT_OPS_KERNELS_OF

}  // namespace seizurekit::ops
