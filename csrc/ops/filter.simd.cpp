// The causal convolution and its gradients over rows of channels and lines of times.
#include "ops/kernels.hpp"

namespace seizurekit::ops::SEIZUREKIT_ISA {
namespace {

constexpr std::int64_t kLanes = 16;

template <typename Real>
struct Vector {
  using Type [[gnu::vector_size(kLanes * sizeof(Real))]] = Real;
};

/// Channels that are computed side by side.
template <typename Real>
using Lanes = Vector<Real>::Type;

template <typename Real>
inline Lanes<Real> lanes(const Real* x) {
  Lanes<Real> loaded;
  __builtin_memcpy(&loaded, x, sizeof loaded);
  return loaded;
}

template <typename Values, typename Real>
inline void put(Values x, Real* out) {
  __builtin_memcpy(out, &x, sizeof x);
}

inline double exponential(double x) { return __builtin_exp(x); }

inline Lanes<double> exponential(Lanes<double> x) {
  for (int i = 0; i < kLanes; ++i) {
    x[i] = __builtin_exp(x[i]);
  }
  return x;
}

// e^x within 2 units in the last place: 2^n e^r with |r| <= ln 2 / 2 and a polynomial of degree 6 (Cephes, Moshier
// 1989).
template <typename Floats, typename Bits>
inline Floats exponential_of(Floats x) {
  constexpr float to_integer = 12582912.0F;  // 1.5 * 2^23: adding it leaves no bits for a fraction
  const Floats lowest = Floats{} - 87.0F;
  const Floats highest = Floats{} + 88.0F;
  const Floats above = x < lowest ? lowest : x;
  const Floats within = above > highest ? highest : above;
  const Floats shifted = within * 1.44269504F + to_integer;
  const Floats n = shifted - to_integer;
  const Floats r = (within - n * 0.693359375F) - n * -2.12194440e-4F;
  Floats p = 1.9875691500e-4F * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  Bits bits;
  Bits exponent;
  __builtin_memcpy(&bits, &p, sizeof bits);
  __builtin_memcpy(&exponent, &shifted, sizeof exponent);
  bits += exponent << 23;  // the low bits of `shifted` are n
  Floats scaled;
  __builtin_memcpy(&scaled, &bits, sizeof scaled);
  return scaled;
}

inline float exponential(float x) { return exponential_of<float, std::uint32_t>(x); }
inline Lanes<float> exponential(Lanes<float> x) { return exponential_of<Lanes<float>, Lanes<std::uint32_t>>(x); }

template <typename Values>
inline Values silu_of(Values x) {
  return x / (exponential(-x) + 1);
}

template <typename Values>
inline Values silu_derivative(Values x) {
  const Values s = 1 / (exponential(-x) + 1);
  return s * (x * (1 - s) + 1);
}

template <int width, typename Real>
inline Real line_sum(const Real* __restrict x, const Real* taps, Real bias, std::int64_t t) {
  Real sum = bias;
  for (int k = 0; k < width; ++k) {
    sum += taps[k] * x[t + k];
  }
  return sum;
}

/// The sums of `kLanes` channels, one time after the other: taps, bias and the rows seen last stay in registers.
template <int width, typename Real>
class LaneSums {
 public:
  LaneSums(const Real* const* rows, const Real* taps, const Real* bias, std::int64_t channels, std::int64_t begin)
      : rows_(rows), begin_(begin) {
    for (int k = 0; k < width; ++k) {
      taps_[k] = lanes(taps + k * channels + begin);
    }
    bias_ = bias == nullptr ? Lanes<Real>{} : lanes(bias + begin);
    for (int k = 1; k < width; ++k) {
      seen_[k] = lanes(rows[k - 1] + begin);
    }
  }

  Lanes<Real> next(std::int64_t t) {
    for (int k = 1; k < width; ++k) {
      seen_[k - 1] = seen_[k];
    }
    seen_[width - 1] = lanes(rows_[t + width - 1] + begin_);
    Lanes<Real> sum = bias_;
    for (int k = 0; k < width; ++k) {
      sum += taps_[k] * seen_[k];
    }
    return sum;
  }

 private:
  const Real* const* rows_;
  std::int64_t begin_;
  Lanes<Real> taps_[width];
  Lanes<Real> bias_;
  Lanes<Real> seen_[width];
};

/// Of the channels that do not fill all lanes.
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
void filter_rows_of(const Real* const* rows, const Real* taps, const Real* bias, std::int64_t channels,
                    std::int64_t count, bool silu, Real* const* out) {
  std::int64_t begin = 0;
  for (; begin + kLanes <= channels; begin += kLanes) {
    LaneSums<width, Real> sums(rows, taps, bias, channels, begin);
    if (silu) {
      for (std::int64_t t = 0; t < count; ++t) {
        put(silu_of(sums.next(t)), out[t] + begin);
      }
    } else {
      for (std::int64_t t = 0; t < count; ++t) {
        put(sums.next(t), out[t] + begin);
      }
    }
  }
  for (std::int64_t t = 0; t < count; ++t) {
    for (std::int64_t d = begin; d < channels; ++d) {
      const Real sum = row_sum<width>(rows + t, taps, bias, channels, d);
      out[t][d] = silu ? silu_of(sum) : sum;
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
  std::int64_t begin = 0;
  for (; begin + kLanes <= channels; begin += kLanes) {
    LaneSums<width, Real> sums(rows, taps, bias, channels, begin);
    for (std::int64_t t = 0; t < count; ++t) {
      put(lanes(dy[t] + begin) * silu_derivative(sums.next(t)), out[t] + begin);
    }
  }
  for (std::int64_t t = 0; t < count; ++t) {
    for (std::int64_t d = begin; d < channels; ++d) {
      out[t][d] = dy[t][d] * silu_derivative(row_sum<width>(rows + t, taps, bias, channels, d));
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

// NOLINTBEGIN(bugprone-macro-parentheses): the argument is a type
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

// NOLINTEND(bugprone-macro-parentheses)

SEIZUREKIT_FOR(float)
SEIZUREKIT_FOR(double)

}  // namespace seizurekit::ops::SEIZUREKIT_ISA
