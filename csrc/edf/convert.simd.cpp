#include "edf/convert.hpp"

#include <cstddef>
#include <cstdint>

namespace seizurekit::edf::SEIZUREKIT_ISA {
namespace {

using Int16 __attribute__((aligned(1), may_alias)) = std::int16_t;
using Int32 __attribute__((aligned(1), may_alias)) = std::int32_t;

template <typename Sample>
void physical_int16(const Int16* __restrict in, std::ptrdiff_t count, double gain, double offset,
                    Sample* __restrict out) {
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    out[i] = static_cast<Sample>((static_cast<double>(in[i]) + offset) * gain);
  }
}

// Four bytes are loaded; the shifts drop the highest, which is the next sample's, and spread the sign.
std::int32_t sample24(const unsigned char* in) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(*reinterpret_cast<const Int32*>(in)) << 8) >> 8;
}

template <typename Sample>
void physical_int24(const unsigned char* __restrict in, std::ptrdiff_t count, double gain, double offset,
                    Sample* __restrict out) {
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    out[i] = static_cast<Sample>((static_cast<double>(sample24(in + 3 * i)) + offset) * gain);
  }
}

}  // namespace

void convert_int16(const void* in, std::ptrdiff_t count, double gain, double offset, float* out) {
  physical_int16(static_cast<const Int16*>(in), count, gain, offset, out);
}

void convert_int16(const void* in, std::ptrdiff_t count, double gain, double offset, double* out) {
  physical_int16(static_cast<const Int16*>(in), count, gain, offset, out);
}

void convert_int16(const void* in, std::ptrdiff_t count, double, double, std::int32_t* out) {
  const auto* samples = static_cast<const Int16*>(in);
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    out[i] = samples[i];
  }
}

void convert_int24(const void* in, std::ptrdiff_t count, double gain, double offset, float* out) {
  physical_int24(static_cast<const unsigned char*>(in), count, gain, offset, out);
}

void convert_int24(const void* in, std::ptrdiff_t count, double gain, double offset, double* out) {
  physical_int24(static_cast<const unsigned char*>(in), count, gain, offset, out);
}

void convert_int24(const void* in, std::ptrdiff_t count, double, double, std::int32_t* out) {
  const auto* bytes = static_cast<const unsigned char*>(in);
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    out[i] = sample24(bytes + 3 * i);
  }
}

}  // namespace seizurekit::edf::SEIZUREKIT_ISA
