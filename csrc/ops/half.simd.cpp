// Arrays of float to and from bfloat16 and IEEE 754 binary16.
#include "support/half.hpp"

#include "ops/kernels.hpp"

namespace seizurekit::ops::SEIZUREKIT_ISA {

namespace half = seizurekit::SEIZUREKIT_ISA;

void from_bfloat16(const std::uint16_t* __restrict x, std::int64_t count, float* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = half::float_from_bfloat16(x[i]);
  }
}

void to_bfloat16(const float* __restrict x, std::int64_t count, std::uint16_t* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = half::bfloat16_from_float(x[i]);
  }
}

void from_float16(const std::uint16_t* __restrict x, std::int64_t count, float* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = half::float_from_float16(x[i]);
  }
}

void to_float16(const float* __restrict x, std::int64_t count, std::uint16_t* __restrict out) {
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = half::float16_from_float(x[i]);
  }
}

}  // namespace seizurekit::ops::SEIZUREKIT_ISA
