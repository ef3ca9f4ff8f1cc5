// The causal convolution and its gradients over lines of times.
#include "ops/kernels.hpp"
#include "ops/lanes.hpp"

namespace seizurekit::ops::SEIZUREKIT_ISA {
namespace {

/// Sums at `count` times from `t`.
template <int width, bool whole, typename Real>
inline Lanes<Real> line_sums(const Real* x, const Real* taps, Real bias, std::int64_t t, int count) {
  Lanes<Real> sum = Lanes<Real>{} + bias;
  for (int k = 0; k < width; ++k) {
    sum += taps[k] * load<whole>(x + t + k, count);
  }
  return sum;
}

/// Calls `compute` for groups of times: `whole` groups of lane_count, then the rest.
template <typename Compute>
inline void for_each_group(std::int64_t count, Compute&& compute) {
  std::int64_t t = 0;
  for (; t + lane_count <= count; t += lane_count) {
    compute.template operator()<true>(t, lane_count);
  }
  if (t < count) {
    compute.template operator()<false>(t, static_cast<int>(count - t));
  }
}

template <int width, bool silu, typename Real>
void filter_line_of(const Real* __restrict x, const Real* taps, Real bias, std::int64_t count, Real* __restrict out) {
  for_each_group(count, [=]<bool whole>(std::int64_t t, int group) {
    Lanes<Real> y = line_sums<width, whole>(x, taps, bias, t, group);
    if constexpr (silu) {
      y *= sigmoid(y);
    }
    store<whole>(y, group, out + t);
  });
}

template <int width, typename Real>
void silu_backward_line_of(const Real* __restrict x, const Real* taps, Real bias, std::int64_t count,
                           const Real* __restrict dy, Real* __restrict out) {
  for_each_group(count, [=]<bool whole>(std::int64_t t, int group) {
    const Lanes<Real> pre = line_sums<width, whole>(x, taps, bias, t, group);
    const Lanes<Real> s = sigmoid(pre);
    store<whole>(load<whole>(dy + t, group) * s * (pre * (1 - s) + 1), group, out + t);
  });
}

template <int width, typename Real>
LineSums<Real> products_line_of(const Real* __restrict x, const Real* __restrict dpre, std::int64_t count) {
  constexpr int parts = 16;  // independent sums; their number does not depend on the vector width
  Real sums[width + 1][parts] = {};
  std::int64_t t = 0;
  for (; t + parts <= count; t += parts) {
    for (int part = 0; part < parts; ++part) {
      sums[width][part] += dpre[t + part];
      for (int k = 0; k < width; ++k) {
        sums[k][part] += dpre[t + part] * x[t + part + k];
      }
    }
  }
  LineSums<Real> total{};
  for (int part = 0; part < parts; ++part) {
    total.bias += sums[width][part];
    for (int k = 0; k < width; ++k) {
      total.taps[k] += sums[k][part];
    }
  }
  for (; t < count; ++t) {
    total.bias += dpre[t];
    for (int k = 0; k < width; ++k) {
      total.taps[k] += dpre[t] * x[t + k];
    }
  }
  return total;
}

template <int width, typename Real>
void filter_line_of(const Real* x, const Real* taps, Real bias, std::int64_t count, bool silu, Real* out) {
  silu ? filter_line_of<width, true>(x, taps, bias, count, out)
       : filter_line_of<width, false>(x, taps, bias, count, out);
}

}  // namespace

// Calls the function for the width, so that its loops are unrolled.
#define SEIZUREKIT_BY_WIDTH(function, ...) \
  switch (width) {                         \
    case 2:                                \
      return function<2>(__VA_ARGS__);     \
    case 3:                                \
      return function<3>(__VA_ARGS__);     \
    default:                               \
      return function<4>(__VA_ARGS__);     \
  }

// NOLINTBEGIN(bugprone-macro-parentheses): the argument is a type
#define SEIZUREKIT_FOR(Real)                                                                                          \
  void filter_line(const Real* x, const Real* taps, Real bias, int width, std::int64_t count, bool silu, Real* out) { \
    SEIZUREKIT_BY_WIDTH(filter_line_of, x, taps, bias, count, silu, out)                                              \
  }                                                                                                                   \
  void silu_backward_line(                                                                                            \
      const Real* x, const Real* taps, Real bias, int width, std::int64_t count, const Real* dy,                      \
      Real* out){SEIZUREKIT_BY_WIDTH(silu_backward_line_of, x, taps, bias, count, dy, out)} LineSums<Real>            \
      products_line(const Real* x, const Real* dpre, int width, std::int64_t count) {                                 \
    SEIZUREKIT_BY_WIDTH(products_line_of, x, dpre, count)                                                             \
  }
// NOLINTEND(bugprone-macro-parentheses)

SEIZUREKIT_FOR(float)
SEIZUREKIT_FOR(double)

}  // namespace seizurekit::ops::SEIZUREKIT_ISA
