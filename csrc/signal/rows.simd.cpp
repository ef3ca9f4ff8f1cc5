// Loops over the samples of one channel.
#include "signal/kernels.hpp"

namespace seizurekit::signal::SEIZUREKIT_ISA {

Moments moments(const float* x, std::int64_t count) {
  constexpr int parts = 16;  // independent sums; their number does not depend on the vector width
  double sum[parts] = {};
  double squares[parts] = {};
  std::int64_t i = 0;
  for (; i + parts <= count; i += parts) {
    for (int part = 0; part < parts; ++part) {
      const double value = x[i + part];
      sum[part] += value;
      squares[part] += value * value;
    }
  }
  Moments total{0.0, 0.0};
  for (int part = 0; part < parts; ++part) {
    total.sum += sum[part];
    total.sum_of_squares += squares[part];
  }
  for (; i < count; ++i) {
    const double value = x[i];
    total.sum += value;
    total.sum_of_squares += value * value;
  }
  return total;
}

void normalize(float* x, std::int64_t count, double mean, double inverse_std, float clip) {
  for (std::int64_t i = 0; i < count; ++i) {
    float value = static_cast<float>((x[i] - mean) * inverse_std);
    value = value == value ? value : 0.0F;
    value = value < -clip ? -clip : value;
    x[i] = value > clip ? clip : value;
  }
}

void quantize(const float* x, std::int64_t count, float inverse_step, std::int16_t* out) {
  constexpr float to_integer = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  for (std::int64_t i = 0; i < count; ++i) {
    const float value = x[i] * inverse_step;
    const float above = value < -32767.0F ? -32767.0F : value;
    const float within = above > 32767.0F ? 32767.0F : above;
    const float number = within == within ? within : 0.0F;
    out[i] = static_cast<std::int16_t>(static_cast<std::int32_t>((number + to_integer) - to_integer));
  }
}

bool all_finite(const float* x, std::int64_t count) {
  constexpr std::uint32_t exponent = 0x7F800000U;
  std::uint32_t found = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t bits;
    __builtin_memcpy(&bits, x + i, sizeof bits);
    found |= static_cast<std::uint32_t>((bits & exponent) == exponent);
  }
  return found == 0;
}

}  // namespace seizurekit::signal::SEIZUREKIT_ISA
