// The inner loops of the causal convolution, compiled once per instruction set.
#pragma once

#include <cstdint>

namespace seizurekit::ops {

/// Sums over a part of a line: the gradients of taps and bias.
template <typename Real>
struct LineSums {
  Real taps[4];
  Real bias;
};

/// Rows of `channels` neighboring channels for `count` times: tap k of time t multiplies rows[t + k].
template <typename Real>
struct ForwardRows {
  const Real* const* rows;
  const Real* taps;  // [width][channels], `tap_stride` apart
  const Real* bias;
  std::int64_t tap_stride, channels, count;
  int width;
  bool silu;
  Real* const* out;  // the sums, or SiLU of them
};

/// Backward. dx[t] is the gradient of rows[t], which the first tap of time t multiplies: later times do not depend on
/// it, and the gradients of earlier ones are in `carry`.
template <typename Real>
struct BackwardRows {
  ForwardRows<Real> forward;  // its `out` is dx
  const Real* const* dy;
  Real* carry;  // [width - 1][channels]: gradients of the sums at the previous times, oldest first
  Real* sums;   // [width, then the bias][channels], `sum_stride` apart: the gradients of taps and bias are added here
  std::int64_t sum_stride;
};

// Lines: one channel at `count` neighboring times; tap k of time t multiplies x[t + k].
// NOLINTBEGIN(bugprone-macro-parentheses): the argument is a type
#define SEIZUREKIT_OPS_KERNELS_OF(Real)                                                                              \
  void filter_rows(const ForwardRows<Real>& rows);                                                                   \
  void backward_rows(const BackwardRows<Real>& rows);                                                                \
  /* out[t] = bias + sum of taps * x, or SiLU of it. */                                                              \
  void filter_line(const Real* x, const Real* taps, Real bias, int width, std::int64_t count, bool silu, Real* out); \
  /* out[t] = dy[t] * derivative of SiLU at the sum of time t. */                                                    \
  void silu_backward_line(const Real* x, const Real* taps, Real bias, int width, std::int64_t count, const Real* dy, \
                          Real* out);                                                                                \
  LineSums<Real> products_line(const Real* x, const Real* dpre, int width, std::int64_t count);

// NOLINTEND(bugprone-macro-parentheses)

#define SEIZUREKIT_OPS_KERNELS(isa)                                                   \
  namespace isa {                                                                     \
  SEIZUREKIT_OPS_KERNELS_OF(float)                                                    \
  SEIZUREKIT_OPS_KERNELS_OF(double)                                                   \
  /* float to and from bfloat16 and IEEE binary16; round to nearest, ties to even. */ \
  void from_bfloat16(const std::uint16_t* x, std::int64_t count, float* out);         \
  void to_bfloat16(const float* x, std::int64_t count, std::uint16_t* out);           \
  void from_float16(const std::uint16_t* x, std::int64_t count, float* out);          \
  void to_float16(const float* x, std::int64_t count, std::uint16_t* out);            \
  }

SEIZUREKIT_OPS_KERNELS(baseline)
#ifdef SEIZUREKIT_X86_LEVELS
SEIZUREKIT_OPS_KERNELS(avx2)
SEIZUREKIT_OPS_KERNELS(avx512)
#endif

#undef SEIZUREKIT_OPS_KERNELS
#undef SEIZUREKIT_OPS_KERNELS_OF

}  // namespace seizurekit::ops
