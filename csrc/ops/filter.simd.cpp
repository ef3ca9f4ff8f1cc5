// The causal convolution and its gradients over rows of channels and lines of times.
#include "ops/kernels.hpp"

namespace seizurekit::ops::SEIZUREKIT_ISA {
namespace {

inline double exponential(double x) { return __builtin_exp(x); }

// e^x within 2 units in the last place: 2^n e^r with |r| <= ln 2 / 2 and a polynomial of degree 6 (Cephes, Moshier
// 1989).
inline float exponential(float x) {
  constexpr float to_integer = 12582912.0F;  // 1.5 * 2^23: adding it leaves no bits for a fraction
  const float above = x < -87.0F ? -87.0F : x;
  const float within = above > 88.0F ? 88.0F : above;
  const float shifted = within * 1.44269504F + to_integer;
  const float n = shifted - to_integer;
  const float r = (within - n * 0.693359375F) - n * -2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  std::uint32_t bits;
  std::uint32_t exponent;
  __builtin_memcpy(&bits, &p, sizeof bits);
  __builtin_memcpy(&exponent, &shifted, sizeof exponent);
  bits += exponent << 23U;  // the low bits of `shifted` are n
  float scaled;
  __builtin_memcpy(&scaled, &bits, sizeof scaled);
  return scaled;
}

template <typename Real>
inline Real sigmoid(Real x) {
  return Real{1} / (Real{1} + exponential(-x));
}

template <typename Real>
inline Real silu_of(Real x) {
  return x / (Real{1} + exponential(-x));
}

template <typename Real>
inline Real silu_derivative(Real x) {
  const Real s = sigmoid(x);
  return s * (Real{1} + x * (Real{1} - s));
}

template <int width, typename Real>
inline Real row_sum(const Real* const* rows, const Real* taps, const Real* bias, std::int64_t channels,
                    std::int64_t d) {
  Real sum = bias == nullptr ? Real{0} : bias[d];
  for (int k = 0; k < width; ++k) {
    sum += taps[k * channels + d] * rows[k][d];
  }
  return sum;
}

template <int width, typename Real>
inline Real line_sum(const Real* __restrict x, const Real* taps, Real bias, std::int64_t t) {
  Real sum = bias;
  for (int k = 0; k < width; ++k) {
    sum += taps[k] * x[t + k];
  }
  return sum;
}

template <int width, typename Real>
void filter_rows_of(const Real* const* rows, const Real* taps, const Real* bias, std::int64_t channels,
                    std::int64_t count, bool silu, Real* const* out) {
  for (std::int64_t t = 0; t < count; ++t) {
    Real* __restrict y = out[t];
    if (silu) {
#pragma GCC ivdep
      for (std::int64_t d = 0; d < channels; ++d) {
        y[d] = silu_of(row_sum<width>(rows + t, taps, bias, channels, d));
      }
    } else {
#pragma GCC ivdep
      for (std::int64_t d = 0; d < channels; ++d) {
        y[d] = row_sum<width>(rows + t, taps, bias, channels, d);
      }
    }
  }
}

template <int width, typename Real>
void filter_line_of(const Real* __restrict x, const Real* taps, Real bias, std::int64_t count, bool silu,
                    Real* __restrict out) {
  if (silu) {
    for (std::int64_t t = 0; t < count; ++t) {
      out[t] = silu_of(line_sum<width>(x, taps, bias, t));
    }
  } else {
    for (std::int64_t t = 0; t < count; ++t) {
      out[t] = line_sum<width>(x, taps, bias, t);
    }
  }
}

template <int width, typename Real>
void silu_backward_rows_of(const Real* const* rows, const Real* taps, const Real* bias, std::int64_t channels,
                           std::int64_t count, const Real* const* dy, Real* const* out) {
  for (std::int64_t t = 0; t < count; ++t) {
    const Real* __restrict gradient = dy[t];
    Real* __restrict result = out[t];
#pragma GCC ivdep
    for (std::int64_t d = 0; d < channels; ++d) {
      result[d] = gradient[d] * silu_derivative(row_sum<width>(rows + t, taps, bias, channels, d));
    }
  }
}

template <int width, typename Real>
void silu_backward_line_of(const Real* __restrict x, const Real* taps, Real bias, std::int64_t count,
                           const Real* __restrict dy, Real* __restrict out) {
  for (std::int64_t t = 0; t < count; ++t) {
    out[t] = dy[t] * silu_derivative(line_sum<width>(x, taps, bias, t));
  }
}

template <int width, typename Real>
void add_products_rows_of(const Real* const* rows, const Real* const* dpre, std::int64_t channels, std::int64_t count,
                          Real* __restrict tap_sums, Real* __restrict bias_sums) {
  // Some channels at a time, whose sums stay in registers over all times.
  constexpr std::int64_t together = 16;
  std::int64_t begin = 0;
  for (; begin + together <= channels; begin += together) {
    Real sums[width + 1][together] = {};
    for (std::int64_t t = 0; t < count; ++t) {
      for (std::int64_t d = 0; d < together; ++d) {
        const Real gradient = dpre[t][begin + d];
        sums[width][d] += gradient;
        for (int k = 0; k < width; ++k) {
          sums[k][d] += gradient * rows[t + k][begin + d];
        }
      }
    }
    for (std::int64_t d = 0; d < together; ++d) {
      bias_sums[begin + d] += sums[width][d];
      for (int k = 0; k < width; ++k) {
        tap_sums[k * channels + begin + d] += sums[k][d];
      }
    }
  }
  for (; begin < channels; ++begin) {
    for (std::int64_t t = 0; t < count; ++t) {
      const Real gradient = dpre[t][begin];
      bias_sums[begin] += gradient;
      for (int k = 0; k < width; ++k) {
        tap_sums[k * channels + begin] += gradient * rows[t + k][begin];
      }
    }
  }
}

template <int width, typename Real>
LineSums<Real> products_line_of(const Real* __restrict x, const Real* __restrict dpre, std::int64_t count) {
  constexpr std::int64_t parts = 16;  // sums that do not wait for one another, as many whatever the width of a vector
  Real sums[width + 1][parts] = {};
  std::int64_t t = 0;
  for (; t + parts <= count; t += parts) {
    for (std::int64_t part = 0; part < parts; ++part) {
      sums[width][part] += dpre[t + part];
      for (int k = 0; k < width; ++k) {
        sums[k][part] += dpre[t + part] * x[t + part + k];
      }
    }
  }
  LineSums<Real> total{};
  for (std::int64_t part = 0; part < parts; ++part) {
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

}  // namespace

// Each function for every width, which the loops are unrolled by.
#define SEIZUREKIT_BY_WIDTH(function, ...)  \
  switch (width) {                          \
    case 2:                                 \
      return function##_of<2>(__VA_ARGS__); \
    case 3:                                 \
      return function##_of<3>(__VA_ARGS__); \
    default:                                \
      return function##_of<4>(__VA_ARGS__); \
  }

#define SEIZUREKIT_FOR(Real)                                                                                          \
  void filter_rows(const Real* const* rows, const Real* taps, const Real* bias, int width, std::int64_t channels,     \
                   std::int64_t count, bool silu, Real* const* out) {                                                 \
    SEIZUREKIT_BY_WIDTH(filter_rows, rows, taps, bias, channels, count, silu, out)                                    \
  }                                                                                                                   \
  void filter_line(const Real* x, const Real* taps, Real bias, int width, std::int64_t count, bool silu, Real* out) { \
    SEIZUREKIT_BY_WIDTH(filter_line, x, taps, bias, count, silu, out)                                                 \
  }                                                                                                                   \
  void silu_backward_rows(const Real* const* rows, const Real* taps, const Real* bias, int width,                     \
                          std::int64_t channels, std::int64_t count, const Real* const* dy, Real* const* out) {       \
    SEIZUREKIT_BY_WIDTH(silu_backward_rows, rows, taps, bias, channels, count, dy, out)                               \
  }                                                                                                                   \
  void silu_backward_line(const Real* x, const Real* taps, Real bias, int width, std::int64_t count, const Real* dy,  \
                          Real* out) {                                                                                \
    SEIZUREKIT_BY_WIDTH(silu_backward_line, x, taps, bias, count, dy, out)                                            \
  }                                                                                                                   \
  void add_products_rows(const Real* const* rows, const Real* const* dpre, int width, std::int64_t channels,          \
                         std::int64_t count, Real* tap_sums, Real* bias_sums){                                        \
      SEIZUREKIT_BY_WIDTH(add_products_rows, rows, dpre, channels, count, tap_sums, bias_sums)} LineSums<Real>        \
      products_line(const Real* x, const Real* dpre, int width, std::int64_t count) {                                 \
    SEIZUREKIT_BY_WIDTH(products_line, x, dpre, count)                                                                \
  }

SEIZUREKIT_FOR(float)
SEIZUREKIT_FOR(double)

}  // namespace seizurekit::ops::SEIZUREKIT_ISA
