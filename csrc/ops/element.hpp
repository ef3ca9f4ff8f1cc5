// Element types of sequences, and the type to compute with.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/causal_conv1d.hpp"
#include "ops/kernels.hpp"
#include "support/isa.hpp"

namespace seizurekit::ops {

struct BFloat16 {
  std::uint16_t bits;
};

struct Float16 {
  std::uint16_t bits;
};

template <typename Element>
struct ComputeType {
  using Real = float;
};

template <>
struct ComputeType<double> {
  using Real = double;
};

template <typename Element>
using RealOf = ComputeType<Element>::Real;

/// Whether elements need no conversion.
template <typename Element>
inline constexpr bool is_real = std::is_same_v<Element, RealOf<Element>>;

inline void load(const float* x, std::int64_t count, float* out) { std::copy_n(x, count, out); }
inline void load(const double* x, std::int64_t count, double* out) { std::copy_n(x, count, out); }
inline void load(const BFloat16* x, std::int64_t count, float* out) {
  SEIZUREKIT_DISPATCH(from_bfloat16, reinterpret_cast<const std::uint16_t*>(x), count, out);
}
inline void load(const Float16* x, std::int64_t count, float* out) {
  SEIZUREKIT_DISPATCH(from_float16, reinterpret_cast<const std::uint16_t*>(x), count, out);
}

inline void store(const float* x, std::int64_t count, float* out) { std::copy_n(x, count, out); }
inline void store(const double* x, std::int64_t count, double* out) { std::copy_n(x, count, out); }
inline void store(const float* x, std::int64_t count, BFloat16* out) {
  SEIZUREKIT_DISPATCH(to_bfloat16, x, count, reinterpret_cast<std::uint16_t*>(out));
}
inline void store(const float* x, std::int64_t count, Float16* out) {
  SEIZUREKIT_DISPATCH(to_float16, x, count, reinterpret_cast<std::uint16_t*>(out));
}

/// One converted element.
template <typename Element>
RealOf<Element> value_of(const Element* x) {
  RealOf<Element> value{};
  load(x, 1, &value);
  return value;
}

/// An element of the states [B * D, columns], in processing order; 0 if there are none.
template <typename Element>
RealOf<Element> state_at(const void* states, std::int64_t channel, std::int64_t columns, std::int64_t column) {
  return states == nullptr ? RealOf<Element>{0}
                           : value_of(static_cast<const Element*>(states) + channel * columns + column);
}

}  // namespace seizurekit::ops
