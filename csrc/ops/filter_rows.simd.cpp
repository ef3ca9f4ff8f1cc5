// The causal convolution and its gradients over rows of channels.
#include "ops/kernels.hpp"
#include "ops/lanes.hpp"

namespace seizurekit::ops::SEIZUREKIT_ISA {
namespace {

/// Times that are computed before the next channels: each row is loaded once for all taps, and memory is read in few
/// long streams. Backward reads and writes three tensors.
constexpr int tile_times = 8;
constexpr int backward_tile_times = 4;

/// Prefetches the rows of the next tile: the CPU itself prefetches along a row, but not from one row to the next.
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

/// `count` channels from `first` at `times` times. `ahead`: another tile of as many times follows.
template <int width, int times, bool silu, bool whole, typename Real>
[[gnu::always_inline]] inline void filter_tile(const ForwardRows<Real>& r, std::int64_t t, std::int64_t first,
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
inline void filter_times(const ForwardRows<Real>& r, std::int64_t t) {
  std::int64_t first = 0;
  const bool ahead = times > 1 && t + times + times <= r.count;
  for (; first + lane_count <= r.channels; first += lane_count) {
    filter_tile<width, times, silu, true>(r, t, first, lane_count, ahead);
  }
  if (first < r.channels) {
    filter_tile<width, times, silu, false>(r, t, first, static_cast<int>(r.channels - first), ahead);
  }
}

template <int width, bool silu, typename Real>
void filter_rows_of(const ForwardRows<Real>& r) {
  std::int64_t t = 0;
  for (; t + tile_times <= r.count; t += tile_times) {
    filter_times<width, tile_times, silu>(r, t);
  }
  for (; t < r.count; ++t) {
    filter_times<width, 1, silu>(r, t);
  }
}

/// Like filter_tile.
template <int width, int times, bool silu, bool whole, typename Real>
[[gnu::always_inline]] inline void backward_tile(const BackwardRows<Real>& r, std::int64_t t, std::int64_t first,
                                                 int count, bool ahead) {
  constexpr int states = width - 1;
  const ForwardRows<Real>& f = r.forward;
  Lanes<Real> taps[width];
  Lanes<Real> sums[width + 1];
  Lanes<Real> x[width];
  Lanes<Real> dpre[width];  // oldest first
  for (int k = 0; k < width; ++k) {
    taps[k] = load<whole>(f.taps + k * f.tap_stride + first, count);
  }
  const Lanes<Real> bias = load<whole>(f.bias + first, count);
  for (int s = 0; s < states; ++s) {
    x[s + 1] = load<whole>(f.rows[t + s] + first, count);
    dpre[s + 1] = load<whole>(r.carry + s * f.channels + first, count);
  }
  for (int k = 0; k <= width; ++k) {
    sums[k] = load<whole>(r.sums + k * r.sum_stride + first, count);
  }
  if (ahead) {
    prefetch<times>(f.rows + t + times + states, first);
    prefetch<times>(r.dy + t + times, first);
  }
#pragma GCC unroll 8
  for (int i = 0; i < times; ++i) {
    for (int s = 0; s < states; ++s) {
      x[s] = x[s + 1];
      dpre[s] = dpre[s + 1];
    }
    x[states] = load<whole>(f.rows[t + i + states] + first, count);
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
    store<whole>(dx, count, f.out[t + i] + first);
  }
  for (int s = 0; s < states; ++s) {
    store<whole>(dpre[s + 1], count, r.carry + s * f.channels + first);
  }
  for (int k = 0; k <= width; ++k) {
    store<whole>(sums[k], count, r.sums + k * r.sum_stride + first);
  }
}

template <int width, int times, bool silu, typename Real>
inline void backward_times(const BackwardRows<Real>& r, std::int64_t t) {
  std::int64_t first = 0;
  const bool ahead = times > 1 && t + times + times <= r.forward.count;
  for (; first + lane_count <= r.forward.channels; first += lane_count) {
    backward_tile<width, times, silu, true>(r, t, first, lane_count, ahead);
  }
  if (first < r.forward.channels) {
    backward_tile<width, times, silu, false>(r, t, first, static_cast<int>(r.forward.channels - first), ahead);
  }
}

template <int width, bool silu, typename Real>
void backward_rows_of(const BackwardRows<Real>& r) {
  std::int64_t t = 0;
  for (; t + backward_tile_times <= r.forward.count; t += backward_tile_times) {
    backward_times<width, backward_tile_times, silu>(r, t);
  }
  for (; t < r.forward.count; ++t) {
    backward_times<width, 1, silu>(r, t);
  }
}

/// Calls `call` for the width and the activation, so that its loops are unrolled.
template <typename Rows, typename Call>
inline void unroll(const Rows& rows, Call call) {
  switch (rows.width) {
    case 2:
      return rows.silu ? call.template operator()<2, true>() : call.template operator()<2, false>();
    case 3:
      return rows.silu ? call.template operator()<3, true>() : call.template operator()<3, false>();
    default:
      return rows.silu ? call.template operator()<4, true>() : call.template operator()<4, false>();
  }
}

template <typename Real>
void filter(const ForwardRows<Real>& r) {
  unroll(r, [&]<int width, bool silu> { filter_rows_of<width, silu>(r); });
}

template <typename Real>
void backward(const BackwardRows<Real>& r) {
  unroll(r.forward, [&]<int width, bool silu> { backward_rows_of<width, silu>(r); });
}

}  // namespace

void filter_rows(const ForwardRows<float>& r) { filter(r); }
void filter_rows(const ForwardRows<double>& r) { filter(r); }
void backward_rows(const BackwardRows<float>& r) { backward(r); }
void backward_rows(const BackwardRows<double>& r) { backward(r); }

}  // namespace seizurekit::ops::SEIZUREKIT_ISA
