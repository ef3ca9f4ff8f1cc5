#include "edf/convert.hpp"

#include <cstddef>
#include <cstdint>

namespace seizurekit::edf::SEIZUREKIT_ISA {
namespace {

using Int16 __attribute__((aligned(1), may_alias)) = std::int16_t;

template <typename Sample>
void physical_int16(const Int16* __restrict in, std::ptrdiff_t count, double gain, double offset,
                    Sample* __restrict out) {
  for (std::ptrdiff_t i = 0; i < count; ++i) {
    out[i] = static_cast<Sample>((static_cast<double>(in[i]) + offset) * gain);
  }
}

std::int32_t sample24(const unsigned char* in) {
  const auto bits = static_cast<std::uint32_t>(in[0]) << 8 | static_cast<std::uint32_t>(in[1]) << 16 |
                    static_cast<std::uint32_t>(in[2]) << 24;
  return static_cast<std::int32_t>(bits) >> 8;
}

#if defined(__SSSE3__) || defined(__aarch64__)
// Four samples at once: a shuffle moves each into the upper three bytes of a lane.
std::ptrdiff_t unpack_fours(const unsigned char* __restrict in, std::ptrdiff_t count, std::int32_t* __restrict out) {
  using Bytes = unsigned char __attribute__((vector_size(16)));
  using UnalignedBytes = unsigned char __attribute__((vector_size(16), aligned(1), may_alias));
  using Lanes = std::int32_t __attribute__((vector_size(16)));
  using UnalignedLanes = std::int32_t __attribute__((vector_size(16), aligned(4), may_alias));
  constexpr Bytes zero = {};
  std::ptrdiff_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const Bytes bytes = *reinterpret_cast<const UnalignedBytes*>(in + 3 * i);
    const auto lanes = reinterpret_cast<Lanes>(
        __builtin_shufflevector(bytes, zero, 16, 0, 1, 2, 16, 3, 4, 5, 16, 6, 7, 8, 16, 9, 10, 11));
    *reinterpret_cast<UnalignedLanes*>(out + i) = lanes >> 8;
  }
  return i;
}
#else
std::ptrdiff_t unpack_fours(const unsigned char*, std::ptrdiff_t, std::int32_t*) { return 0; }
#endif

void unpack(const unsigned char* in, std::ptrdiff_t count, std::int32_t* out) {
  for (std::ptrdiff_t i = unpack_fours(in, count, out); i < count; ++i) {
    out[i] = sample24(in + 3 * i);
  }
}

template <typename Sample>
void physical_int24(const unsigned char* in, std::ptrdiff_t count, double gain, double offset, Sample* __restrict out) {
  constexpr std::ptrdiff_t most = 512;
  std::int32_t digital[most];
  for (std::ptrdiff_t first = 0; first < count; first += most) {
    const std::ptrdiff_t block = count - first < most ? count - first : most;
    unpack(in + 3 * first, block, digital);
    for (std::ptrdiff_t i = 0; i < block; ++i) {
      out[first + i] = static_cast<Sample>((static_cast<double>(digital[i]) + offset) * gain);
    }
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
  unpack(static_cast<const unsigned char*>(in), count, out);
}

}  // namespace seizurekit::edf::SEIZUREKIT_ISA
