// float to and from bfloat16 and IEEE 754 binary16, rounded to nearest, ties to even: the same bits on every CPU.
// For *.simd.cpp files only; everything here has internal linkage, so each file has its own copy.
#pragma once

#include <cstdint>

namespace seizurekit::SEIZUREKIT_ISA {
namespace {

inline float float_from_bits(std::uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_from_bfloat16(std::uint16_t half) {
  return float_from_bits(static_cast<std::uint32_t>(half) << 16U);
}

inline float float_from_float16(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16U;
  const std::uint32_t rest = (half & 0x7FFFU) << 13U;
  // The product corrects the exponent's bias and normalizes subnormal numbers.
  const std::uint32_t finite = bits_of(float_from_bits(rest) * 0x1p112F);
  const std::uint32_t special = rest | 0x7F800000U;  // infinity or NaN
  return float_from_bits(sign | (rest >= 0x0F800000U ? special : finite));
}

/// `value` must not be NaN.
inline std::uint16_t bfloat16_from_number(float value) {
  const std::uint32_t bits = bits_of(value);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U);
}

inline std::uint16_t bfloat16_from_float(float value) {
  const bool is_nan = (bits_of(value) & 0x7FFFFFFFU) > 0x7F800000U;
  return is_nan ? std::uint16_t{0x7FC0} : bfloat16_from_number(value);
}

/// Magnitude of the binary16; `magnitude` are the bits of a float from 0 to below 65520.
inline std::uint32_t float16_from_small(std::uint32_t magnitude) {
  const std::uint32_t normal = (magnitude - 0x38000000U + 0x0FFFU + ((magnitude >> 13U) & 1U)) >> 13U;
  // Adding 1/2 rounds numbers below the smallest normal one to a multiple of the smallest subnormal one.
  const std::uint32_t subnormal = bits_of(float_from_bits(magnitude) + 0.5F) - 0x3F000000U;
  return magnitude < 0x38800000U ? subnormal : normal;
}

/// `value` must be below 65520 in magnitude.
inline std::uint16_t float16_from_small(float value) {
  const std::uint32_t bits = bits_of(value);
  return static_cast<std::uint16_t>(((bits >> 16U) & 0x8000U) | float16_from_small(bits & 0x7FFFFFFFU));
}

inline std::uint16_t float16_from_float(float value) {
  const std::uint32_t bits = bits_of(value);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  std::uint32_t half = float16_from_small(magnitude);
  half = magnitude >= 0x477FF000U ? 0x7C00U : half;  // 65520 and above round to infinity
  half = magnitude > 0x7F800000U ? 0x7E00U : half;
  return static_cast<std::uint16_t>(((bits >> 16U) & 0x8000U) | half);
}

}  // namespace
}  // namespace seizurekit::SEIZUREKIT_ISA
