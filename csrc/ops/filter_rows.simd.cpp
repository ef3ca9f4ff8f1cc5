// The causal convolution and its gradients over rows of channels.
#include "ops/kernels.hpp"
#include "ops/lanes.hpp"

namespace seizurekit::ops::SEIZUREKIT_ISA {
namespace {

/// Times whose sums are taken together before the next channels' are: memory is then read in few long lines, and what
/// neighbouring times share is loaded once. Backward there are three tensors' lines.
constexpr int kTogether = 8;
constexpr int kBackwardTogether = 4;

/// Rows that the next tile of these channels reads first, asked for while this one is computed: the processor itself
/// looks ahead along a row, but not from the end of one to the row some lines on.
template <int times, typename Real>
[[gnu::always_inline]] inline void prefetch(const Real* const* rows, std::int64_t first) {
#pragma GCC unroll 8
  for (int i = 0; i < times; ++i) {
    __builtin_prefetch(rows[i] + first, 0, 2);
  }
}

template <int width, typename Real>
inline Lanes<Real> weighted(const Lanes<Real> (&taps)[width], Lanes<Real> bias, const Lanes<Real>* samples) {
  for (int k = 0; k < width; ++k) {
    bias += taps[k] * samples[k];
  }
  return bias;
}

/// `count` channels from `first` on at `times` times; `ahead` tells that as many times come after them.
template <int width, int times, bool silu, bool whole, typename Real>
[[gnu::always_inline]] inline void filter_tile(const FilteredRows<Real>& r, std::int64_t t, std::int64_t first,
                                               int count, bool ahead) {
  Lanes<Real> taps[width];
  for (int k = 0; k < width; ++k) {
    taps[k] = load<whole>(r.taps + k * r.tap_stride + first, count);
  }
  const Lanes<Real> bias = load<whole>(r.bias + first, count);
  Lanes<Real> x[times + width - 1];
  for (int i = 0; i < times + width - 1; ++i) {
    x[i] = load<whole>(r.rows[t + i] + first, count);
  }
  if (ahead) {
    prefetch<times>(r.rows + t + times + width - 1, first);
  }
#pragma GCC unroll 8
  for (int i = 0; i < times; ++i) {
    Lanes<Real> y = weighted<width, Real>(taps, bias, x + i);
    if constexpr (silu) {
      y *= sigmoid(y);
    }
    store<whole>(y, count, r.out[t + i] + first);
  }
}

template <int width, int times, bool silu, typename Real>
inline void filter_times(const FilteredRows<Real>& r, std::int64_t t) {
  std::int64_t first = 0;
  const bool ahead = times > 1 && t + times + times <= r.count;
  for (; first + kLanes <= r.channels; first += kLanes) {
    filter_tile<width, times, silu, true>(r, t, first, kLanes, ahead);
  }
  if (first < r.channels) {
    filter_tile<width, times, silu, false>(r, t, first, static_cast<int>(r.channels - first), ahead);
  }
}

template <int width, bool silu, typename Real>
void filter_rows_of(const FilteredRows<Real>& r) {
  std::int64_t t = 0;
  for (; t + kTogether <= r.count; t += kTogether) {
    filter_times<width, kTogether, silu>(r, t);
  }
  for (; t < r.count; ++t) {
    filter_times<width, 1, silu>(r, t);
  }
}

/// As filter_tile.
template <int width, int times, bool silu, bool whole, typename Real>
[[gnu::always_inline]] inline void backward_tile(const DifferentiatedRows<Real>& r, std::int64_t t, std::int64_t first,
                                                 int count, bool ahead) {
  constexpr int states = width - 1;
  const FilteredRows<Real>& of = r.of;
  Lanes<Real> taps[width];
  Lanes<Real> sums[width + 1];
  Lanes<Real> x[width];
  Lanes<Real> dpre[width];  // the newest last
  for (int k = 0; k < width; ++k) {
    taps[k] = load<whole>(of.taps + k * of.tap_stride + first, count);
  }
  const Lanes<Real> bias = load<whole>(of.bias + first, count);
  for (int s = 0; s < states; ++s) {
    x[s + 1] = load<whole>(of.rows[t + s] + first, count);
    dpre[s + 1] = load<whole>(r.held + s * of.channels + first, count);
  }
  for (int k = 0; k <= width; ++k) {
    sums[k] = load<whole>(r.sums + k * r.sum_stride + first, count);
  }
  if (ahead) {
    prefetch<times>(of.rows + t + times + states, first);
    prefetch<times>(r.dy + t + times, first);
  }
#pragma GCC unroll 8
  for (int i = 0; i < times; ++i) {
    for (int s = 0; s < states; ++s) {
      x[s] = x[s + 1];
      dpre[s] = dpre[s + 1];
    }
    x[states] = load<whole>(of.rows[t + i + states] + first, count);
    Lanes<Real> gradient = load<whole>(r.dy[t + i] + first, count);
    if constexpr (silu) {
      const Lanes<Real> pre = weighted<width, Real>(taps, bias, x);
      const Lanes<Real> s = sigmoid(pre);
      gradient *= s * (pre * (1 - s) + 1);
    }
    dpre[states] = gradient;
    sums[width] += gradient;
    for (int k = 0; k < width; ++k) {
      sums[k] += gradient * x[k];
    }
    Lanes<Real> dx = taps[0] * gradient;
    for (int k = 1; k < width; ++k) {
      dx += taps[k] * dpre[states - k];
    }
    store<whole>(dx, count, of.out[t + i] + first);
  }
  for (int s = 0; s < states; ++s) {
    store<whole>(dpre[s + 1], count, r.held + s * of.channels + first);
  }
  for (int k = 0; k <= width; ++k) {
    store<whole>(sums[k], count, r.sums + k * r.sum_stride + first);
  }
}

template <int width, int times, bool silu, typename Real>
inline void backward_times(const DifferentiatedRows<Real>& r, std::int64_t t) {
  std::int64_t first = 0;
  const bool ahead = times > 1 && t + times + times <= r.of.count;
  for (; first + kLanes <= r.of.channels; first += kLanes) {
    backward_tile<width, times, silu, true>(r, t, first, kLanes, ahead);
  }
  if (first < r.of.channels) {
    backward_tile<width, times, silu, false>(r, t, first, static_cast<int>(r.of.channels - first), ahead);
  }
}

template <int width, bool silu, typename Real>
void backward_rows_of(const DifferentiatedRows<Real>& r) {
  std::int64_t t = 0;
  for (; t + kBackwardTogether <= r.of.count; t += kBackwardTogether) {
    backward_times<width, kBackwardTogether, silu>(r, t);
  }
  for (; t < r.of.count; ++t) {
    backward_times<width, 1, silu>(r, t);
  }
}

/// Calls for the width and the activation, by which the loops are unrolled.
template <typename Rows, typename Call>
inline void unrolled(const Rows& of, Call call) {
  switch (of.width) {
    case 2:
      return of.silu ? call.template operator()<2, true>() : call.template operator()<2, false>();
    case 3:
      return of.silu ? call.template operator()<3, true>() : call.template operator()<3, false>();
    default:
      return of.silu ? call.template operator()<4, true>() : call.template operator()<4, false>();
  }
}

template <typename Real>
void filter(const FilteredRows<Real>& r) {
  unrolled(r, [&]<int width, bool silu> { filter_rows_of<width, silu>(r); });
}

template <typename Real>
void backward(const DifferentiatedRows<Real>& r) {
  unrolled(r.of, [&]<int width, bool silu> { backward_rows_of<width, silu>(r); });
}

}  // namespace

void filter_rows(const FilteredRows<float>& r) { filter(r); }
void filter_rows(const FilteredRows<double>& r) { filter(r); }
void backward_rows(const DifferentiatedRows<float>& r) { backward(r); }
void backward_rows(const DifferentiatedRows<double>& r) { backward(r); }

}  // namespace seizurekit::ops::SEIZUREKIT_ISA
