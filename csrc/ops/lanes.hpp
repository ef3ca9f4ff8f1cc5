// Vectors of numbers, and their sigmoid. For *.simd.cpp files only; everything here has internal linkage, so each file
// has its own copy.
#pragma once

#include <cstdint>

#ifdef __SSE2__
#include <immintrin.h>  // its functions are always inlined
#endif

namespace seizurekit::ops::SEIZUREKIT_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int lane_count = 16;
#elif defined(__AVX2__)
constexpr int lane_count = 8;
#else
constexpr int lane_count = 4;
#endif

template <typename Real>
struct Vector {
  using Type [[gnu::vector_size(lane_count * sizeof(Real))]] = Real;
};

/// Channels or times that are computed at once.
template <typename Real>
using Lanes = Vector<Real>::Type;

/// Loads `count` numbers and fills up with zeros. `whole`: count is lane_count.
template <bool whole, typename Real>
inline Lanes<Real> load(const Real* x, int count) {
  if constexpr (whole) {
    Lanes<Real> loaded;
    __builtin_memcpy(&loaded, x, sizeof loaded);
    return loaded;
  } else {
    Lanes<Real> loaded{};
    for (int i = 0; i < count; ++i) {
      loaded[i] = x[i];
    }
    return loaded;
  }
}

template <bool whole, typename Real>
inline void store(Lanes<Real> values, int count, Real* out) {
  if constexpr (whole) {
    __builtin_memcpy(out, &values, sizeof values);
  } else {
    for (int i = 0; i < count; ++i) {
      out[i] = values[i];
    }
  }
}

inline Lanes<double> sigmoid(Lanes<double> x) {
  for (int i = 0; i < lane_count; ++i) {
    x[i] = 1 / (1 + __builtin_exp(-x[i]));
  }
  return x;
}

/// 1 / x for x from 1 to 2^126, within one unit in the last place: the CPU's estimate of 12 or 14 bits, refined.
inline Lanes<float> reciprocal(Lanes<float> x) {
#if defined(__AVX512F__)
  const Lanes<float> y = _mm512_rcp14_ps(x);
  return y * (1 - x * y) + y;
#elif defined(__AVX2__)
  const Lanes<float> y = _mm256_rcp_ps(x);
  const Lanes<float> error = 1 - x * y;
  return y * (error * error + error) + y;
#else
  return 1 / x;
#endif
}

/// p * 2^n; n is in the low bits of `shifted`.
inline Lanes<float> scaled(Lanes<float> p, Lanes<float> shifted) {
  using Bits [[gnu::vector_size(sizeof p)]] = std::uint32_t;
  const Bits bits = reinterpret_cast<Bits>(p) + (reinterpret_cast<Bits>(shifted) << 23);
  return reinterpret_cast<Lanes<float>>(bits);
}

/// 1 / (1 + e^-x), 0 below -87. e^-x = 2^n e^r with |r| <= ln 2 / 2; a minimax polynomial computes e^r with a relative
/// error below 1e-7.
inline Lanes<float> sigmoid(Lanes<float> x) {
  constexpr float to_integer = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  const Lanes<float> limit = Lanes<float>{} + 87;
  const Lanes<float> within = limit < x ? limit : x;  // avoids infinity - infinity
  const Lanes<float> shifted = within * -1.44269504F + to_integer;
  const Lanes<float> n = shifted - to_integer;
  const Lanes<float> r = (-within - n * 0.693359375F) - n * -2.12194440e-4F;  // ln 2 in two parts, the first one exact
  Lanes<float> p = r * 8.29031505e-3F + 4.18979302e-2F;
  p = p * r + 1.66676357e-1F;
  p = p * r + 4.99991506e-1F;
  p = p * r + 9.99999702e-1F;
  p = p * r + 1;
  const Lanes<float> s = reciprocal(scaled(p, shifted) + 1);
  return x < -limit ? Lanes<float>{} : s;
}

}  // namespace
}  // namespace seizurekit::ops::SEIZUREKIT_ISA
