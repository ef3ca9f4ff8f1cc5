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

/// Rows of `channels` neighbouring channels, one for each of `count` times: rows[t + k] lies under tap k of time t.
template <typename Real>
struct FilteredRows {
  const Real* const* rows;
  const Real* taps;  // [width][channels], `tap_stride` apart
  const Real* bias;
  std::int64_t tap_stride, channels, count;
  int width;
  bool silu;
  Real* const* out;  // the sums, and SiLU of them where wanted
};

/// The same, backward: dx[t] is of the row that lies under the first tap of time t, since later times have no share in
/// its gradient, and earlier ones theirs in `held`.
template <typename Real>
struct DifferentiatedRows {
  FilteredRows<Real> of;  // whose `out` is dx
  const Real* const* dy;
  Real* held;  // [width - 1][channels]: the gradients of the sums at the latest times, the newest last
  Real* sums;  // [width, then the bias][channels], `sum_stride` apart: what is added to the gradients of taps and bias
  std::int64_t sum_stride;
};

// Lines: one channel at `count` neighbouring times; x[t + k] lies under tap k of time t.
// NOLINTBEGIN(bugprone-macro-parentheses): the argument is a type
#define SEIZUREKIT_OPS_KERNELS_OF(Real)                                                                              \
  void filter_rows(const FilteredRows<Real>& rows);                                                                  \
  void backward_rows(const DifferentiatedRows<Real>& rows);                                                          \
  /* out[t] = bias + sum of taps times x, and SiLU of it where wanted. */                                            \
  void filter_line(const Real* x, const Real* taps, Real bias, int width, std::int64_t count, bool silu, Real* out); \
  /* out[t] = dy[t] times the derivative of SiLU at what it is taken of. */                                          \
  void silu_backward_line(const Real* x, const Real* taps, Real bias, int width, std::int64_t count, const Real* dy, \
                          Real* out);                                                                                \
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
