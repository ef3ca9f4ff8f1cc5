// Numbers side by side in one register, and the sigmoid of them: for *.simd.cpp alone, where everything here is a copy
// of the file's own.
#pragma once

#include <cstdint>

#ifdef __SSE2__
#include <immintrin.h>  // whose functions are never but inlined
#endif

namespace seizurekit::ops::SEIZUREKIT_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

template <typename Real>
struct Vector {
  using Type [[gnu::vector_size(kLanes * sizeof(Real))]] = Real;
};

/// Channels, or times, that are computed side by side.
template <typename Real>
using Lanes = Vector<Real>::Type;

/// The first `count` numbers, zeros after them; `whole` promises that they are as many as there are lanes.
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
  for (int i = 0; i < kLanes; ++i) {
    x[i] = 1 / (1 + __builtin_exp(-x[i]));
  }
  return x;
}

/// 1 / x for x from 1 to 2^126, within a unit in the last place: the processor's estimate of 14 or 12 bits, bettered.
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

/// p * 2^n, n being the low bits of `shifted`.
inline Lanes<float> scaled(Lanes<float> p, Lanes<float> shifted) {
  using Bits [[gnu::vector_size(sizeof p)]] = std::uint32_t;
  const Bits bits = reinterpret_cast<Bits>(p) + (reinterpret_cast<Bits>(shifted) << 23);
  return reinterpret_cast<Lanes<float>>(bits);
}

/// 1 / (1 + e^-x), 0 below -87: e^-x = 2^n e^r with |r| <= ln 2 / 2, and for e^r a polynomial that is right within 1e-7
/// (fitted for the least largest relative error).
inline Lanes<float> sigmoid(Lanes<float> x) {
  constexpr float to_integer = 12582912.0F;  // 1.5 * 2^23: adding it leaves no bits for a fraction
  const Lanes<float> limit = Lanes<float>{} + 87;
  const Lanes<float> within = limit < x ? limit : x;  // so that infinity less infinity does not come about
  const Lanes<float> shifted = within * -1.44269504F + to_integer;
  const Lanes<float> n = shifted - to_integer;
  const Lanes<float> r = (-within - n * 0.693359375F) - n * -2.12194440e-4F;  // ln 2 in two parts, the first exact
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
