// bfloat16 and IEEE binary16 to and from float by their bits: the same on every processor, and vectorised.
#include "ops/kernels.hpp"

namespace seizurekit::ops::SEIZUREKIT_ISA {
namespace {

inline float as_float(std::uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

inline std::uint32_t as_bits(float value) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

}  // namespace

void from_bfloat16(const std::uint16_t* __restrict x, std::int64_t count, float* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = as_float(static_cast<std::uint32_t>(x[i]) << 16U);
  }
}

void to_bfloat16(const float* __restrict x, std::int64_t count, std::uint16_t* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t bits = as_bits(x[i]);
    const std::uint32_t rounded = (bits + 0x7FFFU + ((bits >> 16U) & 1U)) >> 16U;
    const bool nan = (bits & 0x7FFFFFFFU) > 0x7F800000U;
    out[i] = static_cast<std::uint16_t>(nan ? 0x7FC0U : rounded);
  }
}

void from_float16(const std::uint16_t* __restrict x, std::int64_t count, float* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t sign = (x[i] & 0x8000U) << 16U;
    const std::uint32_t rest = (x[i] & 0x7FFFU) << 13U;
    // The product puts the exponent's bias right, and makes subnormal numbers normal.
    const std::uint32_t finite = as_bits(as_float(rest) * 0x1p112F);
    const std::uint32_t special = rest | 0x7F800000U;  // infinite, or not a number
    out[i] = as_float(sign | (rest >= 0x0F800000U ? special : finite));
  }
}

void to_float16(const float* __restrict x, std::int64_t count, std::uint16_t* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t bits = as_bits(x[i]);
    const std::uint32_t sign = (bits >> 16U) & 0x8000U;
    const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
    const std::uint32_t normal = (magnitude - 0x38000000U + 0x0FFFU + ((magnitude >> 13U) & 1U)) >> 13U;
    // Adding 1/2 rounds what is below the smallest normal number to a multiple of the smallest subnormal one.
    const std::uint32_t subnormal = as_bits(as_float(magnitude) + 0.5F) - 0x3F000000U;
    std::uint32_t half = magnitude < 0x38800000U ? subnormal : normal;
    half = magnitude >= 0x477FF000U ? 0x7C00U : half;  // 65520 and above round to infinity
    half = magnitude > 0x7F800000U ? 0x7E00U : half;
    out[i] = static_cast<std::uint16_t>(sign | half);
  }
}

}  // namespace seizurekit::ops::SEIZUREKIT_ISA
